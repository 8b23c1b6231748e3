// SPDX-License-Identifier: Apache-2.0
/* Correlated noise is what its definition says: the whole matrix, step by step. */
#include "common/dp/correlated.h"

#include "common/base/mem.h"
#include "common/dp/noise.h"
#include "common/dp/past.h"
#include "common/dp/strategy.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static const uint8_t key[32] = {'a', ' ', 'k', 'e', 'y', ' ', 'o', 'f', ' ', 't', 'e', 's', 't'};

static struct mien_correlated *make(enum mien_strategy_kind kind, uint64_t separation,
                                    uint64_t sigma, struct mien_strategy_table *table)
{
    struct mien_correlated *c = NULL;

    assert_int_equal(mien_strategy_table_make(kind, separation, table), MIEN_OK);
    assert_int_equal(mien_correlated_new(table, sigma, key, &c), MIEN_OK);
    return c;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

enum { STEPS = 70, WIDE = 3000, FEW = 70 }; /* WIDE: more than one batch of coordinates */

/* The sums that are released: any integers. */
static int64_t sum_of(int t, int i)
{
    return (t * 7919 + i * 31) % 4001 - 2000;
}

static int64_t coefficient(const struct mien_strategy_table *table, int back)
{
    return (uint32_t)back < table->n ? table->c[back] : 0;
}

/* r_t of one coordinate from the mechanism as it is proven, in whole integers: y = C x + z, and
 * what was decoded of y before. */
static int64_t decode(const struct mien_strategy_table *table, const int64_t *z, const int64_t *r,
                      int t, int i)
{
    int64_t y = z[t * WIDE + i];

    for (int s = 0; s <= t; s++)
        y += coefficient(table, t - s) * sum_of(s, i);
    for (int s = 0; s < t; s++)
        y -= coefficient(table, t - s) * r[s * WIDE + i];
    return floor_div(y + 32768, 65536);
}

static void decode_all(enum mien_strategy_kind kind)
{
    struct mien_strategy_table table;
    struct mien_correlated *c = make(kind, 24, 1000, &table);
    int64_t *z = mien_calloc((size_t)STEPS * WIDE, sizeof(*z));
    int64_t *r = mien_calloc((size_t)STEPS * WIDE, sizeof(*r));
    int64_t *w = mien_calloc(WIDE, sizeof(*w));

    for (int t = 0; t < STEPS; t++)
        assert_int_equal(mien_correlated_fresh(c, 0, (uint64_t)t, z + t * WIDE, WIDE), MIEN_OK);
    for (int t = 0; t < STEPS; t++) {
        assert_int_equal(mien_correlated_draw(c, (uint64_t)t, w, WIDE), MIEN_OK);
        for (int i = 0; i < WIDE; i++) {
            r[t * WIDE + i] = decode(&table, z, r, t, i);
            assert_int_equal(r[t * WIDE + i], sum_of(t, i) + w[i]);
        }
    }
    mien_correlated_free(c);
    mien_free(z);
    mien_free(r);
    mien_free(w);
}

static void what_is_released_follows_from_the_matrix_alone(void **state)
{
    (void)state;
    decode_all(MIEN_STRATEGY_BANDED);
    decode_all(MIEN_STRATEGY_BLT);
}

/* w of a few coordinates by the recursion as it is written down, every step kept. */
static void follow(struct mien_correlated *c, const struct mien_strategy_table *table, int n_steps,
                   int64_t *w)
{
    for (int t = 0; t < n_steps; t++) {
        int64_t *row = w + t * FEW;

        assert_int_equal(mien_correlated_fresh(c, 0, (uint64_t)t, row, FEW), MIEN_OK);
        for (int i = 0; i < FEW; i++) {
            for (int s = 0; s < t; s++)
                row[i] -= coefficient(table, t - s) * w[s * FEW + i];
            row[i] = floor_div(row[i] + 32768, 65536);
        }
    }
}

/* Steps before, at and after the ends of what is drawn at once, and of the past; by all kernels. */
static void a_past_that_went_round_is_the_recursion(void **state)
{
    (void)state;
    static const int at[] = {0, 1, 15, 16, 31, 254, 255, 256, 257, 290};
    static const uint64_t separations[] = {1, 2, 17, 256};
    static int64_t want[291 * FEW];
    int64_t w[FEW];

    for (size_t b = 0; b < sizeof(separations) / sizeof(separations[0]); b++) {
        struct mien_strategy_table table;
        struct mien_correlated *c = make(MIEN_STRATEGY_BANDED, separations[b], 10000, &table);

        assert_int_equal(table.n, separations[b]);
        follow(c, &table, 291, want);
        for (const struct mien_past_kernel *const *k = mien_past_kernels(); *k != NULL; k++) {
            mien_past_force(*k);
            for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
                assert_int_equal(mien_correlated_draw(c, (uint64_t)at[i], w, FEW), MIEN_OK);
                assert_memory_equal(w, want + at[i] * FEW, sizeof(w));
            }
        }
        mien_past_force(NULL);
        mien_correlated_free(c);
    }
}

/* Sums of noise to t are the sum of t's nodes, node by node. */
static void a_tree_sums_to_its_nodes(void **state)
{
    (void)state;
    struct mien_strategy_table table;
    struct mien_correlated *c = make(MIEN_STRATEGY_TREE, 1, 1000, &table);
    int64_t sum[64] = {0};
    int64_t w[64];
    int64_t node[64];

    for (uint32_t t = 1; t <= 200; t++) {
        int64_t nodes[64] = {0};

        assert_int_equal(mien_correlated_draw(c, t - 1, w, 64), MIEN_OK);
        for (uint32_t level = 0, at = 0, left = t; left > 0; at += UINT32_C(1) << level) {
            for (level = 31; left >> level == 0;)
                level--;
            left -= UINT32_C(1) << level;
            assert_int_equal(mien_correlated_fresh(c, (uint8_t)level, at >> level, node, 64),
                             MIEN_OK);
            for (int i = 0; i < 64; i++)
                nodes[i] += node[i];
        }
        for (int i = 0; i < 64; i++) {
            sum[i] += w[i];
            assert_int_equal(sum[i], nodes[i]);
        }
    }
    mien_correlated_free(c);
}

static unsigned count_bits(uint32_t v)
{
    unsigned n = 0;

    for (; v != 0; v >>= 1)
        n += v & 1;
    return n;
}

/* Variance of the noise in the sum of the first t steps, by the matrix. */
static double predicted(const struct mien_strategy_table *table, uint32_t t, double sigma)
{
    double inverse[256];
    double prefix = 0.0;
    double variance = 0.0;

    if (table->kind == MIEN_STRATEGY_TREE)
        return (double)count_bits(t) * sigma * sigma;
    for (uint32_t i = 0; i < t; i++) {
        inverse[i] = i == 0 ? 1.0 : 0.0;
        for (uint32_t j = 1; j <= i && j < table->n; j++)
            inverse[i] -= (double)table->c[j] / 65536.0 * inverse[i - j];
        prefix += inverse[i];
        variance += prefix * prefix;
    }
    return variance * sigma * sigma;
}

/* The key is fixed: one event. As a random one each check would fail with probability below 1e-6:
 * 5 deviations of a variance of 40000 numbers. */
static void prefix_sums_have_the_variance_of_the_matrix(void **state)
{
    (void)state;
    enum { N = 40000, T = 45 };
    int64_t *sum = mien_calloc(N, sizeof(*sum));
    int64_t *w = mien_calloc(N, sizeof(*w));

    for (int kind = MIEN_STRATEGY_TREE; kind <= MIEN_STRATEGY_BLT; kind++) {
        struct mien_strategy_table table;
        struct mien_correlated *c = make((enum mien_strategy_kind)kind, 16, 5000, &table);

        memset(sum, 0, N * sizeof(*sum));
        for (uint32_t t = 1; t <= T; t++) {
            double square = 0.0;
            const double want = predicted(&table, t, 5000.0);

            assert_int_equal(mien_correlated_draw(c, t - 1, w, N), MIEN_OK);
            for (int i = 0; i < N; i++) {
                sum[i] += w[i];
                square += (double)sum[i] * (double)sum[i];
            }
            assert_true(fabs(square / N / want - 1.0) < 5.0 * sqrt(2.0 / N));
        }
        mien_correlated_free(c);
    }
    mien_free(sum);
    mien_free(w);
}

static void a_step_is_the_same_again_and_streams_are_apart(void **state)
{
    (void)state;
    static const uint8_t other_key[32] = {1};
    struct mien_strategy_table table;
    struct mien_correlated *c = make(MIEN_STRATEGY_BANDED, 8, 100000, &table);
    struct mien_correlated *other = NULL;
    int64_t a[5000];
    int64_t b[5000];

    assert_int_equal(mien_correlated_draw(c, 9, a, 5000), MIEN_OK);
    assert_int_equal(mien_correlated_draw(c, 4, b, 5000), MIEN_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, a + 2048, 2048 * sizeof(*a)); /* another batch */
    assert_int_equal(mien_correlated_draw(c, 9, b, 5000), MIEN_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(mien_correlated_draw(c, 9, b, 10), MIEN_OK);
    assert_memory_equal(a, b, 10 * sizeof(*a));
    assert_int_equal(mien_correlated_fresh(c, 0, 9, a, 5000), MIEN_OK);
    assert_int_equal(mien_correlated_fresh(c, 1, 9, b, 5000), MIEN_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(mien_correlated_new(&table, 100000, other_key, &other), MIEN_OK);
    assert_int_equal(mien_correlated_fresh(other, 0, 9, b, 5000), MIEN_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    mien_correlated_free(c);
    mien_correlated_free(other);
}

static void what_cannot_be_drawn_is_refused(void **state)
{
    (void)state;
    struct mien_strategy_table table;
    struct mien_correlated *c = make(MIEN_STRATEGY_BLT, 8, MIEN_CORRELATED_MAX_SIGMA, &table);
    int64_t w[4] = {1, 1, 1, 1};

    assert_int_equal(mien_correlated_draw(c, MIEN_CORRELATED_MAX_STEPS, w, 4), MIEN_EINVAL);
    assert_int_equal(w[3], 0);
    mien_correlated_free(c);
    assert_int_equal(mien_correlated_new(&table, 0, key, &c), MIEN_EINVAL);
    assert_int_equal(mien_correlated_new(&table, MIEN_CORRELATED_MAX_SIGMA + 1, key, &c),
                     MIEN_EINVAL);
    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_INDEPENDENT, 1, &table), MIEN_OK);
    assert_int_equal(mien_correlated_new(&table, 1, key, &c), MIEN_EINVAL);
    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BANDED, 0, &table), MIEN_EINVAL);
    assert_int_equal(mien_strategy_table_make((enum mien_strategy_kind)5, 1, &table), MIEN_EINVAL);
}

static void new_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_strategy_table table;
    struct mien_correlated *c = NULL;

    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BANDED, 8, &table), MIEN_OK);
    for (long k = 0; c == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_correlated_new(&table, 10, key, &c);
        assert_int_equal(status, c == NULL ? MIEN_ENOMEM : MIEN_OK);
    }
    mien_mem_fail_at(-1);
    mien_correlated_free(c);
}

/* ---- tables ---- */

enum { ROUNDS = 14 };

static bool allowed(uint32_t pattern, uint64_t b, uint64_t k)
{
    int last = -100;

    for (int t = 0; t < ROUNDS; t++) {
        if ((pattern >> t & 1) == 0)
            continue;
        if (t - last < (int)b)
            return false;
        last = t;
    }
    return count_bits(pattern) <= k;
}

static double square_of(const struct mien_strategy_table *table, uint32_t pattern)
{
    double square = 0.0;

    for (int t = 0; t < ROUNDS; t++) {
        int64_t sum = 0;

        for (int s = 0; s <= t; s++)
            sum += (pattern >> s & 1) != 0 ? coefficient(table, t - s) : 0;
        square += (double)sum * (double)sum * 0x1p-32;
    }
    return square;
}

/* Every pattern of at most 14 rounds, in integers of the table. */
static void try_all_patterns(enum mien_strategy_kind kind, uint64_t b, uint64_t k)
{
    const struct mien_strategy_limits limits = {ROUNDS, b, k};
    struct mien_strategy_table table;
    double worst = 0.0;
    double got = 0.0;

    assert_int_equal(mien_strategy_table_make(kind, b, &table), MIEN_OK);
    for (uint32_t pattern = 0; pattern < UINT32_C(1) << ROUNDS; pattern++) {
        const double square = allowed(pattern, b, k) ? square_of(&table, pattern) : 0.0;

        worst = square > worst ? square : worst;
    }
    assert_int_equal(mien_strategy_of_table(&limits, &table, &got, NULL), MIEN_OK);
    assert_true(got >= worst && got <= worst * (1.0 + 1e-14));
}

static void the_sensitivity_of_a_table_is_that_of_the_worst_rounds(void **state)
{
    (void)state;
    for (uint64_t b = 1; b <= 6; b++) {
        for (uint64_t k = 1; k <= 5; k++) {
            try_all_patterns(MIEN_STRATEGY_BANDED, b, k);
            try_all_patterns(MIEN_STRATEGY_BLT, b, k);
        }
    }
}

/* Releases of a run as one event, and what of it cannot be bounded. */
static void a_run_is_one_event_over_its_sensitivity(void **state)
{
    (void)state;
    struct mien_strategy_limits limits = {100, 10, 4};
    struct mien_strategy_table table;

    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_INDEPENDENT, 10, &table), MIEN_OK);
    struct mien_dp_event event = mien_strategy_event(&limits, &table, 2.0);
    assert_int_equal(event.count, 4); /* of 100 releases a unit is in 4 */
    assert_true(event.noise == 2.0 && event.sampling == MIEN_SAMPLING_NONE);
    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BANDED, 10, &table), MIEN_OK);
    event = mien_strategy_event(&limits, &table, 2.0);
    double square = 0.0;
    for (uint32_t i = 0; i < table.n; i++) /* columns do not overlap: 4 times one column */
        square += 4.0 * (double)table.c[i] * (double)table.c[i] * 0x1p-32;
    assert_int_equal(event.count, 1);
    assert_true(event.noise <= 2.0 / sqrt(square) && event.noise >= 2.0 / sqrt(square) * 0.9999999);
    limits.rounds = 0;
    assert_int_equal(mien_strategy_event(&limits, &table, 2.0).count, 0);
    limits.rounds = (uint64_t)1 << 40;
    event = mien_strategy_event(&limits, &table, 2.0);
    assert_true(event.count == 1 && event.noise == 0.0);
}

/* From 2^16 on not growing, and small enough in sum for correlated.c. */
static void check_table(enum mien_strategy_kind kind, uint64_t b)
{
    struct mien_strategy_table table;
    uint64_t total = 0;

    assert_int_equal(mien_strategy_table_make(kind, b, &table), MIEN_OK);
    assert_int_equal(table.c[0], 65536);
    for (uint32_t i = 0; i < table.n; i++) {
        assert_true(i == 0 || table.c[i] <= table.c[i - 1]);
        total += table.c[i];
    }
    assert_true(total < UINT64_C(1) << 23);
}

static void tables_are_their_coefficients_rounded_down(void **state)
{
    (void)state;
    struct mien_strategy_table table;
    double c[MIEN_STRATEGY_MAX_COEFFS];
    static const double theta[] = {0.970960, 0.0};
    static const double omega[] = {0.349769, 0.0};

    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BANDED, 1000, &table), MIEN_OK);
    assert_int_equal(table.n, MIEN_STRATEGY_MAX_COEFFS);
    mien_strategy_square_root(c, table.n);
    for (uint32_t i = 0; i < table.n; i++)
        assert_true(fabs(c[i] * 65536.0 - 0.5 - table.c[i]) <= 0.5 + 1e-6);
    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BANDED, 7, &table), MIEN_OK);
    assert_int_equal(table.n, 7);
    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BLT, 64, &table), MIEN_OK);
    mien_strategy_blt(theta, omega, 2, c, table.n);
    for (uint32_t i = 0; i < table.n; i++)
        assert_true(fabs(c[i] * 65536.0 - 0.5 - table.c[i]) <= 0.5 + 1e-2);
    for (uint64_t b = 1; b < 600; b++) {
        check_table(MIEN_STRATEGY_BANDED, b);
        check_table(MIEN_STRATEGY_BLT, b);
    }
}

static void a_digest_names_one_table(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    /* sha256 of "mien strategy v1" 03 00000002 00010000 00008000, by sha256sum */
    static const uint8_t two_bands[32] = {
#include "tests/vectors/strategy_two_bands.inc"
    };
    uint8_t digest[32];
    struct mien_strategy_table table;
    struct mien_strategy_table found;

    for (int kind = MIEN_STRATEGY_INDEPENDENT; kind <= MIEN_STRATEGY_BLT; kind++) {
        assert_int_equal(mien_strategy_table_make((enum mien_strategy_kind)kind, 20, &table),
                         MIEN_OK);
        assert_int_equal(mien_strategy_table_digest(&table, digest), MIEN_OK);
        assert_int_equal(memcmp(digest, zeros, 32) == 0, kind == MIEN_STRATEGY_INDEPENDENT);
        assert_int_equal(mien_strategy_table_find(digest, 20, &found), MIEN_OK);
        assert_int_equal(found.kind, kind);
        assert_int_equal(found.n, table.n);
        if (kind == MIEN_STRATEGY_BANDED)
            assert_int_equal(mien_strategy_table_find(digest, 21, &found), MIEN_ENOTFOUND);
    }
    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BANDED, 2, &table), MIEN_OK);
    assert_int_equal(mien_strategy_table_digest(&table, digest), MIEN_OK);
    assert_memory_equal(digest, two_bands, 32);
    digest[3] ^= 1;
    assert_int_equal(mien_strategy_table_find(digest, 2, &found), MIEN_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_released_follows_from_the_matrix_alone),
        cmocka_unit_test(a_past_that_went_round_is_the_recursion),
        cmocka_unit_test(a_tree_sums_to_its_nodes),
        cmocka_unit_test(prefix_sums_have_the_variance_of_the_matrix),
        cmocka_unit_test(a_step_is_the_same_again_and_streams_are_apart),
        cmocka_unit_test(what_cannot_be_drawn_is_refused),
        cmocka_unit_test(new_survives_each_failed_allocation),
        cmocka_unit_test(the_sensitivity_of_a_table_is_that_of_the_worst_rounds),
        cmocka_unit_test(a_run_is_one_event_over_its_sensitivity),
        cmocka_unit_test(tables_are_their_coefficients_rounded_down),
        cmocka_unit_test(a_digest_names_one_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
