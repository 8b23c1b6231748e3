// SPDX-License-Identifier: Apache-2.0
#include "server/store/mechanism.h"

#include "common/dp/correlated.h"
#include "common/dp/strategy.h"
#include "common/plan/noise.h"
#include "common/plan/sampling.h"
#include "common/wire/plan_codec.h"
#include "common/wire/vector.h"

#include <math.h>
#include <string.h>

/* An entry counts in 63 bits, and holds its square. */
#define SIGMA_MAX 2147483648.0 /* 2^31 */

/* That the planned rounds have a sensitivity at all. */
static enum mien_status need_sensitivity(const struct mien_plan *plan,
                                         const struct mien_mechanism *m, struct mien_err *err)
{
    const struct mien_strategy_limits limits = {plan->rounds, m->separation, m->participations};
    struct mien_strategy_table table;
    double squared = 0.0;
    enum mien_status status = mien_strategy_table_find(m->strategy, m->separation, &table);

    if (plan->strategy == MIEN_PLAN_INDEPENDENT)
        return MIEN_OK;
    if (status == MIEN_OK)
        status = mien_strategy_of_table(&limits, &table, &squared, err);
    return status == MIEN_OK ? status : mien_err_prefix(err, status, "privacy.strategy");
}

static enum mien_status name_strategy(const struct mien_plan *plan, struct mien_mechanism *out)
{
    struct mien_strategy_table table;
    enum mien_status status =
        mien_strategy_table_make((enum mien_strategy_kind)plan->strategy, out->separation, &table);

    return status == MIEN_OK ? mien_strategy_table_digest(&table, out->strategy) : status;
}

enum mien_status mien_mechanism_of_plan(const struct mien_plan *plan, struct mien_entry_plan *out,
                                        struct mien_err *err)
{
    struct mien_secagg_params params;
    struct mien_entry_plan entry = {0};
    enum mien_status status = mien_secagg_params_of_plan(plan, &params, err);

    if (status != MIEN_OK)
        return status;
    const bool by_devices = plan->noise_by == MIEN_PLAN_NOISE_BY_DEVICES;
    const double sigma = ceil(plan->noise_multiplier * (double)params.bound);
    if (!by_devices && !(sigma >= 0.0 && sigma < SIGMA_MAX))
        return mien_err_set(err, MIEN_EINVAL, "privacy.noise_multiplier %g is out of range",
                            plan->noise_multiplier);
    if (plan->strategy != MIEN_PLAN_INDEPENDENT && sigma > (double)MIEN_CORRELATED_MAX_SIGMA)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.noise_multiplier: sigma would be %.0f, above the 2^24 of "
                            "correlated noise",
                            sigma);
    status = mien_plan_fingerprint(plan, entry.plan_hash);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "the plan has no fingerprint: %s",
                            mien_status_text(status));
    entry.mechanism = (struct mien_mechanism){
        .kind = by_devices ? MIEN_MECHANISM_DISTRIBUTED : (enum mien_mechanism_kind)plan->mechanism,
        .relation = MIEN_RELATION_ZERO_OUT,
        .unit = MIEN_UNIT_TOKEN,
        .noise_by = (enum mien_noise_by)plan->noise_by,
        .sampling = (enum mien_sampling)plan->sampling,
        .rate = mien_plan_rate(plan),
        .bound = params.bound,
        .sigma2_num = by_devices ? params.share : (uint64_t)sigma * (uint64_t)sigma,
        .sigma2_den = 1,
        .dim = params.dim,
        .population = plan->population,
        .cohort = plan->cohort,
        .cap = plan->cap,
        .min_reports = plan->min_reports,
        .drop_out = plan->drop_out,
        .separation = plan->min_separation > 0 ? plan->min_separation : 1,
        .participations = plan->max_participations,
        .shares = by_devices ? mien_plan_noise_shares(plan) : 0,
    };
    status = name_strategy(plan, &entry.mechanism);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "the strategy has no table: %s", mien_status_text(status));
    status = need_sensitivity(plan, &entry.mechanism, err);
    if (status != MIEN_OK)
        return status;
    entry.run = 1;
    entry.rounds = plan->rounds;
    entry.delta = plan->delta;
    entry.epsilon_cap = plan->epsilon_cap > 0.0 ? plan->epsilon_cap : INFINITY;
    *out = entry;
    return MIEN_OK;
}
