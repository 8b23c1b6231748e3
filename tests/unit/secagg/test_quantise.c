// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/secagg/pack.h"
#include "common/secagg/quantise.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define N 1000
#define CLIP 0.5
#define ROOM 1024 /* dim when rotated */

static struct mien_rng_seeded *seeded;
static struct mien_rng rng;
static struct mien_secagg_params params;

static enum mien_status init(struct mien_secagg_params *out, uint64_t n, double clip,
                             uint32_t n_max, uint32_t bits)
{
    const struct mien_secagg_shape shape = {
        .n_update = n, .clip = clip, .n_max = n_max, .bits = bits};

    return mien_secagg_params_init(out, &shape, NULL);
}

static int setup(void **state)
{
    (void)state;
    if (mien_rng_seeded_new(23, 0, &seeded) != MIEN_OK)
        return -1;
    rng = mien_rng_seeded_handle(seeded);
    return init(&params, N, CLIP, 40, 0) == MIEN_OK ? 0 : -1;
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
            enum mien_status status = init(&p, N, CLIP, n_max, bits);

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

    assert_int_equal(init(&p, 0, 1.0, 40, 0), MIEN_ELIMIT);
    assert_int_equal(init(&p, MIEN_SECAGG_MAX_DIM, 1.0, 40, 0), MIEN_ELIMIT);
    assert_int_equal(init(&p, 9, 0.0, 40, 0), MIEN_EINVAL);
    assert_int_equal(init(&p, 9, (double)NAN, 40, 0), MIEN_EINVAL);
    assert_int_equal(init(&p, 9, 1.0, 1, 0), MIEN_ELIMIT);
    assert_int_equal(init(&p, 9, 1.0, MIEN_SECAGG_MAX_MEMBERS + 1, 0), MIEN_ELIMIT);
    assert_int_equal(init(&p, 9, 1.0, 40, 11), MIEN_ELIMIT);
    assert_int_equal(init(&p, 9, 1.0, 40, 33), MIEN_ELIMIT);
    assert_int_equal(init(&p, 1000000, 1.0, 512, 12), MIEN_ELIMIT);
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
        assert_int_equal(mien_quantise(&params, NULL, &contribution, &rng, vector, &note), MIEN_OK);
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
        assert_int_equal(mien_quantise(&params, NULL, &contribution, &rng, vector, &note), MIEN_OK);
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
        assert_int_equal(mien_quantise(&params, NULL, &contribution, &rng, vector, &note),
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

    assert_int_equal(init(&narrow, N, CLIP, 40, 14), MIEN_OK);
    update[3] = (float)-CLIP;
    assert_int_equal(mien_quantise(&narrow, NULL, &contribution, &rng, vector, &note), MIEN_OK);
    assert_int_equal(note.n_clamped, 1);
    assert_int_equal(vector[3], -narrow.q_max);
}

/* A bound that only rounding toward zero keeps: each redraw fails, then the promise holds still. */
static void redraws_end_in_rounding_toward_zero(void **state)
{
    (void)state;
    struct mien_secagg_params tight = params;
    float update[N];
    int32_t vector[N + MIEN_N_METRICS];
    struct mien_quantise_note note;
    struct mien_contribution contribution = {.update = update};

    for (int i = 0; i < N; i++) /* half of them 15.1, half -15.9 */
        update[i] = (float)(CLIP / sqrt(N) * (i % 2 == 0 ? 15.1 : -15.9) / 16.0);
    tight.bound_square = UINT64_C(15) * 15 * N;
    assert_int_equal(mien_quantise(&tight, NULL, &contribution, &rng, vector, &note), MIEN_OK);
    assert_true(note.rounded_to_zero);
    assert_int_equal(note.n_redraws, 63);
    assert_int_equal(vector[0], 15);
    assert_int_equal(vector[1], -15);
    for (int i = 0; i < N; i++)
        update[i] = (float)(CLIP / sqrt(N) * 15.1 / 16.0);
    tight.bound_square--;
    assert_int_equal(mien_quantise(&tight, NULL, &contribution, &rng, vector, &note), MIEN_EINVAL);
    assert_int_equal(vector[0], 0);
}

/* What a sum of n_max vectors can be at most, on both sides of the modulus's middle. */
static void the_largest_sum_comes_back_and_one_more_would_not(void **state)
{
    (void)state;
    for (int rotate = 0; rotate < 2; rotate++) {
        struct mien_secagg_params p;
        const struct mien_secagg_shape shape = {
            .n_update = 100000, .clip = CLIP, .n_max = 300, .bits = 18, .rotate = rotate == 1};

        assert_int_equal(mien_secagg_params_init(&p, &shape, NULL), MIEN_OK);
        const int64_t most = (int64_t)p.q_max * p.n_max;
        const uint32_t sum = (uint32_t)p.q_max * p.n_max;

        assert_int_equal(mien_lift(sum, p.bits), most);
        assert_int_equal(mien_lift(0 - sum, p.bits), -most);
        assert_true((int64_t)(p.q_max + 1) * p.n_max >= INT64_C(1) << (p.bits - 1));
        assert_int_not_equal(mien_lift((uint32_t)(p.q_max + 1) * p.n_max, p.bits),
                             (int64_t)(p.q_max + 1) * p.n_max);
    }
}

/* 20 bits for sums of 1000 vectors of 10^6: coordinates are cut at 524 where metrics would have
 * been 1000, so metrics are scaled by less. */
static void metrics_fit_the_bits(void **state)
{
    (void)state;
    struct mien_secagg_params p;

    assert_int_equal(init(&p, 1000000 - MIEN_N_METRICS, CLIP, 1000, 20), MIEN_OK);
    assert_int_equal(p.q_max, 524);
    assert_int_equal(p.metric_scale, 524);
    assert_true(mien_secagg_packed_bytes(p.dim, p.bits) == 2500000);
    assert_int_equal(init(&p, 1000000, CLIP, 1000, 17), MIEN_OK);
    assert_int_equal(init(&p, 1000000, CLIP, 1000, 16), MIEN_ELIMIT);
}

/* Sums of n_max vectors and of noise at its reach come back; the share is as much as z and m ask
 * for, and not more than rounding takes. */
static void bits_leave_room_for_the_devices_noise(void **state)
{
    (void)state;
    for (int rotate = 0; rotate < 2; rotate++) {
        for (double z = 0.5; z < 300.0; z *= 3.0) {
            struct mien_secagg_shape shape = {.n_update = 5000,
                                              .clip = CLIP,
                                              .n_max = 300,
                                              .rotate = rotate == 1,
                                              .noise_multiplier = z,
                                              .n_shares = 90};
            struct mien_secagg_params p;
            struct mien_secagg_params none;

            assert_int_equal(mien_secagg_params_init(&p, &shape, NULL), MIEN_OK);
            shape.n_shares = 0;
            assert_int_equal(mien_secagg_params_init(&none, &shape, NULL), MIEN_OK);
            const double wanted = z * (double)p.bound * z * (double)p.bound / 90.0;
            const int64_t reach = (int64_t)(12.0 * sqrt((double)p.share * 300.0));
            const int64_t most = (int64_t)p.q_max * p.n_max + reach;

            assert_true((double)p.share >= wanted && (double)p.share < wanted + 1.5);
            assert_true(p.bits >= none.bits && p.bound == none.bound && none.share == 0);
            assert_int_equal(mien_lift((uint32_t)most, p.bits), most);
            assert_int_equal(mien_lift(0 - (uint32_t)most, p.bits), -most);
            assert_true(p.q_max >= p.metric_scale || p.rotate);
            shape.n_shares = 90;
            shape.bits = p.bits - 1; /* what is not enough is refused, or coordinates are cut */
            if (mien_secagg_params_init(&none, &shape, NULL) == MIEN_OK)
                assert_true(none.q_max < p.q_max || p.rotate);
        }
    }
}

static void noise_that_cannot_be_drawn_is_refused(void **state)
{
    (void)state;
    const struct mien_secagg_shape shape = {.n_update = 20000000,
                                            .clip = CLIP,
                                            .n_max = 400,
                                            .noise_multiplier = 1000.0,
                                            .n_shares = 1};
    struct mien_secagg_params p;
    struct mien_err err = {0};

    assert_int_equal(mien_secagg_params_init(&p, &shape, &err), MIEN_ELIMIT);
    assert_non_null(strstr(err.text, "secure_sum.bits"));
}

/* Coordinates and squares at the bounds hold, one above does not; in any block of the check. */
static void bounds_are_exact(void **state)
{
    (void)state;
    struct mien_secagg_params p;

    assert_int_equal(init(&p, 5000, CLIP, 40, 0), MIEN_OK);
    int32_t *vector = mien_calloc(p.dim, sizeof(*vector));
    assert_non_null(vector);
    for (uint32_t at = 0; at < p.dim; at += 1250) {
        p.bound_square = (uint64_t)p.q_max * (uint64_t)p.q_max;
        vector[at] = -p.q_max;
        assert_true(mien_quantise_holds(&p, vector));
        p.bound_square--;
        assert_false(mien_quantise_holds(&p, vector));
        p.bound_square = UINT64_MAX;
        vector[at] = p.q_max + 1;
        assert_false(mien_quantise_holds(&p, vector));
        vector[at] = INT32_MIN;
        assert_false(mien_quantise_holds(&p, vector));
        vector[at] = 0;
    }
    mien_free(vector);
}

static void sums_come_back_as_averages(void **state)
{
    (void)state;
    int64_t sum[N + MIEN_N_METRICS] = {0};
    float update[N + MIEN_N_METRICS];
    float metrics[MIEN_N_METRICS];

    sum[5] = -4000;
    sum[N + MIEN_METRIC_TRAINED] = INT64_C(30) * params.metric_scale;
    assert_int_equal(mien_dequantise(&params, NULL, sum, 40, update, metrics), MIEN_OK);
    assert_true(fabs((double)update[5] + 4000.0 / (40.0 * params.scale)) < 1e-7);
    assert_true(update[4] == 0.0f);
    assert_true(fabsf(metrics[MIEN_METRIC_TRAINED] - 0.75f) < 1e-6f);
}

/* With sigma = z B on every coordinate: the update at sigma / sqrt(A), the bits at 2 sigma_b. */
static void the_bit_and_the_update_cost_z_together(void **state)
{
    (void)state;
    static const struct {
        double z;
        double sigma_b;
    } cases[] = {{1.0, 7.5}, {2.0, 1.1}, {0.3, 0.2}, {5.0, 200.0}, {1.0, 0.5001}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mien_secagg_params p;

        const struct mien_secagg_shape shape = {.n_update = N,
                                                .clip = CLIP,
                                                .n_max = 50,
                                                .clip_noise = cases[i].sigma_b,
                                                .noise_multiplier = cases[i].z};

        assert_int_equal(mien_secagg_params_init(&p, &shape, NULL), MIEN_OK);
        const double h = (double)p.bit_scale;
        const double rest = sqrt((double)p.bound_square - h * h);
        const double sigma = cases[i].z * (double)p.bound;
        const double sigma_b = sigma / (2 * h);
        const double update = sigma / rest;

        assert_true(sigma_b >= cases[i].sigma_b * (1 - 1e-9));
        assert_true(sigma_b <= cases[i].sigma_b * (1 + 2 / h));
        const double both = 1 / sqrt(1 / (update * update) + 1 / (4 * sigma_b * sigma_b));
        assert_true(fabs(both / cases[i].z - 1) < 1e-9);
        assert_true(p.q_max >= p.bit_scale);
        assert_true((uint64_t)p.q_max * 50 < UINT64_C(1) << (p.bits - 1));
    }
}

static void bits_that_leave_nothing_for_the_update_are_refused(void **state)
{
    (void)state;
    struct mien_secagg_params p = params;
    static const double sigma_b[] = {0.5, 0.1, NAN, -1.0};

    for (size_t i = 0; i < 4; i++) {
        const struct mien_secagg_shape shape = {.n_update = N,
                                                .clip = CLIP,
                                                .n_max = 50,
                                                .clip_noise = sigma_b[i],
                                                .noise_multiplier = 1.0};

        assert_int_equal(mien_secagg_params_init(&p, &shape, NULL), MIEN_EINVAL);
    }
    assert_memory_equal(&p, &params, sizeof(p));
}

/* Thirty within and ten above of forty, then nobody: the share, and a share that noise cannot blow
 * up. Rotated, each value is rounded by less than 1. */
static void bits_come_back_as_a_share(void **state)
{
    (void)state;
    static const uint8_t key[32] = {7};

    for (int rotate = 0; rotate < 2; rotate++) {
        const struct mien_secagg_shape shape = {.n_update = N,
                                                .clip = CLIP,
                                                .n_max = 50,
                                                .rotate = rotate == 1,
                                                .clip_noise = 2.0,
                                                .noise_multiplier = 1.0};
        struct mien_secagg_params p;
        int64_t sum[ROOM] = {0};
        int32_t vector[ROOM];
        float update[ROOM];
        float metrics[MIEN_N_METRICS];

        assert_int_equal(mien_secagg_params_init(&p, &shape, NULL), MIEN_OK);
        for (int i = 0; i < 40; i++) {
            struct mien_contribution c = {.update = update, .metrics = {1.0f}};
            struct mien_quantise_note note;
            const int32_t bit = i < 30 ? p.bit_scale : -p.bit_scale;

            draw_update(i < 30 ? 0.5 * CLIP : 3 * CLIP, update);
            assert_int_equal(mien_quantise(&p, key, &c, &rng, vector, &note), MIEN_OK);
            assert_true(mien_quantise_holds(&p, vector));
            assert_true(rotate == 1 || vector[N + MIEN_METRIC_CLIPPED] == bit);
            for (uint32_t j = 0; j < p.dim; j++)
                sum[j] += vector[j];
        }
        /* Ten of fifty planned did not come. */
        assert_int_equal(mien_dequantise(&p, key, sum, 50, update, metrics), MIEN_OK);
        assert_true(fabsf(metrics[MIEN_METRIC_CLIPPED] - 0.25f) < 0.02f);
        memset(sum, 0, sizeof(sum));
        assert_int_equal(mien_dequantise(&p, key, sum, 50, update, metrics), MIEN_OK);
        assert_true(metrics[MIEN_METRIC_CLIPPED] == 0.5f);
    }
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
        cmocka_unit_test(the_largest_sum_comes_back_and_one_more_would_not),
        cmocka_unit_test(metrics_fit_the_bits),
        cmocka_unit_test(bits_leave_room_for_the_devices_noise),
        cmocka_unit_test(noise_that_cannot_be_drawn_is_refused),
        cmocka_unit_test(bounds_are_exact),
        cmocka_unit_test(sums_come_back_as_averages),
        cmocka_unit_test(the_bit_and_the_update_cost_z_together),
        cmocka_unit_test(bits_that_leave_nothing_for_the_update_are_refused),
        cmocka_unit_test(bits_come_back_as_a_share),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
