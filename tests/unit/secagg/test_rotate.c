// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/rotate.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define MOST 16384

static const uint8_t key[MIEN_ROTATION_KEY_BYTES] = {9, 8, 7};

/* H by its definition: entry (i, j) is -1 to the number of bits that i and j share. */
static double hadamard(uint32_t i, uint32_t j)
{
    uint32_t common = i & j;
    bool odd = false;

    for (; common != 0; common &= common - 1)
        odd = !odd;
    return odd ? -1.0 : 1.0;
}

static void it_is_the_matrix_of_the_definition(void **state)
{
    (void)state;
    for (uint32_t n = MIEN_ROTATE_MIN; n <= 512; n *= 2) {
        struct mien_rng_seeded *seeded = NULL;
        uint8_t bytes[512];
        float x[512];
        float y[512];

        assert_int_equal(mien_rng_seeded_new_key(key, 0, &seeded), MIEN_OK);
        struct mien_rng rng = mien_rng_seeded_handle(seeded);
        assert_int_equal(mien_rng_fill(&rng, bytes, n), MIEN_OK);
        for (uint32_t i = 0; i < n; i++)
            x[i] = (float)((int)(i * 37 % 101) - 50);
        memcpy(y, x, sizeof(y));
        assert_int_equal(mien_rotate(key, y, n), MIEN_OK);
        for (uint32_t i = 0; i < n; i++) {
            double want = 0.0;

            for (uint32_t j = 0; j < n; j++)
                want += hadamard(i, j) * (bytes[j] >= 128 ? -1.0 : 1.0) * (double)x[j];
            assert_true(fabs(want / sqrt(n) - (double)y[i]) < 1e-3);
        }
        mien_rng_seeded_free(seeded);
    }
}

/* H D / sqrt(m) by the definition, under the signs of one stream. */
static void rotate_by_definition(uint64_t stream, double *x, uint32_t m)
{
    struct mien_rng_seeded *seeded = NULL;
    uint8_t bytes[200];
    double out[200] = {0.0};

    assert_int_equal(mien_rng_seeded_new_key(key, stream, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_rng_fill(&rng, bytes, m), MIEN_OK);
    mien_rng_seeded_free(seeded);
    for (uint32_t i = 0; i < m; i++) {
        for (uint32_t j = 0; j < m; j++)
            out[i] += hadamard(i, j) * (bytes[j] >= 128 ? -1.0 : 1.0) * x[j] / sqrt(m);
    }
    memcpy(x, out, m * sizeof(*x));
}

static void other_lengths_are_two_blocks_one_after_the_other(void **state)
{
    (void)state;
    for (uint32_t n = MIEN_ROTATE_MIN + 1; n < 200; n += 13) {
        const uint32_t m = mien_rotate_block(n);
        double want[200];
        float x[200];

        assert_true(m < n);
        for (uint32_t i = 0; i < n; i++) {
            x[i] = (float)((int)(i * 37 % 101) - 50);
            want[i] = (double)x[i];
        }
        assert_int_equal(mien_rotate(key, x, n), MIEN_OK);
        rotate_by_definition(0, want, m);
        rotate_by_definition(1, want + (n - m), m);
        for (uint32_t i = 0; i < n; i++)
            assert_true(fabs(want[i] - (double)x[i]) < 1e-3);
    }
}

static void norms_stay_and_vectors_come_back(void **state)
{
    (void)state;
    static float x[MOST];
    static float y[MOST];
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(4, 0, &seeded), MIEN_OK);
    for (uint32_t n = MIEN_ROTATE_MIN; n <= MOST; n += n / 3) {
        double before = 0.0;
        double after = 0.0;

        for (uint32_t i = 0; i < n; i++) {
            x[i] = mien_rng_seeded_normal(seeded);
            before += (double)x[i] * (double)x[i];
        }
        memcpy(y, x, sizeof(y));
        assert_int_equal(mien_rotate(key, y, n), MIEN_OK);
        for (uint32_t i = 0; i < n; i++)
            after += (double)y[i] * (double)y[i];
        assert_true(fabs(after / before - 1.0) < 1e-5);
        assert_int_equal(mien_rotate_back(key, y, n), MIEN_OK);
        for (uint32_t i = 0; i < n; i++)
            assert_true(fabsf(x[i] - y[i]) < 1e-5f);
    }
    mien_rng_seeded_free(seeded);
}

/* All of a vector of one coordinate, first, last or between, or the same in all, or all of it in
 * one block only: none of it in any one afterwards. By Hoeffding a coordinate passes 6.5 / sqrt(m)
 * with probability at most 2 exp(-21.1), all of them in all cases together 3e-4, were the key not
 * fixed.
 */
static void peaks_are_flattened_in_every_block(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {MOST, MOST - 1, 8193, 12000};
    static float x[MOST];

    for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
        const uint32_t n = lengths[l];
        const float bound = 6.5f / sqrtf((float)mien_rotate_block(n));

        for (int kind = 0; kind < 5; kind++) {
            const uint32_t place = kind == 0 ? 0 : kind == 1 ? n / 2 : n - 1;

            memset(x, 0, sizeof(x));
            for (uint32_t i = 0; i < n && kind > 2; i++)
                x[i] = kind == 3 || i >= n - n / 4 ? 1.0f : 0.0f;
            x[place] = 1.0f;
            const float norm = kind < 3 ? 1.0f : sqrtf(kind == 3 ? (float)n : (float)(n / 4));
            assert_int_equal(mien_rotate(key, x, n), MIEN_OK);
            for (uint32_t i = 0; i < n; i++)
                assert_true(fabsf(x[i]) <= bound * norm);
        }
    }
}

static void lengths_below_the_least_are_refused(void **state)
{
    (void)state;
    float x[64] = {0};

    assert_int_equal(mien_rotate(key, x, 31), MIEN_EINVAL);
    assert_int_equal(mien_rotate(key, x, 16), MIEN_EINVAL);
    assert_int_equal(mien_rotate(key, x, 0), MIEN_EINVAL);
    assert_int_equal(mien_rotate_back(key, x, 31), MIEN_EINVAL);
    assert_int_equal(mien_rotate_size(1), 32);
    assert_int_equal(mien_rotate_size(32), 32);
    assert_int_equal(mien_rotate_size(33), 64);
    assert_int_equal(mien_rotate_size(1000003), 1048576);
    assert_int_equal(mien_rotate_block(32), 32);
    assert_int_equal(mien_rotate_block(63), 32);
    assert_int_equal(mien_rotate_block(1000003), 524288);
}

/* Round, model and plan each make another rotation. */
static void keys_differ_in_whatever_differs(void **state)
{
    (void)state;
    uint8_t keys[4][MIEN_ROTATION_KEY_BYTES];
    const uint8_t a[32] = {1};
    const uint8_t b[32] = {2};

    assert_int_equal(mien_rotation_key(1, a, b, keys[0]), MIEN_OK);
    assert_int_equal(mien_rotation_key(2, a, b, keys[1]), MIEN_OK);
    assert_int_equal(mien_rotation_key(1, b, b, keys[2]), MIEN_OK);
    assert_int_equal(mien_rotation_key(1, a, a, keys[3]), MIEN_OK);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(keys[i], keys[j], MIEN_ROTATION_KEY_BYTES);
    }
}

static void each_failed_allocation_is_said(void **state)
{
    (void)state;
    float x[32] = {1.0f};

    mien_mem_fail_at(0);
    assert_int_equal(mien_rotate(key, x, 32), MIEN_ENOMEM);
    mien_mem_fail_at(0);
    assert_int_equal(mien_rotate_back(key, x, 32), MIEN_ENOMEM);
    mien_mem_fail_at(-1);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_matrix_of_the_definition),
        cmocka_unit_test(norms_stay_and_vectors_come_back),
        cmocka_unit_test(other_lengths_are_two_blocks_one_after_the_other),
        cmocka_unit_test(peaks_are_flattened_in_every_block),
        cmocka_unit_test(lengths_below_the_least_are_refused),
        cmocka_unit_test(keys_differ_in_whatever_differs),
        cmocka_unit_test(each_failed_allocation_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
