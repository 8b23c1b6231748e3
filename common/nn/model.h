/* A model: named tensors over one flat vector of float32, the first network before the second.
 *
 * The layout follows from the plan alone. On the wire a model is the vector's little-endian bytes,
 * and H(model) is their SHA-256.
 *
 * Threads: a layout is read-only once made
 */
#ifndef MIEN_NN_MODEL_H
#define MIEN_NN_MODEL_H

#include "common/base/rng_seeded.h"
#include "common/base/span.h"
#include "common/plan/plan.h"
#include "common/tensor/graph.h"

#define MIEN_TENSOR_NAME_BYTES 24

/* "d.0.weight": network, layer, role. A discriminator is d, an encoder e, a generator or decoder g,
 * a classifier c, a language model l. */
struct mien_tensor {
    char name[MIEN_TENSOR_NAME_BYTES];
    struct mien_shape shape;
    uint64_t offset; /* in the flat vector */
    uint32_t fan_in; /* for the first values; 0: starts at `start` */
    float start;
};

/* Four tensors a layer at most (a recurrent one), and one for the code. */
#define MIEN_MODEL_MAX_TENSORS (8 * MIEN_PLAN_MAX_LAYERS + 1)

struct mien_layout {
    uint32_t n_tensors;
    struct mien_tensor tensor[MIEN_MODEL_MAX_TENSORS];
    uint64_t n_values; /* of the whole model */
    uint64_t n_d;      /* of the first network: the first n_d values; 0 without one */
    uint32_t n_d_tensors;
};

/* The layout of a valid plan.  errors  MIEN_EINVAL  the plan does not validate */
MIEN_CHECK enum mien_status mien_layout_init(struct mien_layout *out, const struct mien_plan *plan,
                                             struct mien_err *err);

/* Whether two layouts have the same tensors: names, shapes, places. */
bool mien_layout_same(const struct mien_layout *a, const struct mien_layout *b);

/* Fresh values: weights uniform within 1 / sqrt(fan in), norms 1, the rest 0.
 * values [n_values] out.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_model_start(const struct mien_layout *layout,
                                             struct mien_rng_seeded *rng, float *values);

/* Little-endian bytes of n values, and back.  bytes [4 n] */
void mien_model_to_bytes(const float *values, uint64_t n, uint8_t *bytes);
void mien_model_from_bytes(const uint8_t *bytes, uint64_t n, float *values);

/* H(model).  errors  MIEN_ECRYPTO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_model_digest(const float *values, uint64_t n, uint8_t out[32]);

/* Whether all n values are finite. */
bool mien_model_finite(const float *values, uint64_t n);

#endif
