/* The safetensors file format, read strictly; values of float32 tensors only.
 *
 * A file is the length of a JSON header (u64, little-endian), the header, the tensors' bytes. The
 * reader trusts nothing: it refuses a header that lies about offsets, overlaps, leaves holes, names
 * a tensor twice or has more than fits below, and names the culprit. Tensors of other types may
 * stand beside (other programs' counters), but are not read. The strings of __metadata__ are opaque
 * here.
 *
 * Source:  github.com/huggingface/safetensors, README "Format"
 * Threads: an open file is read-only
 */
#ifndef MIEN_NN_SAFETENSORS_H
#define MIEN_NN_SAFETENSORS_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/tensor/graph.h"

/* More is no model of ours: two networks of MIEN_PLAN_MAX_LAYERS layers with an average. */
#define MIEN_SAFETENSORS_MAX_TENSORS 512
#define MIEN_SAFETENSORS_MAX_METADATA 32
#define MIEN_SAFETENSORS_MAX_HEADER (UINT64_C(1) << 20)

/* One tensor to write. */
struct mien_safetensors_item {
    const char *name;
    struct mien_shape shape;
    const float *values;
};

/* One string of __metadata__. */
struct mien_safetensors_pair {
    const char *key;
    const char *value;
};

/* Adds a file: the items' bytes in the order given.
 *
 *   errors  MIEN_ELIMIT  too many items or pairs, or a header over the limit; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_safetensors_encode(const struct mien_safetensors_item *items,
                                                    size_t n_items,
                                                    const struct mien_safetensors_pair *pairs,
                                                    size_t n_pairs, struct mien_buf *out);

struct mien_safetensors;

/* Checks a file's header and keeps what it says.
 *
 *   file    lent until mien_safetensors_free
 *   out     given: end it with mien_safetensors_free
 *   errors  MIEN_EPARSE  (err names what is wrong and where)
 *           MIEN_ELIMIT  more than the limits above
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_safetensors_open(struct mien_span file,
                                                  struct mien_safetensors **out,
                                                  struct mien_err *err);

void mien_safetensors_free(struct mien_safetensors *file);

/* The value of a key of __metadata__, or NULL. Valid until free. */
const char *mien_safetensors_metadata(const struct mien_safetensors *file, const char *key);

size_t mien_safetensors_n_tensors(const struct mien_safetensors *file);
bool mien_safetensors_has(const struct mien_safetensors *file, const char *name);

/* The shape of a tensor that could be read.
 *
 *   errors  MIEN_ENOTFOUND  no such tensor
 *           MIEN_EINVAL     it is no float32, empty, a scalar or of too many axes (err says which)
 */
MIEN_CHECK enum mien_status mien_safetensors_shape(const struct mien_safetensors *file,
                                                   const char *name, struct mien_shape *out,
                                                   struct mien_err *err);

/* Copies a tensor that must have this shape and finite values only.
 *
 *   values  [count of shape] out; unspecified on error
 *   errors  MIEN_ENOTFOUND  no such tensor
 *           MIEN_EINVAL     its type or shape is another (err says both)
 *           MIEN_EPARSE     a value is not finite
 */
MIEN_CHECK enum mien_status mien_safetensors_read(const struct mien_safetensors *file,
                                                  const char *name, const struct mien_shape *shape,
                                                  float *values, struct mien_err *err);

#endif
