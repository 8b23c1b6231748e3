// SPDX-License-Identifier: Apache-2.0
/* The bound on sums of discrete Gaussians against sums that are convolved in full, and what the
 * accountant makes of it. */
#include "common/dp/distributed.h"

#include "common/base/rng_seeded.h"
#include "common/dp/account.h"
#include "common/dp/discrete_gaussian.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define REACH 200 /* of the tables: 20 deviations of the widest sum here and more */
#define WIDTH (2 * REACH + 1)

/* Long doubles reach e^-11000: far out in the tails ratios still have all their places. */
struct law {
    long double p[WIDTH]; /* of -REACH .. REACH */
};

static struct law discrete_gaussian(double variance)
{
    struct law law;
    long double total = 0.0L;

    for (int x = -REACH; x <= REACH; x++)
        total += law.p[x + REACH] = expl(-(long double)(x * x) / (2.0L * (long double)variance));
    for (int i = 0; i < WIDTH; i++)
        law.p[i] /= total;
    return law;
}

static struct law convolve(const struct law *a, const struct law *b)
{
    struct law law = {{0.0L}};

    for (int x = 0; x < WIDTH; x++) {
        for (int y = 0; y < WIDTH; y++) {
            const int sum = x + y - REACH;

            if (sum >= 0 && sum < WIDTH)
                law.p[sum] += a->p[x] * b->p[y];
        }
    }
    return law;
}

static struct law sum_of(double variance, unsigned n_shares)
{
    const struct law one = discrete_gaussian(variance);
    struct law sum = one;

    for (unsigned j = 1; j < n_shares; j++)
        sum = convolve(&sum, &one);
    return sum;
}

/* The divergence of order a of the law shifted by `by` from the law. The sum has its peak at a
 * times the shift. */
static double divergence(const struct law *law, double deviation, int by, double a)
{
    const int reach = (int)(12.0 * deviation + a * by);
    const long double order = (long double)a;
    long double sum = 0.0L;

    assert_true(reach + by < REACH / 2);
    for (int x = -reach; x <= reach; x++)
        sum +=
            expl(order * logl(law->p[x - by + REACH]) + (1.0L - order) * logl(law->p[x + REACH]));
    return (double)(logl(sum) / (order - 1.0L));
}

static const double variances[] = {0.25, 0.3, 0.5, 1.0, 2.0, 4.0};
static const unsigned shares[] = {2, 3, 5, 8};

static void sums_stay_within_half_of_tau_of_a_discrete_gaussian(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof(variances) / sizeof(variances[0]); v++) {
        for (size_t m = 0; m < sizeof(shares) / sizeof(shares[0]); m++) {
            const double whole = variances[v] * (double)shares[m];
            const struct law sum = sum_of(variances[v], shares[m]);
            const struct law near = discrete_gaussian(whole);
            const int reach = (int)(8.0 * sqrt(whole));
            double most = 0.0;

            for (int x = -reach; x <= reach; x++)
                most = fmax(most, fabs((double)logl(sum.p[x + REACH] / near.p[x + REACH])));
            const double tau = mien_distributed_tau(variances[v], shares[m]);
            assert_true(most <= 0.5 * tau + 1e-12);
            /* The bound is a bound, and no idle one: not a tenth of it would do for few shares. */
            if (shares[m] == 2 && variances[v] <= 1.0)
                assert_true(most > 0.05 * tau);
        }
    }
}

/* Of the sum shifted by up to 3, at every order here. */
static void check_moments(double variance, unsigned n_shares)
{
    const double orders[] = {1.25, 2.0, 4.0, 8.0};
    const double whole = variance * (double)n_shares;
    const double tau = mien_distributed_tau(variance, n_shares);
    const struct law sum = sum_of(variance, n_shares);

    for (int i = 0; i < 12; i++) {
        const int by = i / 4 + 1;
        const double a = orders[i % 4];
        const double got = divergence(&sum, sqrt(whole), by, a);
        const double bound = 0.5 * a * by * by / whole + (a - 0.5) / (a - 1.0) * tau;

        assert_true(got <= bound * (1.0 + 1e-9));
        /* Where the sum is as good as a discrete Gaussian the charge is tight. */
        if (tau < 1e-6)
            assert_true(got >= bound * (1.0 - 1e-3) - 1e-6);
    }
}

static void moments_are_never_above_what_is_charged(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof(variances) / sizeof(variances[0]); v++) {
        for (size_t m = 0; m < sizeof(shares) / sizeof(shares[0]); m++)
            check_moments(variances[v], shares[m]);
    }
}

/* The epsilon of T releases at one delta, from the brute-force divergences of a one-dimensional
 * sum, must not pass what the accountant says for the event. */
static void the_accountant_covers_the_convolved_sum(void **state)
{
    (void)state;
    const double delta = 1e-6;
    const unsigned n_shares = 3;

    for (size_t v = 0; v < sizeof(variances) / sizeof(variances[0]); v++) {
        const struct law sum = sum_of(variances[v], n_shares);
        const double deviation = sqrt(variances[v] * n_shares);
        const struct mien_dp_event event = {
            .sampling = MIEN_SAMPLING_NONE,
            .rate = 1.0,
            .noise = mien_distributed_noise(variances[v], 1, n_shares),
            .count = 4,
            .kind = MIEN_DP_DISTRIBUTED,
            .off = mien_distributed_tau(variances[v], n_shares),
        };
        struct mien_dp_cost cost;
        double least = HUGE_VAL;

        assert_int_equal(mien_dp_account(&event, 1, delta, &cost, NULL), MIEN_OK);
        for (double a = 1.5; a <= 8.0; a += 0.5) {
            const double rdp = 4.0 * divergence(&sum, deviation, 1, a);

            least = fmin(least, rdp + log1p(-1.0 / a) - log(delta * a) / (a - 1.0));
        }
        /* Orders above 8 are left out of the brute force, which can only make `least` larger; the
         * accountant has them all, so it may be below where they are better. */
        double same = HUGE_VAL;
        for (double a = 1.5; a <= 8.0; a += 0.5) {
            const double rdp =
                4.0 * (0.5 * a / (event.noise * event.noise) + (a - 0.5) / (a - 1.0) * event.off);

            same = fmin(same, rdp + log1p(-1.0 / a) - log(delta * a) / (a - 1.0));
        }
        assert_true(least <= same);
        assert_true(cost.epsilon <= same * (1.0 + 1e-9));
        assert_true(cost.epsilon_witness == cost.epsilon);
        assert_true(cost.gaussian == MIEN_DP_NOT_VALID && cost.pld == MIEN_DP_NOT_VALID);
    }
}

static void wide_noise_costs_what_one_discrete_gaussian_does(void **state)
{
    (void)state;
    struct mien_dp_event event = {
        .sampling = MIEN_SAMPLING_NONE,
        .rate = 1.0,
        .noise = 1.5,
        .count = 10,
        .kind = MIEN_DP_DISTRIBUTED,
        .off = mien_distributed_tau(1e4, 50) * 3e5,
    };
    struct mien_dp_cost distributed;
    struct mien_dp_cost central;

    assert_true(event.off == 0.0);
    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &distributed, NULL), MIEN_OK);
    event.kind = MIEN_DP_DISCRETE_GAUSSIAN;
    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &central, NULL), MIEN_OK);
    assert_true(distributed.epsilon == central.epsilon);
    assert_true(distributed.zcdp == central.zcdp);
}

static void sampling_never_amplifies_noise_by_devices(void **state)
{
    (void)state;
    struct mien_err err = {0};
    struct mien_dp_cost cost;
    struct mien_dp_event event = {.sampling = MIEN_SAMPLING_POISSON,
                                  .rate = 0.01,
                                  .noise = 1.0,
                                  .count = 1,
                                  .kind = MIEN_DP_DISTRIBUTED};

    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &cost, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "not amplified"));
    event.kind = MIEN_DP_GAUSSIAN;
    event.off = 1e-9;
    assert_int_equal(mien_dp_account(&event, 1, 1e-6, &cost, &err), MIEN_EINVAL);
}

static void multipliers_are_rounded_down_and_small_shares_refused(void **state)
{
    (void)state;
    for (uint64_t m = 1; m < 4000; m = m * 3 + 1) {
        const double z = mien_distributed_noise(104.0 * 104.0, 9973, m);

        assert_true(z * z * 9973.0 * 9973.0 <= 104.0 * 104.0 * (double)m);
        assert_true(z * z * 9973.0 * 9973.0 >= 104.0 * 104.0 * (double)m * (1.0 - 1e-13));
    }
    assert_true(isinf(mien_distributed_tau(0.2, 4)));
    assert_true(mien_distributed_tau(0.25, 1) == 0.0);
}

/* The sum of 40 shares, 50,000 times, seed 7: its variance is that of a chi-square with 50,000
 * degrees of freedom over them but for terms of kurtosis far below 1 %; 5 deviations of that are
 * 3.2 %, so a right sampler fails once in 10^6 seeds. */
static void drawn_sums_have_the_said_variance(void **state)
{
    (void)state;
    const uint64_t variance = 23;
    const unsigned n_shares = 40;
    const size_t n_sums = 50000;
    struct mien_rng_seeded *seeded = NULL;
    struct mien_discrete_gaussian share;
    int64_t draws[40];
    double squares = 0.0;

    assert_int_equal(mien_rng_seeded_new(7, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_discrete_gaussian_init(&share, variance, 1), MIEN_OK);
    for (size_t i = 0; i < n_sums; i++) {
        int64_t sum = 0;

        assert_int_equal(mien_discrete_gaussian_draw(&share, &rng, draws, n_shares), MIEN_OK);
        for (unsigned j = 0; j < n_shares; j++)
            sum += draws[j];
        squares += (double)sum * (double)sum;
    }
    const double ratio = squares / (double)n_sums / (double)(variance * n_shares);
    assert_true(fabs(ratio - 1.0) < 5.0 * sqrt(2.0 / (double)n_sums));
    mien_rng_seeded_free(seeded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_stay_within_half_of_tau_of_a_discrete_gaussian),
        cmocka_unit_test(moments_are_never_above_what_is_charged),
        cmocka_unit_test(the_accountant_covers_the_convolved_sum),
        cmocka_unit_test(wide_noise_costs_what_one_discrete_gaussian_does),
        cmocka_unit_test(sampling_never_amplifies_noise_by_devices),
        cmocka_unit_test(multipliers_are_rounded_down_and_small_shares_refused),
        cmocka_unit_test(drawn_sums_have_the_said_variance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
