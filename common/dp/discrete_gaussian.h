/* Noise: the discrete Gaussian, P(x) in proportion to exp(-x^2 / (2 sigma^2)) on the integers.
 *
 * The second mechanism beside noise.h: not a rounded continuous variable, so only zCDP and what
 * follows from it are proofs (account.h), and the one whose sums devices can add by themselves.
 * Sampled exactly from a rational sigma^2 with integers alone: no logarithm, no rounding, nothing
 * left to charge. Where a probability p is asked for, 64 random bits against bounds of p decide,
 * and where they do not, as many more as it takes.
 *
 * Time: a draw takes longer the further out it lands, so draw all noise before a sum is unmasked,
 * away from any request.
 *
 * Source:  Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential Privacy",
 *          algorithms 1 to 3
 * Threads: a sampler is a value; each thread brings its own generator
 */
#ifndef MIEN_DP_DISCRETE_GAUSSIAN_H
#define MIEN_DP_DISCRETE_GAUSSIAN_H

#include "common/base/compiler.h"
#include "common/base/rng.h"
#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct mien_discrete_gaussian {
    uint64_t numerator;   /* of sigma^2 */
    uint64_t denominator; /* of sigma^2 */
    uint64_t t;           /* floor(sigma) + 1: scale of the Laplace proposals */
};

/* Largest denominator t^2, so that every product below fits 128 bits: sigma up to 2^28 when sigma^2
 * is an integer. */
#define MIEN_DISCRETE_GAUSSIAN_MAX (UINT64_C(1) << 57)

/* A sampler for sigma^2 = numerator / denominator.
 *
 *   errors  MIEN_EINVAL  one of them is 0, or denominator (floor(sigma) + 1)^2 is too large
 */
MIEN_CHECK enum mien_status mien_discrete_gaussian_init(struct mien_discrete_gaussian *out,
                                                        uint64_t numerator, uint64_t denominator);

/* Fills n coordinates with independent noise. Fails closed: on any error all n are zero and must
 * not be used.
 *
 *   rng     the system's generator (tests may give a seeded one)
 *   out     [n] secret until added to a sum; the caller wipes it
 *   errors  MIEN_ECRYPTO  the generator failed, or gave what no generator gives (a proposal of 64 t
 *           or more: e^-64 a trial)
 */
MIEN_CHECK enum mien_status mien_discrete_gaussian_draw(const struct mien_discrete_gaussian *noise,
                                                        struct mien_rng *rng, int64_t *out,
                                                        size_t n);

#endif
