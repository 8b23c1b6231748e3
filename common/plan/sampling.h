/* How a plan draws units, and how often.
 *
 * Threads: any
 */
#ifndef MIEN_PLAN_SAMPLING_H
#define MIEN_PLAN_SAMPLING_H

#include "common/plan/plan.h"

/* q as it is charged: round.rate, cohort / population of fixed samples, 1 without sampling. The
 * plan is valid. */
double mien_plan_rate(const struct mien_plan *plan);

/* Whether a unit may not take part in every round. */
bool mien_plan_limits_parts(const struct mien_plan *plan);

/* Units that all rounds of a plan with such limits need, each round having its cohort. */
uint64_t mien_plan_fleet(const struct mien_plan *plan);

/* The part of mien_plan_validate about sampling; fields are in range already.
 * errors  MIEN_EINVAL  (the sentence names the key and what was expected) */
MIEN_CHECK enum mien_status mien_plan_check_sampling(const struct mien_plan *plan,
                                                     struct mien_err *err);

#endif
