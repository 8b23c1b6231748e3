// SPDX-License-Identifier: Apache-2.0
#include "common/dp/past_x86.h"

#include <immintrin.h>

#define WIDE 16 /* numbers of 32 bits in a register */
#define N_WIDE (MIEN_PAST_LANES / WIDE)

/* The multiplication takes the lower half of every 64 bits: lanes 0, 2, ... as they lie, and
 * 1, 3, ... shifted down. */
MIEN_INLINE void subtract(const int32_t *c, const int32_t *past, uint32_t n, int64_t *row)
{
    const __m512i first = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
    const __m512i second = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    __m512i even[N_WIDE];
    __m512i odd[N_WIDE];

    for (int k = 0; k < N_WIDE; k++)
        even[k] = odd[k] = _mm512_setzero_si512();
    for (uint32_t j = 0; j < n; j++, past += MIEN_PAST_LANES) {
        const __m512i by = _mm512_set1_epi32(c[j]);

        for (int k = 0; k < N_WIDE; k++) {
            const __m512i w = _mm512_loadu_si512(past + WIDE * k);

            even[k] = _mm512_add_epi64(even[k], _mm512_mul_epi32(w, by));
            odd[k] = _mm512_add_epi64(odd[k], _mm512_mul_epi32(_mm512_srli_epi64(w, 32), by));
        }
    }
    for (int k = 0; k < N_WIDE; k++, row += WIDE) {
        const __m512i low = _mm512_permutex2var_epi64(even[k], first, odd[k]);
        const __m512i high = _mm512_permutex2var_epi64(even[k], second, odd[k]);

        _mm512_storeu_si512(row, _mm512_sub_epi64(_mm512_loadu_si512(row), low));
        _mm512_storeu_si512(row + 8, _mm512_sub_epi64(_mm512_loadu_si512(row + 8), high));
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

const struct mien_past_kernel mien_past_avx512 = {.name = "avx512", .step = step};
