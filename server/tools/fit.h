/* mien train's way with moments: the mean embedding of all faces, then the generator fitted to it.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_FIT_H
#define MIEN_TOOLS_FIT_H

#include "common/nn/trainer.h"
#include "server/tools/model_io.h"

/* Fits the generator and its average in `n_steps` steps; says the loss now and then.
 *
 *   central  the plan to train under (moments)
 *   model    in place
 *   errors   MIEN_ENOMEM, MIEN_ECRYPTO, what the examples return
 */
MIEN_CHECK enum mien_status mien_fit_moments(const struct mien_plan *central,
                                             const struct mien_examples *examples, uint64_t n_steps,
                                             uint64_t seed, struct mien_tool_model *model);

#endif
