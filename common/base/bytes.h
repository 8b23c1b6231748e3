/* Integers to and from bytes, both orders, any alignment.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_BYTES_H
#define MIEN_BASE_BYTES_H

#include <stdint.h>

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

static inline uint32_t mien_load_le32(const uint8_t in[4])
{
    uint32_t v = 0;

    for (int i = 3; i >= 0; i--)
        v = v << 8 | in[i];
    return v;
}

static inline uint64_t mien_load_le64(const uint8_t in[8])
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | in[i];
    return v;
}

#endif
