// SPDX-License-Identifier: Apache-2.0
/* The tile for AVX2: one group of four rows by half a panel at a time, sums in 8 of 16 registers.
 */
#include "common/tensor/tile_x86.h"

#include "common/base/compiler.h"

#include <immintrin.h>

#define LANES 8
#define VECTORS (MIEN_TILE_HALF / LANES)

/* Lanes j of vector v with v LANES + j < n. */
static __m256i lanes_below(uint32_t n, int v)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n - v * LANES), lane);
}

MIEN_INLINE void write_group(const struct mien_tile *t, uint32_t group, uint32_t column,
                             __m256 sum[MIEN_TILE_GROUP][VECTORS])
{
    for (uint32_t r = t->first[group]; r < t->end[group]; r++) {
        float *c = t->c[group] + (ptrdiff_t)r * t->c_row + column;

        for (int v = 0; v < VECTORS; v++, c += LANES) {
            const __m256i mask = lanes_below(t->n_columns - column, v);
            __m256 out = sum[r][v];

            if (t->add)
                out = _mm256_add_ps(_mm256_maskload_ps(c, mask), out);
            _mm256_maskstore_ps(c, mask, out);
        }
    }
}

static void half_group(const struct mien_tile *t, uint32_t group, uint32_t column)
{
    const ptrdiff_t a_row = t->a_row;
    const ptrdiff_t a_step = t->a_step;
    const ptrdiff_t b_step = t->b_step;
    const ptrdiff_t b_ahead = t->b_ahead;
    const float *b = t->b + column;
    __m256 sum[MIEN_TILE_GROUP][VECTORS];

    MIEN_UNROLL(4)
    for (int r = 0; r < MIEN_TILE_GROUP; r++)
        sum[r][0] = sum[r][1] = _mm256_setzero_ps();
    for (uint32_t i = 0; i < t->n_runs; i++) {
        const float *a = t->a[group] + t->run[i];

        for (uint32_t k = t->run_len; k > 0; k--, a += a_step, b += b_step) {
            const __m256 low = _mm256_loadu_ps(b);
            const __m256 high = _mm256_loadu_ps(b + LANES);

            _mm_prefetch((const char *)(b + b_ahead), _MM_HINT_T0);
            MIEN_UNROLL(4)
            for (int r = 0; r < MIEN_TILE_GROUP; r++) {
                const __m256 x = _mm256_broadcast_ss(a + (ptrdiff_t)r * a_row);

                sum[r][0] = _mm256_fmadd_ps(x, low, sum[r][0]);
                sum[r][1] = _mm256_fmadd_ps(x, high, sum[r][1]);
            }
        }
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

/* Eight rows of eight numbers, turned in three rounds: pairs, pairs of pairs, halves. */
MIEN_INLINE void turn_eight(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row)
{
    __m256 a[LANES];
    __m256 b[LANES];

    MIEN_UNROLL(8)
    for (int i = 0; i < LANES; i++)
        a[i] = _mm256_loadu_ps(from + i * from_row);
    MIEN_UNROLL(4)
    for (int i = 0; i < LANES; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    MIEN_UNROLL(2)
    for (int i = 0; i < LANES; i += 4) {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    MIEN_UNROLL(4)
    for (int i = 0; i < LANES / 2; i++) {
        _mm256_storeu_ps(to + i * to_row, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * to_row, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}

void mien_turn_avx2(const struct mien_turn *t)
{
    const uint64_t n_rows = t->n_rows - t->n_rows % LANES;
    const uint64_t n_columns = t->n_columns - t->n_columns % LANES;

    for (uint64_t i = 0; i < n_rows; i += LANES) {
        for (uint64_t j = 0; j < n_columns; j += LANES)
            turn_eight(t->from + (ptrdiff_t)i * t->from_row + (ptrdiff_t)j, t->from_row,
                       t->to + (ptrdiff_t)j * t->to_row + (ptrdiff_t)i, t->to_row);
    }
    for (uint64_t i = 0; i < t->n_rows; i++) {
        for (uint64_t j = i < n_rows ? n_columns : 0; j < t->n_columns; j++)
            t->to[(ptrdiff_t)j * t->to_row + (ptrdiff_t)i] =
                t->from[(ptrdiff_t)i * t->from_row + (ptrdiff_t)j];
    }
}

const struct mien_tile_set mien_tile_avx2 = {"avx2", run, mien_turn_avx2, &mien_elements_avx2};
