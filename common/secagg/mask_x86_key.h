/* What the x86-64 kernels share: the key schedule of AES-128. To be included by files compiled with
 * AES-NI only.
 *
 * Source:  Intel 64 and IA-32 manual, volume 2 (AESKEYGENASSIST)
 * Threads: any
 */
#ifndef MIEN_SECAGG_MASK_X86_KEY_H
#define MIEN_SECAGG_MASK_X86_KEY_H

#include <immintrin.h>

#include <stdint.h>

#define MIEN_MASK_ROUNDS 10

static inline __m128i mien_mask_x86_next_key(__m128i key, __m128i assist)
{
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, _mm_shuffle_epi32(assist, 0xff));
}

/* The round keys; wipe them. */
static inline void mien_mask_x86_keys(const uint8_t key[16], __m128i k[MIEN_MASK_ROUNDS + 1])
{
    k[0] = _mm_loadu_si128((const __m128i *)(const void *)key);
    /* The round constant is part of the instruction. */
    k[1] = mien_mask_x86_next_key(k[0], _mm_aeskeygenassist_si128(k[0], 0x01));
    k[2] = mien_mask_x86_next_key(k[1], _mm_aeskeygenassist_si128(k[1], 0x02));
    k[3] = mien_mask_x86_next_key(k[2], _mm_aeskeygenassist_si128(k[2], 0x04));
    k[4] = mien_mask_x86_next_key(k[3], _mm_aeskeygenassist_si128(k[3], 0x08));
    k[5] = mien_mask_x86_next_key(k[4], _mm_aeskeygenassist_si128(k[4], 0x10));
    k[6] = mien_mask_x86_next_key(k[5], _mm_aeskeygenassist_si128(k[5], 0x20));
    k[7] = mien_mask_x86_next_key(k[6], _mm_aeskeygenassist_si128(k[6], 0x40));
    k[8] = mien_mask_x86_next_key(k[7], _mm_aeskeygenassist_si128(k[7], 0x80));
    k[9] = mien_mask_x86_next_key(k[8], _mm_aeskeygenassist_si128(k[8], 0x1b));
    k[10] = mien_mask_x86_next_key(k[9], _mm_aeskeygenassist_si128(k[9], 0x36));
}

/* Reverses the bytes of one block: counters are little-endian in registers, big-endian in AES. */
static inline __m128i mien_mask_x86_reverse(void)
{
    return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

#endif
