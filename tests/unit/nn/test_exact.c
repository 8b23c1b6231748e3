// SPDX-License-Identifier: Apache-2.0
/* Same seed, same bits: whole trainings on every instruction set that fuses multiply-add, and on
 * one thread beside another one's. */
#include "common/base/mem.h"
#include "common/nn/trainer.h"
#include "common/plan/keys.h"
#include "common/tensor/tile.h"
#include "tests/support/test.h"
#include "tests/support/tiny_plan.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { N_THREADS = 2 };

static enum mien_status example(void *self, size_t index, float *numbers, float *code)
{
    const struct mien_plan *plan = self;
    const bool text = plan->family == MIEN_FAMILY_CHARLM;

    for (uint32_t i = 0; i < mien_plan_example_size(plan); i++)
        numbers[i] = text ? (float)((i + index) % 7) : sinf((float)(i * (index + 1)));
    for (uint32_t i = 0; code != NULL && i < mien_plan_code_size(plan); i++)
        code[i] = i == index % 2 ? 1.0f : 0.0f;
    return MIEN_OK;
}

/* One training: what it starts from, and what comes out. */
struct training {
    struct mien_plan plan;
    float *update; /* given by run */
    enum mien_status status;
};

static enum mien_status train(struct training *t, struct mien_trainer *trainer, float *values)
{
    const struct mien_examples examples = {&t->plan, 5, example};
    struct mien_rng_seeded *seeded = NULL;
    bool done = false;
    bool finite = false;
    enum mien_status status = mien_rng_seeded_new(3, 0, &seeded);

    if (status == MIEN_OK)
        status = mien_model_start(mien_trainer_layout(trainer), seeded, values);
    if (status == MIEN_OK) {
        struct mien_rng rng = mien_rng_seeded_handle(seeded);

        status = mien_trainer_begin(trainer, values, &rng);
    }
    while (status == MIEN_OK && !done)
        status = mien_trainer_step(trainer, &examples, &done);
    if (status == MIEN_OK)
        mien_trainer_update(trainer, t->update, &finite);
    mien_rng_seeded_free(seeded);
    return status == MIEN_OK && !finite ? MIEN_ECORRUPT : status;
}

static void *run(void *self) /* any thread */
{
    struct training *t = self;
    struct mien_trainer *trainer = NULL;
    const uint64_t n = mien_plan_n_parameters(&t->plan);
    float *values = mien_calloc(n, sizeof(float));

    t->update = mien_calloc(mien_plan_n_shared(&t->plan), sizeof(float));
    t->status = mien_trainer_new(&t->plan, &trainer);
    if (t->status == MIEN_OK)
        t->status = values == NULL || t->update == NULL ? MIEN_ENOMEM : train(t, trainer, values);
    mien_trainer_free(trainer);
    mien_free(values);
    return NULL;
}

/* On N_THREADS threads at once. */
static void run_at_once(const struct mien_plan *plan, struct training trainings[N_THREADS])
{
    pthread_t threads[N_THREADS];

    for (int i = 0; i < N_THREADS; i++) {
        trainings[i] = (struct training){.plan = *plan};
        assert_int_equal(pthread_create(&threads[i], NULL, run, &trainings[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* On the best set, then at once, then on each set but the plain one, which does not fuse. */
static void check_plan(const struct mien_plan *plan)
{
    const struct mien_tile_set *const *sets = mien_tile_sets();
    const size_t bytes = mien_plan_n_shared(plan) * sizeof(float);
    struct training alone = {.plan = *plan};
    struct training beside[N_THREADS];

    (void)run(&alone);
    assert_int_equal(alone.status, MIEN_OK);
    run_at_once(plan, beside);
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(beside[i].status, MIEN_OK);
        assert_memory_equal(beside[i].update, alone.update, bytes);
        mien_free(beside[i].update);
    }
    for (size_t i = 1; sets[i] != NULL; i++) {
        struct training again = {.plan = *plan};

        mien_tile_force(sets[i]);
        (void)run(&again);
        mien_tile_force(NULL);
        assert_int_equal(again.status, MIEN_OK);
        if (memcmp(again.update, alone.update, bytes) != 0)
            fail_msg("%s: the set %s gives other bits", mien_family_name(plan->family),
                     sets[i]->name);
        mien_free(again.update);
    }
    mien_free(alone.update);
}

static void every_family_trains_to_the_same_bits(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        struct mien_plan plan = tiny_plan((enum mien_family)family);

        plan.optimiser = MIEN_OPTIMISER_ADAM;
        check_plan(&plan);
    }
}

static void every_loss_and_the_presets_do(void **state)
{
    (void)state;
    for (int loss = MIEN_LOSS_NON_SATURATING; loss <= MIEN_LOSS_WASSERSTEIN; loss++) {
        struct mien_plan plan;

        assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
        plan.loss = (enum mien_loss)loss;
        plan.r1_gamma = 1.0;
        plan.local_steps = 2;
        check_plan(&plan);
    }
    struct mien_plan plan;
    assert_int_equal(mien_plan_preset("faces32-large", &plan, NULL), MIEN_OK);
    plan.local_steps = 1;
    plan.batch = 5;
    check_plan(&plan);
}

/* So that equal bits above say something. */
static void another_rate_gives_other_bits(void **state)
{
    (void)state;
    struct training one = {.plan = tiny_plan(MIEN_FAMILY_GAN)};
    struct training two = one;

    two.plan.d_rate *= 1.0 + 1e-5;
    (void)run(&one);
    (void)run(&two);
    assert_true(memcmp(one.update, two.update, mien_plan_n_shared(&one.plan) * sizeof(float)) != 0);
    mien_free(one.update);
    mien_free(two.update);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_trains_to_the_same_bits),
        cmocka_unit_test(every_loss_and_the_presets_do),
        cmocka_unit_test(another_rate_gives_other_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
