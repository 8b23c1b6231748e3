// SPDX-License-Identifier: Apache-2.0
/* The rules of sampling, on a coordinator with a fleet (design section 4, "Sampling"). */
#include "common/dp/sampling.h"
#include "common/plan/sampling.h"
#include "tests/unit/core/fixture.h"

#include <math.h>

static struct fleet fleet;

/* q = 0.5 of some hundred units; rounds count from 20 on. */
static struct fleet *begin(enum mien_plan_sampling sampling, uint32_t n_whole, uint64_t seed)
{
    memset(&fleet, 0, sizeof(fleet));
    fleet.plan = fleet_plan();
    fleet.plan.sampling = sampling;
    fleet.plan.rate = sampling == MIEN_PLAN_UNSAMPLED ? 1.0 : 0.5;
    fleet.plan.cohort = n_whole / 2; /* with n_whole units a round opens at once */
    fleet.plan.min_reports = 20;
    if (sampling == MIEN_PLAN_FIXED)
        fleet.plan.population = n_whole;
    if (sampling == MIEN_PLAN_POISSON_CAPPED) {
        fleet.plan.population = 240;
        fleet.plan.cap = 120;
    }
    fleet_init(&fleet, seed);
    return &fleet;
}

static uint32_t min_units(const struct fleet *f)
{
    return (uint32_t)mien_coordinator_min_units(&f->plan);
}

static void a_round_opens_by_units_counted_before_any_coin(void **state)
{
    (void)state;
    struct fleet *f = begin(MIEN_PLAN_POISSON, 300, 1);
    const uint32_t n = min_units(f);

    assert_true(0.5 * n * 0.9 - 6 * sqrt(0.5 * n) >= 20);
    fleet_gather(f, n - 1);
    fleet_pass(f, 100000);
    assert_int_equal(f->n_opened, 0);
    /* A second device of a unit that waits is no further unit. */
    fleet_check_in(f, fleet_connect(f, 3));
    fleet_pass(f, 100000);
    assert_int_equal(f->n_opened, 0);
    fleet_gather(f, 1);
    fleet_pass(f, 100000);
    assert_int_equal(f->n_opened, 1);
    fleet_fini(f);
}

/* Seeds 2 to 21: 20 draws of 300 units. The share of drawn ones misses q by chance with probability
 * below 1e-7 (5.5 deviations), and so does the share of pairs that are drawn together. */
static void coins_are_independent_and_fall_once(void **state)
{
    (void)state;
    double drawn = 0;
    double pairs = 0;

    for (uint64_t seed = 2; seed < 22; seed++) {
        struct fleet *f = begin(MIEN_PLAN_POISSON, 300, seed);
        static const uint8_t erased[32] = {0};

        fleet_gather(f, 300);
        fleet_pass(f, 5000);
        assert_int_equal(f->core->phase, MIEN_PHASE_COLLECT);
        assert_memory_equal(f->core->coin_key, erased, 32);
        drawn += fleet_n_assigned(f);
        for (uint32_t i = 0; i < 300; i += 2)
            pairs += f->n_assigned[i] > 0 && f->n_assigned[i + 1] > 0;
        assert_int_equal(f->core->counts.drawn, fleet_n_assigned(f));
        fleet_fini(f);
    }
    assert_true(fabs(drawn - 0.5 * 6000) < 5.5 * sqrt(0.25 * 6000));
    assert_true(fabs(pairs - 0.25 * 3000) < 5.5 * sqrt(0.25 * 0.75 * 3000));
}

/* One coin and one device a unit; when the draw is over nobody asks for another coin. */
static void one_device_of_a_unit_is_admitted_and_once(void **state)
{
    (void)state;
    struct fleet *f = begin(MIEN_PLAN_POISSON, 300, 50);

    fleet_gather(f, 300);
    for (uint32_t unit = 0; unit < 300; unit++)
        fleet_check_in(f, fleet_connect(f, unit)); /* a second one of each, as devices 300 .. */
    fleet_pass(f, 5000);
    uint32_t n = 0;
    for (uint32_t unit = 0; unit < 300; unit++) {
        assert_true(f->n_assigned[unit] + f->n_assigned[300 + unit] <= 1);
        n += f->n_assigned[unit];
    }
    assert_true(n > 100 && n == fleet_n_assigned(f));

    uint32_t in = 0;
    while (f->n_assigned[in] == 0)
        in++;
    uint32_t out = 0;
    while (f->n_assigned[out] + f->n_assigned[300 + out] > 0)
        out++;
    /* Its device is gone: the unit's other one does not take its place, itself comes back. */
    mien_coordinator_disconnect(f->core, f->now_ms, f->peer[in]);
    fleet_check_in(f, 300 + in);
    assert_int_equal(f->n_assigned[300 + in], 0);
    fleet_reconnect(f, in, in);
    fleet_check_in(f, in);
    assert_int_equal(f->n_assigned[in], 2);
    /* Who was not drawn, or was not there, is not let in later. */
    fleet_check_in(f, out);
    fleet_check_in(f, fleet_connect(f, 1000));
    assert_int_equal(f->n_assigned[out], 0);
    assert_int_equal(f->n_assigned[f->n - 1], 0);
    assert_int_equal(f->core->counts.assigned, n);
    fleet_fini(f);
}

/* A sampled round takes reports until its deadline however many have come; only when all that could
 * come are there does nothing change by ending. */
static void the_deadline_ends_a_sampled_round_and_no_goal(void **state)
{
    (void)state;
    struct fleet *f = begin(MIEN_PLAN_POISSON, 300, 60);
    uint32_t last = 0;

    fleet_gather(f, 300);
    fleet_pass(f, 5000);
    for (uint32_t i = 0; i < 300; i++) {
        if (f->n_assigned[i] > 0)
            last = i;
    }
    for (uint32_t i = 0; i < last; i++) {
        if (f->n_assigned[i] > 0)
            fleet_ready(f, i);
    }
    assert_true(fleet_n_assigned(f) - 1 > f->plan.cohort); /* more than enough */
    mien_coordinator_disconnect(f->core, f->now_ms, f->peer[last]);
    fleet_pass(f, 90000);
    assert_int_equal(f->core->phase, MIEN_PHASE_COLLECT);
    fleet_pass(f, 10001);
    assert_int_equal(f->core->phase, MIEN_PHASE_KEYS);
    fleet_fini(f);

    f = begin(MIEN_PLAN_POISSON, 300, 60);
    fleet_gather(f, 300);
    fleet_pass(f, 5000);
    for (uint32_t i = 0; i < 300; i++) {
        if (f->n_assigned[i] > 0)
            fleet_ready(f, i);
    }
    assert_int_equal(f->core->phase, MIEN_PHASE_KEYS);
    fleet_fini(f);
}

/* 201 devices for groups of at most 200: two groups, and nobody is left over. */
static void who_is_ready_has_a_group_before_keys(void **state)
{
    (void)state;
    struct fleet *f = begin(MIEN_PLAN_UNSAMPLED, 200, 70);

    fleet_gather(f, 201);
    fleet_pass(f, 5000);
    for (uint32_t i = 0; i < 201; i++)
        fleet_ready(f, i);
    assert_int_equal(f->core->phase, MIEN_PHASE_KEYS);
    for (uint32_t i = 0; i < 201; i++)
        assert_int_equal(f->n_sessions[i], 1);
    fleet_fini(f);
}

/* Seeds 80 to 99. At most `cap` are assigned of at most `population` that have a coin, and each
 * unit is as likely to be one: 5.5 deviations of 20 draws over the fleet's two halves. */
static void a_cap_leaves_out_at_random_before_the_assignment(void **state)
{
    (void)state;
    double first = 0;
    double second = 0;
    uint32_t n_capped = 0;

    for (uint64_t seed = 80; seed < 100; seed++) {
        struct fleet *f = begin(MIEN_PLAN_POISSON_CAPPED, 400, seed);

        fleet_gather(f, 400);
        fleet_pass(f, 5000);
        const uint32_t n = fleet_n_assigned(f);
        assert_true(n <= f->plan.cap);
        assert_true(f->core->counts.drawn <= f->plan.population && f->core->counts.drawn >= n);
        n_capped += f->core->counts.drawn > n;
        for (uint32_t i = 0; i < 200; i++) {
            first += f->n_assigned[i];
            second += f->n_assigned[200 + i];
        }
        fleet_fini(f);
    }
    assert_true(n_capped > 5);
    assert_true(first + second > 20 * 90);
    assert_true(fabs(first - second) < 5.5 * sqrt(first + second));
}

static void a_fixed_sample_has_its_size_and_waits_for_its_population(void **state)
{
    (void)state;
    double first = 0;

    for (uint64_t seed = 120; seed < 140; seed++) {
        struct fleet *f = begin(MIEN_PLAN_FIXED, 400, seed);

        assert_true(mien_plan_rate(&f->plan) == 0.5);
        fleet_gather(f, 399);
        fleet_pass(f, 100000);
        assert_int_equal(f->n_opened, 0);
        fleet_gather(f, 1);
        assert_int_equal(fleet_n_assigned(f), 200);
        for (uint32_t i = 0; i < 200; i++)
            first += f->n_assigned[i];
        fleet_fini(f);
    }
    assert_true(fabs(first - 2000) < 5.5 * sqrt(20 * 200 * 0.25));
}

/* Without sampling everybody takes part, also who comes while half of the time is left. */
static void without_sampling_late_units_are_let_in(void **state)
{
    (void)state;
    struct fleet *f = begin(MIEN_PLAN_UNSAMPLED, 200, 200);

    fleet_gather(f, 100);
    assert_int_equal(fleet_n_assigned(f), 100);
    fleet_pass(f, 49000);
    fleet_gather(f, 1);
    assert_int_equal(fleet_n_assigned(f), 101);
    fleet_check_in(f, fleet_connect(f, 7)); /* its unit is in */
    assert_int_equal(fleet_n_assigned(f), 101);
    fleet_pass(f, 2000);
    fleet_gather(f, 1);
    assert_int_equal(fleet_n_assigned(f), 101);
    assert_int_equal(f->core->counts.assigned, 101);
    fleet_fini(f);
}

static void without_randomness_nobody_is_drawn(void **state)
{
    (void)state;
    struct fleet *f = begin(MIEN_PLAN_FIXED, 400, 210);

    f->breaks = true; /* the coins' key is there, the sample is not */
    fleet_gather(f, 400);
    assert_int_equal(f->n_opened, 1);
    assert_int_equal(f->n_abandoned, 1);
    assert_int_equal(fleet_n_assigned(f), 0);
    fleet_fini(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_opens_by_units_counted_before_any_coin),
        cmocka_unit_test(coins_are_independent_and_fall_once),
        cmocka_unit_test(one_device_of_a_unit_is_admitted_and_once),
        cmocka_unit_test(the_deadline_ends_a_sampled_round_and_no_goal),
        cmocka_unit_test(who_is_ready_has_a_group_before_keys),
        cmocka_unit_test(a_cap_leaves_out_at_random_before_the_assignment),
        cmocka_unit_test(a_fixed_sample_has_its_size_and_waits_for_its_population),
        cmocka_unit_test(without_sampling_late_units_are_let_in),
        cmocka_unit_test(without_randomness_nobody_is_drawn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
