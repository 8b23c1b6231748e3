// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/nn/generator.h"
#include "common/nn/gtrainer.h"
#include "common/nn/trainer.h"
#include "common/plan/keys.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static struct mien_plan small(enum mien_train_on_device mode)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    plan.train_on_device = mode;
    plan.local_steps = 3;
    return plan;
}

/* Pictures of one colour that depends on their number. */
static enum mien_status flat_picture(void *self, size_t index, float *pixels, float *code)
{
    const struct mien_plan *plan = self;

    for (uint32_t i = 0; i < plan->size * plan->size * plan->channels; i++)
        pixels[i] = 0.1f * (float)(index % 5) - 0.2f;
    for (uint32_t i = 0; code != NULL && i < mien_plan_code_size(plan); i++)
        code[i] = i == 0 ? 1.0f : 0.0f;
    return MIEN_OK;
}

/* Trains on a seed and returns the update, given. */
static float *train(struct mien_plan *plan, uint64_t seed, uint64_t *n)
{
    struct mien_trainer *trainer = NULL;
    struct mien_rng_seeded *seeded = NULL;
    const struct mien_examples examples = {plan, 5, flat_picture};
    bool done = false;
    bool finite = false;

    assert_int_equal(mien_trainer_new(plan, &trainer), MIEN_OK);
    const struct mien_layout *layout = mien_trainer_layout(trainer);
    float *values = mien_calloc(layout->n_values, sizeof(float));
    float *update = mien_calloc(layout->n_values, sizeof(float));
    assert_true(values != NULL && update != NULL);
    assert_int_equal(mien_rng_seeded_new(1, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(layout, seeded, values), MIEN_OK);
    mien_rng_seeded_free(seeded);
    assert_int_equal(mien_rng_seeded_new(seed, 1, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_trainer_step(trainer, &examples, &done), MIEN_ESTATE);
    assert_int_equal(mien_trainer_begin(trainer, values, &rng), MIEN_OK);
    uint32_t n_steps = 0;
    mien_mem_fail_at(0); /* a step allocates nothing */
    while (!done) {
        assert_int_equal(mien_trainer_step(trainer, &examples, &done), MIEN_OK);
        n_steps++;
    }
    mien_mem_fail_at(-1);
    assert_int_equal(n_steps, plan->local_steps);
    mien_trainer_update(trainer, update, &finite);
    assert_true(finite);
    *n = mien_plan_n_shared(plan);
    mien_trainer_free(trainer);
    mien_rng_seeded_free(seeded);
    mien_free(values);
    return update;
}

static void the_same_seed_gives_the_same_bits(void **state)
{
    (void)state;
    struct mien_plan plan = small(MIEN_TRAIN_GENERATOR);
    uint64_t n = 0;
    float *a = train(&plan, 7, &n);
    float *b = train(&plan, 7, &n);
    float *c = train(&plan, 8, &n);

    assert_memory_equal(a, b, n * sizeof(float));
    assert_true(memcmp(a, c, n * sizeof(float)) != 0);
    mien_free(a);
    mien_free(b);
    mien_free(c);
}

static void only_the_trained_networks_move(void **state)
{
    (void)state;
    for (int mode = MIEN_TRAIN_GENERATOR; mode <= MIEN_TRAIN_DISCRIMINATOR; mode++) {
        struct mien_plan plan = small((enum mien_train_on_device)mode);
        struct mien_layout layout;
        uint64_t n = 0;
        bool moved_d = false;
        bool moved_g = false;

        assert_int_equal(mien_layout_init(&layout, &plan, NULL), MIEN_OK);
        float *update = train(&plan, 7, &n);
        for (uint64_t i = 0; i < layout.n_values; i++) {
            moved_d = moved_d || (i < layout.n_d && update[i] != 0.0f);
            moved_g = moved_g || (i >= layout.n_d && update[i] != 0.0f);
        }
        assert_true(moved_d);
        assert_true(moved_g == (mode == MIEN_TRAIN_GENERATOR));
        assert_true(n == (mode == MIEN_TRAIN_GENERATOR ? layout.n_values : layout.n_d));
        mien_free(update);
    }
}

static void conditioned_adam_hinge_and_wasserstein_train(void **state)
{
    (void)state;
    for (int loss = MIEN_LOSS_NON_SATURATING; loss <= MIEN_LOSS_WASSERSTEIN; loss++) {
        struct mien_plan plan = small(MIEN_TRAIN_GENERATOR);
        uint64_t n = 0;

        plan.loss = (enum mien_loss)loss;
        plan.r1_gamma = 1.0;
        plan.optimiser = MIEN_OPTIMISER_ADAM;
        plan.d_rate = 1e-3;
        plan.g_rate = 1e-3;
        assert_int_equal(mien_plan_set(&plan, "plan.attributes", "hat:0|1, age:0..9", NULL),
                         MIEN_OK);
        float *update = train(&plan, 3, &n);
        for (uint64_t i = 0; i < n; i++)
            assert_true(fabsf(update[i]) < 0.1f);
        mien_free(update);
    }
}

static float mean_of_generated(const struct mien_plan *plan, const float *values)
{
    struct mien_generator *generator = NULL;
    const float *pictures = NULL;
    const uint32_t n = 16 * plan->size * plan->size * plan->channels;
    double sum = 0;

    assert_int_equal(mien_generator_new(plan, 16, &generator), MIEN_OK);
    for (uint32_t i = 0; i < 16 * plan->latent; i++)
        mien_generator_latents(generator)[i] = sinf((float)i);
    assert_null(mien_generator_codes(generator));
    assert_int_equal(mien_generator_run(generator, values, &pictures), MIEN_OK);
    for (uint32_t i = 0; i < n; i++)
        sum += (double)pictures[i];
    mien_generator_free(generator);
    return (float)(sum / n);
}

static enum mien_status bright_picture(void *self, size_t index, float *pixels, float *code)
{
    const struct mien_plan *plan = self;

    (void)index;
    (void)code;
    for (uint32_t i = 0; i < plan->size * plan->size * plan->channels; i++)
        pixels[i] = 0.8f;
    return MIEN_OK;
}

static void a_generator_learns_what_its_pictures_are(void **state)
{
    (void)state;
    struct mien_plan plan = small(MIEN_TRAIN_GENERATOR);
    const struct mien_examples examples = {&plan, 4, bright_picture};
    struct mien_trainer *trainer = NULL;
    struct mien_rng_seeded *seeded = NULL;
    bool done = false;

    plan.local_steps = 150;
    plan.batch = 8;
    plan.optimiser = MIEN_OPTIMISER_ADAM;
    plan.d_rate = 1e-3;
    plan.g_rate = 1e-3;
    assert_int_equal(mien_trainer_new(&plan, &trainer), MIEN_OK);
    const struct mien_layout *layout = mien_trainer_layout(trainer);
    float *values = mien_calloc(layout->n_values, sizeof(float));
    assert_non_null(values);
    assert_int_equal(mien_rng_seeded_new(2, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(layout, seeded, values), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_trainer_begin(trainer, values, &rng), MIEN_OK);
    const float before = mean_of_generated(&plan, values);
    while (!done)
        assert_int_equal(mien_trainer_step(trainer, &examples, &done), MIEN_OK);
    const float after = mean_of_generated(&plan, mien_trainer_values(trainer));
    assert_true(fabsf(before - 0.8f) > 0.5f);
    assert_true(fabsf(after - 0.8f) < 0.25f);
    mien_rng_seeded_free(seeded);
    mien_trainer_free(trainer);
    mien_free(values);
}

static void the_coordinator_moves_the_generator_only(void **state)
{
    (void)state;
    struct mien_plan plan = small(MIEN_TRAIN_DISCRIMINATOR);
    struct mien_gtrainer *trainer = NULL;
    struct mien_rng_seeded *seeded = NULL;
    struct mien_layout layout;

    plan.g_steps = 2;
    plan.g_batch = 4;
    assert_int_equal(mien_plan_set(&plan, "plan.attributes", "hat:0|1, age:0..9", NULL), MIEN_OK);
    assert_int_equal(mien_layout_init(&layout, &plan, NULL), MIEN_OK);
    float *values = mien_calloc(layout.n_values, sizeof(float));
    float *before = mien_calloc(layout.n_values, sizeof(float));
    struct mien_moments moments = {mien_calloc(layout.n_values, sizeof(float)),
                                   mien_calloc(layout.n_values, sizeof(float)), 0};
    assert_true(values != NULL && before != NULL && moments.first != NULL &&
                moments.second != NULL);
    assert_int_equal(mien_rng_seeded_new(2, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(&layout, seeded, values), MIEN_OK);
    memcpy(before, values, layout.n_values * sizeof(float));
    assert_int_equal(mien_gtrainer_new(&plan, &trainer), MIEN_OK);
    assert_int_equal(mien_gtrainer_run(trainer, values, &moments, seeded), MIEN_OK);
    assert_int_equal(moments.t, 2);
    assert_memory_equal(values, before, layout.n_d * sizeof(float));
    assert_true(memcmp(values + layout.n_d, before + layout.n_d, 1000) != 0);
    mien_gtrainer_free(trainer);
    mien_rng_seeded_free(seeded);
    mien_free(values);
    mien_free(before);
    mien_free(moments.first);
    mien_free(moments.second);
}

static void new_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_plan plan = small(MIEN_TRAIN_GENERATOR);
    struct mien_trainer *trainer = NULL;
    long before = mien_mem_live();
    uint64_t bytes = 0;

    assert_int_equal(mien_trainer_bytes(&plan, &bytes), MIEN_OK);
    assert_true(bytes > 1000000 && bytes < 64u << 20);
    for (long k = 0; trainer == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_trainer_new(&plan, &trainer);
        assert_true((status == MIEN_OK) == (trainer != NULL));
        mien_mem_fail_at(-1);
        assert_true(trainer != NULL || mien_mem_live() == before);
    }
    mien_trainer_free(trainer);
    assert_int_equal(mien_mem_live(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bits),
        cmocka_unit_test(only_the_trained_networks_move),
        cmocka_unit_test(conditioned_adam_hinge_and_wasserstein_train),
        cmocka_unit_test(a_generator_learns_what_its_pictures_are),
        cmocka_unit_test(the_coordinator_moves_the_generator_only),
        cmocka_unit_test(new_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
