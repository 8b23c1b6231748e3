/* The public random rotation that spreads a vector evenly over its coordinates.
 *
 * With n a power of two x becomes H D x / sqrt(n): D gives each coordinate a sign from a key that
 * everybody knows, H is the Hadamard matrix of order n. Other vectors are rotated twice, in blocks
 * that overlap: with m the power of two below n first the first m coordinates, then the last m,
 * under other signs. Both are orthonormal, and so the norm stays, and what bounds it; whatever x
 * was, a coordinate passes s / sqrt(m) of it with probability at most 2 exp(-s^2 / 2) over the
 * key, for it comes last out of one block or the other, each of which holds no more than the norm.
 * So integers may be narrower, and the coordinator turns the sum back, after the noise:
 * post-processing, which costs no privacy.
 *
 * Source:  Kairouz, Liu, Steinke 2021, "The Distributed Discrete Gaussian Mechanism", section 4
 *          (flattening); Ailon, Chazelle 2006
 * Threads: any
 */
#ifndef MIEN_SECAGG_ROTATE_H
#define MIEN_SECAGG_ROTATE_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stdint.h>

#define MIEN_ROTATION_KEY_BYTES 32

/* Shorter vectors are filled up to this. */
#define MIEN_ROTATE_MIN 32

/* The key of a round: SHA-256 of "mien rotation v1" | round (8, big-endian) | model_hash |
 * plan_hash. All sessions of a round have one, since their sums are added.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_rotation_key(uint64_t round, const uint8_t model_hash[32],
                                              const uint8_t plan_hash[32],
                                              uint8_t key[MIEN_ROTATION_KEY_BYTES]);

/* The smallest power of two that is at least n and MIEN_ROTATE_MIN; n at most 2^31. */
uint32_t mien_rotate_size(uint32_t n);

/* m: the largest power of two that is at most n. */
uint32_t mien_rotate_block(uint32_t n);

/* x [n] in place; n at least MIEN_ROTATE_MIN.
 * errors  MIEN_EINVAL  of n; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_rotate(const uint8_t key[MIEN_ROTATION_KEY_BYTES], float *x,
                                        uint32_t n);

/* The inverse, but for the rounding of float.  errors  the same */
MIEN_CHECK enum mien_status mien_rotate_back(const uint8_t key[MIEN_ROTATION_KEY_BYTES], float *x,
                                             uint32_t n);

#endif
