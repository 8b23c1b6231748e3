// SPDX-License-Identifier: Apache-2.0
#include "common/plan/clipping.h"

/* Andrew et al. 2021, section 3: a twentieth of the cohort hardly costs the updates anything. */
#define NOISE_SHARE 20.0

static bool in(double v, double low, double high)
{
    return v >= low && v <= high; /* false for NaN */
}

bool mien_plan_clip_adapts(const struct mien_plan *plan)
{
    return plan->clip_quantile > 0.0;
}

double mien_plan_clip_noise(const struct mien_plan *plan)
{
    return plan->clip_noise > 0.0 ? plan->clip_noise : (double)plan->cohort / NOISE_SHARE;
}

static enum mien_status check_server(const struct mien_plan *plan, struct mien_err *err)
{
    if (plan->server_optimiser < MIEN_SERVER_AVERAGE || plan->server_optimiser > MIEN_SERVER_ADAM)
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.server_optimiser: expected average, momentum or adam");
    if (!in(plan->server_momentum, 0.0, 0.9999) || !in(plan->server_second, 0.0, 0.9999))
        return mien_err_set(err, MIEN_ELIMIT,
                            "plan.server_momentum, plan.server_second: expected 0 to 0.9999");
    /* Only Adam divides by it; plans from before have none. */
    if (!in(plan->server_tau, plan->server_optimiser == MIEN_SERVER_ADAM ? 1e-9 : 0.0, 1.0))
        return mien_err_set(err, MIEN_ELIMIT, "plan.server_tau: expected 1e-9 to 1");
    return MIEN_OK;
}

enum mien_status mien_plan_check_clipping(const struct mien_plan *plan, struct mien_err *err)
{
    const double sigma_b = mien_plan_clip_noise(plan);

    if (plan->clip_by != MIEN_CLIP_BY_UPDATE && plan->clip_by != MIEN_CLIP_BY_TENSOR)
        return mien_err_set(err, MIEN_EINVAL, "privacy.clip_by: expected update or tensor");
    if (plan->clip_by == MIEN_CLIP_BY_TENSOR && plan->family == MIEN_FAMILY_MOMENTS)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.clip_by: expected update, a mean embedding has no tensors");
    if (!in(plan->clip_quantile, 0.0, 0.99))
        return mien_err_set(err, MIEN_ELIMIT, "privacy.clip_quantile: expected 0 to 0.99");
    if (!in(plan->clip_rate, 0.0, 1.0) || !in(plan->clip_noise, 0.0, 1e6))
        return mien_err_set(err, MIEN_ELIMIT,
                            "privacy.clip_rate: expected 0 to 1; privacy.clip_noise: 0 to 1e6");
    /* The bits alone would cost as much as z allows, or more: nothing would be left. */
    if (mien_plan_clip_adapts(plan) && sigma_b <= 0.5 * plan->noise_multiplier)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.clip_noise %g: expected above half of "
                            "privacy.noise_multiplier (%g)",
                            sigma_b, plan->noise_multiplier);
    return check_server(plan, err);
}
