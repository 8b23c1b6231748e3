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

bool mien_plan_limits_parts(const struct mien_plan *plan)
{
    return plan->min_separation > 1 || plan->max_participations > 0;
}

uint64_t mien_plan_fleet(const struct mien_plan *plan)
{
    const uint64_t apart =
        plan->min_separation < plan->rounds ? plan->min_separation : plan->rounds;
    const uint64_t k = plan->max_participations;
    const uint64_t often = k > 0 ? (plan->rounds + k - 1) / k : 1;

    return (uint64_t)plan->cohort * (apart > often ? apart : often);
}

/* What correlated noise is proven for: one integer sum after the other with rounded Gaussian noise,
 * units that take part by a rule that both sides keep. */
static enum mien_status check_correlated(const struct mien_plan *plan, struct mien_err *err)
{
    const bool table = plan->strategy != MIEN_PLAN_TREE;

    if (plan->sampling != MIEN_PLAN_UNSAMPLED)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.strategy: noise that is correlated over rounds has a proof "
                            "with privacy.sampling = none only");
    if (plan->mechanism != MIEN_PLAN_ROUNDED_GAUSSIAN ||
        plan->noise_by != MIEN_PLAN_NOISE_BY_COORDINATOR)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.strategy: correlated noise has a proof with "
                            "privacy.mechanism = rounded_gaussian by the coordinator only");
    if (plan->min_separation == 0 || plan->max_participations == 0)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.strategy: correlated noise needs privacy.min_separation and "
                            "privacy.max_participations of at least 1");
    if (!(plan->noise_multiplier > 0.0))
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.strategy: there is no noise to correlate with "
                            "privacy.noise_multiplier = 0");
    if (plan->clip_quantile > 0.0)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.clip_quantile: expected 0 with correlated noise, in which no "
                            "round's count of norms stands alone");
    if (table && plan->rounds > MIEN_PLAN_MAX_TABLE_ROUNDS)
        return mien_err_set(err, MIEN_ELIMIT,
                            "round.rounds: expected at most %d with privacy.strategy = banded or "
                            "blt, whose noise takes longer every round",
                            MIEN_PLAN_MAX_TABLE_ROUNDS);
    return MIEN_OK;
}

static enum mien_status check_parts(const struct mien_plan *plan, struct mien_err *err)
{
    if (plan->strategy < MIEN_PLAN_INDEPENDENT || plan->strategy > MIEN_PLAN_BLT)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.strategy: expected independent, tree, banded or blt");
    if (mien_plan_limits_parts(plan) && plan->sampling != MIEN_PLAN_UNSAMPLED)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.min_separation and privacy.max_participations: expected 1 and "
                            "0 but with privacy.sampling = none, since coins would depend on "
                            "earlier coins");
    return plan->strategy == MIEN_PLAN_INDEPENDENT ? MIEN_OK : check_correlated(plan, err);
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
    const enum mien_status status = check_parts(plan, err);
    if (status != MIEN_OK)
        return status;
    if (plan->sampling == MIEN_PLAN_FIXED)
        return check_fixed(plan, err);
    return plan->sampling == MIEN_PLAN_POISSON_CAPPED ? check_capped(plan, err) : MIEN_OK;
}
