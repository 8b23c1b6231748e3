/* Arithmetic of residues mod 2^61 - 1, a prime: what shares are made of.
 *
 * Takes and gives residues below the prime, in the same time whatever they are.
 *
 * Threads: any
 */
#ifndef MIEN_SECAGG_FIELD_H
#define MIEN_SECAGG_FIELD_H

#include "common/base/compiler.h"

#include <stdint.h>

#define MIEN_FIELD_PRIME ((UINT64_C(1) << 61) - 1)

/* x less the prime if that is not negative, without a branch; x < twice the prime. */
static inline uint64_t mien_field_reduce_once(uint64_t x)
{
    const uint64_t less = x - MIEN_FIELD_PRIME;
    const uint64_t keep = 0 - (less >> 63); /* all ones when x is below the prime */

    return (x & keep) | (less & ~keep);
}

static inline uint64_t mien_field_add(uint64_t a, uint64_t b)
{
    return mien_field_reduce_once(a + b);
}

static inline uint64_t mien_field_subtract(uint64_t a, uint64_t b)
{
    return mien_field_reduce_once(a + MIEN_FIELD_PRIME - b);
}

/* The product of two residues fits in 122 bits. */
static inline uint64_t mien_field_multiply(uint64_t a, uint64_t b)
{
    const mien_u128 product = (mien_u128)a * b;

    return mien_field_reduce_once((uint64_t)(product & MIEN_FIELD_PRIME) +
                                  (uint64_t)(product >> 61));
}

/* a to the power of the prime less 2, which is public: 1/a, and 0 for 0. */
static inline uint64_t mien_field_invert(uint64_t a)
{
    uint64_t result = 1;

    for (int bit = 60; bit >= 0; bit--) {
        result = mien_field_multiply(result, result);
        if ((MIEN_FIELD_PRIME - 2) >> bit & 1)
            result = mien_field_multiply(result, a);
    }
    return result;
}

#endif
