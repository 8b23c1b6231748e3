// SPDX-License-Identifier: Apache-2.0
#include "client/train.h"
#include "common/base/mem.h"
#include "common/plan/preset.h"
#include "common/secagg/device.h"
#include "common/wire/vector.h"
#include "server/tools/plan_facts.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>

static struct mien_plan preset(const char *name)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset(name, &plan, NULL), MIEN_OK);
    return plan;
}

static struct mien_plan_facts facts_of(const struct mien_plan *plan)
{
    struct mien_plan_facts facts;
    struct mien_err err = {0};

    if (mien_plan_facts(plan, &facts, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    return facts;
}

/* What a device's core counts before it asks its guard: model, vector, and training or the
 * session. The operator's figure may not be below it by more than a hundredth, nor above. */
static void memory_is_what_a_devices_guard_counts(void **state)
{
    (void)state;
    for (const char *const *name = mien_preset_names(); *name != NULL; name++) {
        const struct mien_plan plan = preset(*name);
        const struct mien_plan_facts facts = facts_of(&plan);
        struct mien_secagg_params params;
        uint64_t training = 0;

        assert_int_equal(mien_secagg_params_of_plan(&plan, &params, NULL), MIEN_OK);
        assert_int_equal(mien_client_train_need(&plan, &training), MIEN_OK);
        const uint64_t session = mien_secagg_device_bytes(plan.group_max);
        const double counted = (double)(4 * mien_plan_n_parameters(&plan) + 4 * params.dim +
                                        (training > session ? training : session));
        const double off = (double)facts.device_bytes / counted - 1.0;

        if (fabs(off) > 0.01)
            fail_msg("%s: %.0f bytes counted, %.2f %% off", *name, counted, 100.0 * off);
    }
}

static void the_figures_fit_each_other(void **state)
{
    (void)state;
    struct mien_plan plan = preset("faces32");
    const struct mien_plan_facts facts = facts_of(&plan);

    assert_int_equal(facts.n_first, 42865);
    assert_int_equal(facts.n_parameters - facts.n_first, 236003);
    assert_int_equal(facts.dim, mien_plan_n_shared(&plan) + MIEN_N_METRICS);
    assert_int_equal(facts.upload_bytes, ((uint64_t)facts.dim * facts.bits + 7) / 8);
    assert_int_equal(facts.download_bytes, 4 * facts.n_parameters);
    assert_int_equal(facts.round_flops, plan.local_steps * facts.training.flops);
    assert_true(facts.training.total_bytes > facts.training.arena_bytes +
                                                 facts.training.scratch_bytes +
                                                 facts.training.values_bytes);
    assert_true(facts.epsilon > 0.0 && facts.epsilon < facts.epsilon_witness);

    /* Twice the batch: twice the work but for the weights' own steps, more memory. */
    plan.batch *= 2;
    const struct mien_plan_facts doubled = facts_of(&plan);
    assert_true(doubled.training.flops > facts.training.flops * 19 / 10);
    assert_true(doubled.training.flops <= facts.training.flops * 2);
    assert_true(doubled.training.arena_bytes > facts.training.arena_bytes);
    assert_int_equal(doubled.training.values_bytes, facts.training.values_bytes);
}

static void without_noise_nothing_bounds_epsilon(void **state)
{
    (void)state;
    struct mien_plan plan = preset("faces16");

    plan.noise_multiplier = 0.0;
    plan.epsilon_cap = 0.0;
    const struct mien_plan_facts facts = facts_of(&plan);
    assert_true(isinf(facts.epsilon) && isinf(facts.epsilon_witness));
}

static void an_invalid_plan_is_refused(void **state)
{
    (void)state;
    struct mien_plan plan = preset("faces16");
    struct mien_plan_facts facts;
    struct mien_err err = {0};

    plan.n_g_layers = 1;
    assert_int_equal(mien_plan_facts(&plan, &facts, &err), MIEN_EINVAL);
    assert_true(err.text[0] != '\0');
}

static void measuring_gives_a_rate(void **state)
{
    (void)state;
    const struct mien_plan plan = preset("faces16");
    const struct mien_plan_facts facts = facts_of(&plan);
    const long live = mien_mem_live();
    double rate = 0.0;

    assert_int_equal(mien_plan_measure(&plan, &facts, &rate), MIEN_OK);
    assert_true(isfinite(rate) && rate > 1e6);
    assert_int_equal(mien_mem_live(), live);
}

static void measuring_survives_failed_allocations(void **state)
{
    (void)state;
    const struct mien_plan plan = preset("faces16");
    const struct mien_plan_facts facts = facts_of(&plan);
    const long live = mien_mem_live();
    double rate;

    for (long k = 0; k < 40; k++) { /* all that it allocates itself, and the trainer's first */
        mien_mem_fail_at(k);
        assert_int_equal(mien_plan_measure(&plan, &facts, &rate), MIEN_ENOMEM);
        assert_int_equal(mien_mem_live(), live);
    }
    mien_mem_fail_at(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_what_a_devices_guard_counts),
        cmocka_unit_test(the_figures_fit_each_other),
        cmocka_unit_test(without_noise_nothing_bounds_epsilon),
        cmocka_unit_test(an_invalid_plan_is_refused),
        cmocka_unit_test(measuring_gives_a_rate),
        cmocka_unit_test(measuring_survives_failed_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
