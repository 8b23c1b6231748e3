// SPDX-License-Identifier: Apache-2.0
#include "common/base/rng_seeded.h"
#include "common/secagg/pack.h"
#include "common/secagg/quantise.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define N 1000
#define CLIP 0.5

static struct mien_rng_seeded *seeded;
static struct mien_rng rng;
static struct mien_secagg_params params;

static int setup(void **state)
{
    (void)state;
    if (mien_rng_seeded_new(23, 0, &seeded) != MIEN_OK)
        return -1;
    rng = mien_rng_seeded_handle(seeded);
    return mien_secagg_params_init(&params, N, CLIP, 40, 0, NULL) == MIEN_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mien_rng_seeded_free(seeded);
    return 0;
}

/* A random direction of the given norm. */
static void draw_update(double norm, float *update)
{
    double square = 0.0;

    for (int i = 0; i < N; i++) {
        update[i] = mien_rng_seeded_normal(seeded);
        square += (double)update[i] * (double)update[i];
    }
    for (int i = 0; i < N; i++)
        update[i] = (float)((double)update[i] * norm / sqrt(square));
}

static void sums_never_wrap_for_any_bits(void **state)
{
    (void)state;
    for (uint32_t bits = MIEN_SECAGG_MIN_BITS; bits <= MIEN_SECAGG_MAX_BITS; bits++) {
        for (uint32_t n_max = 2; n_max <= MIEN_SECAGG_MAX_MEMBERS; n_max += 17) {
            struct mien_secagg_params p;
            enum mien_status status = mien_secagg_params_init(&p, N, CLIP, n_max, bits, NULL);

            if (status == MIEN_ELIMIT)
                continue;
            assert_int_equal(status, MIEN_OK);
            const uint64_t most = (uint64_t)p.q_max * n_max;
            assert_true(most < UINT64_C(1) << (bits - 1));
            assert_int_equal(mien_lift((uint32_t)most, bits), (int64_t)most);
            assert_int_equal(mien_lift((uint32_t)(0 - most), bits), -(int64_t)most);
        }
    }
}

static void parameters_out_of_range_are_refused(void **state)
{
    (void)state;
    struct mien_secagg_params p;

    assert_int_equal(mien_secagg_params_init(&p, 0, 1.0, 40, 0, NULL), MIEN_ELIMIT);
    assert_int_equal(mien_secagg_params_init(&p, MIEN_SECAGG_MAX_DIM, 1.0, 40, 0, NULL),
                     MIEN_ELIMIT);
    assert_int_equal(mien_secagg_params_init(&p, 9, 0.0, 40, 0, NULL), MIEN_EINVAL);
    assert_int_equal(mien_secagg_params_init(&p, 9, (double)NAN, 40, 0, NULL), MIEN_EINVAL);
    assert_int_equal(mien_secagg_params_init(&p, 9, 1.0, 1, 0, NULL), MIEN_ELIMIT);
    assert_int_equal(mien_secagg_params_init(&p, 9, 1.0, MIEN_SECAGG_MAX_MEMBERS + 1, 0, NULL),
                     MIEN_ELIMIT);
    assert_int_equal(mien_secagg_params_init(&p, 9, 1.0, 40, 11, NULL), MIEN_ELIMIT);
    assert_int_equal(mien_secagg_params_init(&p, 9, 1.0, 40, 33, NULL), MIEN_ELIMIT);
    assert_int_equal(mien_secagg_params_init(&p, 1000000, 1.0, 512, 12, NULL), MIEN_ELIMIT);
}

static void every_vector_keeps_the_bounds(void **state)
{
    (void)state;
    static const double norms[] = {0.0, 1e-30, 0.1, CLIP, 0.51, 40.0, 1e18};

    for (size_t trial = 0; trial < 10 * sizeof(norms) / sizeof(norms[0]); trial++) {
        const double norm = norms[trial % (sizeof(norms) / sizeof(norms[0]))];
        float update[N];
        int32_t vector[N + MIEN_N_METRICS];
        struct mien_quantise_note note;
        struct mien_contribution contribution = {.update = update, .metrics = {1.0f, 0.0f, 7.0f}};
        mien_i128 square = 0;

        draw_update(norm, update);
        assert_int_equal(mien_quantise(&params, CLIP, &contribution, &rng, vector, &note), MIEN_OK);
        for (int i = 0; i < N + MIEN_N_METRICS; i++)
            square += (mien_i128)vector[i] * vector[i];
        assert_true(square <= (mien_i128)params.bound * (mien_i128)params.bound);
        assert_true(mien_quantise_holds(&params, vector));
        assert_true(norm == CLIP || note.clipped == (norm > CLIP));
        assert_false(note.rounded_to_zero);
        assert_int_equal(vector[N + MIEN_METRIC_TRAINED], params.metric_scale);
        assert_int_equal(vector[N + MIEN_METRIC_CLIPPED], note.clipped ? params.metric_scale : 0);
        assert_int_equal(vector[N + MIEN_METRIC_D_LOSS], params.metric_scale);
    }
}

/* Hoeffding: the mean of T roundings of one coordinate is off by more than e with probability at
 * most 2 exp(-2 T e^2). T = 400 and e = 0.2 give 2.5e-14 a coordinate: below 3e-11 for the whole
 * test, were the seed not fixed. */
static void rounding_has_no_bias(void **state)
{
    (void)state;
    enum { T = 400 };
    float update[N];
    double sum[N] = {0};

    draw_update(0.3, update);
    for (int t = 0; t < T; t++) {
        float scratch[N];
        int32_t vector[N + MIEN_N_METRICS];
        struct mien_quantise_note note;
        struct mien_contribution contribution = {.update = scratch};

        memcpy(scratch, update, sizeof(scratch));
        assert_int_equal(mien_quantise(&params, CLIP, &contribution, &rng, vector, &note), MIEN_OK);
        for (int i = 0; i < N; i++)
            sum[i] += vector[i];
    }
    for (int i = 0; i < N; i++)
        assert_true(fabs(sum[i] / T - (double)update[i] * params.scale) < 0.2);
}

static void numbers_that_are_none_give_zeros_and_an_error(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};

    for (int i = 0; i < 3; i++) {
        float update[N] = {0};
        int32_t vector[N + MIEN_N_METRICS];
        struct mien_quantise_note note;
        struct mien_contribution contribution = {.update = update, .metrics = {NAN, NAN, NAN}};

        memset(vector, 0xff, sizeof(vector));
        update[N / 2] = bad[i];
        assert_int_equal(mien_quantise(&params, CLIP, &contribution, &rng, vector, &note),
                         MIEN_EINVAL);
        for (int j = 0; j < N + MIEN_N_METRICS; j++)
            assert_int_equal(vector[j], 0);
    }
}

/* All of the norm in one coordinate, and bits that hold less: cut, counted, inside the bounds. */
static void a_peak_is_clamped_and_counted(void **state)
{
    (void)state;
    struct mien_secagg_params narrow;
    float update[N] = {0};
    int32_t vector[N + MIEN_N_METRICS];
    struct mien_quantise_note note;
    struct mien_contribution contribution = {.update = update};

    assert_int_equal(mien_secagg_params_init(&narrow, N, CLIP, 40, 14, NULL), MIEN_OK);
    update[3] = (float)-CLIP;
    assert_int_equal(mien_quantise(&narrow, CLIP, &contribution, &rng, vector, &note), MIEN_OK);
    assert_int_equal(note.n_clamped, 1);
    assert_int_equal(vector[3], -narrow.q_max);
}

/* A generator that always rounds away from the bound's inside: each redraw fails. */
static enum mien_status fill_zeros(void *self, void *out, size_t n)
{
    (void)self;
    memset(out, 0, n);
    return MIEN_OK;
}

static void redraws_end_in_rounding_toward_zero(void **state)
{
    (void)state;
    struct mien_rng always_up = {.fill = fill_zeros};
    float update[N];
    int32_t vector[N + MIEN_N_METRICS];
    struct mien_quantise_note note;
    struct mien_contribution contribution = {.update = update, .metrics = {1.0f, 1.0f, 1.0f}};

    for (int i = 0; i < N; i++) /* each scales to 16.0 less a bit of float: up is 16, norm N */
        update[i] = (float)(CLIP / sqrt(N) * 0.99);
    assert_int_equal(mien_quantise(&params, CLIP, &contribution, &always_up, vector, &note),
                     MIEN_OK);
    assert_int_equal(vector[0], 16);
    for (int i = 0; i < N; i++) /* half of them 15.1, half 16.85: up is 16 and 17, above B */
        update[i] = (float)(CLIP / sqrt(N) * (i % 2 == 0 ? 15.1 : 16.85) / 16.0);
    assert_int_equal(mien_quantise(&params, CLIP, &contribution, &always_up, vector, &note),
                     MIEN_OK);
    assert_true(note.rounded_to_zero);
    assert_int_equal(vector[0], 15);
    assert_int_equal(vector[1], 16);
    assert_true(mien_quantise_holds(&params, vector));
}

static void sums_come_back_as_averages(void **state)
{
    (void)state;
    int64_t sum[N + MIEN_N_METRICS] = {0};
    float update[N];
    float metrics[MIEN_N_METRICS];

    sum[5] = -4000;
    sum[N + MIEN_METRIC_TRAINED] = INT64_C(30) * params.metric_scale;
    mien_dequantise(&params, sum, 40, update, metrics);
    assert_true(fabs((double)update[5] + 4000.0 / (40.0 * params.scale)) < 1e-7);
    assert_true(update[4] == 0.0f);
    assert_true(fabsf(metrics[MIEN_METRIC_TRAINED] - 0.75f) < 1e-6f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_never_wrap_for_any_bits),
        cmocka_unit_test(parameters_out_of_range_are_refused),
        cmocka_unit_test(every_vector_keeps_the_bounds),
        cmocka_unit_test(rounding_has_no_bias),
        cmocka_unit_test(numbers_that_are_none_give_zeros_and_an_error),
        cmocka_unit_test(a_peak_is_clamped_and_counted),
        cmocka_unit_test(redraws_end_in_rounding_toward_zero),
        cmocka_unit_test(sums_come_back_as_averages),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
