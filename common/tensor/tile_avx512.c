// SPDX-License-Identifier: Apache-2.0
/* The tile for AVX-512: twelve rows by two registers of sixteen, sums in 24 of 32 registers. */
#include "common/tensor/tile_x86.h"

#include "common/base/compiler.h"

#include <immintrin.h>

#define ROWS (MIEN_TILE_GROUPS * MIEN_TILE_GROUP)
#define LANES 16

/* One k: the rows' four numbers against a row of b. */
#define GROUP_STEP(g)                                                                              \
    MIEN_UNROLL(4)                                                                                 \
    for (int r = 0; r < MIEN_TILE_GROUP; r++) {                                                    \
        const __m512 x = _mm512_set1_ps(a[g][(ptrdiff_t)r * a_row]);                               \
        MIEN_UNROLL(2)                                                                             \
        for (int v = 0; v < n_vectors; v++)                                                        \
            sum[(g)*MIEN_TILE_GROUP + r][v] =                                                      \
                _mm512_fmadd_ps(x, row[v], sum[(g)*MIEN_TILE_GROUP + r][v]);                       \
    }                                                                                              \
    a[g] += a_step;

MIEN_INLINE void write_row(float *c, __m512 sum, __mmask16 mask, bool add)
{
    if (add)
        sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
    _mm512_mask_storeu_ps(c, mask, sum);
}

MIEN_INLINE void write_rows(const struct mien_tile *t, __m512 sum[ROWS][2], const int n_groups,
                            const int n_vectors)
{
    const uint32_t bits = (uint32_t)((UINT64_C(1) << t->n_columns) - 1);

    MIEN_UNROLL(3)
    for (int g = 0; g < n_groups; g++) {
        MIEN_UNROLL(4)
        for (int r = 0; r < MIEN_TILE_GROUP; r++) {
            float *c = t->c[g] + (ptrdiff_t)r * t->c_row;

            if ((uint32_t)r < t->first[g] || (uint32_t)r >= t->end[g])
                continue;
            MIEN_UNROLL(2)
            for (int v = 0; v < n_vectors; v++)
                write_row(c + (ptrdiff_t)v * LANES, sum[g * MIEN_TILE_GROUP + r][v],
                          (__mmask16)(bits >> (v * LANES)), t->add);
        }
    }
}

MIEN_INLINE void tile(const struct mien_tile *t, const int n_groups, const int n_vectors)
{
    const ptrdiff_t a_row = t->a_row;
    const ptrdiff_t a_step = t->a_step;
    const ptrdiff_t b_step = t->b_step;
    const ptrdiff_t b_ahead = t->b_ahead;
    const float *b = t->b;
    __m512 sum[ROWS][2];

    MIEN_UNROLL(12)
    for (int i = 0; i < ROWS; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (uint32_t i = 0; i < t->n_runs; i++) {
        const ptrdiff_t at = t->run[i];
        const float *a[MIEN_TILE_GROUPS] = {t->a[0] + at, t->a[n_groups > 1] + at,
                                            t->a[n_groups > 2 ? 2 : 0] + at};

        for (uint32_t k = t->run_len; k > 0; k--, b += b_step) {
            __m512 row[2];

            MIEN_UNROLL(2)
            for (int v = 0; v < n_vectors; v++)
                _mm_prefetch((const char *)(b + b_ahead + (ptrdiff_t)v * LANES), _MM_HINT_T0);
            row[0] = _mm512_loadu_ps(b);
            row[1] = n_vectors > 1 ? _mm512_loadu_ps(b + LANES) : row[0];
            MIEN_UNROLL(3)
            for (int g = 0; g < n_groups; g++) {
                GROUP_STEP(g)
            }
        }
    }
    write_rows(t, sum, n_groups, n_vectors);
}

static void run(const struct mien_tile *t)
{
    const bool narrow = t->n_columns <= LANES;

    if (t->n_groups == 3 && !narrow)
        tile(t, 3, 2);
    else if (t->n_groups == 3)
        tile(t, 3, 1);
    else if (t->n_groups == 2 && !narrow)
        tile(t, 2, 2);
    else if (t->n_groups == 2)
        tile(t, 2, 1);
    else if (!narrow)
        tile(t, 1, 2);
    else
        tile(t, 1, 1);
}

const struct mien_tile_set mien_tile_avx512 = {"avx512", run, mien_turn_avx2,
                                               &mien_elements_avx512};
