/* A model as a safetensors file: discriminator, generator, the generator's running average.
 *
 * Tensors stand in plan order ("d.0.weight" ..., "g.0.weight" ..., "average.g.0.weight" ...), so
 * the first 4 n_values bytes behind the header are those that H(model) covers. The plan goes into
 * the metadata as text (key MIEN_MODEL_FILE_PLAN: base64url of its canonical bytes), made and read
 * by whoever knows wire/plan_codec.h.
 *
 * Threads: any
 */
#ifndef MIEN_NN_MODEL_FILE_H
#define MIEN_NN_MODEL_FILE_H

#include "common/nn/model.h"
#include "common/nn/safetensors.h"

/* Keys of the metadata. All but the plan are for readers; absent where there is nothing to say. */
#define MIEN_MODEL_FILE_PLAN "mien_plan"       /* canonical plan, base64url */
#define MIEN_MODEL_FILE_ROUND "mien_round"     /* released rounds so far, decimal */
#define MIEN_MODEL_FILE_EPSILON "mien_epsilon" /* spent, as reader, decimal */
#define MIEN_MODEL_FILE_DELTA "mien_delta"     /* of that epsilon, decimal */
#define MIEN_MODEL_FILE_TRAINING                                                                   \
    "mien_training" /* "public", "federated", "simulated, not private"                             \
                     */

/* No model file is longer: values of three networks, and a header. */
#define MIEN_MODEL_FILE_MAX_BYTES                                                                  \
    ((size_t)(MIEN_PLAN_MAX_PARAMETERS * 2 * sizeof(float) + MIEN_SAFETENSORS_MAX_HEADER + 8))

/* Adds a file.
 *
 *   values   [n_values]
 *   average  [n_values - n_d] of the generator, or NULL for none
 *   errors   MIEN_ELIMIT, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_model_file_encode(const struct mien_layout *layout,
                                                   const float *values, const float *average,
                                                   const struct mien_safetensors_pair *pairs,
                                                   size_t n_pairs, struct mien_buf *out);

/* Reads the values; the file must hold exactly this layout's tensors, with or without average.
 *
 *   values   [n_values] out
 *   average  [n_values - n_d] out, may be NULL; the generator itself where the file has no average
 *   errors   MIEN_ENOTFOUND, MIEN_EINVAL  another model's tensors (err names the first)
 *            MIEN_EPARSE                  a value is not finite
 */
MIEN_CHECK enum mien_status mien_model_file_read(const struct mien_safetensors *file,
                                                 const struct mien_layout *layout, float *values,
                                                 float *average, struct mien_err *err);

#endif
