/* One training step of one network: its graph, its memory, its inputs.
 *
 * Shared by the device's trainer and the coordinator's.
 *
 * Threads: one at a time
 */
#ifndef MIEN_NN_STEP_H
#define MIEN_NN_STEP_H

#include "common/base/rng_seeded.h"
#include "common/nn/network.h"
#include "common/nn/optim.h"
#include "common/tensor/exec.h"

struct mien_step;

enum mien_step_kind { MIEN_STEP_DISCRIMINATOR, MIEN_STEP_GENERATOR };

/* Bytes that mien_step_new allocates.  errors  as mien_step_new */
MIEN_CHECK enum mien_status mien_step_bytes(const struct mien_plan *plan,
                                            const struct mien_layout *layout,
                                            enum mien_step_kind kind, uint32_t batch,
                                            uint64_t *bytes);

/* A step on `batch` pictures.
 *
 *   plan, layout  lent until mien_step_free
 *   out           given: end it with mien_step_free
 *   errors        MIEN_EINVAL  the plan's networks make no graph; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_step_new(const struct mien_plan *plan,
                                          const struct mien_layout *layout,
                                          enum mien_step_kind kind, uint32_t batch,
                                          struct mien_step **out);

void mien_step_free(struct mien_step *step);

/* Where a step's real pictures go: [batch, size, size, channels] and [batch, code size]; NULL for a
 * generator step. The code of generated pictures is drawn from fake_code, [batch, code size]. */
float *mien_step_pictures(struct mien_step *step);
float *mien_step_real_code(struct mien_step *step);
float *mien_step_fake_code(struct mien_step *step);

/* Draws the latents (and mixtures), computes loss and gradients at `values`. Allocates nothing.
 * errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_step_run(struct mien_step *step, const float *values,
                                          struct mien_rng_seeded *rng);

/* Loss of the last run. */
float mien_step_loss(const struct mien_step *step);

/* Applies the last run's gradients to the trained network's part of `values`: plain descent, or
 * Adam with moments over the whole vector when `moments` is not NULL. */
void mien_step_apply(const struct mien_step *step, float *values, double rate,
                     const struct mien_moments *moments);

#endif
