// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/dp/solve.h"
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool same_plan(const struct mien_entry_plan *a, const struct mien_entry_plan *b)
{
    return memcmp(a->plan_hash, b->plan_hash, sizeof(a->plan_hash)) == 0 &&
           memcmp(&a->epsilon_cap, &b->epsilon_cap, sizeof(a->epsilon_cap)) == 0;
}

enum mien_status mien_store_set_plan(struct mien_store *store, const struct mien_entry_plan *plan,
                                     struct mien_err *err)
{
    struct mien_store_tx tx;
    struct mien_entry entry = {.kind = MIEN_ENTRY_PLAN, .plan = *plan};
    enum mien_status status = mien_store_tx_begin(store, &tx, err);

    /* Judged before it is compared: what differs in a fixed constant is refused in any case. */
    entry.seq = store->chain.mark.seq + 1;
    entry.epoch = store->chain.mark.epoch;
    entry.plan.run = store->chain.plan.run;
    if (status == MIEN_OK)
        status = mien_chain_judge(&store->chain, &entry, err);
    if (status == MIEN_OK && !same_plan(plan, &store->chain.plan)) {
        status = mien_store_tx_append(&tx, &entry, err);
        if (status == MIEN_OK)
            status = mien_store_tx_commit(&tx, err);
    }
    mien_store_tx_end(&tx);
    return status;
}

enum mien_status mien_store_events(struct mien_store *store, struct mien_dp_event **events,
                                   size_t *n_events)
{
    struct mien_dp_event *list = mien_calloc(2 * MIEN_CHAIN_MAX_RUNS, sizeof(*list));
    size_t n = 0;

    if (list == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < store->chain.plan.run; i++)
        n += mien_chain_events(&store->chain.run[i], list + n);
    *n_events = n;
    *events = list;
    return MIEN_OK;
}

enum mien_status mien_store_cost(const struct mien_store *store, struct mien_dp_cost *cost,
                                 double *delta, struct mien_err *err)
{
    return mien_chain_cost(&store->chain, cost, delta, err);
}

enum mien_status mien_store_budget(struct mien_store *store, const struct mien_store_charge *charge,
                                   struct mien_budget_answer *out, struct mien_err *err)
{
    struct mien_mechanism mechanism;
    enum mien_status status =
        mien_chain_mechanism(&store->chain, charge->sampling, &mechanism, err);

    if (status != MIEN_OK)
        return status;
    return mien_chain_budget(&store->chain, charge->sampling, 1, out, err);
}

/* ---- what would fit ---- */

static enum mien_status compute_room(const struct mien_chain *chain, struct mien_store_room *room,
                                     struct mien_err *err)
{
    const struct mien_chain_run *run = mien_chain_run(chain);
    struct mien_budget_answer answer;
    enum mien_status status =
        mien_chain_budget(chain, chain->plan.mechanism.sampling, 1, &answer, err);

    if (status == MIEN_OK) {
        room->n_charged = run->n_sampled + run->n_unsampled;
        room->next = answer.after.epsilon;
        room->n_fit = answer.allowed ? chain->plan.rounds : 0;
    }
    if (status == MIEN_OK && answer.allowed && isfinite(chain->plan.epsilon_cap))
        status = mien_chain_n_fit(chain, chain->plan.rounds, &room->n_fit, err);
    return status;
}

enum mien_status mien_store_room(struct mien_store *store, struct mien_store_room *out,
                                 struct mien_err *err)
{
    const struct mien_chain *chain = &store->chain;
    const uint64_t n_charged = mien_chain_n_charged(chain);
    enum mien_status status = MIEN_OK;

    if (store->room_run != chain->plan.run || store->room_charged != n_charged ||
        store->room_cap != chain->plan.epsilon_cap) {
        status = compute_room(chain, &store->room, err);
        store->room_run = status == MIEN_OK ? chain->plan.run : 0;
        store->room_charged = n_charged;
        store->room_cap = chain->plan.epsilon_cap;
    }
    if (status == MIEN_OK)
        *out = store->room;
    return status;
}

/* The noise under which all planned rounds fit into what earlier runs have left; 0: none does. */
static double noise_that_fits(const struct mien_chain *chain)
{
    const struct mien_dp_event planned =
        mien_mechanism_event(&chain->plan.mechanism, chain->plan.rounds);
    struct mien_chain before = *chain;
    struct mien_dp_cost earlier;
    double delta;
    double noise = 0.0;

    before.run[chain->plan.run - 1] = (struct mien_chain_run){.delta = chain->plan.delta};
    if (mien_chain_cost(&before, &earlier, &delta, NULL) != MIEN_OK ||
        mien_dp_solve_noise(
            &planned,
            &(struct mien_dp_target){.epsilon = chain->plan.epsilon_cap - earlier.epsilon,
                                     .delta = chain->plan.delta},
            &noise, NULL) != MIEN_OK)
        return 0.0;
    if (!mien_mechanism_correlated(&chain->plan.mechanism))
        return noise;
    /* That of the event is the multiplier over the sensitivity of all rounds. */
    return noise * (mien_mechanism_noise(&chain->plan.mechanism) / planned.noise);
}

enum mien_status mien_store_refuse(const struct mien_store *store,
                                   const struct mien_budget_answer *answer, struct mien_err *err)
{
    const struct mien_chain *chain = &store->chain;
    const struct mien_entry_plan *plan = &chain->plan;
    const double noise = noise_that_fits(chain);
    uint64_t n = 0;
    char advice[96] = "no noise makes the planned rounds fit";
    enum mien_status status = mien_chain_n_fit(chain, plan->rounds, &n, err);

    if (status != MIEN_OK)
        return status;
    if (noise > 0.0)
        (void)snprintf(advice, sizeof(advice),
                       "a run of %" PRIu32 " rounds fits with a noise multiplier of %.6g",
                       plan->rounds, noise);
    return mien_err_set(err, MIEN_EPOLICY,
                        "one more release would cost epsilon %.4g, over the cap of %.4g; %.4g is "
                        "spent, at delta %g: %" PRIu64 " more (%s) fit, a cap of %.4g would admit "
                        "this one, %s",
                        answer->after.epsilon, plan->epsilon_cap, answer->before.epsilon,
                        plan->delta, n, mien_sampling_name(plan->mechanism.sampling),
                        answer->after.epsilon, advice);
}
