// SPDX-License-Identifier: Apache-2.0
#include "common/base/secret.h"
#include "common/secagg/mask_x86.h"
#include "common/secagg/mask_x86_key.h"

#define N_WIDE 8 /* registers of four blocks in flight */
#define WIDE_WORDS 16
#define CHUNK_WORDS (WIDE_WORDS * N_WIDE)

/* `subtract` is a constant where this is called, so that the loop holds no branch. The round keys
 * stay in registers: a pointer to them would be read again after every store. */
MIEN_INLINE void add_chunks(const __m128i *keys, struct mien_mask_counter first, uint32_t *residue,
                            uint64_t n_chunks, bool subtract)
{
    const __m512i reverse = _mm512_broadcast_i32x4(mien_mask_x86_reverse());
    const __m512i four = _mm512_set_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    const long long high = (long long)first.high;
    const long long low = (long long)first.low;
    __m512i counter = _mm512_add_epi64(_mm512_set_epi64(high, low, high, low, high, low, high, low),
                                       _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
    __m512i key[MIEN_MASK_ROUNDS + 1];

    for (int i = 0; i <= MIEN_MASK_ROUNDS; i++)
        key[i] = _mm512_broadcast_i32x4(keys[i]);
    for (; n_chunks > 0; n_chunks--, residue += CHUNK_WORDS) {
        __m512i stream[N_WIDE];

        for (int i = 0; i < N_WIDE; i++) {
            stream[i] = _mm512_xor_si512(_mm512_shuffle_epi8(counter, reverse), key[0]);
            counter = _mm512_add_epi64(counter, four);
        }
        for (int round = 1; round < MIEN_MASK_ROUNDS; round++) {
            for (int i = 0; i < N_WIDE; i++)
                stream[i] = _mm512_aesenc_epi128(stream[i], key[round]);
        }
        for (int i = 0; i < N_WIDE; i++) {
            const __m512i old = _mm512_loadu_si512(residue + WIDE_WORDS * i);
            const __m512i word = _mm512_aesenclast_epi128(stream[i], key[MIEN_MASK_ROUNDS]);

            _mm512_storeu_si512(residue + WIDE_WORDS * i, subtract ? _mm512_sub_epi32(old, word)
                                                                   : _mm512_add_epi32(old, word));
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

const struct mien_mask_kernel mien_mask_vaes512 = {
    .name = "VAES-512", .chunk_words = CHUNK_WORDS, .tile_words = 16384, .add = add};
