/* Integers to and from bytes, both orders, any alignment; and words that hold such bytes.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_BYTES_H
#define MIEN_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline void mien_store_be16(uint8_t out[2], uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}

static inline void mien_store_be32(uint8_t out[4], uint32_t v)
{
    mien_store_be16(out, (uint16_t)(v >> 16));
    mien_store_be16(out + 2, (uint16_t)v);
}

static inline void mien_store_be64(uint8_t out[8], uint64_t v)
{
    mien_store_be32(out, (uint32_t)(v >> 32));
    mien_store_be32(out + 4, (uint32_t)v);
}

static inline uint16_t mien_load_be16(const uint8_t in[2])
{
    return (uint16_t)((uint16_t)(in[0] << 8) | in[1]);
}

static inline uint32_t mien_load_be32(const uint8_t in[4])
{
    return (uint32_t)mien_load_be16(in) << 16 | mien_load_be16(in + 2);
}

static inline uint64_t mien_load_be64(const uint8_t in[8])
{
    return (uint64_t)mien_load_be32(in) << 32 | mien_load_be32(in + 4);
}

static inline void mien_store_le32(uint8_t out[4], uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static inline void mien_store_le64(uint8_t out[8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

/* The number whose little-endian bytes `v` was copied from: v itself on most machines. */
static inline uint64_t mien_from_le64(uint64_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return v;
#else
    uint8_t bytes[8];

    memcpy(bytes, &v, sizeof(bytes));
    v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | bytes[i];
    return v;
#endif
}

static inline uint32_t mien_from_le32(uint32_t v)
{
    const uint64_t low = mien_from_le64(1) == 1 ? v : mien_from_le64((uint64_t)v << 32);

    return (uint32_t)low;
}

/* One load and not a loop over bytes, which compilers do not always see through: loops over many
 * words depend on it. */
static inline uint32_t mien_load_le32(const uint8_t in[4])
{
    uint32_t v;

    memcpy(&v, in, sizeof(v));
    return mien_from_le32(v);
}

static inline uint64_t mien_load_le64(const uint8_t in[8])
{
    uint64_t v;

    memcpy(&v, in, sizeof(v));
    return mien_from_le64(v);
}

#endif
