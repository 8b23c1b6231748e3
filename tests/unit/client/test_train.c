// SPDX-License-Identifier: Apache-2.0
/* From a plan, a model and examples to the vector. */
#include "scripted.h"

#include "client/train.h"
#include "common/secagg/params.h"
#include "common/secagg/quantise.h"
#include "common/wire/vector.h"

static struct scripted s;
static struct mien_secagg_params params;
static struct mien_client_train *train;
static const uint8_t rotation[32] = {7};

static int setup(void **state)
{
    (void)state;
    scripted_init(&s);
    assert_int_equal(mien_secagg_params_of_plan(&s.plan, &params, NULL), MIEN_OK);
    assert_int_equal(mien_client_train_new(&s.plan, &train), MIEN_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mien_client_train_free(train);
    train = NULL;
    scripted_fini(&s);
    assert_int_equal(mien_mem_live(), 0);
    return 0;
}

/* One device's training; counts the slices. The vector is given. */
static int32_t *vector_of(const struct mien_client_examples *examples, enum mien_client_note *note,
                          int *n_slices)
{
    int32_t *vector = mien_calloc(params.dim, sizeof(*vector));
    bool done = false;

    assert_non_null(vector);
    assert_int_equal(mien_client_train_start(train, mien_buf_span(&s.model_bytes),
                                             (struct mien_span){0}, examples, &s.rng),
                     MIEN_OK);
    for (*n_slices = 0; !done; (*n_slices)++)
        assert_int_equal(mien_client_train_step(train, &done), MIEN_OK);
    assert_int_equal(mien_client_train_take(train, &params, rotation, &s.rng, vector, note),
                     MIEN_OK);
    return vector;
}

static bool all_zero(const int32_t *vector)
{
    for (uint32_t i = 0; i < params.dim; i++) {
        if (vector[i] != 0)
            return false;
    }
    return true;
}

static void a_real_update_keeps_every_bound(void **state)
{
    (void)state;
    enum mien_client_note note;
    int n_slices;
    int32_t *vector = vector_of(&s.config.host.examples, &note, &n_slices);

    assert_int_equal(note, MIEN_CLIENT_NOTE_NONE);
    assert_false(all_zero(vector));
    assert_true(mien_quantise_holds(&params, vector));
    assert_int_equal(vector[params.n_update + MIEN_METRIC_TRAINED], params.metric_scale);
    mien_free(vector);
}

/* Of k tensors each within clip / sqrt(k) but for the rounding of its values, so that the whole is
 * within the clip; and one of them at it. */
static void each_tensor_is_clipped_to_its_share(void **state)
{
    (void)state;
    struct mien_client_train *by_tensor = NULL;
    struct mien_client_train *kept = train;
    struct mien_layout layout;
    enum mien_client_note note;
    int n_slices;

    s.plan.clip_by = MIEN_CLIP_BY_TENSOR;
    mien_secagg_params_set_clip(&params, 1e-3);
    assert_int_equal(mien_layout_init(&layout, &s.plan, NULL), MIEN_OK);
    assert_int_equal(mien_client_train_new(&s.plan, &by_tensor), MIEN_OK);
    train = by_tensor;
    int32_t *vector = vector_of(&s.config.host.examples, &note, &n_slices);
    train = kept;
    assert_int_equal(note, MIEN_CLIENT_NOTE_NONE);
    const double share = params.scale * params.clip / sqrt((double)layout.n_tensors);
    double largest = 0;
    for (uint32_t t = 0; t < layout.n_tensors; t++) {
        const uint64_t to =
            t + 1 < layout.n_tensors ? layout.tensor[t + 1].offset : params.n_update;
        double square = 0;

        for (uint64_t i = layout.tensor[t].offset; i < to; i++)
            square += (double)vector[i] * vector[i];
        /* Each value is rounded by less than 1. */
        assert_true(sqrt(square) <= share + sqrt((double)(to - layout.tensor[t].offset)));
        largest = fmax(largest, sqrt(square));
    }
    assert_true(largest > 0.9 * share);
    assert_true(vector[params.n_update + MIEN_METRIC_CLIPPED] > 0);
    mien_free(vector);
    mien_client_train_free(by_tensor);
    s.plan.clip_by = MIEN_CLIP_BY_UPDATE;
    mien_secagg_params_set_clip(&params, s.plan.clip);
}

static void too_few_examples_give_zeros_in_the_same_number_of_steps(void **state)
{
    (void)state;
    enum mien_client_note note;
    int n_enough;
    int n_few;
    int32_t *vector;

    s.n_examples = s.plan.min_examples;
    vector = vector_of(&s.config.host.examples, &note, &n_enough);
    assert_int_equal(note, MIEN_CLIENT_NOTE_NONE);
    mien_free(vector);
    s.n_examples = s.plan.min_examples - 1;
    vector = vector_of(&s.config.host.examples, &note, &n_few);
    assert_int_equal(note, MIEN_CLIENT_NOTE_FEW);
    assert_true(all_zero(vector));
    assert_int_equal(n_few, n_enough);
    mien_free(vector);
    s.n_examples = 0;
    vector = vector_of(&s.config.host.examples, &note, &n_few);
    assert_int_equal(note, MIEN_CLIENT_NOTE_FEW);
    assert_true(all_zero(vector));
    assert_int_equal(n_few, n_enough);
    mien_free(vector);
}

static enum mien_status every_other(void *self, size_t index, unsigned size, unsigned channels,
                                    float *out)
{
    if (index % 2 == 1)
        return MIEN_EPARSE;
    return scripted_example(self, index, size, channels, out);
}

static void unreadable_examples_are_left_out(void **state)
{
    (void)state;
    struct mien_client_examples examples = s.config.host.examples;
    enum mien_client_note note;
    int n_slices;

    examples.pixels = every_other;
    s.n_examples = 2 * s.plan.min_examples;
    int32_t *vector = vector_of(&examples, &note, &n_slices);
    assert_int_equal(note, MIEN_CLIENT_NOTE_NONE);
    assert_false(all_zero(vector));
    mien_free(vector);
    s.n_examples = 2 * s.plan.min_examples - 2;
    vector = vector_of(&examples, &note, &n_slices);
    assert_int_equal(note, MIEN_CLIENT_NOTE_FEW);
    assert_true(all_zero(vector));
    mien_free(vector);
}

static void pictures_that_are_not_finite_or_out_of_range_are_no_examples(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, 3.0F};
    enum mien_client_note note;
    int n_slices;

    for (size_t i = 0; i < 3; i++) {
        s.pixel = bad[i];
        int32_t *vector = vector_of(&s.config.host.examples, &note, &n_slices);
        assert_int_equal(note, MIEN_CLIENT_NOTE_FEW);
        assert_true(all_zero(vector));
        mien_free(vector);
    }
}

static void an_update_that_is_not_finite_gives_zeros(void **state)
{
    (void)state;
    enum mien_client_note note;
    int n_slices;
    const uint8_t nan_bytes[4] = {0, 0, 0xc0, 0x7f};

    for (size_t at = 0; at < s.model_bytes.len; at += 4 * 97)
        memcpy(s.model_bytes.data + at, nan_bytes, sizeof(nan_bytes));
    int32_t *vector = vector_of(&s.config.host.examples, &note, &n_slices);
    assert_int_equal(note, MIEN_CLIENT_NOTE_NOT_FINITE);
    assert_true(all_zero(vector));
    mien_free(vector);
}

/* Examples that vanish in the middle of a round. */
static enum mien_status gone(void *self, size_t index, unsigned size, unsigned channels, float *out)
{
    static int n_calls;

    if (n_calls++ > 6)
        return MIEN_ENOTFOUND;
    return scripted_example(self, index, size, channels, out);
}

static void examples_that_vanish_give_zeros(void **state)
{
    (void)state;
    struct mien_client_examples examples = s.config.host.examples;
    enum mien_client_note note;
    int n_slices;

    examples.pixels = gone;
    int32_t *vector = vector_of(&examples, &note, &n_slices);
    assert_int_equal(note, MIEN_CLIENT_NOTE_FEW);
    assert_true(all_zero(vector));
    mien_free(vector);
}

static void steps_allocate_nothing(void **state)
{
    (void)state;
    bool done = false;

    assert_int_equal(mien_client_train_start(train, mien_buf_span(&s.model_bytes),
                                             (struct mien_span){0}, &s.config.host.examples,
                                             &s.rng),
                     MIEN_OK);
    mien_mem_fail_at(0);
    long live = mien_mem_live();
    while (!done)
        assert_int_equal(mien_client_train_step(train, &done), MIEN_OK);
    assert_int_equal(mien_mem_live(), live);
    assert_null(mien_calloc(1, 1)); /* the failure was still armed */
    mien_mem_fail_at(-1);
}

static void one_serves_devices_one_after_another(void **state)
{
    (void)state;
    enum mien_client_note note;
    int n_slices;
    struct mien_client_train *fresh = NULL;
    struct mien_rng_seeded *again = NULL;

    /* The second device's vector is what a fresh one makes from the same randomness. */
    int32_t *first = vector_of(&s.config.host.examples, &note, &n_slices);
    assert_int_equal(mien_rng_seeded_new(77, 0, &again), MIEN_OK);
    s.rng = mien_rng_seeded_handle(again);
    int32_t *second = vector_of(&s.config.host.examples, &note, &n_slices);
    mien_rng_seeded_free(again);
    assert_int_equal(mien_rng_seeded_new(77, 0, &again), MIEN_OK);
    s.rng = mien_rng_seeded_handle(again);
    assert_int_equal(mien_client_train_new(&s.plan, &fresh), MIEN_OK);
    mien_client_train_free(train);
    train = fresh;
    int32_t *third = vector_of(&s.config.host.examples, &note, &n_slices);
    assert_memory_equal(second, third, params.dim * sizeof(*second));
    assert_memory_not_equal(first, second, params.dim * sizeof(*second));
    mien_rng_seeded_free(again);
    mien_free(first);
    mien_free(second);
    mien_free(third);
}

/* The update's own memory holds what it is filled up to, and the need says so. */
static void a_rotated_vector_keeps_every_bound(void **state)
{
    (void)state;
    enum mien_client_note note;
    int n_slices;
    uint64_t plain_need;
    uint64_t need;
    struct mien_secagg_params plain = params;

    assert_int_equal(mien_client_train_need(&s.plan, &plain_need), MIEN_OK);
    s.plan.rotate = MIEN_PLAN_ROTATED;
    assert_int_equal(mien_client_train_need(&s.plan, &need), MIEN_OK);
    assert_int_equal(mien_secagg_params_of_plan(&s.plan, &params, NULL), MIEN_OK);
    mien_client_train_free(train);
    assert_int_equal(mien_client_train_new(&s.plan, &train), MIEN_OK);
    assert_true(params.dim >= plain.dim);
    assert_true(need >= plain_need);
    int32_t *vector = vector_of(&s.config.host.examples, &note, &n_slices);
    assert_int_equal(note, MIEN_CLIENT_NOTE_NONE);
    assert_false(all_zero(vector));
    assert_true(mien_quantise_holds(&params, vector));
    mien_free(vector);
}

static void calls_out_of_order_are_statuses(void **state)
{
    (void)state;
    enum mien_client_note note;
    bool done;
    int32_t vector[1];
    struct mien_span cut = {s.model_bytes.data, s.model_bytes.len - 4};

    assert_int_equal(mien_client_train_step(train, &done), MIEN_ESTATE);
    assert_int_equal(mien_client_train_take(train, &params, rotation, &s.rng, vector, &note),
                     MIEN_ESTATE);
    assert_int_equal(
        mien_client_train_start(train, cut, (struct mien_span){0}, &s.config.host.examples, &s.rng),
        MIEN_EINVAL);
    /* This plan keeps nothing on the device. */
    assert_int_equal(mien_client_train_start(train, mien_buf_span(&s.model_bytes), cut,
                                             &s.config.host.examples, &s.rng),
                     MIEN_EINVAL);
}

static void new_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_client_train *made = NULL;

    for (long k = 0; made == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_client_train_new(&s.plan, &made);
        mien_mem_fail_at(-1);
        assert_int_equal(status, made == NULL ? MIEN_ENOMEM : MIEN_OK);
    }
    mien_client_train_free(made);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_real_update_keeps_every_bound),
        TEST(each_tensor_is_clipped_to_its_share),
        TEST(too_few_examples_give_zeros_in_the_same_number_of_steps),
        TEST(unreadable_examples_are_left_out),
        TEST(pictures_that_are_not_finite_or_out_of_range_are_no_examples),
        TEST(an_update_that_is_not_finite_gives_zeros),
        TEST(examples_that_vanish_give_zeros),
        TEST(steps_allocate_nothing),
        TEST(one_serves_devices_one_after_another),
        TEST(a_rotated_vector_keeps_every_bound),
        TEST(calls_out_of_order_are_statuses),
        TEST(new_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
