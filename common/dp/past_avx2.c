// SPDX-License-Identifier: Apache-2.0
#include "common/dp/past_x86.h"

#include <immintrin.h>

#define WIDE 8 /* numbers of 32 bits in a register */
#define N_WIDE (MIEN_PAST_LANES / WIDE)

MIEN_INLINE __m256i load(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

MIEN_INLINE void subtract_at(int64_t *row, __m256i sum)
{
    _mm256_storeu_si256((__m256i *)(void *)row, _mm256_sub_epi64(load(row), sum));
}

/* The multiplication takes the lower half of every 64 bits: lanes 0, 2, ... as they lie, and
 * 1, 3, ... shifted down. */
MIEN_INLINE void subtract(const int32_t *c, const int32_t *past, uint32_t n, int64_t *row)
{
    __m256i even[N_WIDE];
    __m256i odd[N_WIDE];

    for (int k = 0; k < N_WIDE; k++)
        even[k] = odd[k] = _mm256_setzero_si256();
    for (uint32_t j = 0; j < n; j++, past += MIEN_PAST_LANES) {
        const __m256i by = _mm256_set1_epi32(c[j]);

        for (int k = 0; k < N_WIDE; k++) {
            const __m256i w = load(past + WIDE * k);

            even[k] = _mm256_add_epi64(even[k], _mm256_mul_epi32(w, by));
            odd[k] = _mm256_add_epi64(odd[k], _mm256_mul_epi32(_mm256_srli_epi64(w, 32), by));
        }
    }
    for (int k = 0; k < N_WIDE; k++, row += WIDE) {
        const __m256i low = _mm256_unpacklo_epi64(even[k], odd[k]);  /* 0, 1, 4, 5 */
        const __m256i high = _mm256_unpackhi_epi64(even[k], odd[k]); /* 2, 3, 6, 7 */

        subtract_at(row, _mm256_permute2x128_si256(low, high, 0x20));
        subtract_at(row + 4, _mm256_permute2x128_si256(low, high, 0x31));
    }
}

static bool step(const int32_t *c, const int32_t *past, uint32_t n, int64_t *row)
{
    if (!mien_past_within(row, MIEN_PAST_Z_LIMIT))
        return false;
    subtract(c, past, n, row);
    mien_past_round(row);
    return mien_past_within(row, MIEN_PAST_W_LIMIT);
}

const struct mien_past_kernel mien_past_avx2 = {.name = "avx2", .step = step};
