// SPDX-License-Identifier: Apache-2.0
/* Both bounds of the privacy loss distributions, against computations that share nothing with them:
 * an inverse Laplace integral (tests/vectors/dp_contour.py), closed forms, the other accountants.
 */
#include "common/dp/pld.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/dp/account.h"
#include "common/dp/gaussian.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct mien_dp_cost cost_of(double q, double z, double rounds, double delta)
{
    const struct mien_dp_options options = {.lower = true};
    const struct mien_dp_event event = {.sampling = MIEN_SAMPLING_POISSON,
                                        .rate = q,
                                        .noise = z,
                                        .count = (uint64_t)rounds,
                                        .relation = MIEN_RELATION_ADD_REMOVE};
    struct mien_dp_cost cost;

    assert_int_equal(mien_dp_account_by(&event, 1, delta, &options, &cost, NULL), MIEN_OK);
    return cost;
}

/* Rows q, z, rounds, delta, epsilon of the removal (which decides there), without any grid. */
static void the_truth_is_between_the_bounds_and_they_are_near(void **state)
{
    (void)state;
    FILE *file = fopen("tests/vectors/dp_contour.csv", "r");
    char line[256];
    int n = 0;

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    while (mien_dp_has_pld() && fgets(line, sizeof(line), file) != NULL) {
        double v[5];
        char *at = line;

        for (int i = 0; i < 5; i++) {
            v[i] = strtod(at, &at);
            at++;
        }
        double want = v[4];
        struct mien_dp_cost cost = cost_of(v[0], v[1], v[2], v[3]);
        double above = want < 0.1 ? 5e-3 : 1e-3;

        /* The integrals are good to 1e-8. */
        if (!(cost.pld >= want * (1.0 - 1e-7)) || !(cost.pld <= want * (1.0 + above)) ||
            !(cost.pld_lower <= want * (1.0 + 1e-7)) || !(cost.pld_lower >= want * (1.0 - above)))
            fail_msg("q=%g z=%g T=%g delta=%g: %.9g to %.9g, reference %.9g", v[0], v[1], v[2],
                     v[3], cost.pld_lower, cost.pld, want);
        n++;
    }
    (void)fclose(file);
    if (mien_dp_has_pld())
        assert_true(n >= 12);
}

static double between(struct mien_rng_seeded *rng, double low, double high)
{
    return low + (high - low) * (double)mien_rng_seeded_below(rng, 1u << 30) * 0x1p-30;
}

/* One seed, so no false alarms; q from 1e-6 to 1, z from .05 to 50, up to 10^5 rounds. */
static void bounds_are_finite_near_each_other_and_below_the_other_accountants(void **state)
{
    (void)state;
    struct mien_rng_seeded *rng = NULL;

    assert_int_equal(mien_rng_seeded_new(5, 0, &rng), MIEN_OK);

    for (int i = 0; mien_dp_has_pld() && i < 40; i++) {
        double q = pow(10.0, between(rng, -6.0, 0.0));
        double z = pow(10.0, between(rng, -1.3, 1.7));
        double rounds = floor(pow(10.0, between(rng, 0.0, 5.0)));
        double delta = pow(10.0, between(rng, -15.0, -2.0));
        struct mien_dp_cost cost = cost_of(q, z, rounds, delta);

        if (!isfinite(cost.pld) || !(cost.pld_lower <= cost.pld) ||
            !(cost.pld_lower >= cost.pld * (1.0 - 5e-3)) ||
            !(cost.pld <= cost.rdp * (1.0 + 1e-9)) || !(cost.pld <= cost.epsilon_witness))
            fail_msg("q=%g z=%g T=%g delta=%g: %.9g to %.9g, rdp %.9g, witness %.9g", q, z, rounds,
                     delta, cost.pld_lower, cost.pld, cost.rdp, cost.epsilon_witness);
    }
    mien_rng_seeded_free(rng);
}

/* Points where a bound counted as infinite before, since losses are rare, large or bounded. */
static void corners_have_bounds(void **state)
{
    (void)state;
    static const double corners[][4] = {
        {1e-6, 0.6, 1e5, 1e-2},       {1e-6, 0.6, 1e5, 1e-12},   {2e-6, 0.065, 17000, 1e-15},
        {0.05, 0.0545, 10531, 1e-14}, {0.005, 0.06, 24, 2e-13},  {0.002, 0.0655, 3, 2e-4},
        {1e-6, 0.93, 5, 4e-15},       {5e-4, 1.9, 2, 2.5e-14},   {8e-5, 1.1, 177000, 4.5e-14},
        {1.2e-4, 1.27, 8, 5e-14},     {4e-5, 0.305, 6206, 7e-9}, {0.74, 0.0544, 539000, 1e-11},
    };

    for (size_t i = 0; mien_dp_has_pld() && i < sizeof(corners) / sizeof(corners[0]); i++) {
        const double *c = corners[i];
        struct mien_dp_cost cost = cost_of(c[0], c[1], c[2], c[3]);

        if (!isfinite(cost.pld) || !(cost.pld_lower >= cost.pld * (1.0 - 5e-3)) ||
            cost.pld > cost.rdp)
            fail_msg("q=%g z=%g T=%g delta=%g: %.9g to %.9g, rdp %.9g", c[0], c[1], c[2], c[3],
                     cost.pld_lower, cost.pld, cost.rdp);
    }
}

/* With everybody taking part the grid has an exact answer to meet. */
static void without_sampling_the_bounds_enclose_the_exact_gaussian(void **state)
{
    (void)state;
    static const double rows[][3] = {{1.0, 2, 1e-5},     {0.3, 40, 1e-12}, {10.0, 1000, 1e-9},
                                     {50.0, 300, 1e-15}, {5.0, 1e5, 1e-2}, {0.05, 3, 1e-6}};

    for (size_t i = 0; mien_pld_available() && i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct mien_law_step step = {rows[i][1], 1, {{1.0, {rows[i][0], 1.0, 0.0}}}};
        const struct mien_pld_options options = {.delta = rows[i][2], .lower = true};
        double want = mien_dp_gaussian_epsilon(sqrt(rows[i][1]) / rows[i][0], rows[i][2]);
        struct mien_pld_answer answer;

        assert_int_equal(mien_pld_epsilon(&step, 1, &options, &answer), MIEN_OK);
        if (!(answer.epsilon >= want * (1.0 - 1e-10)) || !(answer.epsilon < want * (1.0 + 1e-3)) ||
            !(answer.lower <= want) || !(answer.lower > want * (1.0 - 1e-3)))
            fail_msg("z=%g T=%g delta=%g: %.9g to %.9g, exact %.9g", rows[i][0], rows[i][1],
                     rows[i][2], answer.lower, answer.epsilon, want);
    }
}

/* A release in two equal parts is that release, but goes over the grid. */
static void one_release_on_the_grid_encloses_its_closed_form(void **state)
{
    (void)state;
    static const struct mien_pair pairs[] = {
        {1.0, 0.01, 0.0}, {1.0, 0.0, 0.01}, {0.3, 0.2, 0.2}, {0.7, 1e-4, 0.0}, {3.0, 0.0, 0.5}};

    for (size_t i = 0; mien_pld_available() && i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const struct mien_law_step halves = {1.0, 2, {{0.5, pairs[i]}, {0.5, pairs[i]}}};
        const struct mien_law_step whole = {1.0, 1, {{1.0, pairs[i]}}};
        const struct mien_pld_options options = {.delta = 1e-7, .lower = true};
        struct mien_pld_answer grid;
        struct mien_pld_answer exact;

        assert_int_equal(mien_pld_epsilon(&whole, 1, &options, &exact), MIEN_OK);
        assert_int_equal(mien_pld_epsilon(&halves, 1, &options, &grid), MIEN_OK);
        assert_true(exact.epsilon > 0.0 && exact.n_points == 0 && grid.n_points > 0);
        if (!(grid.epsilon >= exact.lower) || !(grid.epsilon < exact.epsilon * (1.0 + 1e-3)) ||
            !(grid.lower <= exact.epsilon) || !(grid.lower > exact.epsilon * (1.0 - 1e-3)))
            fail_msg("pair %zu: %.9g to %.9g, exact %.9g", i, grid.lower, grid.epsilon,
                     exact.epsilon);
    }
}

/* A cap that takes hold often, large losses, two releases: a search for an exponent went on for
 * ever here. */
static void a_search_without_an_end_is_given_up(void **state)
{
    (void)state;
    const struct mien_dp_event event = {.sampling = MIEN_SAMPLING_POISSON_CAPPED,
                                        .rate = 0.78,
                                        .noise = 0.08375,
                                        .count = 2,
                                        .population = 10000,
                                        .or_fewer = true,
                                        .cap = 8156};
    struct mien_dp_cost cost;

    assert_int_equal(mien_dp_account(&event, 1, 2.2e-4, &cost, NULL), MIEN_OK);
    assert_true(cost.epsilon <= cost.epsilon_witness && isfinite(cost.epsilon));
}

static void an_account_survives_each_failed_allocation(void **state)
{
    (void)state;
    const struct mien_dp_event event = {.sampling = MIEN_SAMPLING_POISSON_CAPPED,
                                        .rate = 0.01,
                                        .noise = 1.0,
                                        .count = 3,
                                        .population = 1000,
                                        .cap = 20};
    const struct mien_dp_options options = {.grid = 1e-2, .lower = true};
    struct mien_dp_cost cost;
    enum mien_status status = MIEN_ENOMEM;
    long n_failed = 0;

    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = mien_dp_account_by(&event, 1, 1e-5, &options, &cost, NULL);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
        n_failed += status != MIEN_OK;
    }
    mien_mem_fail_at(-1);
    assert_true(n_failed > 1 || !mien_dp_has_pld());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_truth_is_between_the_bounds_and_they_are_near),
        cmocka_unit_test(bounds_are_finite_near_each_other_and_below_the_other_accountants),
        cmocka_unit_test(corners_have_bounds),
        cmocka_unit_test(without_sampling_the_bounds_enclose_the_exact_gaussian),
        cmocka_unit_test(one_release_on_the_grid_encloses_its_closed_form),
        cmocka_unit_test(a_search_without_an_end_is_given_up),
        cmocka_unit_test(an_account_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
