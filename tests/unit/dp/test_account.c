// SPDX-License-Identifier: Apache-2.0
#include "common/dp/account.h"

#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row of rdp_orders.csv: Poisson-sampled Gaussian, RDP by quadrature at 40 digits. */
struct row {
    double q;
    double z;
    double order;
    double library;
    double quadrature;
};

static bool read_row(FILE *file, struct row *row)
{
    char line[512];

    if (fgets(line, sizeof(line), file) == NULL)
        return false;
    memset(row, 0, sizeof(*row));
    double *const fields[] = {&row->q, &row->z, &row->order, &row->library, &row->quadrature};
    char *at = line;
    for (int skip = 0; skip < 2; skip++) {
        at = strchr(at, ',');
        assert_non_null(at);
        at++;
    }
    for (size_t i = 0; i < 5; i++) {
        char *end = NULL;

        *fields[i] = strtod(at, &end);
        if (*end != ',')
            return true; /* an empty field: no value there */
        at = end + 1;
    }
    return true;
}

static void rdp_orders_agree_with_the_quadrature_table(void **state)
{
    (void)state;
    FILE *file = fopen("tests/vectors/rdp_orders.csv", "r");
    char header[512];
    struct row row;
    int n_compared = 0;

    assert_non_null(file);
    assert_non_null(fgets(header, sizeof(header), file));
    while (read_row(file, &row)) {
        double want = row.quadrature > 0.0 ? row.quadrature : 0.0;

        if (want == 0.0)
            continue;
        double got = mien_dp_rdp(row.q, row.z, row.order);
        /* The table is a quadrature good to about 1e-9 (q = .1, z = 2, order 4 is 5.2e-10 above
         * the closed form); never below it by more than that. */
        if (fabs(got - want) > 1e-8 * want || got < want * (1.0 - 1e-9))
            fail_msg("q=%g z=%g order=%g: %.12g, table %.12g", row.q, row.z, row.order, got, want);
        n_compared++;
    }
    (void)fclose(file);
    assert_true(n_compared > 100);
}

/* Exact rows of dp_reference.csv (closed form at 40 digits): z, rounds, delta, epsilon. */
static void the_unsampled_gaussian_is_exact_and_never_below(void **state)
{
    (void)state;
    static const double rows[][4] = {
        {0.5, 1, 1e-5, 9.997256146},      {1, 1, 1e-5, 4.377178096},
        {1, 1, 1e-6, 4.886554117},        {2, 1, 1e-9, 2.909732381},
        {5, 1, 1e-6, 0.8341175486},       {1, 10, 1e-5, 17.85658683},
        {5, 100, 1e-6, 10.99715121},      {10, 100, 1e-8, 5.776098383},
        {30, 1000, 1e-6, 5.189036641},    {100, 10000, 1e-7, 5.349345406},
        {50, 100000, 1e-10, 59.54183073},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct mien_dp_event event = {
            .sampling = MIEN_SAMPLING_NONE,
            .rate = 1.0,
            .noise = rows[i][0],
            .count = (uint64_t)rows[i][1],
        };
        struct mien_dp_cost cost;

        assert_int_equal(mien_dp_account(&event, 1, rows[i][2], &cost, NULL), MIEN_OK);
        /* The table has ten digits. */
        assert_true(fabs(cost.gaussian / rows[i][3] - 1.0) < 1e-9);
        assert_true(cost.epsilon == cost.gaussian);
        assert_true(cost.epsilon_witness == cost.gaussian);
        assert_true(cost.rdp > cost.gaussian);
    }
}

/* q, z, rounds, delta, epsilon by RDP (dp_accounting 0.6.0), proven lower bound on epsilon. */
static void poisson_rounds_cost_what_the_reference_says(void **state)
{
    (void)state;
    static const double rows[][6] = {
        {0.01, 1, 1000, 1e-5, 2.101366525, 1.828},    {0.01, 1, 10000, 1e-5, 6.712756664, 6.187},
        {0.01, 0.5, 100, 1e-6, 9.501578973, 7.916},   {0.1, 1, 10, 1e-5, 3.441642764, 2.8545},
        {0.1, 2, 100, 1e-6, 2.914173762, 2.675},      {0.1, 5, 1000, 1e-6, 3.208270138, 2.9889},
        {0.05, 1.5, 500, 1e-7, 5.080868331, 4.738},   {0.001, 1, 10000, 1e-6, 0.9795416255, 0.555},
        {0.001, 0.5, 1e5, 1e-6, 16.33515069, 14.73},  {0.0001, 0.6, 1e5, 1e-8, 3.153049533, 1.953},
        {0.02, 3, 2000, 1e-5, 1.286215492, 1.1759},   {0.004, 1.1, 3000, 1e-5, 1.1389153, 0.9726},
        {1e-6, 0.4, 1e5, 1e-10, 5.935514611, 3.8178},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct mien_dp_event event = {
            .sampling = MIEN_SAMPLING_POISSON,
            .rate = rows[i][0],
            .noise = rows[i][1],
            .count = (uint64_t)rows[i][2],
        };
        struct mien_dp_cost cost;

        assert_int_equal(mien_dp_account(&event, 1, rows[i][3], &cost, NULL), MIEN_OK);
        /* The library's grid of orders differs from ours by up to 0.7 %. */
        if (cost.rdp > rows[i][4] * 1.007 || cost.epsilon < rows[i][5])
            fail_msg("row %zu: %.9g, reference %.9g", i, cost.rdp, rows[i][4]);
        assert_true(cost.gaussian == MIEN_DP_NOT_VALID);
        assert_true(cost.epsilon_witness > cost.epsilon);
    }
}

static void a_fixed_size_sample_costs_a_poisson_pair_of_twice_the_distance(void **state)
{
    (void)state;
    const struct mien_dp_event fixed = {MIEN_SAMPLING_FIXED, 0.01, 2.0, 1000, 0};
    const struct mien_dp_event poisson = {MIEN_SAMPLING_POISSON, 0.01, 1.0, 1000, 0};
    struct mien_dp_cost a;
    struct mien_dp_cost b;

    assert_int_equal(mien_dp_account(&fixed, 1, 1e-5, &a, NULL), MIEN_OK);
    assert_int_equal(mien_dp_account(&poisson, 1, 1e-5, &b, NULL), MIEN_OK);
    assert_true(a.rdp == b.rdp);
    assert_true(fabs(a.rdp / 2.101366525 - 1.0) < 7e-3);
    assert_true(a.epsilon_witness == b.epsilon_witness);
}

static void events_compose_and_order_does_not_matter(void **state)
{
    (void)state;
    const struct mien_dp_event whole = {MIEN_SAMPLING_POISSON, 0.01, 1.0, 1000, 0};
    struct mien_dp_event parts[2] = {whole, whole};
    struct mien_dp_cost one;
    struct mien_dp_cost two;

    parts[0].count = 300;
    parts[1].count = 700;
    assert_int_equal(mien_dp_account(&whole, 1, 1e-5, &one, NULL), MIEN_OK);
    assert_int_equal(mien_dp_account(parts, 2, 1e-5, &two, NULL), MIEN_OK);
    assert_true(fabs(one.epsilon / two.epsilon - 1.0) < 1e-12);
    assert_int_equal(mien_dp_account(NULL, 0, 1e-5, &one, NULL), MIEN_OK);
    assert_true(one.epsilon == 0.0);
}

static void no_noise_costs_infinity(void **state)
{
    (void)state;
    const struct mien_dp_event event = {MIEN_SAMPLING_POISSON, 0.01, 0.0, 1, 0};
    struct mien_dp_cost cost;

    assert_int_equal(mien_dp_account(&event, 1, 1e-5, &cost, NULL), MIEN_OK);
    assert_true(isinf(cost.epsilon));
    assert_true(isinf(cost.epsilon_witness));
}

static void bad_events_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        struct mien_dp_event event;
        double delta;
        const char *culprit;
    } bad[] = {
        {{0, 0.01, 1.0, 1, 0}, 1e-5, "sampling mode"},
        {{MIEN_SAMPLING_POISSON, 0.0, 1.0, 1, 0}, 1e-5, "rate"},
        {{MIEN_SAMPLING_POISSON, 1.5, 1.0, 1, 0}, 1e-5, "rate"},
        {{MIEN_SAMPLING_NONE, 0.5, 1.0, 1, 0}, 1e-5, "rate"},
        {{MIEN_SAMPLING_POISSON, 0.5, -1.0, 1, 0}, 1e-5, "noise"},
        {{MIEN_SAMPLING_POISSON, 0.5, NAN, 1, 0}, 1e-5, "noise"},
        {{MIEN_SAMPLING_POISSON, 0.5, 1.0, 1, 0}, 0.0, "delta"},
        {{MIEN_SAMPLING_POISSON, 0.5, 1.0, 1, 0}, 1.0, "delta"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mien_dp_cost cost;
        struct mien_err err = {0};

        assert_int_equal(mien_dp_account(&bad[i].event, 1, bad[i].delta, &cost, &err), MIEN_EINVAL);
        assert_non_null(strstr(err.text, bad[i].culprit));
    }
}

static void a_solved_noise_is_enough_and_barely(void **state)
{
    (void)state;
    const struct mien_dp_event event = {MIEN_SAMPLING_POISSON, 0.01, 0.0, 1000, 0};
    struct mien_dp_event tried = event;
    struct mien_dp_cost cost;
    double z = 0;

    assert_int_equal(mien_dp_solve_noise(&event, 1.0, 1e-5, &z, NULL), MIEN_OK);
    tried.noise = z;
    assert_int_equal(mien_dp_account(&tried, 1, 1e-5, &cost, NULL), MIEN_OK);
    assert_true(cost.epsilon <= 1.0);
    tried.noise = z * (1.0 - 1e-4);
    assert_int_equal(mien_dp_account(&tried, 1, 1e-5, &cost, NULL), MIEN_OK);
    assert_true(cost.epsilon > 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rdp_orders_agree_with_the_quadrature_table),
        cmocka_unit_test(the_unsampled_gaussian_is_exact_and_never_below),
        cmocka_unit_test(poisson_rounds_cost_what_the_reference_says),
        cmocka_unit_test(a_fixed_size_sample_costs_a_poisson_pair_of_twice_the_distance),
        cmocka_unit_test(events_compose_and_order_does_not_matter),
        cmocka_unit_test(no_noise_costs_infinity),
        cmocka_unit_test(bad_events_are_refused_by_name),
        cmocka_unit_test(a_solved_noise_is_enough_and_barely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
