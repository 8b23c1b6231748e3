// SPDX-License-Identifier: Apache-2.0
#include "common/nn/each.h"

#include "common/base/mem.h"
#include "tests/support/tiny_plan.h"

#include <math.h>

#define N 8

/* Pictures that differ, one of them missing. */
struct pictures {
    const struct mien_plan *plan;
    size_t missing;
};

static enum mien_status picture(void *self, size_t index, float *numbers, float *code)
{
    const struct pictures *p = self;
    const uint32_t n = mien_plan_example_size(p->plan);

    if (index == p->missing)
        return MIEN_ENOTFOUND;
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = p->plan->family == MIEN_FAMILY_CHARLM
                         ? (float)((i * 7 + index) % MIEN_PLAN_N_SYMBOLS)
                         : sinf((float)(i * (index + 1)) * 0.37F);
    for (uint32_t i = 0; code != NULL && i < mien_plan_code_size(p->plan); i++)
        code[i] = i == index % 2 ? 1.0F : 0.0F;
    return MIEN_OK;
}

/* The plain mean: no clip and no noise. */
struct mean {
    double sum[20000];
    uint64_t n;
    size_t n_added;
    size_t n_taken;
    double divisor; /* 0: the number of examples */
    enum mien_status on_take;
};

static struct mean mean;

static void add(void *self, const float *gradient)
{
    struct mean *m = self;

    for (uint64_t i = 0; i < m->n; i++)
        m->sum[i] += (double)gradient[i];
    m->n_added++;
}

static enum mien_status take(void *self, size_t n, float *gradient)
{
    struct mean *m = self;

    for (uint64_t i = 0; i < m->n; i++) {
        gradient[i] = (float)(m->sum[i] / (m->divisor > 0 ? m->divisor : (double)n));
        m->sum[i] = 0.0;
    }
    m->n_taken++;
    return m->on_take;
}

static struct mien_each *make(const struct mien_plan *plan, double rate)
{
    struct mien_each *each = NULL;
    const struct mien_each_sum sum = {&mean, add, take};

    memset(&mean, 0, sizeof(mean));
    mean.n = mien_each_n_gradient(plan);
    assert_true(mean.n > 0 && mean.n <= sizeof(mean.sum) / sizeof(mean.sum[0]));
    assert_int_equal(mien_each_new(plan, rate, &sum, &each), MIEN_OK);
    return each;
}

static float *start_values(const struct mien_layout *layout)
{
    struct mien_rng_seeded *seeded = NULL;
    float *values = mien_calloc(layout->n_values, sizeof(float));

    assert_non_null(values);
    assert_int_equal(mien_rng_seeded_new(1, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(layout, seeded, values), MIEN_OK);
    mien_rng_seeded_free(seeded);
    return values;
}

static struct mien_rng_seeded *seeded_of(uint64_t seed)
{
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(seed, 1, &seeded), MIEN_OK);
    return seeded;
}

/* With everybody drawn, and the mean of single gradients, a step is that of the whole batch: the
 * families whose loss has no latents give the same numbers both ways. */
static void with_everybody_and_no_noise_it_is_plain_descent(void **state)
{
    (void)state;
    const enum mien_family families[] = {MIEN_FAMILY_CLASSIFIER, MIEN_FAMILY_AUTOENCODER,
                                         MIEN_FAMILY_CHARLM};

    for (int f = 0; f < 3; f++) {
        struct mien_plan plan = tiny_plan(families[f]);
        struct pictures pictures = {&plan, SIZE_MAX};
        const struct mien_examples examples = {&pictures, N, picture};
        struct mien_trainer *trainer = NULL;
        bool done = false;

        plan.batch = N;
        plan.flip = false;
        plan.local_steps = 2;
        plan.optimiser = f == 1 ? MIEN_OPTIMISER_ADAM : MIEN_OPTIMISER_SGD;
        struct mien_each *each = make(&plan, 1.0);
        assert_int_equal(mien_trainer_new(&plan, &trainer), MIEN_OK);
        float *values = start_values(mien_each_layout(each));
        struct mien_rng_seeded *seeded = seeded_of(3);
        struct mien_rng rng = mien_rng_seeded_handle(seeded);
        assert_int_equal(mien_each_begin(each, values, &rng), MIEN_OK);
        assert_int_equal(mien_trainer_begin(trainer, values, &rng), MIEN_OK);
        while (!done)
            assert_int_equal(mien_each_step(each, &examples, &done), MIEN_OK);
        for (done = false; !done;)
            assert_int_equal(mien_trainer_step(trainer, &examples, &done), MIEN_OK);
        assert_int_equal(mean.n_added, 2 * N);
        assert_int_equal(mean.n_taken, 2);
        double apart = 0.0; /* squares: of the difference, and of the way itself */
        double way = 0.0;
        for (uint64_t i = 0; i < mien_each_layout(each)->n_values; i++) {
            const double a = (double)mien_each_values(each)[i];
            const double b = (double)mien_trainer_values(trainer)[i];

            apart += (a - b) * (a - b);
            way += (a - (double)values[i]) * (a - (double)values[i]);
        }
        assert_true(way > 1e-12);
        assert_true(apart < 1e-6 * way);
        mien_each_free(each);
        mien_trainer_free(trainer);
        mien_rng_seeded_free(seeded);
        mien_free(values);
    }
    assert_int_equal(mien_mem_live(), 0);
}

/* 4,000 coins of 0.3: 1,200 of them, within 5 deviations of 29; once in 10^6 seeds it is not. Calls
 * take at most a batch of examples. */
static void examples_are_drawn_by_coins_of_their_rate(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_CLASSIFIER);
    struct pictures pictures = {&plan, SIZE_MAX};
    const struct mien_examples examples = {&pictures, 40, picture};
    struct mien_rng_seeded *seeded = seeded_of(4);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    bool done = false;

    plan.local_steps = 100;
    plan.batch = 3;
    struct mien_each *each = make(&plan, 0.3);
    float *values = start_values(mien_each_layout(each));
    assert_int_equal(mien_each_step(each, &examples, &done), MIEN_ESTATE);
    assert_int_equal(mien_each_begin(each, values, &rng), MIEN_OK);
    while (!done) {
        const size_t before = mean.n_added;

        assert_int_equal(mien_each_step(each, &examples, &done), MIEN_OK);
        assert_true(mean.n_added - before <= 3);
    }
    assert_int_equal(mean.n_taken, 100);
    assert_true(fabs((double)mean.n_added - 1200.0) < 5.0 * sqrt(4000.0 * 0.3 * 0.7));
    mien_each_free(each);
    mien_rng_seeded_free(seeded);
    mien_free(values);
}

/* A gan: the discriminator learns through the sum alone, and the generator from the discriminator;
 * with an empty sum the discriminator stays. */
static void what_is_not_in_the_sum_is_not_learned(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_GAN);
    struct pictures pictures = {&plan, 0};
    const struct mien_examples examples = {&pictures, 1, picture}; /* the only one is missing */
    struct mien_rng_seeded *seeded = seeded_of(5);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    bool done = false;
    bool finite = false;

    plan.train_on_device = MIEN_TRAIN_GENERATOR;
    struct mien_each *each = make(&plan, 1.0);
    const struct mien_layout *layout = mien_each_layout(each);
    float *values = start_values(layout);
    float *update = mien_calloc(layout->n_values, sizeof(float));
    assert_non_null(update);
    assert_int_equal(mean.n, layout->n_d);
    assert_int_equal(mien_each_begin(each, values, &rng), MIEN_OK);
    mien_mem_fail_at(0); /* a step allocates nothing */
    while (!done)
        assert_int_equal(mien_each_step(each, &examples, &done), MIEN_OK);
    mien_mem_fail_at(-1);
    assert_int_equal(mean.n_added, 0);
    mien_each_update(each, update, &finite);
    assert_true(finite);
    for (uint64_t i = 0; i < layout->n_d; i++)
        assert_true(update[i] == 0.0F);
    uint64_t n_moved = 0;
    for (uint64_t i = layout->n_d; i < layout->n_values; i++)
        n_moved += update[i] != 0.0F;
    assert_true(n_moved > 0);
    mien_each_free(each);
    mien_rng_seeded_free(seeded);
    mien_free(values);
    mien_free(update);
}

static void errors_of_the_sum_and_plans_without_gradients_are_passed_up(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_CLASSIFIER);
    struct pictures pictures = {&plan, SIZE_MAX};
    const struct mien_examples examples = {&pictures, 2, picture};
    const struct mien_each_sum sum = {&mean, add, take};
    struct mien_rng_seeded *seeded = seeded_of(6);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    uint64_t bytes;
    bool done = false;

    struct mien_each *each = make(&plan, 1.0);
    float *values = start_values(mien_each_layout(each));
    mean.on_take = MIEN_ECRYPTO;
    assert_int_equal(mien_each_begin(each, values, &rng), MIEN_OK);
    enum mien_status status = MIEN_OK;
    while (status == MIEN_OK && !done)
        status = mien_each_step(each, &examples, &done);
    assert_int_equal(status, MIEN_ECRYPTO);
    mien_each_free(each);
    mien_free(values);
    mien_rng_seeded_free(seeded);
    assert_int_equal(mien_each_new(&plan, 0.0, &sum, &each), MIEN_EINVAL);
    assert_int_equal(mien_each_new(&plan, 1.5, &sum, &each), MIEN_EINVAL);
    plan.norm = MIEN_NORM_BATCH;
    assert_int_equal(mien_each_new(&plan, 0.5, &sum, &each), MIEN_EINVAL);
    assert_int_equal(mien_each_bytes(&plan, &bytes), MIEN_EINVAL);
    plan = tiny_plan(MIEN_FAMILY_MOMENTS);
    assert_int_equal(mien_each_new(&plan, 0.5, &sum, &each), MIEN_EINVAL);
}

static void new_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_GAN);
    const struct mien_each_sum sum = {&mean, add, take};
    struct mien_each *each = NULL;

    for (long k = 0; each == NULL; k++) {
        mien_mem_fail_at(k);
        const enum mien_status status = mien_each_new(&plan, 0.5, &sum, &each);
        assert_int_equal(status, each == NULL ? MIEN_ENOMEM : MIEN_OK);
    }
    mien_mem_fail_at(-1);
    mien_each_free(each);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_everybody_and_no_noise_it_is_plain_descent),
        cmocka_unit_test(examples_are_drawn_by_coins_of_their_rate),
        cmocka_unit_test(what_is_not_in_the_sum_is_not_learned),
        cmocka_unit_test(errors_of_the_sum_and_plans_without_gradients_are_passed_up),
        cmocka_unit_test(new_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
