// SPDX-License-Identifier: Apache-2.0
/* The tile for arm64, whose NEON is always there: one group of four rows by half a panel at a time,
 * sums in 16 of 32 registers. */
#include "common/tensor/tile.h"

#include "common/base/compiler.h"

#include <arm_neon.h>

#define LANES 4
#define VECTORS (MIEN_TILE_HALF / LANES)

MIEN_INLINE void write_group(const struct mien_tile *t, uint32_t group, uint32_t column,
                             float32x4_t sum[MIEN_TILE_GROUP][VECTORS])
{
    const uint32_t left = t->n_columns - column;
    const uint32_t n = left < MIEN_TILE_HALF ? left : MIEN_TILE_HALF;

    for (uint32_t r = t->first[group]; r < t->end[group]; r++) {
        float *c = t->c[group] + (ptrdiff_t)r * t->c_row + column;
        float row[MIEN_TILE_HALF];

        for (int v = 0; v < VECTORS; v++)
            vst1q_f32(row + v * LANES, sum[r][v]);
        for (uint32_t j = 0; j < n; j++)
            c[j] = t->add ? c[j] + row[j] : row[j];
    }
}

/* One k: four rows' numbers against half a row of b. */
MIEN_INLINE void add_terms(const float *a, ptrdiff_t a_row, const float *b,
                           float32x4_t sum[MIEN_TILE_GROUP][VECTORS])
{
    float32x4_t row[VECTORS];

    MIEN_UNROLL(4)
    for (int v = 0; v < VECTORS; v++)
        row[v] = vld1q_f32(b + v * LANES);
    MIEN_UNROLL(4)
    for (int r = 0; r < MIEN_TILE_GROUP; r++) {
        const float32x4_t x = vdupq_n_f32(a[(ptrdiff_t)r * a_row]);

        MIEN_UNROLL(4)
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] = vfmaq_f32(sum[r][v], x, row[v]);
    }
}

static void half_group(const struct mien_tile *t, uint32_t group, uint32_t column)
{
    const float *b = t->b + column;
    float32x4_t sum[MIEN_TILE_GROUP][VECTORS];

    MIEN_UNROLL(4)
    for (int r = 0; r < MIEN_TILE_GROUP; r++) {
        MIEN_UNROLL(4)
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] = vdupq_n_f32(0.0f);
    }
    for (uint32_t i = 0; i < t->n_runs; i++) {
        const float *a = t->a[group] + t->run[i];

        for (uint32_t k = t->run_len; k > 0; k--, a += t->a_step, b += t->b_step)
            add_terms(a, t->a_row, b, sum);
    }
    write_group(t, group, column, sum);
}

static void run(const struct mien_tile *t)
{
    for (uint32_t g = 0; g < t->n_groups; g++) {
        for (uint32_t column = 0; column < t->n_columns; column += MIEN_TILE_HALF)
            half_group(t, g, column);
    }
}

static const struct mien_tile_set neon = {"neon", run, mien_turn_plain, &mien_elements_plain};

const struct mien_tile_set *const *mien_tile_sets(void)
{
    static const struct mien_tile_set *const sets[] = {&mien_tile_plain, &neon, NULL};

    return sets;
}
