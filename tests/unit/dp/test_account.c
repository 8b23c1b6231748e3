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

static void events_compose_and_order_does_not_matter(void **state)
{
    (void)state;
    const struct mien_dp_event whole = {
        .sampling = MIEN_SAMPLING_POISSON, .rate = 0.01, .noise = 1.0, .count = 1000};
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
    const struct mien_dp_event event = {
        .sampling = MIEN_SAMPLING_POISSON, .rate = 0.01, .noise = 0.0, .count = 1};
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
        {{.rate = 0.01, .noise = 1.0, .count = 1}, 1e-5, "sampling mode"},
        {{.sampling = MIEN_SAMPLING_POISSON, .rate = 0.0, .noise = 1.0, .count = 1}, 1e-5, "rate"},
        {{.sampling = MIEN_SAMPLING_POISSON, .rate = 1.5, .noise = 1.0, .count = 1}, 1e-5, "rate"},
        {{.sampling = MIEN_SAMPLING_NONE, .rate = 0.5, .noise = 1.0, .count = 1}, 1e-5, "rate"},
        {{.sampling = MIEN_SAMPLING_POISSON, .rate = 0.5, .noise = -1.0, .count = 1},
         1e-5,
         "noise"},
        {{.sampling = MIEN_SAMPLING_POISSON, .rate = 0.5, .noise = NAN, .count = 1}, 1e-5, "noise"},
        {{.sampling = MIEN_SAMPLING_POISSON, .rate = 0.5, .noise = 1.0, .count = 1}, 0.0, "delta"},
        {{.sampling = MIEN_SAMPLING_POISSON, .rate = 0.5, .noise = 1.0, .count = 1}, 1.0, "delta"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mien_dp_cost cost;
        struct mien_err err = {0};

        assert_int_equal(mien_dp_account(&bad[i].event, 1, bad[i].delta, &cost, &err), MIEN_EINVAL);
        assert_non_null(strstr(err.text, bad[i].culprit));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rdp_orders_agree_with_the_quadrature_table),
        cmocka_unit_test(the_unsampled_gaussian_is_exact_and_never_below),
        cmocka_unit_test(events_compose_and_order_does_not_matter),
        cmocka_unit_test(no_noise_costs_infinity),
        cmocka_unit_test(bad_events_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
