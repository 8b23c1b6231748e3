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

/* An evaluator for one sigma > 0.
 *
 *   out     given: end it with mien_exact_tail_free
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_exact_tail_new(uint64_t sigma, struct mien_exact_tail **out);

/* floor(2^128 P(|X| > m)), with an error of at most 2 units; 2^128 - 1 never occurs since
 * P(|X| > 0) < 1. Beyond 14 sigma it is 0.
 *
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_exact_tail_at(struct mien_exact_tail *tail, uint64_t m,
                                               mien_u128 *out);

void mien_exact_tail_free(struct mien_exact_tail *tail);

#endif
