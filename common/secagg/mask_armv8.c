// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/mask_armv8.h"

#include "common/base/secret.h"

#include <arm_neon.h>

#include <string.h>

#define N_ROUNDS 10
#define N_WIDE 8 /* blocks in flight */
#define CHUNK_WORDS (MIEN_MASK_BLOCK_WORDS * N_WIDE)

/* The S-box on the four bytes of a word: AESE of equal columns, whose shift of rows changes
 * nothing, with a round key of zeros. */
static uint32_t substitute(uint32_t word)
{
    const uint8x16_t columns = vreinterpretq_u8_u32(vdupq_n_u32(word));

    return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(columns, vdupq_n_u8(0))), 0);
}

/* FIPS 197, section 5.2, on little-endian words. */
static void round_keys(const uint8_t bytes[16], uint8x16_t out[N_ROUNDS + 1])
{
    static const uint8_t constant[N_ROUNDS] = {0x01, 0x02, 0x04, 0x08, 0x10,
                                               0x20, 0x40, 0x80, 0x1b, 0x36};
    uint32_t word[4 * (N_ROUNDS + 1)];

    memcpy(word, bytes, 16);
    for (int i = 4; i < 4 * (N_ROUNDS + 1); i++) {
        const uint32_t last = word[i - 1];
        const uint32_t turned = last >> 8 | last << 24;

        word[i] = word[i - 4] ^ (i % 4 == 0 ? substitute(turned) ^ constant[i / 4 - 1] : last);
    }
    for (int i = 0; i <= N_ROUNDS; i++)
        out[i] = vreinterpretq_u8_u32(vld1q_u32(word + 4 * i));
    mien_wipe(word, sizeof(word));
}

/* A counter block: its two halves, each with its bytes reversed. */
static inline uint8x16_t counter_block(uint64x2_t counter)
{
    return vrev64q_u8(vreinterpretq_u8_u64(counter));
}

/* `subtract` is a constant where this is called, so that the loop holds no branch. */
MIEN_INLINE void add_chunks(const uint8x16_t *keys, struct mien_mask_counter first,
                            uint32_t *residue, uint64_t n_chunks, bool subtract)
{
    const uint64x2_t one = vcombine_u64(vcreate_u64(0), vcreate_u64(1));
    uint64x2_t counter = vcombine_u64(vcreate_u64(first.high), vcreate_u64(first.low));
    uint8x16_t key[N_ROUNDS + 1];

    for (int i = 0; i <= N_ROUNDS; i++)
        key[i] = keys[i];
    for (; n_chunks > 0; n_chunks--, residue += CHUNK_WORDS) {
        uint8x16_t stream[N_WIDE];

        for (int i = 0; i < N_WIDE; i++) {
            stream[i] = counter_block(counter);
            counter = vaddq_u64(counter, one);
        }
        /* AESE adds the round key first: nine times with the columns mixed, then once without. */
        for (int round = 0; round < N_ROUNDS - 1; round++) {
            for (int i = 0; i < N_WIDE; i++)
                stream[i] = vaesmcq_u8(vaeseq_u8(stream[i], key[round]));
        }
        for (int i = 0; i < N_WIDE; i++) {
            const uint32x4_t old = vld1q_u32(residue + 4 * i);
            const uint32x4_t word = vreinterpretq_u32_u8(
                veorq_u8(vaeseq_u8(stream[i], key[N_ROUNDS - 1]), key[N_ROUNDS]));

            vst1q_u32(residue + 4 * i, subtract ? vsubq_u32(old, word) : vaddq_u32(old, word));
        }
    }
}

static enum mien_status add(const struct mien_mask *mask, struct mien_mask_counter first,
                            uint32_t *residue, uint64_t n_chunks)
{
    uint8x16_t keys[N_ROUNDS + 1];

    round_keys(mask->key, keys);
    if (mask->subtract)
        add_chunks(keys, first, residue, n_chunks, true);
    else
        add_chunks(keys, first, residue, n_chunks, false);
    mien_wipe(keys, sizeof(keys));
    return MIEN_OK;
}

const struct mien_mask_kernel mien_mask_armv8 = {
    .name = "ARMv8", .chunk_words = CHUNK_WORDS, .tile_words = 16384, .add = add};
