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

static void norms_stay_and_vectors_come_back(void **state)
{
    (void)state;
    static float x[MOST];
    static float y[MOST];
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(4, 0, &seeded), MIEN_OK);
    for (uint32_t n = MIEN_ROTATE_MIN; n <= MOST; n *= 2) {
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

/* All of a vector in one coordinate, or the same in all: none of it in any one afterwards. By
 * Hoeffding a coordinate passes 6.5 / sqrt(n) with probability at most 2 exp(-21.1), all of them
 * together 2.3e-5, were the key not fixed. */
static void peaks_are_flattened(void **state)
{
    (void)state;
    static float x[MOST];

    for (int constant = 0; constant < 2; constant++) {
        for (uint32_t i = 0; i < MOST; i++)
            x[i] = constant ? 1.0f / 128.0f : 0.0f;
        x[77] = constant ? x[77] : 1.0f;
        assert_int_equal(mien_rotate(key, x, MOST), MIEN_OK);
        for (uint32_t i = 0; i < MOST; i++)
            assert_true(fabsf(x[i]) <= 6.5f / 128.0f);
    }
}

static void lengths_that_are_no_power_of_two_are_refused(void **state)
{
    (void)state;
    float x[64] = {0};

    assert_int_equal(mien_rotate(key, x, 48), MIEN_EINVAL);
    assert_int_equal(mien_rotate(key, x, 16), MIEN_EINVAL);
    assert_int_equal(mien_rotate(key, x, 0), MIEN_EINVAL);
    assert_int_equal(mien_rotate_back(key, x, 33), MIEN_EINVAL);
    assert_int_equal(mien_rotate_size(1), 32);
    assert_int_equal(mien_rotate_size(32), 32);
    assert_int_equal(mien_rotate_size(33), 64);
    assert_int_equal(mien_rotate_size(1000003), 1048576);
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
        cmocka_unit_test(peaks_are_flattened),
        cmocka_unit_test(lengths_that_are_no_power_of_two_are_refused),
        cmocka_unit_test(keys_differ_in_whatever_differs),
        cmocka_unit_test(each_failed_allocation_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
