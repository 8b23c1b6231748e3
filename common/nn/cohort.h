/* One local step of many devices at once.
 *
 * Devices that take one step from the same parameters differ in their examples only: a cohort
 * scores the examples of all in one pass, and only the products that make gradients of weights are
 * done for each device apart (tensor/grad.h, mien_grad_groups). A lane is one device's place in it.
 * For whom it serves: the simulator, which has many devices in one process.
 *
 * A lane trains through a trainer like any other (mien_trainer_new_lane), with the device's own
 * random numbers, and gives the update that a trainer of its own would give, but for rounding:
 * products of more rows may sum in other blocks.
 *
 * Threads: a cohort and its lanes, one at a time
 */
#ifndef MIEN_NN_COHORT_H
#define MIEN_NN_COHORT_H

#include "common/nn/step.h"

struct mien_cohort;

/* Whether devices of the plan can go in lanes.
 *
 *   errors  MIEN_EINVAL  they cannot: err says why
 */
MIEN_CHECK enum mien_status mien_cohort_fits(const struct mien_plan *plan, struct mien_err *err);

/* A cohort of `lanes` devices under a plan (copied).
 *
 *   out     given: end it with mien_cohort_free, after its lanes
 *   errors  MIEN_EINVAL  as mien_cohort_fits, or no lanes; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_cohort_new(const struct mien_plan *plan, uint32_t lanes,
                                            struct mien_cohort **out);

void mien_cohort_free(struct mien_cohort *cohort);

/* The parameters that all lanes start at from now on.
 *
 *   values  [n_values] copied
 */
void mien_cohort_begin(struct mien_cohort *cohort, const float *values);

/* Computes the step of all lanes, those that hold no batch among them. */
MIEN_CHECK enum mien_status mien_cohort_run(struct mien_cohort *cohort);

/* For the trainer of a lane. */
const struct mien_plan *mien_cohort_plan(const struct mien_cohort *cohort);
struct mien_step *mien_cohort_step(struct mien_cohort *cohort);
const float *mien_cohort_values(const struct mien_cohort *cohort);
uint64_t mien_cohort_n_runs(const struct mien_cohort *cohort);

#endif
