// SPDX-License-Identifier: Apache-2.0
#include "common/dp/quantile.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/dp/exact_tail.h"
#include "tests/support/test.h"

/* With sigma = 2^60 the exact tail at m is that of (m + 1/2) 2^-60: the table's own unit. */
#define UNIT_SIGMA (UINT64_C(1) << MIEN_QUANTILE_ONE_BITS)

/* An eighth of what the sampler grants the table. */
#define SEEN_ERROR (MIEN_QUANTILE_BASE_ERROR / 8)

static struct mien_quantile table;

/* -1 where u, the 64 bits followed by zeros, lies below P(|N| > m units), 1 above. */
static int side_of(struct mien_exact_tail *exact, uint64_t m, uint64_t u)
{
    uint8_t bytes[16] = {0};
    int side = 0;

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(u >> (56 - 8 * i));
    assert_int_equal(mien_exact_tail_compare(exact, m, bytes, &side), MIEN_OK);
    return side;
}

static void assert_close(struct mien_exact_tail *exact, uint64_t u)
{
    uint64_t error = 0;
    const uint64_t f = mien_quantile_at(&table, u, &error);

    assert_true(error >= MIEN_QUANTILE_BASE_ERROR);
    /* The tail falls: left of the quantile it is above u, right of it below. */
    if (f > SEEN_ERROR)
        assert_int_equal(side_of(exact, f - SEEN_ERROR, u), -1);
    assert_int_equal(side_of(exact, f + SEEN_ERROR, u), 1);
}

/* Seed 11. In each octave: the ends of cells, where two polynomials meet, and places between. */
static void values_are_within_an_eighth_of_the_bound(void **state)
{
    (void)state;
    struct mien_exact_tail *exact = NULL;
    struct mien_rng_seeded *seeded = NULL;

    mien_quantile_init(&table);
    assert_int_equal(mien_exact_tail_new(UNIT_SIGMA, 128, &exact), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(11, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    for (unsigned octave = 0; octave < MIEN_QUANTILE_OCTAVES; octave++) {
        const uint64_t low = UINT64_C(1) << (63 - octave);
        const uint64_t width = low >> MIEN_QUANTILE_CELL_BITS;

        assert_close(exact, low);
        assert_close(exact, low + (low - 1));
        for (uint64_t i = 0; i < 40; i++) {
            uint64_t cell = 0;
            uint64_t place = 0;

            assert_int_equal(mien_rng_below(&rng, 128, &cell), MIEN_OK);
            assert_int_equal(mien_rng_below(&rng, width, &place), MIEN_OK);
            const uint64_t at = i % 4 == 0 ? 0 : i % 4 == 1 ? width - 1 : place;
            assert_close(exact, low + cell * width + at);
        }
    }
    mien_rng_seeded_free(seeded);
    mien_exact_tail_free(exact);
}

/* The next 64-bit number is the largest change that bits not yet drawn can make. */
static void the_bound_covers_bits_not_yet_drawn(void **state)
{
    (void)state;
    mien_quantile_init(&table);
    for (unsigned octave = 0; octave < MIEN_QUANTILE_OCTAVES; octave++) {
        const uint64_t low = UINT64_C(1) << (63 - octave);
        uint64_t error = 0;
        uint64_t next_error = 0;
        const uint64_t f = mien_quantile_at(&table, low, &error);
        const uint64_t next = mien_quantile_at(&table, low + 1, &next_error);
        const uint64_t change = f > next ? f - next : next - f;

        assert_true(change <= error - MIEN_QUANTILE_BASE_ERROR + 16);
        assert_int_equal(error, next_error);
    }
}

static void the_largest_number_gives_zero(void **state)
{
    (void)state;
    uint64_t error = 0;

    mien_quantile_init(&table);
    assert_true(mien_quantile_at(&table, UINT64_MAX, &error) <= SEEN_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_within_an_eighth_of_the_bound),
        cmocka_unit_test(the_bound_covers_bits_not_yet_drawn),
        cmocka_unit_test(the_largest_number_gives_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
