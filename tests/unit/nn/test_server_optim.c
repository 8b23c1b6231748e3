// SPDX-License-Identifier: Apache-2.0
#include "common/nn/server_optim.h"

#include "tests/support/test.h"

#include <math.h>

/* Two rounds of updates (1, -2) and (3, 0.5), by hand. */
static void run_two(struct mien_plan *plan, struct mien_server_moments *moments, float values[2])
{
    static const float updates[2][2] = {{1.0f, -2.0f}, {3.0f, 0.5f}};

    plan->server_rate = 0.5;
    plan->server_momentum = 0.9;
    plan->server_second = 0.99;
    plan->server_tau = 0.01;
    for (int round = 0; round < 2; round++)
        mien_server_step(plan, updates[round], moments, values, 2);
}

static void averaging_adds_updates(void **state)
{
    (void)state;
    struct mien_plan plan = {.server_optimiser = MIEN_SERVER_AVERAGE};
    struct mien_server_moments none = {NULL, NULL};
    float values[2] = {10.0f, 20.0f};

    run_two(&plan, &none, values);
    assert_true(values[0] == 12.0f && values[1] == 19.25f);
    assert_false(mien_server_has_first(&plan) || mien_server_has_second(&plan));
}

static void momentum_remembers_the_direction(void **state)
{
    (void)state;
    struct mien_plan plan = {.server_optimiser = MIEN_SERVER_MOMENTUM};
    float first[2] = {0};
    struct mien_server_moments moments = {first, NULL};
    float values[2] = {0};

    run_two(&plan, &moments, values);
    /* m = 1, then 0.9 + 3; and -2, then -1.8 + 0.5 */
    assert_true(fabsf(values[0] - 0.5f * (1.0f + 3.9f)) < 1e-6f);
    assert_true(fabsf(values[1] - 0.5f * (-2.0f - 1.3f)) < 1e-6f);
    assert_true(mien_server_has_first(&plan) && !mien_server_has_second(&plan));
}

static void adam_divides_by_the_root_of_the_second_moment(void **state)
{
    (void)state;
    struct mien_plan plan = {.server_optimiser = MIEN_SERVER_ADAM};
    float first[2] = {0};
    float second[2] = {0};
    struct mien_server_moments moments = {first, second};
    float values[2] = {0};

    run_two(&plan, &moments, values);
    /* m = 0.1, 0.09 + 0.3; v = 0.01, 0.0099 + 0.09 */
    const double want = 0.5 * (0.1 / (0.1 + 0.01) + 0.39 / (sqrt(0.0999) + 0.01));
    assert_true(fabs((double)values[0] - want) < 1e-5);
    assert_true(mien_server_has_first(&plan) && mien_server_has_second(&plan));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averaging_adds_updates),
        cmocka_unit_test(momentum_remembers_the_direction),
        cmocka_unit_test(adam_divides_by_the_root_of_the_second_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
