// SPDX-License-Identifier: Apache-2.0
#include "common/dp/strategy.h"

#include "common/base/mem.h"
#include "tests/support/test.h"

#include <stdbool.h>
#include <string.h>

/* Sum over the complete dyadic nodes of (rounds of the pattern in it)^2. */
static double tree_sum(uint32_t pattern, unsigned n)
{
    double sum = 0.0;

    for (unsigned size = 1; size <= n; size *= 2) {
        for (unsigned at = 0; at + size <= n; at += size) {
            double count = 0.0;

            for (unsigned i = at; i < at + size; i++)
                count += pattern >> i & 1;
            sum += count * count;
        }
    }
    return sum;
}

static double toeplitz_sum(uint32_t pattern, unsigned n, const double *c)
{
    double sum = 0.0;

    for (unsigned i = 0; i < n; i++) {
        double entry = 0.0;

        for (unsigned j = 0; j <= i; j++)
            entry += (pattern >> j & 1) != 0 ? c[i - j] : 0.0;
        sum += entry * entry;
    }
    return sum;
}

static bool allowed(uint32_t pattern, unsigned n, unsigned b, unsigned k)
{
    unsigned count = 0;
    int last = -1000;

    for (unsigned i = 0; i < n; i++) {
        if ((pattern >> i & 1) == 0)
            continue;
        if ((int)i - last < (int)b)
            return false;
        last = (int)i;
        count++;
    }
    return count <= k;
}

static void try_all_patterns(const struct mien_strategy_limits *limits, const double *c)
{
    const unsigned n = (unsigned)limits->rounds;
    double tree = 0.0;
    double toeplitz = 0.0;
    double got;

    for (uint32_t pattern = 0; pattern < (uint32_t)1 << n; pattern++) {
        if (!allowed(pattern, n, (unsigned)limits->separation, (unsigned)limits->participations))
            continue;
        double t = tree_sum(pattern, n);
        double s = toeplitz_sum(pattern, n, c);

        tree = t > tree ? t : tree;
        toeplitz = s > toeplitz ? s : toeplitz;
    }
    assert_int_equal(mien_strategy_tree(limits, &got, NULL), MIEN_OK);
    assert_true(got == tree);
    assert_int_equal(mien_strategy_toeplitz(limits, c, n, &got, NULL), MIEN_OK);
    assert_true(got >= toeplitz && got <= toeplitz * (1.0 + 1e-11));
}

static void sensitivities_are_those_of_the_worst_rounds(void **state)
{
    (void)state;
    double c[14];

    mien_strategy_square_root(c, 14);
    for (unsigned i = 0; i < 14 * 5 * 4; i++) {
        const struct mien_strategy_limits limits = {1 + i % 14, 1 + i / 14 % 5, 1 + i / 70};

        try_all_patterns(&limits, c);
    }
}

static void what_makes_no_sense_is_refused_by_name(void **state)
{
    (void)state;
    const struct mien_strategy_limits good = {16, 4, 2};
    const struct mien_strategy_limits huge = {1 << 20, 1 << 18, 4};
    const double rising[] = {1.0, 0.5, 0.6};
    struct mien_strategy_limits bad = good;
    struct mien_err err = {0};
    double got;

    bad.separation = 0;
    assert_int_equal(mien_strategy_tree(&bad, &got, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "separation"));
    assert_int_equal(mien_strategy_toeplitz(&good, rising, 3, &got, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "coefficient 2"));
    assert_int_equal(mien_strategy_tree_restarted(&good, 8, &got, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "twice"));
    assert_int_equal(mien_strategy_tree(&huge, &got, &err), MIEN_ELIMIT);
}

static void search_survives_each_failed_allocation(void **state)
{
    (void)state;
    const struct mien_strategy_limits limits = {24, 5, 3};
    enum mien_status status = MIEN_ENOMEM;
    double got = 0.0;

    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = mien_strategy_tree(&limits, &got, NULL);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
        assert_int_equal(mien_mem_live(), 0);
    }
    mien_mem_fail_at(-1);
    assert_true(got == 23.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sensitivities_are_those_of_the_worst_rounds),
        cmocka_unit_test(what_makes_no_sense_is_refused_by_name),
        cmocka_unit_test(search_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
