// SPDX-License-Identifier: Apache-2.0
#include "client/guard.h"
#include "common/plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct mien_plan demo_plan(void)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("demo", &plan, NULL), MIEN_OK);
    plan.noise_multiplier = 1;
    plan.epsilon_cap = 8;
    return plan;
}

static void assert_refused(const struct mien_client_limits *limits, const struct mien_plan *plan,
                           const char *word)
{
    struct mien_err err = {0};

    assert_int_equal(mien_client_guard(limits, plan, 1 << 20, &err), MIEN_EPOLICY);
    if (strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not name %s", err.text, word);
}

static void the_demo_plan_passes_the_default_limits(void **state)
{
    (void)state;
    struct mien_client_limits limits = mien_client_limits_default();
    struct mien_plan plan = demo_plan();

    assert_int_equal(mien_client_guard(&limits, &plan, 1 << 20, NULL), MIEN_OK);
}

static void memory_is_compared_exactly(void **state)
{
    (void)state;
    struct mien_client_limits limits = {.max_memory_bytes = 1000};
    struct mien_plan plan = demo_plan();

    assert_int_equal(mien_client_guard(&limits, &plan, 1000, NULL), MIEN_OK);
    assert_int_equal(mien_client_guard(&limits, &plan, 1001, NULL), MIEN_EPOLICY);
}

/* Rounded up and down: the sentence never reads "needs 48, gives 48". */
static void a_refusal_for_memory_names_both_figures(void **state)
{
    (void)state;
    struct mien_client_limits limits = mien_client_limits_default();
    struct mien_plan plan = demo_plan();
    struct mien_err err = {0};

    assert_int_equal(mien_client_guard(&limits, &plan, limits.max_memory_bytes + 1, &err),
                     MIEN_EPOLICY);
    assert_string_equal(err.text, "the plan needs 49 MiB, this device gives 48");
}

static void each_limit_refuses_and_is_named(void **state)
{
    (void)state;
    struct mien_client_limits limits = mien_client_limits_default();
    struct mien_plan plan = demo_plan();

    limits.min_cohort = plan.cohort + 1;
    assert_refused(&limits, &plan, "cohort");
    limits = mien_client_limits_default();
    limits.min_group = plan.group_min + 1;
    assert_refused(&limits, &plan, "groups");
    limits = mien_client_limits_default();
    limits.max_local_steps = plan.local_steps - 1;
    assert_refused(&limits, &plan, "steps");
    limits = mien_client_limits_default();
    limits.max_epsilon = 7.5;
    assert_refused(&limits, &plan, "epsilon");
}

static void a_limit_on_epsilon_wants_noise_and_a_cap(void **state)
{
    (void)state;
    struct mien_client_limits limits = mien_client_limits_default();
    struct mien_plan plan = demo_plan();

    limits.max_epsilon = 8;
    assert_int_equal(mien_client_guard(&limits, &plan, 1, NULL), MIEN_OK);
    plan.noise_multiplier = 0;
    assert_refused(&limits, &plan, "bounds no epsilon");
    plan = demo_plan();
    plan.epsilon_cap = 0;
    assert_refused(&limits, &plan, "bounds no epsilon");
}

static void families_are_whole_words_of_a_list(void **state)
{
    (void)state;
    struct mien_client_limits limits = mien_client_limits_default();
    struct mien_plan plan = demo_plan();

    (void)snprintf(limits.families, sizeof(limits.families), "vae, gan");
    assert_int_equal(mien_client_guard(&limits, &plan, 1, NULL), MIEN_OK);
    (void)snprintf(limits.families, sizeof(limits.families), "vae,ganymede");
    assert_refused(&limits, &plan, "family gan");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo_plan_passes_the_default_limits),
        cmocka_unit_test(memory_is_compared_exactly),
        cmocka_unit_test(a_refusal_for_memory_names_both_figures),
        cmocka_unit_test(each_limit_refuses_and_is_named),
        cmocka_unit_test(a_limit_on_epsilon_wants_noise_and_a_cap),
        cmocka_unit_test(families_are_whole_words_of_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
