// SPDX-License-Identifier: Apache-2.0
/* Every instruction set's tile against plain C, and against each other bit by bit. */
#include "common/tensor/tile.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define K_MAX 40
#define N_A 4096
#define N_B (K_MAX * 40)
#define N_C 1024

static float *a;
static float *b;
static float *begun;

static int make_arrays(void **state)
{
    struct mien_rng_seeded *seeded = NULL;

    (void)state;
    a = mien_calloc(N_A, sizeof(*a));
    b = mien_calloc(N_B, sizeof(*b));
    begun = mien_calloc(N_C, sizeof(*begun));
    if (a == NULL || b == NULL || begun == NULL || mien_rng_seeded_new(9, 0, &seeded) != MIEN_OK)
        return -1;
    for (size_t i = 0; i < N_A; i++)
        a[i] = mien_rng_seeded_normal(seeded);
    for (size_t i = 0; i < N_B; i++)
        b[i] = mien_rng_seeded_normal(seeded);
    for (size_t i = 0; i < N_C; i++)
        begun[i] = mien_rng_seeded_normal(seeded);
    mien_rng_seeded_free(seeded);
    return 0;
}

static int free_arrays(void **state)
{
    (void)state;
    mien_free(a);
    mien_free(b);
    mien_free(begun);
    return 0;
}

/* A tile of this many groups and columns, over two runs; `c` is [12, 40]. */
static struct mien_tile tile_of(uint32_t n_groups, uint32_t n_columns, bool along, float *c)
{
    static const ptrdiff_t runs[] = {0, 700};
    struct mien_tile t = {
        .a_row = along ? 1 : 50,
        .a_step = along ? 50 : 1,
        .run = runs,
        .n_runs = 2,
        .run_len = K_MAX / 2 - 1,
        .b = b,
        .b_step = 40,
        .c_row = 40,
        .n_groups = n_groups,
        .n_columns = n_columns,
        .add = n_columns % 3 == 0,
    };

    for (uint32_t g = 0; g < n_groups; g++) {
        t.a[g] = a + (along ? 4 : 200) * g + 3;
        t.c[g] = c + (size_t)g * 160;
        t.first[g] = g == 1 ? 2 : 0;
        t.end[g] = g == 2 ? 3 : 4;
    }
    return t;
}

/* What a tile is, from its definition; `written` says which elements belong to it. */
static double element(const struct mien_tile *t, uint32_t g, uint32_t r, uint32_t column)
{
    double sum = t->add ? (double)begun[g * 160 + r * 40 + column] : 0.0;

    for (uint32_t k = 0; k < t->n_runs * t->run_len; k++) {
        const float *at = t->a[g] + (ptrdiff_t)r * t->a_row + t->run[k / t->run_len] +
                          (ptrdiff_t)(k % t->run_len) * t->a_step;

        sum += (double)*at * (double)t->b[(ptrdiff_t)k * t->b_step + column];
    }
    return sum;
}

static void check_tile(const struct mien_tile_set *set, uint32_t n_groups, uint32_t n_columns,
                       bool along)
{
    float c[N_C];

    memcpy(c, begun, sizeof(c));
    const struct mien_tile t = tile_of(n_groups, n_columns, along, c);
    set->run(&t);
    for (uint32_t i = 0; i < 480; i++) {
        const uint32_t g = i / 160;
        const uint32_t r = i / 40 % 4;
        const uint32_t column = i % 40;

        if (g < n_groups && column < n_columns && r >= t.first[g] && r < t.end[g])
            assert_true(fabs((double)c[i] - element(&t, g, r, column)) < 2e-5);
        else
            assert_true(c[i] == begun[i]);
    }
}

static void each_set_sums_the_tile_and_touches_nothing_else(void **state)
{
    (void)state;
    for (const struct mien_tile_set *const *set = mien_tile_sets(); *set != NULL; set++) {
        for (uint32_t n_groups = 1; n_groups <= MIEN_TILE_GROUPS; n_groups++) {
            for (uint32_t n_columns = 1; n_columns <= MIEN_TILE_COLUMNS; n_columns++) {
                check_tile(*set, n_groups, n_columns, false);
                check_tile(*set, n_groups, n_columns, true);
            }
        }
    }
}

/* Sets with fused multiply-add: all but plain. */
static void fused_sets_give_the_same_bits(void **state)
{
    const struct mien_tile_set *const *sets = mien_tile_sets();

    (void)state;
    for (size_t i = 2; sets[1] != NULL && sets[i] != NULL; i++) {
        for (uint32_t n_columns = 1; n_columns <= MIEN_TILE_COLUMNS; n_columns++) {
            float one[N_C] = {0};
            float two[N_C] = {0};
            const struct mien_tile t = tile_of(3, n_columns, false, one);
            const struct mien_tile u = tile_of(3, n_columns, false, two);

            sets[1]->run(&t);
            sets[i]->run(&u);
            assert_memory_equal(one, two, sizeof(one));
        }
    }
}

static void check_turn(const struct mien_tile_set *set, uint64_t m, uint64_t n)
{
    float out[512];

    memcpy(out, begun, sizeof(out));
    const struct mien_turn turn = {a, 23, m, n, out, 21};
    set->turn(&turn);
    for (uint64_t at = 0; at < 512; at++) {
        const bool inside = at % 21 < m && at / 21 < n;

        assert_true(out[at] == (inside ? a[at % 21 * 23 + at / 21] : begun[at]));
    }
}

static void each_set_turns_rows_into_columns(void **state)
{
    (void)state;
    for (const struct mien_tile_set *const *set = mien_tile_sets(); *set != NULL; set++) {
        for (uint64_t i = 0; i < 19 * 19; i++)
            check_turn(*set, 1 + i / 19, 1 + i % 19);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_set_sums_the_tile_and_touches_nothing_else),
        cmocka_unit_test(fused_sets_give_the_same_bits),
        cmocka_unit_test(each_set_turns_rows_into_columns),
    };

    return cmocka_run_group_tests(tests, make_arrays, free_arrays);
}
