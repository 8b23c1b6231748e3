// SPDX-License-Identifier: Apache-2.0
/* A cohort's lanes against trainers of their own: the same update and loss, to rounding. */
#include "common/base/mem.h"
#include "common/nn/cohort.h"
#include "common/nn/trainer.h"
#include "common/plan/keys.h"
#include "tests/support/test.h"
#include "tests/support/tiny_plan.h"

#include <math.h>
#include <string.h>

enum { N_LANES = 3 };

/* A device: its plan and its number. */
struct device {
    const struct mien_plan *plan;
    uint32_t number;
};

static enum mien_status picture(void *self, size_t index, float *pixels, float *code)
{
    const struct device *d = self;

    for (uint32_t i = 0; i < mien_plan_example_size(d->plan); i++)
        pixels[i] = sinf((float)(i * (index + 2)) + (float)d->number);
    for (uint32_t i = 0; code != NULL && i < mien_plan_code_size(d->plan); i++)
        code[i] = i == (index + d->number) % 2 ? 1.0f : 0.0f;
    return MIEN_OK;
}

struct trained {
    float *update;
    float loss;
};

static void begin(struct mien_trainer *trainer, const float *values, uint32_t number)
{
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(40, number, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_trainer_begin(trainer, values, &rng), MIEN_OK);
    mien_rng_seeded_free(seeded);
}

static struct trained end(struct mien_trainer *trainer, const struct mien_plan *plan)
{
    struct trained out = {.update = mien_calloc(mien_plan_n_shared(plan), sizeof(float))};
    float g_loss = 1.0f;
    bool finite = false;

    assert_non_null(out.update);
    mien_trainer_update(trainer, out.update, &finite);
    mien_trainer_losses(trainer, &out.loss, &g_loss);
    assert_true(finite);
    assert_true(g_loss == 0.0f);
    mien_trainer_free(trainer);
    return out;
}

static float *start_values(const struct mien_plan *plan)
{
    struct mien_layout layout;
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_layout_init(&layout, plan, NULL), MIEN_OK);
    float *values = mien_calloc(layout.n_values, sizeof(float));
    assert_non_null(values);
    assert_int_equal(mien_rng_seeded_new(1, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(&layout, seeded, values), MIEN_OK);
    mien_rng_seeded_free(seeded);
    return values;
}

static struct trained alone(const struct mien_plan *plan, const float *values, uint32_t number)
{
    struct device device = {plan, number};
    const struct mien_examples examples = {&device, 5, picture};
    struct mien_trainer *trainer = NULL;
    bool done = false;

    assert_int_equal(mien_trainer_new(plan, &trainer), MIEN_OK);
    begin(trainer, values, number);
    assert_int_equal(mien_trainer_step(trainer, &examples, &done), MIEN_OK);
    assert_true(done);
    return end(trainer, plan);
}

/* All lanes but those from `n` on, which have no device. */
static void together(const struct mien_plan *plan, const float *values, uint32_t n,
                     struct trained *out)
{
    struct mien_cohort *cohort = NULL;
    struct mien_trainer *lanes[N_LANES] = {NULL};

    assert_int_equal(mien_cohort_new(plan, N_LANES, &cohort), MIEN_OK);
    mien_cohort_begin(cohort, values);
    for (uint32_t i = 0; i < n; i++) {
        struct device device = {plan, i};
        const struct mien_examples examples = {&device, 5, picture};
        bool done = true;

        assert_int_equal(mien_trainer_new_lane(cohort, i, &lanes[i]), MIEN_OK);
        begin(lanes[i], values, i);
        assert_false(mien_trainer_waits(lanes[i]));
        for (int step = 0; step < 2; step++) { /* the second does nothing: it waits */
            assert_int_equal(mien_trainer_step(lanes[i], &examples, &done), MIEN_OK);
            assert_false(done);
            assert_true(mien_trainer_waits(lanes[i]));
        }
    }
    mien_mem_fail_at(0); /* a step allocates nothing */
    assert_int_equal(mien_cohort_run(cohort), MIEN_OK);
    mien_mem_fail_at(-1);
    for (uint32_t i = 0; i < n; i++) {
        const struct mien_examples examples = {NULL, 5, picture};
        bool done = false;

        assert_int_equal(mien_trainer_step(lanes[i], &examples, &done), MIEN_OK);
        assert_true(done);
        out[i] = end(lanes[i], plan);
    }
    mien_cohort_free(cohort);
}

/* Products of more rows may sum in other blocks, and a parameter near 1 is rounded to 6e-8. */
static void assert_close(const float *got, const float *want, uint64_t n)
{
    float most = 0.0f;

    for (uint64_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(want[i]));
    assert_true(most > 0.0f);
    for (uint64_t i = 0; i < n; i++) {
        if (!(fabsf(got[i] - want[i]) <= 1e-5f * most + 6e-8f))
            fail_msg("number %llu of %llu is %g, alone %g; the largest %g", (unsigned long long)i,
                     (unsigned long long)n, (double)got[i], (double)want[i], (double)most);
    }
}

static void compare(const struct mien_plan *plan, uint32_t n)
{
    float *values = start_values(plan);
    struct trained lanes[N_LANES];

    together(plan, values, n, lanes);
    for (uint32_t i = 0; i < n; i++) {
        struct trained own = alone(plan, values, i);

        assert_close(lanes[i].update, own.update, mien_plan_n_shared(plan));
        assert_close(&lanes[i].loss, &own.loss, 1);
        mien_free(own.update);
    }
    assert_true(n < 2 || memcmp(lanes[0].update, lanes[1].update,
                                mien_plan_n_shared(plan) * sizeof(float)) != 0);
    for (uint32_t i = 0; i < n; i++)
        mien_free(lanes[i].update);
    mien_free(values);
}

static struct mien_plan plan_of(const char *preset)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset(preset, &plan, NULL), MIEN_OK);
    plan.train_on_device = MIEN_TRAIN_DISCRIMINATOR;
    plan.local_steps = 1;
    plan.batch = 5;
    plan.optimiser = MIEN_OPTIMISER_SGD;
    plan.d_rate = 1.0;
    return plan;
}

static void lanes_find_what_devices_find_alone(void **state)
{
    (void)state;
    for (int loss = MIEN_LOSS_NON_SATURATING; loss <= MIEN_LOSS_WASSERSTEIN; loss++) {
        struct mien_plan plan = plan_of("faces16");

        plan.loss = (enum mien_loss)loss;
        plan.r1_gamma = 0.0;
        compare(&plan, N_LANES);
        plan.r1_gamma = 1.0;
        compare(&plan, 2);
    }
    assert_int_equal(mien_mem_live(), 0);
}

static void conditioned_networks_too(void **state)
{
    (void)state;
    for (int how = MIEN_CONDITIONING_CONCATENATION; how <= MIEN_CONDITIONING_PROJECTION; how++) {
        struct mien_plan plan = plan_of("faces16");

        assert_int_equal(mien_plan_set(&plan, "plan.attributes", "glasses:0|1", NULL), MIEN_OK);
        plan.conditioning = (enum mien_conditioning)how;
        plan.loss = MIEN_LOSS_WASSERSTEIN;
        assert_int_equal(mien_plan_validate(&plan, NULL), MIEN_OK);
        compare(&plan, N_LANES);
    }
}

static void the_networks_of_other_families_and_presets_too(void **state)
{
    (void)state;
    const enum mien_family families[] = {MIEN_FAMILY_VAE, MIEN_FAMILY_AUTOENCODER,
                                         MIEN_FAMILY_CLASSIFIER};

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct mien_plan plan = tiny_plan(families[i]);

        plan.local_steps = 1;
        plan.d_rate = 1.0;
        compare(&plan, N_LANES);
    }
    struct mien_plan plan = plan_of("faces32");
    compare(&plan, N_LANES);
}

static void refuses(struct mien_plan plan, const char *why)
{
    struct mien_cohort *cohort = NULL;
    struct mien_err err = {0};

    assert_int_equal(mien_cohort_fits(&plan, &err), MIEN_EINVAL);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    assert_int_equal(mien_cohort_new(&plan, 2, &cohort), MIEN_EINVAL);
    assert_null(cohort);
}

static void plans_whose_devices_part_are_refused(void **state)
{
    (void)state;
    struct mien_plan plan = plan_of("faces16");
    struct mien_cohort *cohort = NULL;

    assert_int_equal(mien_cohort_fits(&plan, NULL), MIEN_OK);
    assert_int_equal(mien_cohort_new(&plan, 0, &cohort), MIEN_EINVAL);
    plan.local_steps = 3;
    refuses(plan, "3 local steps");
    plan = plan_of("faces16");
    plan.train_on_device = MIEN_TRAIN_GENERATOR;
    refuses(plan, "a discriminator of its own");
    plan = plan_of("faces16");
    plan.optimiser = MIEN_OPTIMISER_ADAM;
    refuses(plan, "plan.optimiser");
    plan = plan_of("faces16");
    plan.norm = MIEN_NORM_BATCH;
    refuses(plan, "batch norm");
    plan = tiny_plan(MIEN_FAMILY_VAE);
    plan.local_steps = 1;
    plan.share = MIEN_PLAN_SHARE_DECODER;
    refuses(plan, "of their own");
    plan = tiny_plan(MIEN_FAMILY_CHARLM);
    plan.local_steps = 1;
    refuses(plan, "charlm");
}

static void new_survives_each_failed_allocation(void **state)
{
    (void)state;
    const struct mien_plan plan = plan_of("faces16");
    struct mien_cohort *cohort = NULL;
    struct mien_trainer *lane = NULL;

    for (long k = 0; lane == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_cohort_new(&plan, 2, &cohort);
        if (status == MIEN_OK)
            status = mien_trainer_new_lane(cohort, 1, &lane);
        assert_int_equal(status, lane == NULL ? MIEN_ENOMEM : MIEN_OK);
        if (lane == NULL) {
            mien_cohort_free(cohort);
            cohort = NULL;
        }
    }
    mien_mem_fail_at(-1);
    mien_trainer_free(lane);
    mien_cohort_free(cohort);
    mien_cohort_free(NULL);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_find_what_devices_find_alone),
        cmocka_unit_test(conditioned_networks_too),
        cmocka_unit_test(the_networks_of_other_families_and_presets_too),
        cmocka_unit_test(plans_whose_devices_part_are_refused),
        cmocka_unit_test(new_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
