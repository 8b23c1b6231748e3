// SPDX-License-Identifier: Apache-2.0
/* The tile in plain C: what the other kernels are tested against, and what unknown processors run.
 */
#include "common/tensor/tile.h"

#include "common/base/compiler.h"

/* One k: four rows' numbers against half a row of b. */
MIEN_INLINE void add_terms(const mien_real *a, ptrdiff_t a_row, const mien_real *b,
                           mien_real sum[MIEN_TILE_GROUP][MIEN_TILE_HALF])
{
    for (ptrdiff_t r = 0; r < MIEN_TILE_GROUP; r++) {
        const mien_real x = a[r * a_row];

        for (uint32_t j = 0; j < MIEN_TILE_HALF; j++)
            sum[r][j] += x * b[j];
    }
}

/* One group of four rows by half a panel: sums that a compiler keeps in registers. */
static void half_group(const struct mien_tile *t, uint32_t group, uint32_t column)
{
    mien_real sum[MIEN_TILE_GROUP][MIEN_TILE_HALF] = {{0}};
    const mien_real *b = t->b + column;

    for (uint32_t i = 0; i < t->n_runs; i++) {
        const mien_real *a = t->a[group] + t->run[i];

        for (uint32_t k = 0; k < t->run_len; k++, a += t->a_step, b += t->b_step)
            add_terms(a, t->a_row, b, sum);
    }
    const uint32_t left = t->n_columns - column;
    const uint32_t n = left < MIEN_TILE_HALF ? left : MIEN_TILE_HALF;
    for (uint32_t r = t->first[group]; r < t->end[group]; r++) {
        mien_real *c = t->c[group] + (ptrdiff_t)r * t->c_row + column;

        for (uint32_t j = 0; j < n; j++)
            c[j] = t->add ? c[j] + sum[r][j] : sum[r][j];
    }
}

static void run(const struct mien_tile *tile)
{
    for (uint32_t g = 0; g < tile->n_groups; g++) {
        for (uint32_t column = 0; column < tile->n_columns; column += MIEN_TILE_HALF)
            half_group(tile, g, column);
    }
}

void mien_turn_plain(const struct mien_turn *t)
{
    for (uint64_t i = 0; i < t->n_rows; i++) {
        for (uint64_t j = 0; j < t->n_columns; j++)
            t->to[(ptrdiff_t)j * t->to_row + (ptrdiff_t)i] =
                t->from[(ptrdiff_t)i * t->from_row + (ptrdiff_t)j];
    }
}

const struct mien_tile_set mien_tile_plain = {"plain", run, mien_turn_plain, &mien_elements_plain};
