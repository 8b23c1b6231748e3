// SPDX-License-Identifier: Apache-2.0
#include "common/plan/sampling.h"

#include <math.h>

/* As many deviations as the opening rule asks for (common/dp/sampling.h). */
#define SIGMAS 6.0

double mien_plan_rate(const struct mien_plan *plan)
{
    if (plan->sampling == MIEN_PLAN_FIXED)
        return (double)plan->cohort / (double)plan->population;
    return plan->sampling == MIEN_PLAN_UNSAMPLED ? 1.0 : plan->rate;
}

static enum mien_status check_fixed(const struct mien_plan *plan, struct mien_err *err)
{
    const double m = (double)plan->cohort;

    if (plan->population < plan->cohort)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.sampling = fixed draws round.cohort (%u) of at least "
                            "round.population units: %u is less",
                            plan->cohort, plan->population);
    if (m * (1.0 - plan->drop_out) - SIGMAS * sqrt(m) < (double)plan->min_reports)
        return mien_err_set(err, MIEN_EINVAL,
                            "round.min_reports: expected at most %.0f with fixed samples of %u "
                            "and drop-outs of %g, so that no unit decides whether a round counts",
                            floor(m * (1.0 - plan->drop_out) - SIGMAS * sqrt(m)), plan->cohort,
                            plan->drop_out);
    return MIEN_OK;
}

static enum mien_status check_capped(const struct mien_plan *plan, struct mien_err *err)
{
    const double drawn = plan->rate * (double)plan->population;

    if (plan->cap < plan->min_reports || (double)plan->cap < drawn)
        return mien_err_set(err, MIEN_EINVAL,
                            "round.cap %u: expected at least round.min_reports (%u) and the "
                            "%.0f units drawn on average",
                            plan->cap, plan->min_reports, ceil(drawn));
    if (drawn * (1.0 - plan->drop_out) - SIGMAS * sqrt(drawn) < (double)plan->min_reports)
        return mien_err_set(err, MIEN_EINVAL,
                            "round.population: %u units are too few for a round to open with "
                            "round.min_reports %u",
                            plan->population, plan->min_reports);
    return MIEN_OK;
}

enum mien_status mien_plan_check_sampling(const struct mien_plan *plan, struct mien_err *err)
{
    if (plan->sampling < MIEN_PLAN_UNSAMPLED || plan->sampling > MIEN_PLAN_POISSON_CAPPED)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.sampling: expected none, poisson, fixed or poisson-capped");
    if (plan->sampling == MIEN_PLAN_UNSAMPLED && plan->rate < 1.0)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.sampling = none draws everybody: round.rate must be 1");
    if (plan->cap != 0 && plan->sampling != MIEN_PLAN_POISSON_CAPPED)
        return mien_err_set(err, MIEN_EINVAL,
                            "round.cap: expected 0 but with privacy.sampling = poisson-capped");
    if (plan->sampling == MIEN_PLAN_FIXED)
        return check_fixed(plan, err);
    return plan->sampling == MIEN_PLAN_POISSON_CAPPED ? check_capped(plan, err) : MIEN_OK;
}
