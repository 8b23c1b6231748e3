// SPDX-License-Identifier: Apache-2.0
#include "common/dp/sampling.h"

#include "common/dp/binomial.h"
#include "tests/support/test.h"

#include <math.h>

/* The constants of preset faces32. */
static const struct mien_dp_draw faces = {.sampling = MIEN_SAMPLING_POISSON,
                                          .rate = 0.02,
                                          .cohort = 150,
                                          .min_reports = 60,
                                          .drop_out = 0.1};

static void the_rule_is_that_of_the_design_to_the_unit(void **state)
{
    (void)state;
    const uint64_t n = mien_dp_draw_min_units(&faces);
    const double at = 0.02 * (double)n;
    const double below = 0.02 * (double)(n - 1);

    assert_true(at * 0.9 - 6 * sqrt(at) >= 60);
    assert_true(below * 0.9 - 6 * sqrt(below) < 60);

    struct mien_dp_draw all = faces;
    all.sampling = MIEN_SAMPLING_NONE;
    all.rate = 1.0;
    assert_int_equal(mien_dp_draw_min_units(&all), 67); /* 66 0.9 = 59.4 */
    struct mien_dp_draw fixed = faces;
    fixed.sampling = MIEN_SAMPLING_FIXED;
    fixed.population = 7500;
    assert_int_equal(mien_dp_draw_min_units(&fixed), 7500);
    struct mien_dp_draw none = faces;
    none.rate = 1e-12;
    assert_int_equal(mien_dp_draw_min_units(&none), MIEN_DP_NEVER);
}

/* Against sums of exact terms by recursion, without lgamma. */
static void binomial_figures_are_never_below_the_truth(void **state)
{
    (void)state;
    static const double rates[] = {0.01, 0.3, 0.9};

    for (size_t r = 0; r < 3; r++) {
        const double q = rates[r];
        double pmf[101];
        double from = 0;

        pmf[0] = pow(1 - q, 100);
        for (int k = 1; k <= 100; k++)
            pmf[k] = pmf[k - 1] * (101 - k) / k * q / (1 - q);
        for (int k = 100; k >= 0; k--) {
            const double at = mien_dp_binomial_at(100, q, (uint64_t)k);
            const double bound = mien_binomial_tail(100, q, (uint64_t)k);

            from += pmf[k];
            assert_true(at >= pmf[k] * (1 - 1e-12) && at <= pmf[k] * (1 + 1e-5));
            assert_true(bound >= from * (1 - 1e-9));
            if (k > 100 * q + 25)
                assert_true(bound <= 2 * from);
        }
    }
    assert_true(mien_dp_binomial_at(10, 0.5, 11) == 0.0);
    assert_true(mien_dp_binomial_at(10, 1.0, 10) == 1.0);
}

/* Brute force over the units that would report: none makes a coin more decisive. */
static void no_fleet_that_opens_is_more_pivotal_than_the_bound(void **state)
{
    (void)state;
    const double bound = mien_dp_draw_apart(&faces);
    const uint64_t n_min = mien_dp_draw_min_units(&faces);

    assert_true(bound > 0 && bound < 1e-10);
    for (uint64_t n = n_min; n < 3 * n_min; n += 7) {
        const uint64_t reporting = (uint64_t)ceil((double)n * (1 - faces.drop_out));

        for (uint64_t others = reporting - 1; others < n; others += 61)
            assert_true(faces.rate * mien_dp_binomial_at(others, faces.rate, 59) <=
                        bound * (1 + 1e-5));
    }
}

static double epsilon_of(enum mien_dp_noise kind, uint64_t cap, uint64_t population, bool or_fewer)
{
    const struct mien_dp_event event = {.sampling = MIEN_SAMPLING_POISSON_CAPPED,
                                        .rate = 0.02,
                                        .noise = 1.0,
                                        .count = 250,
                                        .population = population,
                                        .or_fewer = or_fewer,
                                        .cap = cap,
                                        .kind = kind};
    struct mien_dp_cost cost;

    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &cost, NULL), MIEN_OK);
    assert_true(cost.epsilon <= cost.epsilon_witness);
    return cost.epsilon;
}

static double epsilon_of_cap(enum mien_dp_noise kind, uint64_t cap)
{
    return epsilon_of(kind, cap, 10000, true);
}

/* 200 are drawn on average, with a deviation of 14. */
static void a_cap_costs_a_replacement_as_often_as_it_takes_hold(void **state)
{
    (void)state;
    static const enum mien_dp_noise kinds[] = {MIEN_DP_GAUSSIAN, MIEN_DP_DISCRETE_GAUSSIAN};
    struct mien_dp_event plain = {
        .sampling = MIEN_SAMPLING_POISSON, .rate = 0.02, .noise = 1.0, .count = 250};
    struct mien_dp_cost cost;

    for (size_t i = 0; i < 2; i++) {
        plain.kind = kinds[i];
        assert_int_equal(mien_dp_account(&plain, 1, 1e-6, &cost, NULL), MIEN_OK);
        const double never = epsilon_of_cap(kinds[i], 400);
        const double rarely = epsilon_of_cap(kinds[i], 250);
        const double often = epsilon_of_cap(kinds[i], 220);

        assert_true(never >= cost.epsilon * (1 - 1e-4) && never <= cost.epsilon * (1 + 1e-3));
        assert_true(rarely > never && often > rarely);
    }
    /* Delta could not pay for a cap that takes hold so often. */
    plain.kind = MIEN_DP_GAUSSIAN;
    plain.apart = 3e-4;
    assert_int_equal(mien_dp_account(&plain, 1, 1e-6, &cost, NULL), MIEN_OK);
    assert_true(cost.epsilon == cost.epsilon_witness);
    assert_true(epsilon_of_cap(MIEN_DP_GAUSSIAN, 250) < cost.epsilon);
    /* Fewer units cost no more than the bound for up to so many. */
    for (uint64_t n = 9000; n <= 10000; n += 250) {
        const double some = epsilon_of(MIEN_DP_GAUSSIAN, 230, n, false);

        assert_true(some <= epsilon_of(MIEN_DP_GAUSSIAN, 230, 10000, true));
    }
}

static void nothing_is_apart_where_nothing_is_drawn(void **state)
{
    (void)state;
    struct mien_dp_draw all = faces;

    all.sampling = MIEN_SAMPLING_NONE;
    all.rate = 1.0;
    assert_true(mien_dp_draw_apart(&all) == 0.0);
    struct mien_dp_draw fixed = faces;
    fixed.sampling = MIEN_SAMPLING_FIXED;
    fixed.population = 7500;
    assert_true(mien_dp_draw_apart(&fixed) < 1e-30);
    fixed.min_reports = 140; /* more than report on average */
    assert_true(mien_dp_draw_apart(&fixed) == fixed.rate);
}

/* The term itself: epsilon with it is that of the delta that is left, and delta runs out. */
static void delta_pays_for_what_is_apart(void **state)
{
    (void)state;
    struct mien_dp_event event = {
        .sampling = MIEN_SAMPLING_POISSON, .rate = 0.02, .noise = 1.0, .count = 250};
    struct mien_dp_cost plain;
    struct mien_dp_cost paid;
    struct mien_dp_cost left;

    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &plain, NULL), MIEN_OK);
    event.apart = 1e-11;
    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &paid, NULL), MIEN_OK);
    assert_true(paid.epsilon > plain.epsilon);
    assert_true(paid.epsilon_witness == plain.epsilon_witness);
    const double spent = 250 * 1e-11 * (1 + exp(paid.epsilon));
    event.apart = 0;
    assert_int_equal(mien_dp_account(&event, 1, 1e-6 - spent, &left, NULL), MIEN_OK);
    assert_true(paid.epsilon >= left.epsilon && paid.epsilon < left.epsilon * (1 + 1e-5));

    event.apart = 1e-3;
    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &paid, NULL), MIEN_OK);
    assert_true(paid.epsilon == paid.epsilon_witness && isinf(paid.rdp));
    event.sampling = MIEN_SAMPLING_POISSON_CAPPED;
    event.apart = 0; /* a cap, and nobody said how often it is reached */
    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &paid, NULL), MIEN_EINVAL);
    event.apart = -1e-3;
    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &paid, NULL), MIEN_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rule_is_that_of_the_design_to_the_unit),
        cmocka_unit_test(binomial_figures_are_never_below_the_truth),
        cmocka_unit_test(no_fleet_that_opens_is_more_pivotal_than_the_bound),
        cmocka_unit_test(a_cap_costs_a_replacement_as_often_as_it_takes_hold),
        cmocka_unit_test(nothing_is_apart_where_nothing_is_drawn),
        cmocka_unit_test(delta_pays_for_what_is_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
