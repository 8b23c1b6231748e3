// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/fixture.h"

struct at {
    char dir[64];
    struct mien_store *store;
};

static int setup(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));
    const struct mien_entry_plan plan = fixture_plan();

    assert_non_null(at);
    fixture_path(at->dir);
    fixture_create(at->dir, &plan);
    at->store = fixture_open(at->dir);
    (void)fixture_start(at->store);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    struct at *at = *state;

    mien_store_close(at->store);
    fixture_remove(at->dir);
    mien_free(at);
    return 0;
}

static void a_round_goes_through_in_its_order(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_store_round round = fixture_collect(store, 3);
    struct mien_store_model model;
    struct mien_buf bytes = {0};

    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
    assert_int_equal(fixture_release(store, round), 1);
    assert_int_equal(mien_store_latest(store).version, 1);
    assert_int_equal(mien_store_model(store, 1, &model, NULL), MIEN_OK);
    assert_int_equal(model.round, 1);
    assert_int_equal(mien_store_model_read(store, &model, &bytes, NULL), MIEN_OK);
    assert_int_equal(bytes.len, strlen("model of round 1"));
    bytes.len = 0;
    assert_int_equal(mien_store_server_state(store, &bytes, NULL), MIEN_OK);
    assert_memory_equal(bytes.data, "model of round 1", bytes.len);
    mien_buf_fini(&bytes);
    assert_int_equal(mien_store_next_round(store).round, 2);
}

static void nothing_happens_before_its_predecessor(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_store_round round = mien_store_next_round(store);
    struct mien_store_input input = fixture_input(1);
    struct mien_store_release release = {.model_hash = {1}};
    uint8_t digest[32];
    uint64_t version;
    const struct mien_span file = {(const uint8_t *)"x", 1};

    assert_int_equal(mien_store_put_inputs(store, round, 0, &input, 1, NULL), MIEN_ESTATE);
    assert_int_equal(mien_store_put_survivors(store, round, 0, input.unit, 1, NULL), MIEN_ESTATE);
    assert_int_equal(fixture_reserve(store, round), MIEN_ESTATE);
    assert_int_equal(mien_store_model_write(store, round, file, digest, NULL), MIEN_ESTATE);
    assert_int_equal(mien_store_commit(store, round, &release, &version, NULL), MIEN_ESTATE);
    assert_int_equal(mien_store_abandon(store, round, "", NULL), MIEN_ESTATE);

    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    assert_int_equal(fixture_reserve(store, round), MIEN_ESTATE); /* nobody survives */
    assert_int_equal(mien_store_put_inputs(store, round, 0, &input, 1, NULL), MIEN_OK);
    assert_int_equal(fixture_reserve(store, round), MIEN_ESTATE); /* undecided */
    assert_int_equal(mien_store_model_write(store, round, file, digest, NULL), MIEN_ESTATE);
    assert_int_equal(mien_store_commit(store, round, &release, &version, NULL), MIEN_ESTATE);
    assert_int_equal(
        mien_store_round_open(store, (struct mien_store_round){2, 1}, fixture_coins, NULL),
        MIEN_ESTATE);
}

static void nothing_happens_twice(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_store_round round = fixture_collect(store, 3);
    struct mien_store_input input = fixture_input(1);
    struct mien_store_input other = fixture_input(9);

    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_ESTATE);
    assert_int_equal(mien_store_put_survivors(store, round, 0, input.unit, 1, NULL), MIEN_EEXIST);
    assert_int_equal(mien_store_drop_session(store, round, 0, NULL), MIEN_EEXIST);
    assert_int_equal(mien_store_put_inputs(store, round, 0, &other, 1, NULL), MIEN_ESTATE);
    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
    assert_int_equal(fixture_reserve(store, round), MIEN_ESTATE);
    (void)fixture_release(store, round);
    assert_int_equal(fixture_reserve(store, round), MIEN_ESTATE);
    assert_int_equal(mien_store_abandon(store, round, "", NULL), MIEN_ESTATE);
}

static void a_unit_is_counted_once_in_a_round(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_store_round round = fixture_collect(store, 3);
    struct mien_store_input twice[] = {fixture_input(7), fixture_input(7)};
    struct mien_store_input again = fixture_input(2); /* survives in session 0 */
    struct mien_store_input stranger = fixture_input(8);

    assert_int_equal(mien_store_put_inputs(store, round, 1, twice, 2, NULL), MIEN_EEXIST);
    assert_int_equal(mien_store_put_inputs(store, round, 1, &again, 1, NULL), MIEN_OK);
    assert_int_equal(mien_store_put_inputs(store, round, 1, &again, 1, NULL), MIEN_EEXIST);
    assert_int_equal(mien_store_put_survivors(store, round, 1, again.unit, 1, NULL), MIEN_EEXIST);
    assert_int_equal(mien_store_put_survivors(store, round, 1, stranger.unit, 1, NULL),
                     MIEN_ENOTFOUND);
    assert_int_equal(mien_store_drop_session(store, round, 1, NULL), MIEN_OK);
    assert_int_equal(mien_store_drop_session(store, round, 1, NULL), MIEN_EEXIST);
    assert_int_equal(mien_store_put_survivors(store, round, 1, again.unit, 1, NULL), MIEN_ESTATE);
    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
}

static void a_refused_batch_leaves_no_row(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_store_round round = fixture_collect(store, 1);
    struct mien_store_input inputs[] = {fixture_input(5), fixture_input(6), fixture_input(5)};

    assert_int_equal(mien_store_put_inputs(store, round, 1, inputs, 3, NULL), MIEN_EEXIST);
    assert_int_equal(mien_store_put_inputs(store, round, 1, inputs, 2, NULL), MIEN_OK);
}

static void an_uncharged_round_may_be_tried_again_a_charged_one_not(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_store_round round = fixture_collect(store, 2);
    struct mien_dp_event *events = NULL;
    size_t n = 9;

    assert_int_equal(mien_store_abandon(store, round, "too few", NULL), MIEN_OK);
    assert_int_equal(mien_store_events(store, &events, &n), MIEN_OK);
    assert_int_equal(n, 0);
    mien_free(events);
    round = mien_store_next_round(store);
    assert_int_equal(round.round, 1);
    assert_int_equal(round.attempt, 2);

    round = fixture_collect(store, 2);
    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
    assert_int_equal(mien_store_abandon(store, round, "disk", NULL), MIEN_OK);
    assert_int_equal(mien_store_events(store, &events, &n), MIEN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(events[0].count, 1);
    mien_free(events);
    assert_int_equal(
        mien_store_round_open(store, (struct mien_store_round){1, 3}, fixture_coins, NULL),
        MIEN_ESTATE);
    round = mien_store_next_round(store);
    assert_int_equal(round.round, 2);
    assert_int_equal(round.attempt, 1);
}

static void a_charge_over_the_cap_is_refused_and_leaves_no_trace(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_entry_plan plan = fixture_plan();
    struct mien_budget_answer answer;
    struct mien_rng rng = mien_rng_system();
    struct mien_err err = {0};
    const struct mien_store_charge charge = {MIEN_SAMPLING_POISSON};

    assert_int_equal(mien_store_budget(store, &charge, &answer, NULL), MIEN_OK);
    assert_true(answer.after.epsilon > 0.0);
    plan.epsilon_cap = answer.after.epsilon; /* exactly one */
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_OK);
    fixture_round(store);

    struct mien_store_round round = fixture_collect(store, 2);
    struct mien_store_mark before = mien_store_mark(store);
    assert_int_equal(mien_store_reserve(store, round, &charge, &rng, &answer, &err), MIEN_EPOLICY);
    assert_false(answer.allowed);
    assert_non_null(strstr(err.text, "cap"));
    assert_int_equal(mien_store_mark(store).seq, before.seq);
    assert_int_equal(mien_store_abandon(store, round, "cap", NULL), MIEN_OK);
}

static double epsilon_of(const struct mien_store *store, double noise, uint64_t n)
{
    struct mien_dp_event event = mien_mechanism_event(&mien_store_plan(store)->mechanism, n);
    struct mien_dp_cost cost;

    event.noise = noise;
    assert_int_equal(mien_dp_account(&event, 1, mien_store_plan(store)->delta, &cost, NULL),
                     MIEN_OK);
    return cost.epsilon;
}

static void a_refusal_says_what_would_fit(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_entry_plan plan = fixture_plan();
    struct mien_budget_answer answer;
    struct mien_rng rng = mien_rng_system();
    struct mien_err err = {0};
    const struct mien_store_charge unsampled = {MIEN_SAMPLING_NONE};
    const double noise = mien_mechanism_event(&plan.mechanism, 1).noise;

    /* Under a cap of three sampled releases, one made: two more fit, one that is not sampled does
     * not. */
    plan.epsilon_cap = epsilon_of(store, noise, 3);
    assert_true(plan.epsilon_cap < epsilon_of(store, noise, 4));
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_OK);
    fixture_round(store);
    struct mien_store_round round = fixture_collect(store, 2);
    assert_int_equal(mien_store_reserve(store, round, &unsampled, &rng, &answer, &err),
                     MIEN_EPOLICY);
    assert_non_null(strstr(err.text, ": 2 more (poisson) fit"));
    assert_int_equal(mien_status_exit(MIEN_EPOLICY), 3);
    const char *multiplier = strstr(err.text, "noise multiplier of ");
    assert_non_null(multiplier);
    const double enough = strtod(multiplier + strlen("noise multiplier of "), NULL);
    assert_true(enough > noise);
    assert_true(epsilon_of(store, enough * (1.0 + 1e-5), plan.rounds) <= plan.epsilon_cap);
    assert_true(epsilon_of(store, enough * (1.0 - 1e-3), plan.rounds) > plan.epsilon_cap);
}

static void what_decides_privacy_is_fixed_for_a_run(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_entry_plan plan = fixture_plan();
    uint64_t seq = mien_store_mark(store).seq;

    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_OK);
    assert_int_equal(mien_store_mark(store).seq, seq); /* the same one writes nothing */
    plan.mechanism.rate = 0.2;
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_EPOLICY);
    plan = fixture_plan();
    plan.mechanism.cohort = 19;
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_EPOLICY);
    plan = fixture_plan();
    plan.mechanism.sigma2_num = 1999 * 1999;
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_EPOLICY);
    plan = fixture_plan();
    plan.delta = 1e-4;
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_EPOLICY);
    plan = fixture_plan();
    plan.rounds++;
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_EPOLICY);
    plan = fixture_plan();
    plan.mechanism.separation = 2;
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_EPOLICY);
    plan = fixture_plan();
    plan.plan_hash[0]++; /* something that costs nothing */
    plan.mechanism.min_reports--;
    assert_int_equal(mien_store_set_plan(store, &plan, NULL), MIEN_OK);
    assert_int_equal(mien_store_mark(store).seq, seq + 1);
}

static void a_round_may_be_charged_unsampled(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_rng rng = mien_rng_system();
    struct mien_budget_answer answer;
    struct mien_dp_event *events = NULL;
    const struct mien_store_charge fixed = {MIEN_SAMPLING_FIXED};
    const struct mien_store_charge none = {MIEN_SAMPLING_NONE};
    size_t n = 0;

    fixture_round(store);
    struct mien_store_round round = fixture_collect(store, 2);
    assert_int_equal(mien_store_reserve(store, round, &fixed, &rng, &answer, NULL), MIEN_EINVAL);
    assert_int_equal(mien_store_reserve(store, round, &none, &rng, &answer, NULL), MIEN_OK);
    assert_int_equal(mien_store_events(store, &events, &n), MIEN_OK);
    assert_int_equal(n, 2);
    assert_int_equal(events[1].sampling, MIEN_SAMPLING_NONE);
    assert_true(events[1].rate == 1.0);
    mien_free(events);
}

static void counts_of_a_round_are_kept(void **state)
{
    struct mien_store *store = ((struct at *)*state)->store;
    struct mien_store_counts counts = {.drawn = 9, .assigned = 8, .reported = 7, .survived = 6};
    struct mien_store_counts back;
    struct mien_store_round round;

    assert_int_equal(mien_store_last_counts(store, &round, &back), MIEN_ENOTFOUND);
    assert_int_equal(mien_store_put_counts(store, (struct mien_store_round){1, 1}, &counts, NULL),
                     MIEN_ENOTFOUND);
    struct mien_store_round open = fixture_collect(store, 2);
    counts.seconds = 1.5;
    assert_int_equal(mien_store_put_counts(store, open, &counts, NULL), MIEN_OK);
    assert_int_equal(mien_store_last_counts(store, &round, &back), MIEN_OK);
    assert_int_equal(round.round, 1);
    assert_memory_equal(&back, &counts, sizeof(counts));
}

static void tools_cannot_open_rounds(void **state)
{
    struct at *at = *state;
    struct mien_store_round round;

    mien_store_close(at->store);
    at->store = fixture_open(at->dir); /* not started */
    round = mien_store_next_round(at->store);
    assert_int_equal(mien_store_round_open(at->store, round, fixture_coins, NULL), MIEN_ESTATE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_round_goes_through_in_its_order),
        TEST(nothing_happens_before_its_predecessor),
        TEST(nothing_happens_twice),
        TEST(a_unit_is_counted_once_in_a_round),
        TEST(a_refused_batch_leaves_no_row),
        TEST(an_uncharged_round_may_be_tried_again_a_charged_one_not),
        TEST(a_charge_over_the_cap_is_refused_and_leaves_no_trace),
        TEST(a_refusal_says_what_would_fit),
        TEST(what_decides_privacy_is_fixed_for_a_run),
        TEST(a_round_may_be_charged_unsampled),
        TEST(counts_of_a_round_are_kept),
        TEST(tools_cannot_open_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
