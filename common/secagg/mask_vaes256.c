// SPDX-License-Identifier: Apache-2.0
#include "common/base/secret.h"
#include "common/secagg/mask_x86.h"
#include "common/secagg/mask_x86_key.h"

#define N_WIDE 8 /* registers of two blocks in flight */
#define WIDE_WORDS 8
#define CHUNK_WORDS (WIDE_WORDS * N_WIDE)

/* `subtract` is a constant where this is called, so that the loop holds no branch. The round keys
 * stay in registers: a pointer to them would be read again after every store. */
MIEN_INLINE void add_chunks(const __m128i *keys, struct mien_mask_counter first, uint32_t *residue,
                            uint64_t n_chunks, bool subtract)
{
    const __m256i reverse = _mm256_broadcastsi128_si256(mien_mask_x86_reverse());
    const __m256i two = _mm256_set_epi64x(0, 2, 0, 2);
    const long long high = (long long)first.high;
    const long long low = (long long)first.low;
    __m256i counter =
        _mm256_add_epi64(_mm256_set_epi64x(high, low, high, low), _mm256_set_epi64x(0, 1, 0, 0));
    __m256i key[MIEN_MASK_ROUNDS + 1];

    for (int i = 0; i <= MIEN_MASK_ROUNDS; i++)
        key[i] = _mm256_broadcastsi128_si256(keys[i]);
    for (; n_chunks > 0; n_chunks--, residue += CHUNK_WORDS) {
        __m256i stream[N_WIDE];

        for (int i = 0; i < N_WIDE; i++) {
            stream[i] = _mm256_xor_si256(_mm256_shuffle_epi8(counter, reverse), key[0]);
            counter = _mm256_add_epi64(counter, two);
        }
        for (int round = 1; round < MIEN_MASK_ROUNDS; round++) {
            for (int i = 0; i < N_WIDE; i++)
                stream[i] = _mm256_aesenc_epi128(stream[i], key[round]);
        }
        for (int i = 0; i < N_WIDE; i++) {
            const __m256i old =
                _mm256_loadu_si256((const __m256i *)(const void *)(residue + WIDE_WORDS * i));
            const __m256i word = _mm256_aesenclast_epi128(stream[i], key[MIEN_MASK_ROUNDS]);

            _mm256_storeu_si256((__m256i *)(void *)(residue + WIDE_WORDS * i),
                                subtract ? _mm256_sub_epi32(old, word)
                                         : _mm256_add_epi32(old, word));
        }
    }
}

static enum mien_status add(const struct mien_mask *mask, struct mien_mask_counter first,
                            uint32_t *residue, uint64_t n_chunks)
{
    __m128i keys[MIEN_MASK_ROUNDS + 1];

    mien_mask_x86_keys(mask->key, keys);
    if (mask->subtract)
        add_chunks(keys, first, residue, n_chunks, true);
    else
        add_chunks(keys, first, residue, n_chunks, false);
    mien_wipe(keys, sizeof(keys));
    return MIEN_OK;
}

const struct mien_mask_kernel mien_mask_vaes256 = {
    .name = "VAES-256", .chunk_words = CHUNK_WORDS, .tile_words = 16384, .add = add};
