// SPDX-License-Identifier: Apache-2.0
#include "common/base/secret.h"
#include "common/secagg/mask_x86.h"
#include "common/secagg/mask_x86_key.h"

#define N_WIDE 8 /* blocks in flight */
#define WIDE_WORDS 4
#define CHUNK_WORDS (WIDE_WORDS * N_WIDE)

/* `subtract` is a constant where this is called, so that the loop holds no branch. The round keys
 * stay in registers: a pointer to them would be read again after every store. */
MIEN_INLINE void add_chunks(const __m128i *keys, struct mien_mask_counter first, uint32_t *residue,
                            uint64_t n_chunks, bool subtract)
{
    const __m128i reverse = mien_mask_x86_reverse();
    const __m128i one = _mm_set_epi64x(0, 1);
    __m128i counter = _mm_set_epi64x((long long)first.high, (long long)first.low);
    __m128i key[MIEN_MASK_ROUNDS + 1];

    for (int i = 0; i <= MIEN_MASK_ROUNDS; i++)
        key[i] = keys[i];
    for (; n_chunks > 0; n_chunks--, residue += CHUNK_WORDS) {
        __m128i stream[N_WIDE];

        for (int i = 0; i < N_WIDE; i++) {
            stream[i] = _mm_xor_si128(_mm_shuffle_epi8(counter, reverse), key[0]);
            counter = _mm_add_epi64(counter, one);
        }
        for (int round = 1; round < MIEN_MASK_ROUNDS; round++) {
            for (int i = 0; i < N_WIDE; i++)
                stream[i] = _mm_aesenc_si128(stream[i], key[round]);
        }
        for (int i = 0; i < N_WIDE; i++) {
            const __m128i old =
                _mm_loadu_si128((const __m128i *)(const void *)(residue + WIDE_WORDS * i));
            const __m128i word = _mm_aesenclast_si128(stream[i], key[MIEN_MASK_ROUNDS]);

            _mm_storeu_si128((__m128i *)(void *)(residue + WIDE_WORDS * i),
                             subtract ? _mm_sub_epi32(old, word) : _mm_add_epi32(old, word));
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

const struct mien_mask_kernel mien_mask_aesni = {
    .name = "AES-NI", .chunk_words = CHUNK_WORDS, .tile_words = 16384, .add = add};
