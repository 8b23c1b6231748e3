// SPDX-License-Identifier: Apache-2.0
#include "common/wire/vector.h"

#include "common/plan/clipping.h"
#include "common/plan/noise.h"

enum mien_status mien_secagg_params_of_plan(const struct mien_plan *plan,
                                            struct mien_secagg_params *out, struct mien_err *err)
{
    const bool adapts = mien_plan_clip_adapts(plan);
    const bool by_devices = plan->noise_by == MIEN_PLAN_NOISE_BY_DEVICES;
    const struct mien_secagg_shape shape = {.n_update = mien_plan_n_shared(plan),
                                            .clip = plan->clip,
                                            .n_max = plan->group_max,
                                            .bits = plan->bits,
                                            .rotate = plan->rotate != MIEN_PLAN_UNROTATED,
                                            .fill = plan->rotate == MIEN_PLAN_ROTATED_FILLED,
                                            .clip_noise = adapts ? mien_plan_clip_noise(plan) : 0.0,
                                            .noise_multiplier = plan->noise_multiplier,
                                            .n_shares =
                                                by_devices ? mien_plan_noise_shares(plan) : 0};

    return mien_secagg_params_init(out, &shape, err);
}

struct mien_design_goal mien_design_goal_of_plan(const struct mien_plan *plan)
{
    const bool curious = plan->sum_class == MIEN_PLAN_CURIOUS;

    return (struct mien_design_goal){.corrupt = plan->corrupt,
                                     .drop_out = plan->drop_out,
                                     .trust =
                                         curious ? MIEN_DESIGN_CURIOUS : MIEN_DESIGN_SEMI_MALICIOUS,
                                     .sigma = MIEN_DESIGN_SIGMA,
                                     .eta = MIEN_DESIGN_ETA};
}
