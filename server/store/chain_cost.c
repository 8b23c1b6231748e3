// SPDX-License-Identifier: Apache-2.0
#include "server/store/chain.h"

#include <math.h>

size_t mien_chain_events(const struct mien_chain_run *run, struct mien_dp_event events[2])
{
    struct mien_mechanism unsampled = run->mechanism;
    size_t n = 0;

    unsampled.sampling = MIEN_SAMPLING_NONE;
    unsampled.rate = 1.0;
    if (run->n_sampled > 0) {
        events[n] = mien_mechanism_event(&run->mechanism, run->n_sampled);
        events[n++].apart = run->apart;
    }
    if (run->n_unsampled > 0)
        events[n++] = mien_mechanism_event(&unsampled, run->n_unsampled);
    return n;
}

/* A sum of figures that must not come out too small. */
static double plus(double a, double b)
{
    return a == 0.0 || b == 0.0 ? a + b : nextafter(a + b, INFINITY);
}

static void add_cost(struct mien_dp_cost *to, const struct mien_dp_cost *more)
{
    struct mien_dp_cost sum = *more;

    sum.epsilon = plus(to->epsilon, more->epsilon);
    sum.epsilon_witness = plus(to->epsilon_witness, more->epsilon_witness);
    *to = sum;
}

/* Of the runs before the n-th. */
static enum mien_status cost_of_runs(const struct mien_chain *chain, uint32_t n,
                                     struct mien_dp_cost *cost, struct mien_err *err)
{
    struct mien_dp_event events[2];
    enum mien_status status = MIEN_OK;

    *cost = (struct mien_dp_cost){0};
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++) {
        struct mien_dp_cost of_run;
        size_t n_events = mien_chain_events(&chain->run[i], events);

        if (n_events == 0)
            continue;
        status = mien_dp_account(events, n_events, chain->run[i].delta, &of_run, err);
        if (status == MIEN_OK)
            add_cost(cost, &of_run);
    }
    return status;
}

enum mien_status mien_chain_cost(const struct mien_chain *chain, struct mien_dp_cost *cost,
                                 double *delta, struct mien_err *err)
{
    *delta = 0.0;
    for (uint32_t i = 0; i < chain->plan.run; i++)
        *delta = plus(*delta, chain->run[i].delta);
    return cost_of_runs(chain, chain->plan.run, cost, err);
}

void mien_chain_charge(struct mien_chain_run *run, enum mien_sampling sampling, uint64_t n)
{
    if (sampling == run->mechanism.sampling) {
        run->n_sampled += n;
        run->apart = fmax(run->apart, mien_mechanism_event(&run->mechanism, 1).apart);
    } else {
        run->n_unsampled += n;
    }
}

enum mien_status mien_chain_budget(const struct mien_chain *chain, enum mien_sampling sampling,
                                   uint64_t n, struct mien_budget_answer *out, struct mien_err *err)
{
    const struct mien_budget budget = {chain->plan.epsilon_cap, chain->plan.delta};
    struct mien_budget_answer answer;
    struct mien_dp_cost earlier;
    struct mien_dp_event spent[2];
    struct mien_dp_event all[2];
    struct mien_chain_run run = *mien_chain_run(chain);
    struct mien_budget_events events = {.before = spent, .after = all};
    enum mien_status status = cost_of_runs(chain, chain->plan.run - 1, &earlier, err);

    events.n_before = mien_chain_events(&run, spent);
    mien_chain_charge(&run, sampling, n);
    events.n_after = mien_chain_events(&run, all);
    if (status == MIEN_OK)
        status = mien_budget_compare(&budget, &events, &answer, err);
    if (status != MIEN_OK)
        return status;
    if (earlier.epsilon > 0.0) {
        struct mien_dp_cost before = earlier;

        add_cost(&before, &answer.before);
        answer.before = before;
        add_cost(&earlier, &answer.after);
        answer.after = earlier;
        answer.allowed = answer.after.epsilon <= budget.epsilon_cap;
    }
    *out = answer;
    return MIEN_OK;
}

enum mien_status mien_chain_n_fit(const struct mien_chain *chain, uint64_t max, uint64_t *n,
                                  struct mien_err *err)
{
    struct mien_budget_answer answer;
    uint64_t fits = 0;
    uint64_t over = max + 1;
    enum mien_status status = MIEN_OK;

    while (status == MIEN_OK && over - fits > 1) {
        const uint64_t middle = fits + (over - fits) / 2;

        status = mien_chain_budget(chain, chain->plan.mechanism.sampling, middle, &answer, err);
        if (status == MIEN_OK && answer.allowed)
            fits = middle;
        else
            over = middle;
    }
    if (status == MIEN_OK)
        *n = fits;
    return status;
}
