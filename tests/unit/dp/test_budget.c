// SPDX-License-Identifier: Apache-2.0
#include "common/dp/budget.h"

#include "common/base/mem.h"
#include "tests/support/test.h"

#include <math.h>

static const struct mien_dp_event one = {
    .sampling = MIEN_SAMPLING_NONE, .rate = 1.0, .noise = 5.0, .count = 1};

static void the_release_that_would_pass_the_cap_is_refused(void **state)
{
    (void)state;
    const struct mien_budget budget = {.epsilon_cap = 3.0, .delta = 1e-6};
    struct mien_dp_event spent = one;
    struct mien_budget_answer answer = {.allowed = true};
    uint64_t n_released = 0;

    for (spent.count = 0; answer.allowed; spent.count++) {
        size_t n_spent = spent.count > 0 ? 1 : 0;

        assert_int_equal(mien_budget_check(&budget, &spent, n_spent, &one, &answer, NULL), MIEN_OK);
        n_released += answer.allowed;
        assert_true(spent.count < 1000);
    }
    assert_true(answer.before.epsilon <= 3.0);
    assert_true(answer.after.epsilon > 3.0);
    assert_true(n_released > 1);
}

static void noise_zero_fits_only_under_no_cap(void **state)
{
    (void)state;
    struct mien_dp_event bare = one;
    struct mien_budget_answer answer;
    struct mien_budget budget = {.epsilon_cap = 1e300, .delta = 1e-6};

    bare.noise = 0.0;
    assert_int_equal(mien_budget_check(&budget, NULL, 0, &bare, &answer, NULL), MIEN_OK);
    assert_false(answer.allowed);
    budget.epsilon_cap = INFINITY;
    assert_int_equal(mien_budget_check(&budget, NULL, 0, &bare, &answer, NULL), MIEN_OK);
    assert_true(answer.allowed);
}

static void a_cap_that_is_no_number_is_refused(void **state)
{
    (void)state;
    const struct mien_budget budget = {.epsilon_cap = NAN, .delta = 1e-6};
    struct mien_budget_answer answer;

    assert_int_equal(mien_budget_check(&budget, NULL, 0, &one, &answer, NULL), MIEN_EINVAL);
}

static void no_memory_is_an_error_and_no_permission(void **state)
{
    (void)state;
    const struct mien_budget budget = {.epsilon_cap = 3.0, .delta = 1e-6};
    struct mien_budget_answer answer = {0};

    mien_mem_fail_at(0);
    assert_int_equal(mien_budget_check(&budget, NULL, 0, &one, &answer, NULL), MIEN_ENOMEM);
    mien_mem_fail_at(-1);
    assert_false(answer.allowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_release_that_would_pass_the_cap_is_refused),
        cmocka_unit_test(noise_zero_fits_only_under_no_cap),
        cmocka_unit_test(a_cap_that_is_no_number_is_refused),
        cmocka_unit_test(no_memory_is_an_error_and_no_permission),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
