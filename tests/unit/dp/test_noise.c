// SPDX-License-Identifier: Apache-2.0
#include "common/dp/noise.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "tests/support/test.h"
#include "tests/unit/dp/draws.h"

#include <math.h>
#include <string.h>

#define N_DRAWS 1000000

static void tails_are_exact_to_the_last_bits(void **state)
{
    (void)state;
    /* floor(2^128 erfc(x / sqrt 2)), x = (2m + 1) / (2 sigma), by mpmath at 80 digits. */
    static const struct {
        uint64_t sigma;
        uint64_t m;
        uint64_t high;
        uint64_t low;
    } known[] = {
#include "tests/vectors/noise_tails.inc"
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        mien_u128 want = (mien_u128)known[i].high << 64 | known[i].low;
        mien_u128 got = 0;

        assert_int_equal(mien_noise_tail(known[i].sigma, known[i].m, &got), MIEN_OK);
        mien_u128 off = got > want ? got - want : want - got;
        assert_true(off <= 2);
    }
}

static double rounded_between(const struct draws_law *law, int64_t low, int64_t high)
{
    const double unit = 0.70710678118654752440 / law->sigma;

    return 0.5 * (erfc(((double)low - 0.5) * unit) - erfc(((double)high + 0.5) * unit));
}

/* Seed 5: the run is one fixed event; as a random one each check would fail with probability below
 * 1e-6. 9000 is the sigma of some 3 10^5 coordinates, 2^30 that of noise on a fine lattice. */
static void draws_follow_the_distribution(void **state)
{
    (void)state;
    static const uint64_t sigmas[] = {1, 3, 64, 9000, 100000, UINT64_C(1) << 30};
    struct mien_rng_seeded *seeded = NULL;
    int64_t *draws = mien_calloc(N_DRAWS, sizeof(*draws));

    assert_non_null(draws);
    assert_int_equal(mien_rng_seeded_new(5, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    for (size_t s = 0; s < sizeof(sigmas) / sizeof(sigmas[0]); s++) {
        const double sigma = (double)sigmas[s];
        /* E round(X)^2 = sigma^2 + 1/12, E round(X)^4 = 3 sigma^4 + sigma^2 / 2 + 1/80, to below
         * e^(-2 pi^2 sigma^2) (Sheppard's corrections). */
        const double variance = sigma * sigma + 1.0 / 12.0;
        const double fourth = 3 * sigma * sigma * sigma * sigma + sigma * sigma / 2 + 1.0 / 80.0;
        const struct draws_law law = {.between = rounded_between,
                                      .sigma = sigma,
                                      .variance = variance,
                                      .fourth = fourth / (variance * variance)};
        struct mien_noise *noise = NULL;

        assert_int_equal(mien_noise_new(sigmas[s], &noise), MIEN_OK);
        assert_int_equal(mien_noise_draw(noise, &rng, draws, N_DRAWS), MIEN_OK);
        mien_noise_free(noise);
        draws_check(&law, draws, N_DRAWS);
    }
    mien_rng_seeded_free(seeded);
    mien_free(draws);
}

/* A generator whose first 64 bits of each batch are chosen, to reach what chance never does. */
struct scripted {
    uint8_t first[8];
    uint8_t second[8]; /* what the first 64 bits left open */
    uint8_t rest;      /* every further byte */
    int n_calls;
};

static enum mien_status scripted_fill(void *self, void *out, size_t n)
{
    struct scripted *script = self;

    if (script->n_calls == 0) {
        uint64_t word = 0;

        memset(out, 0xff, n); /* |X| = 0 for all others */
        for (int i = 0; i < 8; i++)
            word = word << 8 | script->first[i];
        memcpy(out, &word, sizeof(word));
    } else if (script->n_calls == 1) {
        memset(out, 0xff, n); /* all signs are minus */
    } else if (script->n_calls == 2) {
        assert_int_equal(n, 8);
        memcpy(out, script->second, 8);
    } else {
        memset(out, script->rest, n);
    }
    script->n_calls++;
    return MIEN_OK;
}

static void store_be128(mien_u128 v, struct scripted *script)
{
    for (int i = 0; i < 8; i++) {
        script->first[i] = (uint8_t)(v >> (120 - 8 * i));
        script->second[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

static void a_draw_near_a_table_entry_is_decided_by_exact_bits(void **state)
{
    (void)state;
    static const uint64_t at[] = {0, 1, 50, 700, 899, 1000, 1250};
    struct mien_noise *noise = NULL;

    assert_int_equal(mien_noise_new(100, &noise), MIEN_OK);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        mien_u128 tail = 0;

        assert_int_equal(mien_noise_tail(100, at[i], &tail), MIEN_OK);
        for (int side = -8; side <= 8; side += 16) {
            struct scripted script = {.rest = 0};
            struct mien_rng rng = {scripted_fill, &script};
            int64_t drawn = 0;

            store_be128(side < 0 ? tail - 8 : tail + 8, &script);
            assert_int_equal(mien_noise_draw(noise, &rng, &drawn, 1), MIEN_OK);
            /* The smallest m with u >= tail(m). */
            assert_int_equal(-drawn, side < 0 ? (int64_t)at[i] + 1 : (int64_t)at[i]);
            assert_int_equal(script.n_calls, 3);
        }
    }
    mien_noise_free(noise);
}

static void what_128_bits_leave_open_takes_more_of_them(void **state)
{
    (void)state;
    struct mien_noise *noise = NULL;
    mien_u128 tail = 0;

    assert_int_equal(mien_noise_new(100, &noise), MIEN_OK);
    assert_int_equal(mien_noise_tail(100, 50, &tail), MIEN_OK);
    for (int side = 0; side < 2; side++) {
        /* The tail's own 128 bits, then all zeros or all ones: below or above it. */
        struct scripted script = {.rest = side == 0 ? 0x00 : 0xff};
        struct mien_rng rng = {scripted_fill, &script};
        int64_t drawn = 0;

        store_be128(tail + (mien_u128)(side == 0 ? -1 : 1), &script);
        assert_int_equal(mien_noise_draw(noise, &rng, &drawn, 1), MIEN_OK);
        assert_int_equal(-drawn, side == 0 ? 51 : 50);
        assert_int_equal(script.n_calls, 4);
    }
    mien_noise_free(noise);
}

/* u = 0 to 2^-512: nobody ever draws that, and the answer is still the exact one. */
static void the_far_tail_is_exact_too(void **state)
{
    (void)state;
    struct mien_noise *noise = NULL;
    struct scripted script = {.rest = 0x00};
    struct mien_rng rng = {scripted_fill, &script};
    int64_t drawn = 0;

    assert_int_equal(mien_noise_new(3, &noise), MIEN_OK);
    script.second[7] = 0x10; /* u = 2^-124: x with erfc(x / sqrt 2) = 2^-124 is 12.95 */
    assert_int_equal(mien_noise_draw(noise, &rng, &drawn, 1), MIEN_OK);
    assert_true(-drawn >= 38 && -drawn <= 39);
    mien_noise_free(noise);
}

static enum mien_status broken_fill(void *self, void *out, size_t n)
{
    (void)self;
    (void)out;
    (void)n;
    return MIEN_ECRYPTO;
}

static void a_failing_generator_leaves_zeros_and_an_error(void **state)
{
    (void)state;
    struct mien_noise *noise = NULL;
    struct mien_rng rng = {broken_fill, NULL};
    int64_t drawn[3] = {7, 7, 7};

    assert_int_equal(mien_noise_new(100, &noise), MIEN_OK);
    assert_int_equal(mien_noise_draw(noise, &rng, drawn, 3), MIEN_ECRYPTO);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(drawn[i], 0);
    mien_noise_free(noise);
}

static void sigma_out_of_range_is_refused(void **state)
{
    (void)state;
    struct mien_noise *noise = NULL;

    assert_int_equal(mien_noise_new(0, &noise), MIEN_EINVAL);
    assert_int_equal(mien_noise_new(MIEN_NOISE_MAX_SIGMA + 1, &noise), MIEN_EINVAL);
}

static void new_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_noise *noise = NULL;

    for (long k = 0; noise == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_noise_new(10, &noise);
        assert_int_equal(status, noise == NULL ? MIEN_ENOMEM : MIEN_OK);
    }
    mien_mem_fail_at(-1);
    mien_noise_free(noise);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails_are_exact_to_the_last_bits),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(a_draw_near_a_table_entry_is_decided_by_exact_bits),
        cmocka_unit_test(what_128_bits_leave_open_takes_more_of_them),
        cmocka_unit_test(the_far_tail_is_exact_too),
        cmocka_unit_test(a_failing_generator_leaves_zeros_and_an_error),
        cmocka_unit_test(sigma_out_of_range_is_refused),
        cmocka_unit_test(new_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
