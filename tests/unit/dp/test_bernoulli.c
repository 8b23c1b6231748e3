// SPDX-License-Identifier: Apache-2.0
#include "common/dp/bernoulli.h"

#include "common/base/rng_seeded.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define N_COINS 400000

/* A source whose next words are given; words are taken from the end. */
static struct mien_bernoulli_source scripted(const uint64_t *words, size_t n)
{
    struct mien_bernoulli_source s = {.n_left = n};

    for (size_t i = 0; i < n; i++)
        s.word[n - 1 - i] = words[i];
    return s;
}

static bool ratio_with(mien_u128 r, mien_u128 d, uint64_t first, uint64_t second, size_t *n_used)
{
    const uint64_t words[] = {first, second};
    struct mien_bernoulli_source s = scripted(words, 2);
    const bool drawn = mien_bernoulli_ratio(&s, r, d);

    *n_used = 2 - s.n_left;
    return drawn;
}

/* 1/3 = 0.010101...: 64 bits of it leave the question open, the next word answers it. */
static void bits_equal_to_the_ratio_ask_for_more(void **state)
{
    (void)state;
    const uint64_t third = UINT64_C(0x5555555555555555);
    const mien_u128 scales[] = {1, (mien_u128)1 << 70, ((mien_u128)1 << 125) / 3};
    size_t n_used = 0;

    for (size_t i = 0; i < 3; i++) {
        const mien_u128 r = scales[i];

        assert_true(ratio_with(r, 3 * r, third, third - 1, &n_used));
        assert_int_equal(n_used, 2);
        assert_false(ratio_with(r, 3 * r, third, third + 1, &n_used));
        assert_int_equal(n_used, 2);
        assert_true(ratio_with(r, 3 * r, third - 4, 0, &n_used));
        assert_int_equal(n_used, 1);
        assert_false(ratio_with(r, 3 * r, third + 4, 0, &n_used));
        assert_int_equal(n_used, 1);
    }
}

static void certain_and_impossible_coins_are_so(void **state)
{
    (void)state;
    static const uint64_t words[] = {0, 1, UINT64_MAX / 2, UINT64_MAX};
    const mien_u128 large = ((mien_u128)1 << 127) - 1;
    size_t n_used = 0;

    for (size_t i = 0; i < 4; i++) {
        assert_true(ratio_with(1, 1, words[i], UINT64_MAX, &n_used));
        assert_true(ratio_with(large, large, words[i], UINT64_MAX, &n_used));
        assert_false(ratio_with(0, 1, words[i], 0, &n_used));
        assert_false(ratio_with(0, large, words[i], 0, &n_used));
        assert_int_equal(n_used, 1);
    }
}

/* The dividing line to the last bit: r / 2^64 is above exactly r words. */
static void exactly_r_words_of_2_to_64_are_below(void **state)
{
    (void)state;
    static const uint64_t r[] = {1, 2, 77, UINT64_MAX};
    const mien_u128 d = (mien_u128)1 << 64;
    size_t n_used = 0;

    for (size_t i = 0; i < 4; i++) {
        assert_true(ratio_with(r[i], d, r[i] - 1, UINT64_MAX, &n_used));
        assert_false(ratio_with(r[i], d, r[i], 0, &n_used));
    }
}

static void assert_share(double seen, double p)
{
    assert_true(fabs(seen - p * N_COINS) < 5.5 * sqrt(p * (1 - p) * N_COINS));
}

/* Seed 8; each share would miss by chance with probability below 1e-7 (5.5 deviations). */
static void coins_have_their_probability(void **state)
{
    (void)state;
    static const struct {
        uint64_t r;
        uint64_t d;
    } coins[] = {{1, 2}, {2, 7}, {999, 1000}, {5, 2}, {7, 1}};
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(8, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    struct mien_bernoulli_source s = {.rng = &rng};
    double ones = 0;
    for (int i = 0; i < N_COINS; i++)
        ones += mien_bernoulli_exp_one(&s);
    assert_share(ones, exp(-1));
    for (size_t c = 0; c < sizeof(coins) / sizeof(coins[0]); c++) {
        const mien_u128 r = coins[c].r;
        const mien_u128 d = coins[c].d;
        double ratios = 0;
        double exps = 0;

        for (int i = 0; i < N_COINS; i++) {
            ratios += r <= d && mien_bernoulli_ratio(&s, r, d);
            exps += mien_bernoulli_exp(&s, r << 60, d << 60);
        }
        if (r <= d)
            assert_share(ratios, (double)r / (double)d);
        assert_share(exps, exp(-(double)r / (double)d));
    }
    double below = 0;
    for (int i = 0; i < N_COINS; i++)
        below += mien_bernoulli_below(&s, 10) < 3;
    assert_share(below, 0.3);
    assert_int_equal(s.status, MIEN_OK);
    mien_rng_seeded_free(seeded);
}

/* The high half of 0, 1 and 2^63 times 3 is uniform only without the first word: 2^64 = 1 mod 3. */
static void a_word_that_comes_up_too_often_is_drawn_again(void **state)
{
    (void)state;
    const uint64_t words[] = {0, UINT64_MAX};
    struct mien_bernoulli_source s = scripted(words, 2);

    assert_int_equal(mien_bernoulli_below(&s, 3), 2);
    assert_int_equal(s.n_left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_equal_to_the_ratio_ask_for_more),
        cmocka_unit_test(certain_and_impossible_coins_are_so),
        cmocka_unit_test(exactly_r_words_of_2_to_64_are_below),
        cmocka_unit_test(coins_have_their_probability),
        cmocka_unit_test(a_word_that_comes_up_too_often_is_drawn_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
