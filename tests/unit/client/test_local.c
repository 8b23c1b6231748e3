// SPDX-License-Identifier: Apache-2.0
/* Protection of single examples on the device: the clip, what one face can move, the noise, and the
 * budget of a device's life. */
#include "client/core_internal.h"
#include "client/local.h"
#include "common/dp/composed.h"
#include "common/wire/vector.h"
#include "scripted.h"
#include "tests/support/tiny_plan.h"

#include <stdlib.h>

#define N_FACES 12

static const struct mien_client_local_rule rule = {
    .clip = 0.5, .noise = 1.0, .rate = 0.25, .epsilon = 8.0, .delta = 1e-5};

/* ---- the clip ---- */

static mien_u128 square_of(const int32_t *integers, size_t n)
{
    mien_u128 square = 0;

    for (size_t i = 0; i < n; i++)
        square += (uint64_t)((int64_t)integers[i] * integers[i]);
    return square;
}

/* 2,000 gradients of norms from far below to far above the clip, also of few large numbers; seed
 * 9. */
static void no_gradient_is_longer_than_the_clip(void **state)
{
    (void)state;
    const mien_u128 most = (mien_u128)MIEN_CLIENT_LOCAL_BOUND * MIEN_CLIENT_LOCAL_BOUND;
    enum { N = 300 };
    struct mien_rng_seeded *seeded = NULL;
    float gradient[N];
    int32_t integers[N];
    int n_full = 0;

    assert_int_equal(mien_rng_seeded_new(9, 0, &seeded), MIEN_OK);
    for (int round = 0; round < 2000; round++) {
        const float size = powf(10.0F, (float)(round % 41) * 0.25F - 5.0F);
        double norm = 0.0;

        for (int i = 0; i < N; i++) {
            gradient[i] =
                round % 3 == 0 && i % 97 != 0 ? 0.0F : size * mien_rng_seeded_normal(seeded);
            norm += (double)gradient[i] * (double)gradient[i];
        }
        norm = sqrt(norm);
        mien_client_local_integers(0.5, gradient, N, integers);
        const mien_u128 square = square_of(integers, N);
        assert_true(square <= most);
        if (norm > 0.5) { /* nearly all of the clip is used */
            n_full++;
            assert_true((double)square > (double)most * (1.0 - 1e-4));
        }
        for (int i = 0; i < N; i++) { /* rounded towards zero, by less than one */
            const double exact =
                (double)gradient[i] * (double)MIEN_CLIENT_LOCAL_BOUND / fmax(0.5, norm);

            assert_true(fabs((double)integers[i]) <= fabs(exact) * (1.0 + 1e-9));
            assert_true(fabs((double)integers[i] - exact) < 1.0 + 1e-4);
        }
    }
    assert_true(n_full > 500);
    mien_rng_seeded_free(seeded);
}

static void a_gradient_that_is_not_finite_gives_nothing(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY, 3e38F};
    int32_t integers[3];

    for (int i = 0; i < 4; i++) {
        const float gradient[] = {1.0F, bad[i], 3e38F};

        mien_client_local_integers(0.5, gradient, 3, integers);
        if (!isfinite(bad[i]))
            assert_true(integers[0] == 0 && integers[1] == 0 && integers[2] == 0);
        assert_true(square_of(integers, 3) <= (mien_u128)1 << 48);
    }
}

/* ---- one face ---- */

struct faces {
    const struct mien_plan *plan;
    size_t other;   /* this one is another face, */
    size_t missing; /* or this one is not there */
};

static enum mien_status face(void *self, size_t index, float *numbers, float *code)
{
    const struct faces *f = self;

    if (index == f->missing)
        return MIEN_ENOTFOUND;
    for (uint32_t i = 0; i < mien_plan_example_size(f->plan); i++)
        numbers[i] = index == f->other ? cosf((float)i) : sinf((float)(i * (index + 1)) * 0.37F);
    for (uint32_t i = 0; code != NULL && i < mien_plan_code_size(f->plan); i++)
        code[i] = i == index % 2 ? 1.0F : 0.0F;
    return MIEN_OK;
}

/* The sum of a step before noise. */
struct sum {
    int64_t at[4000];
    uint64_t n;
    double clip;
    uint32_t n_added;
};

static void add(void *self, const float *gradient)
{
    struct sum *s = self;
    int32_t integers[4000];

    mien_client_local_integers(s->clip, gradient, s->n, integers);
    for (uint64_t i = 0; i < s->n; i++)
        s->at[i] += integers[i];
    s->n_added++;
}

static enum mien_status take(void *self, size_t n, float *gradient)
{
    struct sum *s = self;

    (void)n;
    memset(gradient, 0, s->n * sizeof(*gradient));
    return MIEN_OK;
}

/* The sum of the first step over a quarter of these faces, the same coins each time. */
static void sum_of(const struct mien_plan *plan, const struct faces *faces, struct sum *out)
{
    const struct mien_examples examples = {(void *)(uintptr_t)faces, N_FACES, face};
    const struct mien_each_sum hooks = {out, add, take};
    struct mien_rng_seeded *seeded = NULL;
    struct mien_each *each = NULL;
    bool done = false;

    *out = (struct sum){.n = mien_each_n_gradient(plan), .clip = 1e-3};
    assert_true(out->n < 4000);
    assert_int_equal(mien_each_new(plan, 0.5, &hooks, &each), MIEN_OK);
    const uint64_t n_values = mien_each_layout(each)->n_values;
    float *values = mien_calloc(n_values, sizeof(float));
    assert_non_null(values);
    assert_int_equal(mien_rng_seeded_new(11, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(mien_each_layout(each), seeded, values), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_each_begin(each, values, &rng), MIEN_OK);
    while (!done)
        assert_int_equal(mien_each_step(each, &examples, &done), MIEN_OK);
    mien_each_free(each);
    mien_rng_seeded_free(seeded);
    mien_free(values);
}

static mien_u128 square_apart(const struct sum *a, const struct sum *b)
{
    mien_u128 square = 0;

    for (uint64_t i = 0; i < a->n; i++)
        square +=
            (mien_u128)(uint64_t)llabs(a->at[i] - b->at[i]) * (uint64_t)llabs(a->at[i] - b->at[i]);
    return square;
}

/* Each face in turn is left out, or is another one: by at most the clip, or twice that, exactly;
 * and those that were drawn do move it, since every gradient here is above the clip. */
static void one_face_moves_the_sum_by_at_most_the_clip(void **state)
{
    (void)state;
    const mien_u128 most = (mien_u128)MIEN_CLIENT_LOCAL_BOUND * MIEN_CLIENT_LOCAL_BOUND;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_CLASSIFIER);
    const struct faces all = {&plan, SIZE_MAX, SIZE_MAX};
    static struct sum whole;
    static struct sum without;
    uint32_t n_moved = 0;

    plan.local_steps = 1;
    sum_of(&plan, &all, &whole);
    assert_true(whole.n_added > 2 && whole.n_added < N_FACES);
    for (size_t i = 0; i < N_FACES; i++) {
        const struct faces fewer = {&plan, SIZE_MAX, i};
        const struct faces changed = {&plan, i, SIZE_MAX};

        sum_of(&plan, &fewer, &without);
        const mien_u128 moved = square_apart(&whole, &without);
        assert_true(moved <= most);
        n_moved += moved > most / 10 * 9;
        sum_of(&plan, &changed, &without);
        assert_true(square_apart(&whole, &without) <= 4 * most);
    }
    assert_int_equal(n_moved, whole.n_added);
}

/* ---- the noise ---- */

/* No example can be read: what is learned is noise of z C over q n, and nothing else. Some 700
 * parameters over 40 steps: 5 deviations of a chi-square, once in 10^6 seeds. */
static void the_noise_is_that_of_the_rule(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_CLASSIFIER);
    const struct faces none = {&plan, SIZE_MAX, 0};
    const struct mien_examples examples = {(void *)(uintptr_t)&none, 1, face};
    struct mien_rng_seeded *seeded = NULL;
    struct mien_client_local *local = NULL;
    bool done = false;
    double square = 0.0;

    plan.local_steps = 40;
    plan.optimiser = MIEN_OPTIMISER_SGD;
    plan.d_rate = 1.0;
    assert_int_equal(mien_rng_seeded_new(12, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_client_local_new(&plan, &rule, &rng, &local), MIEN_OK);
    struct mien_each *each = mien_client_local_each(local);
    const uint64_t n = mien_each_layout(each)->n_values;
    float *values = mien_calloc(n, sizeof(float));
    float *before = mien_calloc(n, sizeof(float));
    assert_true(values != NULL && before != NULL);
    assert_int_equal(mien_each_begin(each, values, &rng), MIEN_OK);
    while (!done) {
        assert_int_equal(mien_each_step(each, &examples, &done), MIEN_OK);
        for (uint64_t i = 0; i < n; i++) {
            const double noise = ((double)mien_each_values(each)[i] - (double)before[i]) /
                                 (rule.noise * rule.clip / rule.rate);

            square += noise * noise;
            before[i] = mien_each_values(each)[i];
        }
    }
    const double count = 40.0 * (double)n;
    assert_true(count > 2000.0);
    assert_true(fabs(square / count - 1.0) < 5.0 * sqrt(2.0 / count));
    mien_client_local_free(local);
    mien_rng_seeded_free(seeded);
    mien_free(values);
    mien_free(before);
    assert_int_equal(mien_mem_live(), 0);
}

/* ---- the budget ---- */

static void steps_under_all_rules_of_a_life_add_up(void **state)
{
    (void)state;
    struct mien_client_local_rule other = rule;
    struct mien_client_record record = {0};
    struct mien_dp_steps steps[] = {{0.25, 1.0, 7}, {0.25, 2.0, 5}};
    double got;
    double want;

    assert_int_equal(mien_client_local_epsilon(&rule, &record, 0, &got), MIEN_OK);
    assert_true(got == 0.0);
    assert_int_equal(mien_client_local_spend(&rule, 3, &record), MIEN_OK);
    assert_int_equal(mien_client_local_spend(&rule, 4, &record), MIEN_OK);
    other.noise = 2.0;
    assert_int_equal(mien_client_local_epsilon(&other, &record, 5, &got), MIEN_OK);
    assert_int_equal(mien_dp_composed_epsilon(steps, 2, rule.delta, &want), MIEN_OK);
    assert_true(got == want);
    assert_int_equal(record.n_spent, 1); /* asking spends nothing */
    for (uint32_t i = 1; i < MIEN_CLIENT_MAX_SPENT; i++) {
        other.noise = 2.0 + i;
        assert_int_equal(mien_client_local_spend(&other, 1, &record), MIEN_OK);
    }
    other.noise = 100.0;
    assert_int_equal(mien_client_local_spend(&other, 1, &record), MIEN_ELIMIT);
    assert_int_equal(mien_client_local_epsilon(&other, &record, 1, &got), MIEN_ELIMIT);
}

static void rules_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    const struct mien_client_local_rule off = {0};

    assert_true(mien_client_local_sound(&off) && mien_client_local_sound(&rule));
    for (int lie = 0; lie < 9; lie++) {
        struct mien_client_local_rule r = rule;

        r.clip = lie == 0 ? 0.0 : lie == 1 ? -1.0 : r.clip;
        r.noise = lie == 2 ? 0.29 : lie == 3 ? (double)NAN : r.noise;
        r.rate = lie == 4 ? 0.0 : lie == 5 ? 1.1 : r.rate;
        r.epsilon = lie == 6 ? 0.0 : r.epsilon;
        r.delta = lie == 7 ? 0.0 : lie == 8 ? 0.5 : r.delta;
        assert_false(mien_client_local_sound(&r));
    }
}

/* ---- a device ---- */

static char consent[512];

static void keep_consent(void *self, enum mien_log_level level, const char *line)
{
    (void)level;
    if (strncmp(line, "device.consent.local", 20) == 0)
        (void)snprintf(consent, sizeof(consent), "%s", line);
    scripted_log(self, level, line);
}

static void begin(struct scripted *s)
{
    scripted_init(s);
    s->config.limits.local = rule;
    s->config.host.log = keep_consent;
    consent[0] = '\0';
}

static void end(struct scripted *s)
{
    scripted_fini(s);
    assert_int_equal(mien_mem_live(), 0);
}

static void a_round_is_spent_before_its_vector_can_leave(void **state)
{
    (void)state;
    static struct scripted s;
    struct mien_secagg_params params;
    char expected[64];
    double epsilon;

    begin(&s);
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_train(&s, 1, 2);
    assert_int_equal(s.saved.n_spent, 1);
    assert_true(s.saved.spent[0].rate == rule.rate && s.saved.spent[0].noise == rule.noise);
    assert_int_equal(s.saved.spent[0].n_steps, s.plan.local_steps);
    assert_int_equal(mien_client_local_epsilon(&rule, &s.saved, 0, &epsilon), MIEN_OK);
    (void)snprintf(expected, sizeof(expected), "epsilon=%.6g", epsilon);
    assert_non_null(strstr(consent, expected));

    /* A real update, and no loss beside it: nothing of the examples that noise is not in. */
    const int32_t *vector = s.core->round->vector;
    assert_int_equal(mien_secagg_params_of_plan(&s.plan, &params, NULL), MIEN_OK);
    assert_int_equal(vector[params.n_update + MIEN_METRIC_TRAINED], params.metric_scale);
    assert_int_equal(vector[params.n_update + MIEN_METRIC_D_LOSS], 0);
    int32_t any = 0;
    for (uint32_t i = 0; i < params.n_update; i++)
        any |= vector[i];
    assert_true(any != 0);
    end(&s);
}

static void a_round_whose_cost_cannot_be_kept_gives_no_vector(void **state)
{
    (void)state;
    static struct scripted s;

    begin(&s);
    scripted_start(&s);
    scripted_check_in(&s);
    struct mien_message assign = scripted_assign(&s, 1, 1, 2);
    scripted_tell(&s, &assign);
    while (!mien_client_core_wish(s.core).work)
        scripted_serve(&s, 60000);
    s.on_save = MIEN_EIO;
    enum mien_status status = MIEN_OK;
    while (status == MIEN_OK && mien_client_core_wish(s.core).work)
        status = mien_client_core_work(s.core, s.now_ms, NULL);
    assert_int_equal(status, MIEN_EIO);
    scripted_expect_silence(&s);
    end(&s);
}

static void the_plan_that_would_pass_the_budget_is_refused(void **state)
{
    (void)state;
    static struct scripted s;

    for (int fits = 0; fits < 2; fits++) {
        double after;

        begin(&s);
        s.config.record.n_spent = 1;
        s.config.record.spent[0] = (struct mien_client_spent){rule.rate, rule.noise, 40};
        assert_int_equal(
            mien_client_local_epsilon(&rule, &s.config.record, s.plan.local_steps, &after),
            MIEN_OK);
        s.config.limits.local.epsilon = fits ? after : nextafter(after, 0.0);
        scripted_start(&s);
        scripted_check_in(&s);
        struct mien_message assign = scripted_assign(&s, 1, 1, 2);
        scripted_tell(&s, &assign);
        scripted_serve(&s, 60000);
        if (fits) {
            scripted_expect(&s, MIEN_FRAME_GET); /* the model */
        } else {
            scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_POLICY);
            assert_non_null(strstr(mien_client_core_explain(s.core), "single examples"));
            mien_client_core_disconnected(s.core, s.now_ms);
            assert_true(mien_client_core_wish(s.core).stopped);
            assert_int_equal(mien_client_core_wish(s.core).why, MIEN_EPOLICY);
        }
        end(&s);
    }
}

static void a_drill_costs_nothing(void **state)
{
    (void)state;
    static struct scripted s;

    begin(&s);
    s.config.limits.local.epsilon = 1e-9; /* no plan fits */
    scripted_start(&s);
    scripted_check_in(&s);
    struct mien_message assign = scripted_assign_for(&s, 1, 1, 2, MIEN_MESSAGE_PURPOSE_DRILL);
    scripted_tell(&s, &assign);
    scripted_serve(&s, 60000);
    scripted_expect(&s, MIEN_FRAME_READY);
    assert_int_equal(mien_client_core_record(s.core)->n_spent, 0);
    end(&s);
}

static void training_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_GAN);
    struct mien_client_train *train = NULL;
    struct mien_rng rng = mien_rng_system();

    for (long k = 0; train == NULL; k++) {
        mien_mem_fail_at(k);
        const enum mien_status status = mien_client_train_new_local(&plan, &rule, &rng, &train);
        assert_int_equal(status, train == NULL ? MIEN_ENOMEM : MIEN_OK);
    }
    mien_mem_fail_at(-1);
    mien_client_train_free(train);
    plan.norm = MIEN_NORM_BATCH;
    assert_int_equal(mien_client_train_new_local(&plan, &rule, &rng, &train), MIEN_EINVAL);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_gradient_is_longer_than_the_clip),
        cmocka_unit_test(a_gradient_that_is_not_finite_gives_nothing),
        cmocka_unit_test(one_face_moves_the_sum_by_at_most_the_clip),
        cmocka_unit_test(the_noise_is_that_of_the_rule),
        cmocka_unit_test(steps_under_all_rules_of_a_life_add_up),
        cmocka_unit_test(rules_that_make_no_sense_are_refused),
        cmocka_unit_test(a_round_is_spent_before_its_vector_can_leave),
        cmocka_unit_test(a_round_whose_cost_cannot_be_kept_gives_no_vector),
        cmocka_unit_test(the_plan_that_would_pass_the_budget_is_refused),
        cmocka_unit_test(a_drill_costs_nothing),
        cmocka_unit_test(training_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
