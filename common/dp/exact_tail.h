/* The tail of the rounded Gaussian in exact integer arithmetic (OpenSSL's BIGNUM, fixed point).
 *
 * Threads: an evaluator belongs to one thread at a time
 */
#ifndef MIEN_DP_EXACT_TAIL_H
#define MIEN_DP_EXACT_TAIL_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stdint.h>

struct mien_exact_tail;

/* No draw needs more bits: a comparison that 2^14 of them leave open has probability 2^-16380. */
#define MIEN_EXACT_TAIL_MAX_BITS 16384

/* An evaluator for one sigma > 0, to `bits` binary places (128 to MIEN_EXACT_TAIL_MAX_BITS, a
 * multiple of 8).
 *
 *   out     given: end it with mien_exact_tail_free
 *   errors  MIEN_EINVAL  bits; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_exact_tail_new(uint64_t sigma, uint32_t bits,
                                                struct mien_exact_tail **out);

/* floor(2^bits P(|X| > m)) into [bits / 8] big-endian bytes, with an error of at most 2 units; zero
 * where it is certainly below one unit.
 *
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_exact_tail_at(struct mien_exact_tail *tail, uint64_t m,
                                               uint8_t *out);

/* Compares a uniform number, of which the first `bits` places are u ([bits / 8] big-endian bytes,
 * secret), with P(|X| > m).
 *
 *   side    out: -1 surely below it, 1 surely not, 0 more places are needed
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_exact_tail_compare(struct mien_exact_tail *tail, uint64_t m,
                                                    const uint8_t *u, int *side);

void mien_exact_tail_free(struct mien_exact_tail *tail);

#endif
