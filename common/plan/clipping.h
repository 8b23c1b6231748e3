/* How a plan clips, and what its coordinator does with averages.
 *
 * Threads: any
 */
#ifndef MIEN_PLAN_CLIPPING_H
#define MIEN_PLAN_CLIPPING_H

#include "common/plan/plan.h"

/* Whether the clip follows a quantile. */
bool mien_plan_clip_adapts(const struct mien_plan *plan);

/* sigma_b: deviation of the noise on the count of norms within the clip, in units; cohort / 20
 * unless the plan says otherwise. */
double mien_plan_clip_noise(const struct mien_plan *plan);

/* The parts of mien_plan_validate about clipping and the coordinator's optimiser.
 * errors  MIEN_EINVAL, MIEN_ELIMIT  (the sentence names the key and what was expected) */
MIEN_CHECK enum mien_status mien_plan_check_clipping(const struct mien_plan *plan,
                                                     struct mien_err *err);

#endif
