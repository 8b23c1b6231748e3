// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/dp/distributed.h"
#include "common/dp/sampling.h"
#include "common/dp/strategy.h"
#include "common/plan/noise.h"
#include "common/plan/sampling.h"
#include "common/wire/vector.h"
#include "tests/sim/sim.h"

#include <math.h>
#include <string.h>

void sim_ledger_init(struct sim_ledger *ledger, const struct mien_plan *plan)
{
    *ledger = (struct sim_ledger){.plan = plan, .round = {1, 1}, .at = {.epoch = 1, .seq = 1}};
}

void sim_ledger_fini(struct sim_ledger *ledger)
{
    mien_free(ledger->survivors);
    mien_free(ledger->inputs);
    ledger->survivors = NULL;
    ledger->inputs = NULL;
}

/* Noise by devices is charged as if everybody took part. */
static struct mien_dp_event event_of_shares(const struct mien_plan *plan, uint64_t n)
{
    const uint32_t n_shares = mien_plan_noise_shares(plan);
    struct mien_secagg_params params;

    if (mien_secagg_params_of_plan(plan, &params, NULL) != MIEN_OK)
        return (struct mien_dp_event){0}; /* no accountant takes it */
    const double share = (double)params.share;
    return (struct mien_dp_event){.sampling = MIEN_SAMPLING_NONE,
                                  .rate = 1.0,
                                  .noise = mien_distributed_noise(share, params.bound, n_shares),
                                  .count = n,
                                  .kind = MIEN_DP_DISTRIBUTED,
                                  .off =
                                      mien_distributed_tau(share, n_shares) * (double)params.dim};
}

/* Nobody is sampled: by what limits of taking part and the strategy make of n releases. */
static struct mien_dp_event event_of_limits(const struct mien_plan *plan, uint64_t n)
{
    const struct mien_strategy_limits limits = {
        .rounds = n,
        .separation = plan->min_separation > 0 ? plan->min_separation : 1,
        .participations = plan->max_participations > 0 ? plan->max_participations : UINT64_MAX,
    };
    struct mien_strategy_table table;

    if (mien_strategy_table_make((enum mien_strategy_kind)plan->strategy, limits.separation,
                                 &table) != MIEN_OK)
        return (struct mien_dp_event){.sampling = MIEN_SAMPLING_NONE, .rate = 1.0, .count = n};
    return mien_strategy_event(&limits, &table, plan->noise_multiplier);
}

/* The first n releases together. */
static struct mien_dp_event event_of(const struct sim_ledger *ledger, uint64_t n)
{
    const struct mien_plan *plan = ledger->plan;
    const struct mien_dp_draw draw = {.sampling = (enum mien_sampling)plan->sampling,
                                      .rate = mien_plan_rate(plan),
                                      .population = plan->population,
                                      .cohort = plan->cohort,
                                      .cap = plan->cap,
                                      .min_reports = plan->min_reports,
                                      .drop_out = plan->drop_out};

    struct mien_dp_event event = {
        .sampling = draw.sampling, .rate = draw.rate, .noise = plan->noise_multiplier, .count = n};

    if (plan->noise_by == MIEN_PLAN_NOISE_BY_DEVICES)
        return event_of_shares(plan, n);
    if (draw.sampling == MIEN_SAMPLING_NONE)
        event = event_of_limits(plan, n);
    event.apart = mien_dp_draw_apart(&draw);
    event.population = plan->population;
    event.or_fewer = true;
    event.cap = plan->cap;
    event.kind = plan->mechanism == MIEN_PLAN_DISCRETE_GAUSSIAN ? MIEN_DP_DISCRETE_GAUSSIAN
                                                                : MIEN_DP_GAUSSIAN;
    return event;
}

double sim_ledger_epsilon(const struct sim_ledger *ledger)
{
    const struct mien_dp_event event = event_of(ledger, ledger->n_charged);
    struct mien_dp_cost cost;

    if (ledger->n_charged == 0)
        return 0.0;
    if (mien_dp_account(&event, 1, ledger->plan->delta, &cost, NULL) != MIEN_OK)
        return INFINITY;
    return cost.epsilon;
}

static void step(struct sim_ledger *ledger, bool in_order)
{
    ledger->n_broken += !in_order;
    ledger->at.seq++;
    memcpy(ledger->at.head, &ledger->at.seq, sizeof(ledger->at.seq));
}

static struct mien_ledger_round next(void *self)
{
    const struct sim_ledger *ledger = self;

    return ledger->round;
}

static struct mien_ledger_mark mark(void *self)
{
    const struct sim_ledger *ledger = self;

    return ledger->at;
}

static enum mien_status round_open(void *self, struct mien_ledger_round round,
                                   const uint8_t coins[32], struct mien_err *err)
{
    struct sim_ledger *ledger = self;

    (void)coins;
    (void)err;
    step(ledger, !ledger->opened && round.round == ledger->round.round);
    ledger->opened = true;
    ledger->reserved = false;
    ledger->n_survivors = 0;
    ledger->n_sessions = 0;
    ledger->n_inputs = 0;
    return MIEN_OK;
}

static enum mien_status put_inputs(void *self, struct mien_ledger_round round, uint32_t session,
                                   const struct mien_ledger_input *inputs, size_t n,
                                   struct mien_err *err)
{
    struct sim_ledger *ledger = self;

    (void)round;
    (void)session;
    (void)err;
    uint8_t *grown = mien_reallocarray(ledger->inputs, ledger->n_inputs + n, 32);
    if (grown == NULL)
        return MIEN_ENOMEM;
    ledger->inputs = grown;
    ledger->n_broken += !ledger->opened || ledger->reserved || n == 0;
    /* Whatever becomes of its session, a unit gives one vector a round. */
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < ledger->n_inputs; j++)
            ledger->n_broken += memcmp(grown + 32 * j, inputs[i].unit, 32) == 0;
        memcpy(grown + 32 * ledger->n_inputs++, inputs[i].unit, 32);
    }
    return MIEN_OK;
}

static enum mien_status put_survivors(void *self, struct mien_ledger_round round, uint32_t session,
                                      const uint8_t *units, size_t n, struct mien_err *err)
{
    struct sim_ledger *ledger = self;

    (void)round;
    (void)session;
    (void)err;
    uint8_t *grown = mien_reallocarray(ledger->survivors, ledger->n_survivors + n, 32);
    if (grown == NULL)
        return MIEN_ENOMEM;
    ledger->survivors = grown;
    /* No unit survives twice. */
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < ledger->n_survivors; j++)
            ledger->n_broken += memcmp(grown + 32 * j, units + 32 * i, 32) == 0;
        memcpy(grown + 32 * ledger->n_survivors++, units + 32 * i, 32);
    }
    if (ledger->n_sessions < sizeof(ledger->session_end) / sizeof(ledger->session_end[0]))
        ledger->session_end[ledger->n_sessions++] = ledger->n_survivors;
    ledger->n_broken += !ledger->opened || ledger->reserved;
    return MIEN_OK;
}

static enum mien_status drop_session(void *self, struct mien_ledger_round round, uint32_t session,
                                     struct mien_err *err)
{
    struct sim_ledger *ledger = self;

    (void)round;
    (void)session;
    (void)err;
    ledger->n_broken += !ledger->opened || ledger->reserved;
    return MIEN_OK;
}

static enum mien_status reserve(void *self, struct mien_ledger_round round,
                                struct mien_budget_answer *answer, struct mien_err *err)
{
    struct sim_ledger *ledger = self;
    const double cap = ledger->plan->epsilon_cap;
    const struct mien_budget budget = {cap > 0.0 ? cap : INFINITY, ledger->plan->delta};
    const struct mien_dp_event spent = event_of(ledger, ledger->n_charged);
    const struct mien_dp_event all = event_of(ledger, ledger->n_charged + 1);
    const struct mien_budget_events events = {&spent, ledger->n_charged > 0 ? 1 : 0, &all, 1};

    (void)round;
    step(ledger, ledger->opened && !ledger->reserved && ledger->n_survivors > 0);
    enum mien_status status = mien_budget_compare(&budget, &events, answer, err);
    if (status == MIEN_OK && !answer->allowed)
        return mien_err_set(err, MIEN_EPOLICY, "epsilon would be %.4g, over the cap of %.4g",
                            answer->after.epsilon, cap);
    ledger->reserved = status == MIEN_OK;
    ledger->n_charged += status == MIEN_OK;
    return status;
}

/* The run is new: nobody has taken part. */
static enum mien_status parts(void *self, struct mien_ledger_part **out, size_t *n,
                              struct mien_err *err)
{
    (void)self;
    (void)err;
    *n = 0;
    *out = mien_calloc(1, sizeof(**out));
    return *out == NULL ? MIEN_ENOMEM : MIEN_OK;
}

static enum mien_status use_step(void *self, struct mien_ledger_round round, uint64_t *step,
                                 uint8_t key[32], struct mien_err *err)
{
    struct sim_ledger *ledger = self;

    (void)round;
    (void)err;
    *step = ledger->n_charged - 1;
    ledger->n_broken += !ledger->reserved || *step < ledger->n_used;
    ledger->n_used = ledger->n_charged;
    memcpy(key, ledger->key, sizeof(ledger->key));
    return MIEN_OK;
}

static enum mien_status publish(void *self, struct mien_ledger_round round,
                                const struct mien_ledger_release *release, uint64_t *version,
                                struct mien_err *err)
{
    struct sim_ledger *ledger = self;

    (void)round;
    (void)release;
    (void)err;
    step(ledger, ledger->opened && ledger->reserved);
    ledger->opened = false;
    ledger->round.round++;
    ledger->round.attempt = 1;
    *version = ++ledger->version;
    return MIEN_OK;
}

static enum mien_status abandon(void *self, struct mien_ledger_round round, const char *reason,
                                struct mien_err *err)
{
    struct sim_ledger *ledger = self;

    (void)round;
    (void)reason;
    (void)err;
    step(ledger, ledger->opened);
    ledger->opened = false;
    if (ledger->reserved) {
        ledger->round.round++;
        ledger->round.attempt = 1;
    } else {
        ledger->round.attempt++;
    }
    return MIEN_OK;
}

static enum mien_status put_counts(void *self, struct mien_ledger_round round,
                                   const struct mien_ledger_counts *counts, struct mien_err *err)
{
    (void)self;
    (void)round;
    (void)counts;
    (void)err;
    return MIEN_OK;
}

struct mien_ledger sim_ledger_table(struct sim_ledger *ledger)
{
    return (struct mien_ledger){
        .self = ledger,
        .next = next,
        .mark = mark,
        .round_open = round_open,
        .put_inputs = put_inputs,
        .put_survivors = put_survivors,
        .drop_session = drop_session,
        .reserve = reserve,
        .parts = parts,
        .use_step = use_step,
        .publish = publish,
        .abandon = abandon,
        .put_counts = put_counts,
    };
}
