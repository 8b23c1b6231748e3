/* The model that a run starts from: fresh weights, or a public model's.
 *
 * Threads: any
 */
#ifndef MIEN_STORE_START_MODEL_H
#define MIEN_STORE_START_MODEL_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/plan/plan.h"

#include <stdint.h>

/* Adds the safetensors bytes of version 0 and gives H(model).
 *
 *   init_from  path of a model file whose tensors fit the plan, or "" for fresh weights
 *   rng        seeds fresh weights
 *   errors     MIEN_EINVAL  the file holds another model (err names the first tensor);
 *              MIEN_EPARSE, MIEN_ENOTFOUND, MIEN_EIO, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_start_model(const struct mien_plan *plan, const char *init_from,
                                             struct mien_rng *rng, struct mien_buf *file,
                                             uint8_t model_hash[32], struct mien_err *err);

#endif
