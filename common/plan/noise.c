// SPDX-License-Identifier: Apache-2.0
#include "common/plan/noise.h"

#include <math.h>

/* Members of a session that may be on the coordinator's side. */
static uint32_t n_corrupt(const struct mien_plan *plan, uint32_t n)
{
    return (uint32_t)ceil(plan->corrupt * (double)n);
}

uint32_t mien_plan_noise_shares(const struct mien_plan *plan)
{
    return plan->group_min - n_corrupt(plan, plan->group_min);
}

uint32_t mien_plan_min_survivors(const struct mien_plan *plan, uint32_t n)
{
    const uint32_t wanted = mien_plan_noise_shares(plan) + n_corrupt(plan, n);

    if (plan->noise_by != MIEN_PLAN_NOISE_BY_DEVICES || wanted < plan->group_min)
        return plan->group_min;
    return wanted;
}

static enum mien_status check_devices(const struct mien_plan *plan, struct mien_err *err)
{
    if (plan->mechanism != MIEN_PLAN_DISCRETE_GAUSSIAN)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.noise_by = devices: privacy.mechanism must be "
                            "discrete_gaussian, whose shares add up");
    if (!(plan->noise_multiplier > 0.0))
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.noise_by = devices: privacy.noise_multiplier is 0, expected "
                            "noise to share");
    return MIEN_OK;
}

enum mien_status mien_plan_check_noise(const struct mien_plan *plan, struct mien_err *err)
{
    if (plan->mechanism != MIEN_PLAN_ROUNDED_GAUSSIAN &&
        plan->mechanism != MIEN_PLAN_DISCRETE_GAUSSIAN)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.mechanism: expected rounded_gaussian or discrete_gaussian");
    if (plan->noise_by == MIEN_PLAN_NOISE_BY_COORDINATOR)
        return MIEN_OK;
    if (plan->noise_by != MIEN_PLAN_NOISE_BY_DEVICES)
        return mien_err_set(err, MIEN_EINVAL, "privacy.noise_by: expected coordinator or devices");
    return check_devices(plan, err);
}
