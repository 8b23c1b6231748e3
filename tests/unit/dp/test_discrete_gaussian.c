// SPDX-License-Identifier: Apache-2.0
#include "common/dp/discrete_gaussian.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "tests/support/test.h"
#include "tests/unit/dp/draws.h"

#include <math.h>
#include <string.h>

#define N_DRAWS 400000

static double weight_between(double sigma, int64_t low, int64_t high)
{
    double sum = 0;

    if ((double)high > 12 * sigma + 12)
        high = (int64_t)(12 * sigma + 12);
    for (int64_t x = low; x <= high; x++)
        sum += exp(-0.5 * (double)x * (double)x / (sigma * sigma));
    return sum;
}

static double discrete_between(const struct draws_law *law, int64_t low, int64_t high)
{
    const int64_t far = (int64_t)(12 * law->sigma) + 12;

    return weight_between(law->sigma, low, high) / weight_between(law->sigma, -far, far);
}

static double moment(double sigma, int power)
{
    const int64_t far = (int64_t)(12 * sigma) + 12;
    double sum = 0;

    for (int64_t x = -far; x <= far; x++)
        sum += pow((double)x, power) * exp(-0.5 * (double)x * (double)x / (sigma * sigma));
    return sum / weight_between(sigma, -far, far);
}

/* Seed 6; each check would fail a perfect sampler with probability below 1e-6. */
static void draws_follow_the_distribution(void **state)
{
    (void)state;
    static const struct {
        uint64_t numerator;
        uint64_t denominator;
    } squares[] = {{1, 1}, {9, 4}, {5, 7}, {4096, 1}, {250001, 3}, {9000 * 9000, 1}};
    struct mien_rng_seeded *seeded = NULL;
    int64_t *draws = mien_calloc(N_DRAWS, sizeof(*draws));

    assert_non_null(draws);
    assert_int_equal(mien_rng_seeded_new(6, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    for (size_t s = 0; s < sizeof(squares) / sizeof(squares[0]); s++) {
        const double sigma = sqrt((double)squares[s].numerator / (double)squares[s].denominator);
        const double variance = moment(sigma, 2);
        const struct draws_law law = {.between = discrete_between,
                                      .sigma = sigma,
                                      .variance = variance,
                                      .fourth = moment(sigma, 4) / (variance * variance)};
        struct mien_discrete_gaussian noise;

        assert_int_equal(
            mien_discrete_gaussian_init(&noise, squares[s].numerator, squares[s].denominator),
            MIEN_OK);
        assert_int_equal(mien_discrete_gaussian_draw(&noise, &rng, draws, N_DRAWS), MIEN_OK);
        draws_check(&law, draws, N_DRAWS);
    }
    mien_rng_seeded_free(seeded);
    mien_free(draws);
}

/* The largest sigma: products come near 2^127. Moments only, the cells being too many to sum. */
static void the_largest_sigma_keeps_its_variance(void **state)
{
    (void)state;
    enum { N = 20000 };
    const uint64_t sigma = (UINT64_C(1) << 28) - 1;
    struct mien_discrete_gaussian noise;
    struct mien_rng_seeded *seeded = NULL;
    int64_t *draws = mien_calloc(N, sizeof(*draws));
    const struct draws_law law = {
        .sigma = (double)sigma, .variance = (double)sigma * (double)sigma, .fourth = 3.0};

    assert_non_null(draws);
    assert_int_equal(mien_rng_seeded_new(7, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_discrete_gaussian_init(&noise, sigma * sigma, 1), MIEN_OK);
    assert_int_equal(noise.t, sigma + 1);
    assert_int_equal(mien_discrete_gaussian_draw(&noise, &rng, draws, N), MIEN_OK);
    draws_moments(&law, draws, N);
    mien_rng_seeded_free(seeded);
    mien_free(draws);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct mien_discrete_gaussian noise;
    const uint64_t large = UINT64_C(1) << 28;

    assert_int_equal(mien_discrete_gaussian_init(&noise, 0, 1), MIEN_EINVAL);
    assert_int_equal(mien_discrete_gaussian_init(&noise, 1, 0), MIEN_EINVAL);
    assert_int_equal(mien_discrete_gaussian_init(&noise, UINT64_MAX, 1), MIEN_EINVAL);
    assert_int_equal(mien_discrete_gaussian_init(&noise, UINT64_MAX, 3), MIEN_EINVAL);
    /* t = 2^28 + 1 and denominator 2 are just above 2^57; denominator 1 is not. */
    assert_int_equal(mien_discrete_gaussian_init(&noise, 2 * large * large, 2), MIEN_EINVAL);
    assert_int_equal(mien_discrete_gaussian_init(&noise, large * large, 1), MIEN_OK);
}

static enum mien_status broken_fill(void *self, void *out, size_t n)
{
    int *n_good = self;

    if ((*n_good)-- > 0) {
        memset(out, 0xa5, n);
        return MIEN_OK;
    }
    return MIEN_ECRYPTO;
}

static void a_failing_generator_leaves_zeros_and_an_error(void **state)
{
    (void)state;
    struct mien_discrete_gaussian noise;
    enum { N = 2000 };
    int64_t drawn[N];

    assert_int_equal(mien_discrete_gaussian_init(&noise, 100, 1), MIEN_OK);
    for (int n_good = 0; n_good < 2; n_good++) {
        int left = n_good;
        struct mien_rng rng = {broken_fill, &left};

        memset(drawn, 1, sizeof(drawn));
        assert_int_equal(mien_discrete_gaussian_draw(&noise, &rng, drawn, N), MIEN_ECRYPTO);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(drawn[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(the_largest_sigma_keeps_its_variance),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_failing_generator_leaves_zeros_and_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
