// SPDX-License-Identifier: Apache-2.0
/* A device's own budget for single examples. */
#include "client/core_internal.h"
#include "client/local.h"

#include <inttypes.h>

enum mien_status mien_core_local_check(struct mien_client_core *core, struct mien_err *err)
{
    const struct mien_client_local_rule *rule = &core->config.limits.local;
    const struct mien_core_round *round = core->round;
    double before = 0.0;
    double after = 0.0;
    enum mien_status status = mien_client_local_epsilon(rule, &core->config.record, 0, &before);

    if (status == MIEN_OK)
        status =
            mien_client_local_epsilon(rule, &core->config.record, round->plan.local_steps, &after);
    if (status == MIEN_ELIMIT)
        return mien_err_set(err, MIEN_EPOLICY,
                            "this device has protected single examples under %u other rates and "
                            "noises: it goes on under one of those",
                            (unsigned)MIEN_CLIENT_MAX_SPENT);
    if (status != MIEN_OK)
        return status;
    if (!(after <= rule->epsilon))
        return mien_err_set(err, MIEN_EPOLICY,
                            "single examples have cost epsilon %.4g and would have cost %.4g after "
                            "this round, this device allows %.4g at delta %g",
                            before, after, rule->epsilon, rule->delta);
    mien_core_log(
        core, MIEN_INFO,
        "device.consent.local round=%" PRIu64
        " clip=%.6g noise=%.6g rate=%.6g epsilon=%.6g delta=%.6g cap=%.6g why=\"each "
        "picture is clipped and noised on this device: whether it was there costs at most "
        "epsilon, over all rounds up to this one, against everybody\"",
        round->assign.round, rule->clip, rule->noise, rule->rate, after, rule->delta,
        rule->epsilon);
    return MIEN_OK;
}

enum mien_status mien_core_local_spend(struct mien_client_core *core)
{
    const struct mien_client_local_rule *rule = &core->config.limits.local;
    struct mien_client_record record = core->config.record;

    if (!mien_client_local_on(rule))
        return MIEN_OK;
    enum mien_status status = mien_client_local_spend(rule, core->round->plan.local_steps, &record);
    if (status == MIEN_OK)
        status = core->config.host.save(core->config.host.self, &record);
    if (status == MIEN_OK)
        core->config.record = record;
    return status;
}
