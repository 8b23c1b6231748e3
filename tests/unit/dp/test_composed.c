// SPDX-License-Identifier: Apache-2.0
#include "common/dp/composed.h"

#include "common/dp/account.h"
#include "tests/support/test.h"

#include <math.h>

/* The operator's accountant of the same steps, by the same bound. */
static double by_account(const struct mien_dp_steps *steps, size_t n, double delta)
{
    const struct mien_dp_options options = {.without_pld = true};
    struct mien_dp_event events[4];
    struct mien_dp_cost cost;

    for (size_t i = 0; i < n; i++)
        events[i] = (struct mien_dp_event){.sampling = MIEN_SAMPLING_POISSON,
                                           .rate = steps[i].rate,
                                           .noise = steps[i].noise,
                                           .count = steps[i].count};
    assert_int_equal(mien_dp_account_by(events, n, delta, &options, &cost, NULL), MIEN_OK);
    return cost.rdp;
}

static void it_says_what_the_operators_accountant_says(void **state)
{
    (void)state;
    const double deltas[] = {1e-3, 1e-5, 1e-8};
    const struct mien_dp_steps steps[] = {
        {0.01, 1.0, 1000}, {0.05, 0.7, 30}, {1.0, 4.0, 10}, {0.2, 2.5, 400}};

    for (size_t d = 0; d < 3; d++) {
        double epsilon;

        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(mien_dp_composed_epsilon(&steps[i], 1, deltas[d], &epsilon), MIEN_OK);
            assert_true(epsilon == by_account(&steps[i], 1, deltas[d]));
        }
        for (size_t n = 2; n <= 4; n++) {
            assert_int_equal(mien_dp_composed_epsilon(steps, n, deltas[d], &epsilon), MIEN_OK);
            assert_true(epsilon == by_account(steps, n, deltas[d]));
        }
    }
}

static void no_steps_cost_nothing_and_more_cost_more(void **state)
{
    (void)state;
    struct mien_dp_steps steps = {0.02, 0.8, 0};
    double before = 0.0;

    assert_int_equal(mien_dp_composed_epsilon(&steps, 0, 1e-6, &before), MIEN_OK);
    assert_true(before == 0.0);
    assert_int_equal(mien_dp_composed_epsilon(&steps, 1, 1e-6, &before), MIEN_OK);
    assert_true(before == 0.0);
    for (steps.count = 1; steps.count < 100000; steps.count *= 3) {
        double after;

        assert_int_equal(mien_dp_composed_epsilon(&steps, 1, 1e-6, &after), MIEN_OK);
        assert_true(after > before);
        before = after;
    }
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    const struct mien_dp_steps wrong[] = {
        {0.0, 1.0, 1}, {1.1, 1.0, 1}, {NAN, 1.0, 1}, {0.1, 0.0, 1}, {0.1, INFINITY, 1}};
    const struct mien_dp_steps right = {0.1, 1.0, 1};
    double epsilon;

    for (size_t i = 0; i < 5; i++)
        assert_int_equal(mien_dp_composed_epsilon(&wrong[i], 1, 1e-6, &epsilon), MIEN_EINVAL);
    assert_int_equal(mien_dp_composed_epsilon(&right, 1, 0.0, &epsilon), MIEN_EINVAL);
    assert_int_equal(mien_dp_composed_epsilon(&right, 1, 1.0, &epsilon), MIEN_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_the_operators_accountant_says),
        cmocka_unit_test(no_steps_cost_nothing_and_more_cost_more),
        cmocka_unit_test(numbers_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
