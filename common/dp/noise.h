/* Noise: round(N(0, sigma^2)), sampled exactly on the integers.
 *
 * The probability of k is the difference of the normal distribution function at (k + 1/2) / sigma
 * and (k - 1/2) / sigma. A draw is a sign and a uniform number u: |X| is the smallest m with
 * u >= P(|X| > m), that is, sigma times the quantile of u, rounded. 64 bits of u and a table of the
 * quantile with a bound on its error (quantile.h) decide nearly always; where the bound does not,
 * exact values do, to as many places as it takes. So the distribution is exact, tails included,
 * given a perfect generator; nothing is left to charge. No floating-point number enters a draw:
 * doubles fill the table, and whatever they could have got wrong is decided by exact integers.
 *
 * Time: the table's addresses, and once in some 2^20 draws the exact path, depend on the noise
 * drawn, so the whole vector is drawn before the sum is unmasked, in batches of a fixed size, away
 * from any request.
 *
 * Sources: design: rounded Gaussian; Canonne, Kamath, Steinke 2020 on why integers; Mironov 2012
 *          on why not floats
 * Threads: a sampler is read-only once made; each thread brings its own generator
 */
#ifndef MIEN_DP_NOISE_H
#define MIEN_DP_NOISE_H

#include "common/base/compiler.h"
#include "common/base/rng.h"
#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Largest sigma a sampler is made for. Time and memory do not depend on sigma up to about 2^30;
 * beyond, the exact path is taken more often. */
#define MIEN_NOISE_MAX_SIGMA (UINT64_C(1) << 40)

struct mien_noise;

/* A sampler for one sigma.
 *
 *   sigma   1 to MIEN_NOISE_MAX_SIGMA
 *   out     given: end it with mien_noise_free
 *   errors  MIEN_EINVAL  sigma out of range; MIEN_ENOMEM; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_noise_new(uint64_t sigma, struct mien_noise **out);

/* Fills n coordinates with independent noise. Fails closed: on any error all n are zero and must
 * not be used.
 *
 *   rng     the system's generator (tests may give a seeded one)
 *   out     [n] secret until added to a sum; the caller wipes it
 *   errors  MIEN_ECRYPTO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_noise_draw(const struct mien_noise *noise, struct mien_rng *rng,
                                            int64_t *out, size_t n);

void mien_noise_free(struct mien_noise *noise);

/* P(|X| > m) for the rounded Gaussian, as an integer of 128 bits (times 2^128, error below 4).
 * The exact decision behind mien_noise_draw; here for its tests.
 *
 *   errors  MIEN_ECRYPTO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_noise_tail(uint64_t sigma, uint64_t m, mien_u128 *out);

#endif
