// SPDX-License-Identifier: Apache-2.0
/* Each family learns what it should on examples that are easy: tiny networks, few steps. */
#include "common/base/mem.h"
#include "common/nn/forward.h"
#include "common/nn/generator.h"
#include "common/nn/gtrainer.h"
#include "common/nn/trainer.h"
#include "common/plan/symbols.h"
#include "tests/support/tiny_plan.h"

#include <math.h>

/* Even pictures are bright above, odd ones below; the label says which. */
static enum mien_status halves(void *self, size_t index, float *numbers, float *code)
{
    const struct mien_plan *plan = self;
    const uint32_t n = mien_plan_example_size(plan);

    if (plan->family == MIEN_FAMILY_CHARLM)
        return mien_symbols_of(index % 2 == 0 ? "abc" : "xyz", plan->text_length, numbers)
                   ? MIEN_OK
                   : MIEN_EINVAL;
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = (i < n / 2) == (index % 2 == 0) ? 0.7f : -0.7f;
    if (code != NULL) {
        code[0] = index % 2 == 0;
        code[1] = index % 2 == 1;
        code[2] = 0.0f;
    }
    return MIEN_OK;
}

struct run {
    float first_loss;
    float last_loss;
    float *begun;  /* [n_values] */
    float *values; /* [n_values] */
    float *update; /* [n_shared] */
    uint64_t n_values;
    uint64_t n_shared;
};

static struct run train(const struct mien_plan *plan)
{
    struct mien_plan lent = *plan;
    const struct mien_examples examples = {&lent, 4, halves};
    struct mien_trainer *trainer = NULL;
    struct mien_rng_seeded *seeded = NULL;
    struct run run = {.n_values = mien_plan_n_parameters(plan),
                      .n_shared = mien_plan_n_shared(plan)};
    bool done = false;
    bool finite = false;
    float none;

    run.begun = mien_calloc(run.n_values, sizeof(float));
    run.update = mien_calloc(run.n_shared, sizeof(float));
    assert_true(run.begun != NULL && run.update != NULL);
    assert_int_equal(mien_trainer_new(plan, &trainer), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(4, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(mien_trainer_layout(trainer), seeded, run.begun), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_trainer_begin(trainer, run.begun, &rng), MIEN_OK);
    for (uint32_t i = 0; !done; i++) {
        assert_int_equal(mien_trainer_step(trainer, &examples, &done), MIEN_OK);
        mien_trainer_losses(trainer, &run.last_loss, &none);
        if (i == 0)
            run.first_loss = run.last_loss;
    }
    mien_trainer_update(trainer, run.update, &finite);
    assert_true(finite);
    run.values = mien_memdup(mien_trainer_values(trainer), run.n_values * sizeof(float));
    assert_non_null(run.values);
    mien_rng_seeded_free(seeded);
    mien_trainer_free(trainer);
    return run;
}

static void run_fini(struct run *run)
{
    mien_free(run->begun);
    mien_free(run->values);
    mien_free(run->update);
}

/* A plan that learns quickly. */
static struct mien_plan eager(enum mien_family family, uint32_t n_steps)
{
    struct mien_plan plan = tiny_plan(family);

    plan.local_steps = n_steps;
    plan.batch = 4;
    plan.flip = false;
    plan.optimiser = MIEN_OPTIMISER_ADAM;
    plan.d_rate = 0.01;
    plan.kl_weight = 0.01;
    return plan;
}

static void every_family_learns_easy_examples(void **state)
{
    (void)state;
    static const struct {
        enum mien_family family;
        uint32_t n_steps;
        float least; /* what the loss falls below, from `most` or more */
        float most;
    } cases[] = {
        {MIEN_FAMILY_VAE, 150, 0.1f, 0.4f},
        {MIEN_FAMILY_AUTOENCODER, 150, 0.1f, 0.4f},
        {MIEN_FAMILY_CLASSIFIER, 150, 0.05f, 0.5f},
        {MIEN_FAMILY_CHARLM, 300, 0.3f, 2.0f},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct mien_plan plan = eager(cases[i].family, cases[i].n_steps);
        struct run run = train(&plan);

        if (!(run.first_loss > cases[i].most && run.last_loss < cases[i].least))
            fail_msg("%s: loss %g, then %g", mien_family_name(plan.family), (double)run.first_loss,
                     (double)run.last_loss);
        run_fini(&run);
    }
}

/* The results of the four examples under trained values. */
static struct mien_forward *forward_of(const struct mien_plan *plan, const float *values,
                                       const float **results)
{
    struct mien_plan lent = *plan;
    struct mien_forward *forward = NULL;
    const uint32_t n = mien_plan_example_size(plan);

    assert_int_equal(mien_forward_new(plan, 4, &forward), MIEN_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(halves(&lent, i, mien_forward_examples(forward) + i * n, NULL), MIEN_OK);
    assert_null(mien_forward_codes(forward));
    assert_int_equal(mien_forward_run(forward, values, results), MIEN_OK);
    return forward;
}

static void a_trained_autoencoder_gives_its_pictures_back(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_VAE; family <= MIEN_FAMILY_AUTOENCODER; family++) {
        const struct mien_plan plan = eager((enum mien_family)family, 150);
        const uint32_t n = mien_plan_example_size(&plan);
        struct run run = train(&plan);
        const float *again = NULL;
        struct mien_forward *forward = forward_of(&plan, run.values, &again);
        double squares = 0.0;

        assert_int_equal(mien_forward_n_results(forward), n);
        for (uint32_t k = 0; k < 4 * n; k++) {
            const double off = (double)(again[k] - mien_forward_examples(forward)[k]);

            squares += off * off;
        }
        assert_true(squares / (4 * n) < 0.1);
        mien_forward_free(forward);
        run_fini(&run);
    }
}

static void a_trained_classifier_tells_the_label(void **state)
{
    (void)state;
    const struct mien_plan plan = eager(MIEN_FAMILY_CLASSIFIER, 150);
    struct run run = train(&plan);
    const float *scores = NULL;
    struct mien_forward *forward = forward_of(&plan, run.values, &scores);

    assert_int_equal(mien_forward_n_results(forward), 2);
    for (size_t i = 0; i < 4; i++)
        assert_true((scores[2 * i] > scores[2 * i + 1]) == (i % 2 == 0));
    mien_forward_free(forward);
    run_fini(&run);
}

static void a_forward_pass_survives_each_failed_allocation(void **state)
{
    (void)state;
    const struct mien_plan gan = tiny_plan(MIEN_FAMILY_GAN);
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_VAE);
    struct mien_forward *forward = NULL;
    const long live = mien_mem_live();

    assert_int_equal(mien_forward_new(&gan, 2, &forward), MIEN_EINVAL);
    assert_int_equal(mien_forward_new(&plan, 0, &forward), MIEN_EINVAL);
    assert_int_equal(mien_plan_set(&plan, "plan.attributes", "hat:0|1", NULL), MIEN_OK);
    for (long k = 0; forward == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_forward_new(&plan, 2, &forward);
        mien_mem_fail_at(-1);
        assert_true((status == MIEN_OK) == (forward != NULL));
        assert_true(forward != NULL || mien_mem_live() == live);
    }
    assert_non_null(mien_forward_codes(forward));
    mien_forward_free(forward);
    assert_int_equal(mien_mem_live(), live);
}

static void the_update_is_the_change_of_what_is_shared(void **state)
{
    (void)state;
    for (int share = MIEN_PLAN_SHARE_ALL; share <= MIEN_PLAN_SHARE_DECODER; share++) {
        struct mien_plan plan = eager(MIEN_FAMILY_VAE, 2);

        plan.share = (enum mien_plan_share)share;
        struct run run = train(&plan);
        const uint64_t first = mien_plan_first_shared(&plan);
        assert_true((first > 0) == (share == MIEN_PLAN_SHARE_DECODER));
        assert_int_equal(first + run.n_shared, run.n_values);
        for (uint64_t i = 0; i < run.n_shared; i++)
            assert_true(run.update[i] == run.values[first + i] - run.begun[first + i]);
        /* The encoder is trained, shared or not. */
        assert_memory_not_equal(run.values, run.begun, 48 * sizeof(float));
        run_fini(&run);
    }
}

static void a_mean_embedding_is_at_most_one_long_and_moves_nothing(void **state)
{
    (void)state;
    const struct mien_plan plan = eager(MIEN_FAMILY_MOMENTS, 3);
    struct run run = train(&plan);
    double squares = 0.0;

    for (uint64_t i = 0; i < run.n_shared; i++)
        squares += (double)run.update[i] * (double)run.update[i];
    assert_true(squares > 0.1 && squares <= 1.0 + 1e-6);
    assert_memory_equal(run.values, run.begun, run.n_values * sizeof(float));
    /* Each batch was the same four pictures: the mean over the steps is each step's. */
    assert_true(fabs(squares - (double)run.last_loss) < 1e-5);
    run_fini(&run);
}

static void the_coordinator_fits_the_generator_to_the_mean(void **state)
{
    (void)state;
    struct mien_plan plan = eager(MIEN_FAMILY_MOMENTS, 1);
    struct run run = train(&plan);
    struct mien_gtrainer *trainer = NULL;
    struct mien_rng_seeded *seeded = NULL;
    struct mien_moments moments = {mien_calloc(run.n_values, sizeof(float)),
                                   mien_calloc(run.n_values, sizeof(float)), 0};
    const uint64_t n_first = 3 * 17 + 48 * 2 + 2;

    assert_true(moments.first != NULL && moments.second != NULL);
    plan.g_steps = 1;
    plan.g_batch = 32;
    plan.g_server_rate = 0.01;
    assert_int_equal(mien_rng_seeded_new(6, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_gtrainer_new(&plan, &trainer), MIEN_OK);
    memcpy(mien_gtrainer_target(trainer), run.update, run.n_shared * sizeof(float));
    assert_int_equal(mien_gtrainer_run(trainer, run.values, &moments, seeded), MIEN_OK);
    const float before = mien_gtrainer_loss(trainer);
    for (int i = 0; i < 200; i++)
        assert_int_equal(mien_gtrainer_run(trainer, run.values, &moments, seeded), MIEN_OK);
    if (!(mien_gtrainer_loss(trainer) < 0.5f * before))
        fail_msg("loss %g, then %g", (double)before, (double)mien_gtrainer_loss(trainer));
    assert_memory_equal(run.values, run.begun, n_first * sizeof(float));
    mien_gtrainer_free(trainer);
    mien_rng_seeded_free(seeded);
    mien_free(moments.first);
    mien_free(moments.second);
    run_fini(&run);
}

static void only_families_with_a_generator_have_pictures(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        const struct mien_plan plan = tiny_plan((enum mien_family)family);
        const bool none = family == MIEN_FAMILY_CLASSIFIER || family == MIEN_FAMILY_CHARLM;
        struct mien_generator *generator = NULL;

        assert_int_equal(mien_generator_new(&plan, 2, &generator), none ? MIEN_EINVAL : MIEN_OK);
        mien_generator_free(generator);
    }
}

static void new_survives_each_failed_allocation(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        const struct mien_plan plan = tiny_plan((enum mien_family)family);
        struct mien_trainer *trainer = NULL;
        uint64_t bytes = 0;
        const long live = mien_mem_live();

        assert_int_equal(mien_trainer_bytes(&plan, &bytes), MIEN_OK);
        assert_true(bytes > 1000 && bytes < 4u << 20);
        for (long k = 0; trainer == NULL; k++) {
            mien_mem_fail_at(k);
            enum mien_status status = mien_trainer_new(&plan, &trainer);
            mien_mem_fail_at(-1);
            assert_true((status == MIEN_OK) == (trainer != NULL));
            assert_true(trainer != NULL || mien_mem_live() == live);
        }
        mien_trainer_free(trainer);
        assert_int_equal(mien_mem_live(), live);
    }
}

/* Two pictures through the encoder. */
static void encode_two(const struct mien_plan *plan, float *codes, uint32_t *n_codes)
{
    struct mien_forward *forward = NULL;
    struct mien_layout layout;
    struct mien_rng_seeded *seeded = NULL;
    const float *results = NULL;
    const uint32_t n = mien_plan_example_size(plan);

    assert_int_equal(mien_layout_init(&layout, plan, NULL), MIEN_OK);
    float *values = mien_calloc(layout.n_values, sizeof(float));
    assert_non_null(values);
    assert_int_equal(mien_rng_seeded_new(1, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(&layout, seeded, values), MIEN_OK);
    mien_rng_seeded_free(seeded);
    assert_int_equal(mien_forward_new_codes(plan, 2, &forward), MIEN_OK);
    for (uint32_t i = 0; i < 2 * n; i++)
        mien_forward_examples(forward)[i] = 0.01f * (float)(i % 97) - 0.5f;
    assert_int_equal(mien_forward_run(forward, values, &results), MIEN_OK);
    *n_codes = mien_forward_n_results(forward);
    assert_true(*n_codes <= 4096);
    memcpy(codes, results, 2 * *n_codes * sizeof(float));
    mien_forward_free(forward);
    mien_free(values);
}

static void an_encoder_alone_gives_a_code_a_picture(void **state)
{
    (void)state;
    const enum mien_family families[] = {MIEN_FAMILY_VAE, MIEN_FAMILY_AUTOENCODER,
                                         MIEN_FAMILY_MOMENTS};
    static float codes[2 * 4096];
    struct mien_forward *forward = NULL;
    uint32_t n = 0;

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const struct mien_plan plan = tiny_plan(families[i]);

        encode_two(&plan, codes, &n);
        assert_int_equal(n, families[i] == MIEN_FAMILY_MOMENTS ? mien_plan_n_features(&plan)
                                                               : plan.latent);
        assert_true(memcmp(codes, codes + n, n * sizeof(float)) != 0);
        assert_true(mien_model_finite(codes, 2 * (uint64_t)n));
    }
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_CLASSIFIER);
    assert_int_equal(mien_forward_new_codes(&plan, 2, &forward), MIEN_EINVAL);
    plan = tiny_plan(MIEN_FAMILY_GAN);
    assert_int_equal(mien_forward_new_codes(&plan, 2, &forward), MIEN_EINVAL);
    assert_null(forward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_learns_easy_examples),
        cmocka_unit_test(a_trained_autoencoder_gives_its_pictures_back),
        cmocka_unit_test(a_trained_classifier_tells_the_label),
        cmocka_unit_test(a_forward_pass_survives_each_failed_allocation),
        cmocka_unit_test(the_update_is_the_change_of_what_is_shared),
        cmocka_unit_test(a_mean_embedding_is_at_most_one_long_and_moves_nothing),
        cmocka_unit_test(the_coordinator_fits_the_generator_to_the_mean),
        cmocka_unit_test(only_families_with_a_generator_have_pictures),
        cmocka_unit_test(new_survives_each_failed_allocation),
        cmocka_unit_test(an_encoder_alone_gives_a_code_a_picture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
