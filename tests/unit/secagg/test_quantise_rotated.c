// SPDX-License-Identifier: Apache-2.0
/* Rotated vectors from rounding to the average. */
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/secagg/quantise.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define N 1000
#define CLIP 0.5
#define ROOM 1024 /* dim when filled */

static struct mien_rng_seeded *seeded;
static struct mien_rng rng;
static struct mien_secagg_params params; /* not rotated */

static int setup(void **state)
{
    const struct mien_secagg_shape shape = {.n_update = N, .clip = CLIP, .n_max = 40};

    (void)state;
    if (mien_rng_seeded_new(23, 0, &seeded) != MIEN_OK)
        return -1;
    rng = mien_rng_seeded_handle(seeded);
    return mien_secagg_params_init(&params, &shape, NULL) == MIEN_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mien_rng_seeded_free(seeded);
    return mien_mem_live() == 0 ? 0 : -1;
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

/* Vectors of one key add up, and their sum comes back as the average of what went in; bits are
 * fewer, bounds the same promise. Errors: a rounding is off by less than 1, so each of the averaged
 * coordinates by less than 1 / sqrt(12) in the mean square. */
static void add_up_rotated(const struct mien_secagg_shape *shape, uint32_t dim)
{
    enum { M = 20 };
    static const uint8_t key[32] = {1, 2, 3};
    struct mien_secagg_params p;
    int64_t sum[ROOM] = {0};
    double want[N] = {0};
    float back[ROOM];
    float metrics[MIEN_N_METRICS];
    double square = 0.0;

    assert_int_equal(mien_secagg_params_init(&p, shape, NULL), MIEN_OK);
    assert_int_equal(p.dim, dim);
    assert_true(p.bits < params.bits);
    for (int m = 0; m < M; m++) {
        float update[ROOM] = {0};
        int32_t vector[ROOM];
        struct mien_quantise_note note;
        struct mien_contribution contribution = {.update = update, .metrics = {1.0f, 0.0f, 0.25f}};

        if (m == 0)
            update[17] = (float)CLIP; /* the worst there is without rotation */
        else
            draw_update(0.9 * CLIP, update);
        for (int i = 0; i < N; i++)
            want[i] += (double)update[i] / M;
        assert_int_equal(mien_quantise(&p, key, &contribution, &rng, vector, &note), MIEN_OK);
        assert_int_equal(note.n_clamped, 0);
        assert_true(mien_quantise_holds(&p, vector));
        for (uint32_t i = 0; i < dim; i++)
            sum[i] += vector[i];
    }
    assert_int_equal(mien_dequantise(&p, key, sum, M, back, metrics), MIEN_OK);
    for (int i = 0; i < N; i++)
        square += ((double)back[i] - want[i]) * ((double)back[i] - want[i]);
    assert_true(sqrt(square / N) * p.scale < 1.0 / sqrt(12.0 * M) * 2.0);
    assert_true(fabsf(metrics[MIEN_METRIC_TRAINED] - 1.0f) < 0.1f);
    assert_true(fabsf(metrics[MIEN_METRIC_D_LOSS] - 0.25f) < 0.1f);
}

static void rotated_vectors_add_up(void **state)
{
    (void)state;
    struct mien_secagg_shape shape = {.n_update = N, .clip = CLIP, .n_max = 40, .rotate = true};

    add_up_rotated(&shape, ROOM);
    shape.fill = true;
    add_up_rotated(&shape, ROOM);
    /* With as many bits either way the vector stays as short as it is. */
    shape.fill = false;
    shape.bits = params.bits - 1;
    add_up_rotated(&shape, N + MIEN_N_METRICS);
}

/* 10^6 values, sums of 1,000, as docs/secure-sum.md has them; and lengths just above and below a
 * power of two, where one and the other way is the smaller. */
static void the_smaller_of_two_rotations_is_taken(void **state)
{
    (void)state;
    struct mien_secagg_shape shape = {
        .n_update = 1000000, .clip = CLIP, .n_max = 1000, .rotate = true};
    struct mien_secagg_params p;

    assert_int_equal(mien_secagg_params_init(&p, &shape, NULL), MIEN_OK);
    assert_int_equal(p.dim, 1000003);
    assert_int_equal(p.bits, 18);
    assert_true(mien_secagg_packed_bytes(p.dim, p.bits) < 2300000);
    shape.fill = true;
    assert_int_equal(mien_secagg_params_init(&p, &shape, NULL), MIEN_OK);
    assert_int_equal(p.dim, 1048576);
    assert_int_equal(p.bits, 18);
    shape.fill = false;
    for (uint64_t n = 1020; n < 1030; n++) {
        struct mien_secagg_params wide;

        shape.n_update = n - MIEN_N_METRICS;
        assert_int_equal(mien_secagg_params_init(&p, &shape, NULL), MIEN_OK);
        assert_true(p.dim == n || (n < 1024 && p.dim == 1024));
        shape.fill = true;
        assert_int_equal(mien_secagg_params_init(&wide, &shape, NULL), MIEN_OK);
        assert_true(mien_secagg_packed_bytes(p.dim, p.bits) <=
                    mien_secagg_packed_bytes(wide.dim, wide.bits));
        shape.fill = false;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotated_vectors_add_up),
        cmocka_unit_test(the_smaller_of_two_rotations_is_taken),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
