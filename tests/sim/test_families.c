// SPDX-License-Identifier: Apache-2.0
/* Two rounds of every family through real device cores, the secure sum and the coordinator core:
 * the released model is the survivors' sum (moments apart, whose sum is no model), and what must
 * not move has not. */
#include "common/base/mem.h"
#include "common/nn/model.h"
#include "tests/sim/sim.h"
#include "tests/support/tiny_plan.h"

#include <math.h>
#include <string.h>

static struct sim_options options_of(enum mien_family family)
{
    struct sim_options options = {
        .plan = tiny_plan(family),
        .faces = "procedural",
        .n_devices = 6,
        .n_rounds = 2,
        .seed = 21,
        .n_threads = 1,
        .secure_sum = true,
        .check = true,
    };
    struct mien_plan *plan = &options.plan;

    plan->rate = 1.0;
    plan->sampling = MIEN_PLAN_UNSAMPLED;
    plan->noise_multiplier = 0.0;
    plan->epsilon_cap = 0.0;
    plan->cohort = 6;
    plan->min_reports = 3;
    plan->group_min = 3;
    plan->group_max = 6;
    plan->deadline_s = 5;
    plan->rounds = 2;
    return options;
}

static struct sim_result run(const struct sim_options *options)
{
    struct sim_faces *faces = NULL;
    struct sim_result result = {0};
    struct mien_err err = {0};

    assert_int_equal(sim_faces_open(options, &faces, &err), MIEN_OK);
    enum mien_status status = options->secure_sum ? sim_run(options, faces, &result, &err)
                                                  : sim_run_plain(options, faces, &result, &err);
    if (status != MIEN_OK)
        fail_msg("%s: %s", mien_family_name(options->plan.family), err.text);
    sim_faces_free(faces);
    return result;
}

static bool differs(const float *a, const float *b, uint64_t n)
{
    return n > 0 && memcmp(a, b, n * sizeof(*a)) != 0;
}

/* Which of the two networks a round of this plan may move. */
static void check_moves(const struct sim_options *options, const struct sim_result *result)
{
    const struct mien_plan *plan = &options->plan;
    struct mien_layout layout;
    float *values = NULL;
    float *average = NULL;

    assert_int_equal(mien_layout_init(&layout, plan, NULL), MIEN_OK);
    assert_int_equal(sim_start_values(options, &values, &average, NULL), MIEN_OK);
    const uint64_t n_second = layout.n_values - layout.n_d;
    const bool keeps_first =
        plan->family == MIEN_FAMILY_MOMENTS || mien_plan_n_private(plan) > 0 || layout.n_d == 0;

    assert_true(differs(values, result->values, layout.n_d) != keeps_first);
    assert_true(differs(values + layout.n_d, result->values + layout.n_d, n_second));
    assert_true(differs(average, result->average, n_second));
    assert_true(mien_model_finite(result->values, layout.n_values));
    mien_free(values);
    mien_free(average);
}

static void check_family(const struct sim_options *options)
{
    struct sim_result result = run(options);

    assert_int_equal(result.n_rounds, 2);
    for (size_t i = 0; i < result.n_rounds; i++) {
        assert_true(result.rounds[i].released);
        assert_int_equal(result.rounds[i].survived, 6);
        assert_true(result.rounds[i].checked == (options->plan.family != MIEN_FAMILY_MOMENTS));
        assert_true(result.rounds[i].sum_exact == result.rounds[i].checked);
    }
    check_moves(options, &result);
    sim_result_fini(&result);
}

static void two_rounds_of_every_family_are_released(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        const struct sim_options options = options_of((enum mien_family)family);

        check_family(&options);
    }
    assert_int_equal(mien_mem_live(), 0);
}

static void an_encoder_that_stays_on_the_device_is_never_moved(void **state)
{
    (void)state;
    struct sim_options options = options_of(MIEN_FAMILY_VAE);

    options.plan.share = MIEN_PLAN_SHARE_DECODER;
    check_family(&options);
    assert_int_equal(mien_mem_live(), 0);
}

static void a_plain_sum_runs_every_family(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        struct sim_options options = options_of((enum mien_family)family);

        options.secure_sum = false;
        struct sim_result result = run(&options);
        check_moves(&options, &result);
        sim_result_fini(&result);
    }
}

/* Devices that step together are the same devices: the released model is the same, but for rounding
 * and for the quanta that it tips. */
static void stepping_together_changes_nothing(void **state)
{
    (void)state;
    const enum mien_family families[] = {MIEN_FAMILY_GAN, MIEN_FAMILY_VAE, MIEN_FAMILY_AUTOENCODER,
                                         MIEN_FAMILY_CLASSIFIER};

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct sim_options options = options_of(families[i]);

        options.secure_sum = false;
        options.n_devices = 21; /* more than the lanes of two workers, and not a multiple */
        options.plan.cohort = 21;
        options.plan.local_steps = 1;
        options.plan.train_on_device = MIEN_TRAIN_DISCRIMINATOR;
        struct mien_layout layout;
        float *start = NULL;
        float *average = NULL;
        assert_int_equal(mien_layout_init(&layout, &options.plan, NULL), MIEN_OK);
        assert_int_equal(sim_start_values(&options, &start, &average, NULL), MIEN_OK);
        struct sim_result apart = run(&options);
        options.grouped = true;
        struct sim_result together = run(&options);
        options.n_threads = 2;
        struct sim_result on_two = run(&options);
        assert_int_equal(together.n_trained, apart.n_trained);
        for (uint64_t k = 0; k < layout.n_values; k++)
            assert_true(fabsf(apart.values[k] - together.values[k]) <= 1e-4f);
        assert_true(differs(start, together.values, layout.n_values));
        assert_false(differs(on_two.values, together.values, layout.n_values));
        sim_result_fini(&together);
        sim_result_fini(&on_two);
        sim_result_fini(&apart);
        mien_free(start);
        mien_free(average);
    }
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_rounds_of_every_family_are_released),
        cmocka_unit_test(an_encoder_that_stays_on_the_device_is_never_moved),
        cmocka_unit_test(a_plain_sum_runs_every_family),
        cmocka_unit_test(stepping_together_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
