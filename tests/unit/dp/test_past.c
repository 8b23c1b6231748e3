// SPDX-License-Identifier: Apache-2.0
/* Every kernel gives the bits of plain C, up to the limits, and says when a number is over them. */
#include "common/dp/past.h"

#include "common/base/rng_seeded.h"
#include "tests/support/test.h"

#include <string.h>

enum { LANES = MIEN_PAST_LANES, MOST = MIEN_STRATEGY_MAX_COEFFS - 1 };

static int32_t c[MOST];
static int32_t past[MOST * LANES];
static int64_t z[LANES];

/* Any numbers: coefficients as small as a table's, z and w of any size up to their limits. */
static void fill(struct mien_rng *rng, int round)
{
    assert_int_equal(mien_rng_fill(rng, c, sizeof(c)), MIEN_OK);
    assert_int_equal(mien_rng_fill(rng, past, sizeof(past)), MIEN_OK);
    assert_int_equal(mien_rng_fill(rng, z, sizeof(z)), MIEN_OK);
    for (int i = 0; i < MOST; i++)
        c[i] = c[i] & 32767;
    for (int i = 0; i < MOST * LANES; i++)
        past[i] = round % 3 == 0 ? (i % 2 == 0 ? INT32_MIN : INT32_MAX) : past[i] >> round;
    for (int i = 0; i < LANES; i++)
        z[i] >>= 18 + round;
}

static void kernels_give_the_bits_of_plain_c(void **state)
{
    (void)state;
    struct mien_rng_seeded *seeded = NULL;
    const struct mien_past_kernel *const *kernels = mien_past_kernels();
    int within = 0;

    assert_int_equal(mien_rng_seeded_new(21, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_ptr_equal(kernels[0], &mien_past_plain);
    for (int round = 0; round < 24; round++) {
        fill(&rng, round);
        for (uint32_t n = 0; n <= MOST; n += n < 20 ? 1 : 47) {
            int64_t want[LANES];
            memcpy(want, z, sizeof(want));
            const bool plain = mien_past_plain.step(c, past, n, want);

            within += plain ? 1 : 0;
            for (uint32_t k = 1; kernels[k] != NULL; k++) {
                int64_t row[LANES];
                memcpy(row, z, sizeof(row));
                assert_int_equal(kernels[k]->step(c, past, n, row), plain);
                assert_memory_equal(row, want, sizeof(row));
            }
        }
    }
    assert_true(within > 100);
    mien_rng_seeded_free(seeded);
}

/* z at 2^54, w at 2^31: the last numbers within and the first beyond. */
static void numbers_over_a_limit_are_told(void **state)
{
    (void)state;
    static const int32_t whole[1] = {1 << 22};
    static const int32_t w[LANES];
    const int64_t w_end = (INT64_C(1) << 47) - 32768;

    for (const struct mien_past_kernel *const *k = mien_past_kernels(); *k != NULL; k++) {
        for (int lane = 0; lane < LANES; lane++) {
            int64_t row[LANES] = {0};

            row[lane] = w_end - 1;
            assert_true((*k)->step(whole, w, 1, row));
            assert_int_equal(row[lane], INT32_MAX);
            row[lane] = w_end;
            assert_false((*k)->step(whole, w, 1, row));
            memset(row, 0, sizeof(row));
            row[lane] = -(INT64_C(1) << 47) - 32768;
            assert_true((*k)->step(whole, w, 1, row));
            assert_int_equal(row[lane], INT32_MIN);
            memset(row, 0, sizeof(row));
            row[lane] = MIEN_PAST_Z_LIMIT;
            assert_false((*k)->step(whole, w, 1, row));
        }
    }
}

static void the_fastest_runs_unless_another_is_forced(void **state)
{
    (void)state;
    const struct mien_past_kernel *const *kernels = mien_past_kernels();
    uint32_t n = 0;

    while (kernels[n] != NULL)
        n++;
    assert_ptr_equal(mien_past_native(), kernels[n - 1]);
    mien_past_force(&mien_past_plain);
    assert_ptr_equal(mien_past_native(), &mien_past_plain);
    mien_past_force(NULL);
    assert_ptr_equal(mien_past_native(), kernels[n - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_give_the_bits_of_plain_c),
        cmocka_unit_test(numbers_over_a_limit_are_told),
        cmocka_unit_test(the_fastest_runs_unless_another_is_forced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
