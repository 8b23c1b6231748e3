// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/mask_vaes.h"

#include "common/base/secret.h"

#include <immintrin.h>

#include <string.h>

#define N_ROUNDS 10
#define N_WIDE 8 /* registers of four blocks in flight */
#define CHUNK_BLOCKS (4 * N_WIDE)
#define CHUNK_WORDS (MIEN_MASK_BLOCK_WORDS * CHUNK_BLOCKS)

/* secret: the round keys, each in all four lanes */
struct schedule {
    __m512i key[N_ROUNDS + 1];
};

static __m128i next_key(__m128i key, __m128i assist)
{
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, _mm_shuffle_epi32(assist, 0xff));
}

static void schedule_init(struct schedule *out, const uint8_t key[16])
{
    __m128i k[N_ROUNDS + 1];

    k[0] = _mm_loadu_si128((const __m128i *)(const void *)key);
    /* The round constant is part of the instruction. */
    k[1] = next_key(k[0], _mm_aeskeygenassist_si128(k[0], 0x01));
    k[2] = next_key(k[1], _mm_aeskeygenassist_si128(k[1], 0x02));
    k[3] = next_key(k[2], _mm_aeskeygenassist_si128(k[2], 0x04));
    k[4] = next_key(k[3], _mm_aeskeygenassist_si128(k[3], 0x08));
    k[5] = next_key(k[4], _mm_aeskeygenassist_si128(k[4], 0x10));
    k[6] = next_key(k[5], _mm_aeskeygenassist_si128(k[5], 0x20));
    k[7] = next_key(k[6], _mm_aeskeygenassist_si128(k[6], 0x40));
    k[8] = next_key(k[7], _mm_aeskeygenassist_si128(k[7], 0x80));
    k[9] = next_key(k[8], _mm_aeskeygenassist_si128(k[8], 0x1b));
    k[10] = next_key(k[9], _mm_aeskeygenassist_si128(k[9], 0x36));
    for (int i = 0; i <= N_ROUNDS; i++)
        out->key[i] = _mm512_broadcast_i32x4(k[i]);
    mien_wipe(k, sizeof(k));
}

static bool carries(struct mien_mask_counter c)
{
    return c.low > UINT64_MAX - CHUNK_BLOCKS;
}

/* Four counter blocks, of which the first is `add` after the given one. */
static __m512i counters(struct mien_mask_counter c, uint64_t add)
{
    uint64_t lane[8];

    for (uint64_t i = 0; i < 4; i++) {
        const uint64_t low = c.low + add + i;

        lane[2 * i] = low;
        lane[2 * i + 1] = c.high + (low < c.low);
    }
    return _mm512_loadu_si512(lane);
}

/* Adds the keystream of CHUNK_BLOCKS blocks to as many residues, by way of registers only. */
static inline void add_chunk(const struct schedule *schedule, struct mien_mask_counter c,
                             bool subtract, uint32_t *residue)
{
    const __m512i reverse =
        _mm512_broadcast_i32x4(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const __m512i four = _mm512_set_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    __m512i counter = counters(c, 0);
    __m512i stream[N_WIDE];

    for (int i = 0; i < N_WIDE; i++) {
        stream[i] = _mm512_xor_si512(_mm512_shuffle_epi8(counter, reverse), schedule->key[0]);
        counter = _mm512_add_epi64(counter, four);
    }
    if (carries(c)) {
        for (int i = 0; i < N_WIDE; i++)
            stream[i] = _mm512_xor_si512(_mm512_shuffle_epi8(counters(c, 4 * (uint64_t)i), reverse),
                                         schedule->key[0]);
    }
    for (int round = 1; round < N_ROUNDS; round++) {
        for (int i = 0; i < N_WIDE; i++)
            stream[i] = _mm512_aesenc_epi128(stream[i], schedule->key[round]);
    }
    for (int i = 0; i < N_WIDE; i++) {
        const __m512i old = _mm512_loadu_si512(residue + 16 * i);
        const __m512i word = _mm512_aesenclast_epi128(stream[i], schedule->key[N_ROUNDS]);

        _mm512_storeu_si512(residue + 16 * i,
                            subtract ? _mm512_sub_epi32(old, word) : _mm512_add_epi32(old, word));
    }
}

enum mien_status mien_mask_vaes(const struct mien_mask *mask, uint64_t first_block,
                                uint32_t *residue, uint64_t n)
{
    struct schedule schedule;
    struct mien_mask_counter c = mien_mask_counter_at(mask, first_block);
    uint64_t at = 0;

    schedule_init(&schedule, mask->key);
    for (; n - at >= CHUNK_WORDS; at += CHUNK_WORDS) {
        add_chunk(&schedule, c, mask->subtract, residue + at);
        c.high += carries(c);
        c.low += CHUNK_BLOCKS;
    }
    if (at < n) {
        uint32_t last[CHUNK_WORDS] = {0};

        memcpy(last, residue + at, (n - at) * sizeof(last[0]));
        add_chunk(&schedule, c, mask->subtract, last);
        memcpy(residue + at, last, (n - at) * sizeof(last[0]));
        mien_wipe(last, sizeof(last));
    }
    mien_wipe(&schedule, sizeof(schedule));
    return MIEN_OK;
}
