// SPDX-License-Identifier: Apache-2.0
#include "common/plan/noise.h"

#include "common/plan/preset.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static struct mien_plan plan_of(uint32_t group_min, uint32_t group_max, double corrupt)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    plan.group_min = group_min;
    plan.group_max = group_max;
    plan.corrupt = corrupt;
    plan.mechanism = MIEN_PLAN_DISCRETE_GAUSSIAN;
    plan.noise_by = MIEN_PLAN_NOISE_BY_DEVICES;
    return plan;
}

/* Whatever a session's size, who may collude does not make the others fewer than the shares that
 * the noise is made for; and a session of which nobody leaves is always enough. */
static void the_fewest_survivors_less_the_corrupt_are_the_shares(void **state)
{
    (void)state;
    const double corrupt[] = {0.0, 0.05, 0.1, 0.2, 0.33};

    for (uint32_t low = 2; low <= 64; low++) {
        for (size_t c = 0; c < 5; c++) {
            const struct mien_plan plan = plan_of(low, 1000, corrupt[c]);
            const uint32_t n_shares = mien_plan_noise_shares(&plan);

            assert_true(n_shares > 0 && n_shares <= low);
            for (uint32_t n = low; n <= 1000; n++) {
                const uint32_t least = mien_plan_min_survivors(&plan, n);

                assert_true(least >= low && least <= n);
                assert_true((double)least - floor(corrupt[c] * (double)n) >= (double)n_shares);
            }
        }
    }
}

static void without_noise_by_devices_the_group_minimum_stands(void **state)
{
    (void)state;
    struct mien_plan plan = plan_of(10, 200, 0.2);

    assert_int_equal(mien_plan_min_survivors(&plan, 200), 8 + 40);
    plan.noise_by = MIEN_PLAN_NOISE_BY_COORDINATOR;
    assert_int_equal(mien_plan_min_survivors(&plan, 200), 10);
}

static void assert_refused(const struct mien_plan *plan, const char *word)
{
    struct mien_err err = {0};

    assert_int_equal(mien_plan_validate(plan, &err), MIEN_EINVAL);
    if (strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not name %s", err.text, word);
}

static void noise_by_devices_needs_shares_that_add_up(void **state)
{
    (void)state;
    const struct mien_plan good = plan_of(10, 200, 0.05);
    struct mien_plan plan = good;

    assert_int_equal(mien_plan_validate(&plan, NULL), MIEN_OK);
    plan.mechanism = MIEN_PLAN_ROUNDED_GAUSSIAN;
    assert_refused(&plan, "privacy.mechanism");
    plan = good;
    plan.noise_multiplier = 0.0;
    assert_refused(&plan, "privacy.noise_multiplier");
    plan = good;
    plan.noise_by = (enum mien_plan_noise_by)3;
    assert_refused(&plan, "privacy.noise_by");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fewest_survivors_less_the_corrupt_are_the_shares),
        cmocka_unit_test(without_noise_by_devices_the_group_minimum_stands),
        cmocka_unit_test(noise_by_devices_needs_shares_that_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
