// SPDX-License-Identifier: Apache-2.0
/* Which noise the plan has, and a round's vector of it. */
#include "common/base/secret.h"
#include "server/core/internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum mien_status mien_round_make_noise(struct mien_coordinator *c, struct mien_err *err)
{
    const struct mien_plan *plan = &c->config.plan;
    const double sigma = ceil(plan->noise_multiplier * (double)c->params.bound);
    const uint64_t separation = plan->min_separation > 0 ? plan->min_separation : 1;
    const enum mien_status status =
        mien_strategy_table_make((enum mien_strategy_kind)plan->strategy, separation, &c->strategy);

    struct mien_discrete_gaussian of_devices;
    if (status == MIEN_OK &&
        c->params.share > 0) /* all of it; here only whether they can draw it */
        return mien_discrete_gaussian_init(&of_devices, c->params.share, 1);
    if (status != MIEN_OK || sigma == 0.0)
        return status;
    if (sigma > (double)MIEN_NOISE_MAX_SIGMA)
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.noise_multiplier: sigma would be %.0f, above %" PRIu64, sigma,
                            (uint64_t)MIEN_NOISE_MAX_SIGMA);
    const uint64_t whole = (uint64_t)sigma;
    if (c->strategy.kind != MIEN_STRATEGY_INDEPENDENT) {
        c->sigma = whole;
        return whole <= MIEN_CORRELATED_MAX_SIGMA
                   ? MIEN_OK
                   : mien_err_set(err, MIEN_EINVAL,
                                  "privacy.strategy: sigma %" PRIu64 " is above 2^24", whole);
    }
    if (plan->mechanism == MIEN_PLAN_ROUNDED_GAUSSIAN)
        return mien_noise_new(whole, &c->noise_sampler);
    if (whole > UINT32_MAX ||
        mien_discrete_gaussian_init(&c->discrete, whole * whole, 1) != MIEN_OK)
        return mien_err_set(
            err, MIEN_EINVAL,
            "privacy.mechanism = discrete_gaussian: sigma %" PRIu64 " is above 2^28", whole);
    return MIEN_OK;
}

/* The step of the run is used up, durably, before its noise is drawn. */
static enum mien_status draw_correlated(struct mien_coordinator *c, struct mien_job *job)
{
    const struct mien_ledger *ledger = &c->config.ledger;
    struct mien_correlated *noise = NULL;
    uint8_t key[MIEN_NOISE_KEY_BYTES];
    uint64_t step = 0;
    enum mien_status status = ledger->use_step(ledger->self, c->round, &step, key, &job->err);

    if (status == MIEN_OK)
        status = mien_correlated_new(&c->strategy, c->sigma, key, &noise);
    mien_wipe(key, sizeof(key));
    if (status == MIEN_OK)
        status = mien_correlated_draw(noise, step, c->total, c->params.dim);
    mien_correlated_free(noise);
    return status;
}

enum mien_status mien_round_draw_noise(struct mien_coordinator *c, struct mien_job *job)
{
    if (c->strategy.kind != MIEN_STRATEGY_INDEPENDENT)
        return draw_correlated(c, job);
    if (c->noise_sampler != NULL)
        return mien_noise_draw(c->noise_sampler, &c->config.rng, c->total, c->params.dim);
    if (c->discrete.t != 0)
        return mien_discrete_gaussian_draw(&c->discrete, &c->config.rng, c->total, c->params.dim);
    memset(c->total, 0, c->params.dim * sizeof(*c->total));
    return MIEN_OK;
}
