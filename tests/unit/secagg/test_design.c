// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/design.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define SEMI MIEN_DESIGN_SEMI_MALICIOUS
#define CURIOUS MIEN_DESIGN_CURIOUS

/* Published degrees and thresholds, sigma = 40, eta = 20: the test vectors of
 * google-parfait/federated-compute, fcp/secagg/server/graph_parameter_finder_test.cc (de83f70);
 * k must be equal, t at most the one given. One is not here: 4/2 for n = 10, 0.05, 0.33, curious.
 * There the published finder raises t to 2 after it has checked that shares suffice. */
static void published_designs_are_found_again(void **state)
{
    (void)state;
    static const struct {
        uint32_t n;
        double corrupt;
        double drop_out;
        enum mien_design_class trust;
        uint32_t k;
        uint32_t t;
    } vectors[] = {
        {100, 0.45, 0.45, CURIOUS, 92, 46},       {1000, 0.45, 0.45, CURIOUS, 822, 417},
        {10000, 0.45, 0.45, CURIOUS, 3494, 1771}, {10, 0.33, 0.33, CURIOUS, 8, 4},
        {100, 0.33, 0.33, CURIOUS, 68, 34},       {1000, 0.33, 0.33, CURIOUS, 286, 150},
        {10000, 0.33, 0.33, CURIOUS, 422, 221},   {100000, 0.33, 0.33, CURIOUS, 480, 251},
        {1000000, 0.33, 0.33, CURIOUS, 518, 270}, {100, 0.3, 0.3, SEMI, 92, 62},
        {1000, 0.3, 0.3, SEMI, 872, 584},         {10000, 0.3, 0.3, SEMI, 4822, 3230},
        {100, 0.05, 0.33, CURIOUS, 28, 6},        {1000, 0.05, 0.33, CURIOUS, 72, 24},
        {10000, 0.05, 0.33, CURIOUS, 86, 29},     {100000, 0.05, 0.33, CURIOUS, 96, 32},
        {1000000, 0.05, 0.33, CURIOUS, 102, 34},  {10, 0.05, 0.33, SEMI, 8, 5},
        {100, 0.05, 0.33, SEMI, 72, 39},          {1000, 0.05, 0.33, SEMI, 398, 223},
        {10000, 0.05, 0.33, SEMI, 746, 420},      {100000, 0.05, 0.33, SEMI, 882, 496},
        {1000000, 0.05, 0.33, SEMI, 970, 545},    {10, 0.33, 0.05, CURIOUS, 4, 4},
        {100, 0.33, 0.05, CURIOUS, 34, 29},       {1000, 0.33, 0.05, CURIOUS, 78, 60},
        {10000, 0.33, 0.05, CURIOUS, 92, 70},     {100000, 0.33, 0.05, CURIOUS, 102, 77},
        {1000000, 0.33, 0.05, CURIOUS, 110, 83},  {10, 0.33, 0.05, SEMI, 4, 4},
        {100, 0.33, 0.05, SEMI, 42, 37},          {1000, 0.33, 0.05, SEMI, 132, 109},
        {10000, 0.33, 0.05, SEMI, 178, 146},      {100000, 0.33, 0.05, SEMI, 196, 160},
    };

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct mien_design_goal goal = {vectors[i].corrupt, vectors[i].drop_out,
                                              vectors[i].trust, 40, 20};
        struct mien_design d = {0};

        if (!mien_design_ring(&goal, vectors[i].n, &d))
            fail_msg("vector %zu: nothing found", i);
        if (d.k != vectors[i].k || d.t > vectors[i].t)
            fail_msg("vector %zu: n = %u: %u/%u, expected %u/%u", i, vectors[i].n, d.k, d.t,
                     vectors[i].k, vectors[i].t);
    }
}

/* The table of our own notes, found by another program, sigma = 40, eta = 20. */
static void designs_of_another_program_are_found_again(void **state)
{
    (void)state;
    static const struct {
        uint32_t n;
        double corrupt;
        double drop_out;
        enum mien_design_class trust;
        uint32_t k;
        uint32_t t;
    } vectors[] = {{32, 0.05, 0.10, CURIOUS, 6, 2},      {100, 0.05, 0.10, CURIOUS, 16, 6},
                   {300, 0.05, 0.10, CURIOUS, 28, 14},   {1000, 0.05, 0.10, CURIOUS, 36, 19},
                   {10000, 0.05, 0.10, CURIOUS, 42, 22}, {1000000, 0.05, 0.10, CURIOUS, 50, 25},
                   {32, 0.20, 0.20, CURIOUS, 14, 7},     {1000, 0.20, 0.20, CURIOUS, 98, 54},
                   {100, 0.05, 0.05, SEMI, 16, 11},      {300, 0.05, 0.05, SEMI, 38, 27},
                   {1000, 0.05, 0.05, SEMI, 52, 37},     {10000, 0.05, 0.05, SEMI, 62, 44},
                   {32, 0.05, 0.10, SEMI, 8, 5},         {100, 0.05, 0.10, SEMI, 26, 16},
                   {300, 0.05, 0.10, SEMI, 52, 34},      {1000, 0.05, 0.10, SEMI, 78, 52},
                   {10000, 0.05, 0.10, SEMI, 96, 64},    {1000000, 0.05, 0.10, SEMI, 114, 75},
                   {300, 0.05, 0.20, SEMI, 90, 53},      {1000, 0.05, 0.20, SEMI, 148, 90},
                   {10000, 0.05, 0.20, SEMI, 202, 123},  {1000, 0.20, 0.30, SEMI, 642, 409},
                   {10000, 0.20, 0.30, SEMI, 1790, 1140}};

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct mien_design_goal goal = {vectors[i].corrupt, vectors[i].drop_out,
                                              vectors[i].trust, 40, 20};
        struct mien_design d = {0};

        assert_true(mien_design_ring(&goal, vectors[i].n, &d));
        if (d.k != vectors[i].k || d.t != vectors[i].t)
            fail_msg("n = %u, %g, %g: %u/%u, expected %u/%u", vectors[i].n, vectors[i].corrupt,
                     vectors[i].drop_out, d.k, d.t, vectors[i].k, vectors[i].t);
    }
}

static void a_threshold_is_checked_as_it_is_used(void **state)
{
    (void)state;
    const struct mien_design_goal goal = {0.05, 0.33, CURIOUS, 40, 20};
    const struct mien_design published = {4, 2};
    struct mien_design d;

    /* Three of ten leave: with 7 of 210 they are three of a member's four neighbours. */
    assert_true(mien_design_is_private(&goal, 10, published));
    assert_false(mien_design_is_live(&goal, 10, published));
    assert_true(fabs(mien_design_log2_tail(10, 3, 4, 2) - log2(7.0 / 210.0)) < 1e-5);
    assert_true(mien_design_ring(&goal, 10, &d));
    assert_true(d.k == 6 && d.t == 2);
}

static const struct mien_design_goal usual = {0.05, 0.10, SEMI, MIEN_DESIGN_SIGMA, MIEN_DESIGN_ETA};

static void the_designs_of_a_session_are_those_of_the_documentation(void **state)
{
    (void)state;
    struct mien_design d;

    assert_int_equal(mien_design_of(&usual, 10, &d, NULL), MIEN_OK);
    assert_true(d.k == 9 && d.t == 7);
    assert_int_equal(mien_design_of(&usual, 128, &d, NULL), MIEN_OK);
    assert_true(d.k == 127 && d.t == 86);
    assert_int_equal(mien_design_of(&usual, 1000, &d, NULL), MIEN_OK);
    assert_true(d.k == 102 && d.t == 72);
    assert_int_equal(mien_design_of(&usual, 10000, &d, NULL), MIEN_OK);
    assert_true(d.k == 136 && d.t == 96);
    /* A third that leaves and a fifth that colludes: no list of neighbours is so long. */
    const struct mien_design_goal harsh = {0.2, 0.3, SEMI, MIEN_DESIGN_SIGMA, MIEN_DESIGN_ETA};
    struct mien_err err = {0};
    assert_int_equal(mien_design_of(&harsh, 1000, &d, &err), MIEN_EPOLICY);
    assert_non_null(strstr(err.text, "secure_sum.corrupt"));
}

static void every_smaller_design_fails_one_of_the_conditions(void **state)
{
    (void)state;
    const uint32_t n = 1000;

    for (uint32_t k = 90; k <= 102; k += 2) {
        for (uint32_t t = 2; t <= k; t++) {
            const struct mien_design d = {k, t};
            const bool good =
                mien_design_is_private(&usual, n, d) && mien_design_is_live(&usual, n, d);

            if (good != (k == 102 && t == 72))
                fail_msg("%u/%u", k, t);
        }
    }
}

static uint32_t count_bits(uint32_t v)
{
    uint32_t n = 0;

    for (; v != 0; v &= v - 1)
        n++;
    return n;
}

/* Of all ways to draw `drawn` of n, how many hold more than x of the first `marked`. */
static double count_tail(uint32_t n, uint32_t marked, uint32_t drawn, uint32_t x)
{
    uint32_t over = 0;
    uint32_t all = 0;

    for (uint32_t draw = 0; draw < 1u << n; draw++) {
        if (count_bits(draw) != drawn)
            continue;
        all++;
        over += count_bits(draw & ((1u << marked) - 1)) > x;
    }
    return (double)over / all;
}

static void assert_tail(uint32_t n, uint32_t marked, uint32_t drawn, uint32_t x)
{
    const double want = count_tail(n, marked, drawn, x);
    const double got = mien_design_log2_tail(n, marked, drawn, x);

    if (want == 0.0)
        assert_true(isinf(got));
    else
        assert_true(got >= log2(want) - 1e-9 && got < log2(want) + 1e-5);
}

/* Tails against counting, which small numbers allow. */
static void tails_are_those_of_counting(void **state)
{
    (void)state;
    for (uint32_t n = 2; n <= 13; n++) {
        for (uint32_t pair = 0; pair < n * n; pair++) {
            for (uint32_t x = 0; x <= pair % n; x++)
                assert_tail(n, pair / n, pair % n + 1, x);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_designs_are_found_again),
        cmocka_unit_test(designs_of_another_program_are_found_again),
        cmocka_unit_test(a_threshold_is_checked_as_it_is_used),
        cmocka_unit_test(the_designs_of_a_session_are_those_of_the_documentation),
        cmocka_unit_test(every_smaller_design_fails_one_of_the_conditions),
        cmocka_unit_test(tails_are_those_of_counting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
