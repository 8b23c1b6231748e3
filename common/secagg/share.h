/* Shamir's secret sharing of 16-byte seeds over GF(2^61 - 1).
 *
 * A seed is three limbs of 43, 43 and 42 bits, each filled to 60 with bits of the seed's SHA-256:
 * 52 of them, so that a wrong share shows when the seed is rebuilt, although nobody but its owner
 * knew the seed. Member i's share is the three polynomials at x = i + 1. Field arithmetic takes the
 * same time whatever the values; indices are public.
 *
 * Source:  Shamir 1979
 * Threads: any
 */
#ifndef MIEN_SECAGG_SHARE_H
#define MIEN_SECAGG_SHARE_H

#include "common/base/rng.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_SEED_BYTES 16
#define MIEN_SHARE_LIMBS 3
#define MIEN_SHARE_BYTES 24 /* three big-endian numbers below 2^61 - 1 */

/* secret */
struct mien_share {
    uint64_t limb[MIEN_SHARE_LIMBS];
};

/* n shares of a seed, any t of which give it back and fewer of which say nothing.
 *
 *   index   [n] different members, each below 2^32 - 1: shares[i] is index[i]'s
 *   shares  [n] out; wipe them
 *   errors  MIEN_EINVAL  t is 0 or above n; MIEN_ENOMEM; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_share_split(const uint8_t seed[MIEN_SEED_BYTES],
                                             const uint32_t *index, uint32_t n, uint32_t t,
                                             struct mien_rng *rng, struct mien_share *shares);

/* Lagrange's weights at zero for n members' shares, t or more; the same for every secret of these
 * members.
 *
 *   index   [n] different members
 *   weight  [n] out; not secret
 *   errors  MIEN_EINVAL  two indices are equal, or n is 0; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_share_weights(const uint32_t *index, uint32_t n, uint64_t *weight);

/* The weights when the share at a place is left out, whose weight is then zero.
 *
 *   weight  [n] of mien_share_weights for index
 *   place   below n
 *   out     [n]
 */
void mien_share_weights_without(const uint32_t *index, const uint64_t *weight, uint32_t n,
                                uint32_t place, uint64_t *out);

/* The seed from n shares, t or more.
 *
 *   weight  [n] of the members whose shares they are
 *   errors  MIEN_ECORRUPT  a share was wrong (one that is not passes with probability 2^-52)
 *           MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_share_join(const uint64_t *weight, const struct mien_share *shares,
                                            uint32_t n, uint8_t seed[MIEN_SEED_BYTES]);

void mien_share_encode(const struct mien_share *share, uint8_t out[MIEN_SHARE_BYTES]);

/* errors  MIEN_EPARSE  a limb is not below 2^61 - 1 */
MIEN_CHECK enum mien_status mien_share_decode(const uint8_t in[MIEN_SHARE_BYTES],
                                              struct mien_share *out);

#endif
