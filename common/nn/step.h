/* One training step: its graph, its memory, its inputs.
 *
 * Shared by the device's trainer and the coordinator's.
 *
 * Threads: one at a time
 */
#ifndef MIEN_NN_STEP_H
#define MIEN_NN_STEP_H

#include "common/base/rng_seeded.h"
#include "common/nn/families.h"
#include "common/nn/optim.h"
#include "common/tensor/cost.h"
#include "common/tensor/exec.h"

struct mien_step;

enum mien_step_kind {
    MIEN_STEP_DISCRIMINATOR, /* a gan's first network */
    MIEN_STEP_GENERATOR,     /* a gan's second network */
    MIEN_STEP_WHOLE,         /* both networks of a family that is no gan */
    MIEN_STEP_EMBED,         /* the mean embedding of examples; trains nothing */
    MIEN_STEP_MATCH,         /* moments: the generator against a mean embedding */
};

/* Bytes that mien_step_new allocates, its workspace among them.  errors  as mien_step_new */
MIEN_CHECK enum mien_status mien_step_bytes(const struct mien_plan *plan,
                                            const struct mien_layout *layout,
                                            enum mien_step_kind kind, uint32_t batch,
                                            uint64_t *bytes);

/* Arithmetic and arenas of a step, total_bytes as mien_step_bytes.  errors  as mien_step_new */
MIEN_CHECK enum mien_status mien_step_cost(const struct mien_plan *plan,
                                           const struct mien_layout *layout,
                                           enum mien_step_kind kind, uint32_t batch,
                                           struct mien_cost *out);

/* A step on `batch` examples.
 *
 *   plan, layout  lent until mien_step_free
 *   out           given: end it with mien_step_free
 *   errors        MIEN_EINVAL  the plan's networks make no graph; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_step_new(const struct mien_plan *plan,
                                          const struct mien_layout *layout,
                                          enum mien_step_kind kind, uint32_t batch,
                                          struct mien_step **out);

/* The same in a workspace that steps share: what one gave is lost when another one runs.
 *
 *   workspace  lent until mien_step_free
 */
MIEN_CHECK enum mien_status mien_step_new_in(const struct mien_plan *plan,
                                             const struct mien_layout *layout,
                                             enum mien_step_kind kind, uint32_t batch,
                                             struct mien_workspace *workspace,
                                             struct mien_step **out);

/* A step of `groups` devices at once, all at the same values: `batch` examples of each, one below
 * the other, and a loss and gradients for each.
 *
 *   kind    MIEN_STEP_DISCRIMINATOR or MIEN_STEP_WHOLE
 *   errors  MIEN_EINVAL  also: the examples of a batch depend on each other (batch norm, charlm)
 */
MIEN_CHECK enum mien_status mien_step_new_groups(const struct mien_plan *plan,
                                                 const struct mien_layout *layout,
                                                 enum mien_step_kind kind, uint32_t batch,
                                                 uint32_t groups, struct mien_step **out);

void mien_step_free(struct mien_step *step);

/* Where a step's examples go: [batch, mien_plan_example_size] and [batch, code size]; NULL where it
 * has none. The code of generated pictures goes to fake_code, [batch, code size]; the embedding to
 * match to target, [2 features]. */
float *mien_step_examples(struct mien_step *step);
float *mien_step_real_code(struct mien_step *step);
float *mien_step_fake_code(struct mien_step *step);
float *mien_step_target(struct mien_step *step);

/* Draws the latents (and mixtures), computes loss and gradients at `values`. Allocates nothing.
 * errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_step_run(struct mien_step *step, const float *values,
                                          struct mien_rng_seeded *rng);

/* The two halves of a run of a step of groups: the latents of one, then all that is computed.
 * errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_step_draw(struct mien_step *step, uint32_t group,
                                           struct mien_rng_seeded *rng);
MIEN_CHECK enum mien_status mien_step_compute(struct mien_step *step, const float *values);

/* Of a step of groups: one's loss, and `values` - `rate` gradient of the trained tensors, which
 * alone are written. */
float mien_step_group_loss(const struct mien_step *step, uint32_t group);
void mien_step_group_apply(const struct mien_step *step, uint32_t group, float *values,
                           double rate);

/* Loss of the last run; of MIEN_STEP_EMBED the square of the embedding's length. */
float mien_step_loss(const struct mien_step *step);

/* The embedding of the last run, [2 features] (MIEN_STEP_EMBED). */
const float *mien_step_embedding(const struct mien_step *step);

/* The last run's gradients of the trained tensors, side by side as the model has them (not of
 * MIEN_STEP_EMBED).  gradient  [sum of their sizes] out */
void mien_step_gradient(const struct mien_step *step, float *gradient);

/* As mien_step_apply, with these gradients in place of the last run's. */
void mien_step_apply_given(const struct mien_step *step, const float *gradient, float *values,
                           double rate, const struct mien_moments *moments);

/* Applies the last run's gradients to the trained networks' part of `values`: plain descent, or
 * Adam with moments over the whole vector when `moments` is not NULL. */
void mien_step_apply(const struct mien_step *step, float *values, double rate,
                     const struct mien_moments *moments);

#endif
