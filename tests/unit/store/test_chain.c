// SPDX-License-Identifier: Apache-2.0
/* Several runs in one ledger: one population, whatever model it is asked for. */
#include "server/store/chain.h"

#include "tests/unit/store/fixture.h"

static const uint8_t some_head[32] = {1};

static enum mien_status judge(const struct mien_chain *chain, struct mien_entry *entry)
{
    entry->seq = chain->begun ? chain->mark.seq + 1 : 0;
    entry->epoch = chain->mark.epoch +
                   (entry->kind == MIEN_ENTRY_START || entry->kind == MIEN_ENTRY_RESTORE ? 1 : 0);
    return mien_chain_judge(chain, entry, NULL);
}

static void take(struct mien_chain *chain, struct mien_entry entry)
{
    assert_int_equal(judge(chain, &entry), MIEN_OK);
    mien_chain_apply(chain, &entry, some_head);
}

static void begin(struct mien_chain *chain)
{
    *chain = (struct mien_chain){0};
    take(chain, (struct mien_entry){.kind = MIEN_ENTRY_GENESIS});
    take(chain, (struct mien_entry){.kind = MIEN_ENTRY_PLAN, .plan = fixture_plan()});
    take(chain, (struct mien_entry){.kind = MIEN_ENTRY_MODEL});
}

static void release(struct mien_chain *chain)
{
    const struct mien_store_round next = mien_chain_next_round(chain);
    struct mien_entry entry = {.kind = MIEN_ENTRY_ROUND_OPEN};

    entry.round_open.round = next.round;
    entry.round_open.attempt = next.attempt;
    entry.round_open.model_version = chain->latest.version;
    memcpy(entry.round_open.model_hash, chain->latest.model_hash, 32);
    memcpy(entry.round_open.plan_hash, chain->plan.plan_hash, 32);
    take(chain, entry);
    entry = (struct mien_entry){.kind = MIEN_ENTRY_RESERVE};
    entry.reserve.round = next.round;
    entry.reserve.attempt = next.attempt;
    entry.reserve.mechanism = chain->plan.mechanism;
    take(chain, entry);
    entry = (struct mien_entry){.kind = MIEN_ENTRY_COMMIT};
    entry.model.round = next.round;
    entry.model.attempt = next.attempt;
    entry.model.version = chain->latest.version + 1;
    take(chain, entry);
}

/* Another model of the same people: other noise, other networks, a delta of its own. */
static struct mien_entry second_plan(void)
{
    struct mien_entry entry = {.kind = MIEN_ENTRY_PLAN, .plan = fixture_plan()};

    entry.plan.run = 2;
    entry.plan.mechanism.sigma2_num = 9000000;
    entry.plan.mechanism.dim = 99;
    entry.plan.delta = 1e-6;
    entry.plan.plan_hash[0] = 77;
    return entry;
}

static struct mien_dp_cost cost_of(const struct mien_mechanism *m, uint64_t n, double delta)
{
    const struct mien_dp_event event = mien_mechanism_event(m, n);
    struct mien_dp_cost cost;

    assert_int_equal(mien_dp_account(&event, 1, delta, &cost, NULL), MIEN_OK);
    return cost;
}

static void a_second_run_adds_to_what_the_first_has_spent(void **state)
{
    (void)state;
    struct mien_chain chain;
    struct mien_dp_cost cost;
    double delta = 0.0;
    struct mien_entry model = {.kind = MIEN_ENTRY_MODEL};

    begin(&chain);
    release(&chain);
    release(&chain);
    take(&chain, second_plan());
    model.model.version = 3;
    take(&chain, model);
    release(&chain);
    assert_int_equal(chain.latest.version, 4);
    assert_int_equal(mien_chain_n_charged(&chain), 3);
    assert_int_equal(mien_chain_cost(&chain, &cost, &delta, NULL), MIEN_OK);
    const struct mien_dp_cost first = cost_of(&chain.run[0].mechanism, 2, 1e-5);
    const struct mien_dp_cost second = cost_of(&chain.run[1].mechanism, 1, 1e-6);
    assert_true(cost.epsilon >= first.epsilon + second.epsilon);
    assert_true(cost.epsilon <= (first.epsilon + second.epsilon) * (1.0 + 1e-12));
    assert_true(cost.epsilon_witness >= first.epsilon_witness + second.epsilon_witness);
    assert_true(delta >= 1e-5 + 1e-6 && delta <= 1.1e-5 * (1.0 + 1e-12));
}

static void the_cap_is_one_for_all_runs(void **state)
{
    (void)state;
    struct mien_chain chain;
    struct mien_budget_answer answer;
    struct mien_entry plan = second_plan();
    struct mien_entry model = {.kind = MIEN_ENTRY_MODEL};

    begin(&chain);
    release(&chain);
    const double first = cost_of(&chain.run[0].mechanism, 1, 1e-5).epsilon;
    const double next = cost_of(&plan.plan.mechanism, 1, 1e-6).epsilon;
    plan.plan.epsilon_cap = (first + next) * (1.0 - 1e-9);
    take(&chain, plan);
    model.model.version = 2;
    take(&chain, model);
    assert_int_equal(mien_chain_budget(&chain, MIEN_SAMPLING_POISSON, 1, &answer, NULL), MIEN_OK);
    assert_false(answer.allowed); /* either alone would fit */
    assert_true(answer.before.epsilon == first);
    assert_true(answer.after.epsilon >= first + next);
    chain.plan.epsilon_cap = (first + next) * (1.0 + 1e-9);
    assert_int_equal(mien_chain_budget(&chain, MIEN_SAMPLING_POISSON, 1, &answer, NULL), MIEN_OK);
    assert_true(answer.allowed);
}

static void a_run_begins_between_rounds_with_a_model_of_its_own(void **state)
{
    (void)state;
    struct mien_chain chain;
    struct mien_entry plan = second_plan();
    struct mien_entry start = {.kind = MIEN_ENTRY_START};
    struct mien_entry model = {.kind = MIEN_ENTRY_MODEL};
    struct mien_entry open = {.kind = MIEN_ENTRY_ROUND_OPEN};

    begin(&chain);
    plan.plan.run = 3;
    assert_int_equal(judge(&chain, &plan), MIEN_ESTATE); /* runs are numbered without gaps */
    plan.plan.run = 1;
    assert_int_equal(judge(&chain, &plan), MIEN_EPOLICY); /* other constants in the same run */
    open.round_open = (struct mien_entry_round_open){1, 1, 0, {0}, {1, 2, 3}};
    take(&chain, open);
    plan.plan.run = 2;
    assert_int_equal(judge(&chain, &plan), MIEN_ESTATE); /* a round is open */
    struct mien_entry abandon = {.kind = MIEN_ENTRY_ABANDON};
    abandon.abandon = (struct mien_entry_abandon){1, 1, false};
    take(&chain, abandon);
    take(&chain, plan);
    assert_int_equal(judge(&chain, &start), MIEN_ESTATE);
    model.model.version = 0; /* version 0 names other bytes already */
    assert_int_equal(judge(&chain, &model), MIEN_ESTATE);
    model.model.version = 1;
    take(&chain, model);
    take(&chain, start);
    release(&chain);
}

static void a_ledger_holds_a_bounded_number_of_runs(void **state)
{
    (void)state;
    struct mien_chain chain;
    struct mien_entry plan = second_plan();
    struct mien_entry model = {.kind = MIEN_ENTRY_MODEL};

    begin(&chain);
    for (uint32_t run = 2; run <= MIEN_CHAIN_MAX_RUNS; run++) {
        plan.plan.run = run;
        take(&chain, plan);
        model.model.version = run - 1;
        take(&chain, model);
    }
    plan.plan.run++;
    assert_int_equal(judge(&chain, &plan), MIEN_EPOLICY);
}

static enum mien_status judge_open(struct mien_chain *chain, uint64_t skip)
{
    const struct mien_store_round next = mien_chain_next_round(chain);
    struct mien_entry open = {.kind = MIEN_ENTRY_ROUND_OPEN};

    open.round_open.round = next.round + skip;
    open.round_open.attempt = next.attempt;
    open.round_open.model_version = chain->latest.version;
    memcpy(open.round_open.model_hash, chain->latest.model_hash, 32);
    memcpy(open.round_open.plan_hash, chain->plan.plan_hash, 32);
    return judge(chain, &open);
}

/* The whole run is one Gaussian: another release is not another event. */
static void correlated_releases_are_charged_together(void **state)
{
    (void)state;
    struct mien_chain chain;
    struct mien_budget_answer answer;
    struct mien_dp_cost cost;
    double delta;

    begin(&chain);
    chain.plan = fixture_correlated();
    chain.run[0].mechanism = chain.plan.mechanism;
    for (uint64_t t = 0; t < 10; t++) {
        assert_int_equal(mien_chain_step(&chain), t);
        assert_int_equal(mien_chain_budget(&chain, MIEN_SAMPLING_NONE, 1, &answer, NULL), MIEN_OK);
        assert_int_equal(judge_open(&chain, 1), MIEN_ESTATE); /* no gaps */
        assert_int_equal(judge_open(&chain, 0), MIEN_OK);
        release(&chain);
        assert_int_equal(mien_chain_cost(&chain, &cost, &delta, NULL), MIEN_OK);
        assert_true(cost.epsilon == answer.after.epsilon);
        assert_true(cost.epsilon == cost_of(&chain.plan.mechanism, t + 1, 1e-5).epsilon);
    }
    /* A unit is in three of ten: far below ten releases on their own. */
    const double alone = cost_of(&chain.plan.mechanism, 1, 1e-5).epsilon;
    assert_true(cost.epsilon < 3 * alone);
    assert_int_equal(judge_open(&chain, 0), MIEN_EPOLICY); /* the planned rounds are used up */
}

static void a_restore_ends_a_run_with_limits(void **state)
{
    (void)state;
    struct mien_chain chain;
    struct mien_entry entry = {.kind = MIEN_ENTRY_RESTORE};

    begin(&chain);
    chain.plan = fixture_correlated();
    chain.run[0].mechanism = chain.plan.mechanism;
    release(&chain);
    entry.restore.n_charged = 2;
    entry.restore.mechanism = chain.plan.mechanism;
    entry.restore.version = chain.latest.version;
    take(&chain, entry);
    assert_int_equal(mien_chain_step(&chain), 3);
    assert_int_equal(mien_chain_goes_on(&chain, NULL), MIEN_EPOLICY);
    assert_int_equal(judge_open(&chain, 0), MIEN_EPOLICY);
    /* Without limits a restored run goes on. */
    begin(&chain);
    chain.run[0].restored = true;
    assert_int_equal(mien_chain_goes_on(&chain, NULL), MIEN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correlated_releases_are_charged_together),
        cmocka_unit_test(a_restore_ends_a_run_with_limits),
        cmocka_unit_test(a_second_run_adds_to_what_the_first_has_spent),
        cmocka_unit_test(the_cap_is_one_for_all_runs),
        cmocka_unit_test(a_run_begins_between_rounds_with_a_model_of_its_own),
        cmocka_unit_test(a_ledger_holds_a_bounded_number_of_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
