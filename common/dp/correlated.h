/* Correlated noise: what a step of a run adds to its sum.
 *
 * With the strategy's integer matrix C, sums x_0, x_1, ... and independent rounded Gaussian noise
 * z, the run is the mechanism y = C x + z on integers, one Gaussian of the sensitivity of C
 * (strategy.h). Released is not y but what follows from it: r_0, r_1, ..., where
 *
 *   banded, blt  r_t = round((y_t - sum_{i > 0} c_i r_(t-i)) / c_0)
 *   tree         r_t = (noisy nodes that make up the rounds to t) - (those that make up t - 1)
 *
 * both functions of y alone. In both, r_t = x_t + w_t with w_t a function of z alone, since c_0 x_t
 * is a multiple of c_0 and leaves the rounding as it is:
 *
 *   banded, blt  w_t = round((z_t - sum_{i > 0} c_i w_(t-i)) / c_0)
 *
 * So the coordinator adds w_t to the sum of step t as it would add independent noise, needs no
 * earlier sum, and what is released is post-processing of y, exactly, rounding included. z has
 * standard deviation c_0 sigma (sigma for a tree), so that sigma is in units of the sums.
 *
 * w_t is made from the run's key each time, from step 0 on, in batches of coordinates: memory does
 * not grow with the steps, time does (steps x coefficients). A step that released nothing counts
 * as one whose sum was zero.
 *
 * Sources: Denisov et al. 2022; Kairouz et al. 2021 (the tree, without Honaker's estimator)
 * Threads: one at a time
 */
#ifndef MIEN_DP_CORRELATED_H
#define MIEN_DP_CORRELATED_H

#include "common/dp/noise_key.h"
#include "common/dp/strategy_table.h"

#include <stddef.h>

/* Largest sigma: w stays below 2^31 for all that can be drawn. */
#define MIEN_CORRELATED_MAX_SIGMA (UINT64_C(1) << 24)

/* Steps of a run at most. */
#define MIEN_CORRELATED_MAX_STEPS (UINT32_C(1) << 20)

/* Coordinates that are made together: as many as the sampler draws in one batch. */
#define MIEN_CORRELATED_BATCH 2048

struct mien_correlated;

/* A generator for one run.
 *
 *   table   of a tree, banded or blt; copied
 *   sigma   1 to MIEN_CORRELATED_MAX_SIGMA, in units of the sums
 *   key     [32] secret, copied
 *   out     given: end it with mien_correlated_free
 *   errors  MIEN_EINVAL  another strategy, or sigma; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_correlated_new(const struct mien_strategy_table *table,
                                                uint64_t sigma,
                                                const uint8_t key[MIEN_NOISE_KEY_BYTES],
                                                struct mien_correlated **out);

/* w of a step, n coordinates of it: the same for the same key and step. Fails closed: on any error
 * all are zero and must not be used.
 *
 *   step    from 0, below MIEN_CORRELATED_MAX_STEPS
 *   out     [n] secret until added to a sum; the caller wipes it
 *   errors  MIEN_EINVAL  step; MIEN_ELIMIT  a number that no noise has; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_correlated_draw(struct mien_correlated *c, uint64_t step,
                                                 int64_t *out, size_t n);

/* The same for n coordinates from first_batch * MIEN_CORRELATED_BATCH on, so that threads, each
 * with a generator of its own, can share the work.
 *
 *   errors  as above; MIEN_EINVAL also for batches that nobody can count in 32 bits
 */
MIEN_CHECK enum mien_status mien_correlated_draw_part(struct mien_correlated *c, uint64_t step,
                                                      uint32_t first_batch, int64_t *out, size_t n);

/* z, as the definition has it: row `step`, or node `step` of a tree's level. For tests.
 * errors  as above */
MIEN_CHECK enum mien_status mien_correlated_fresh(struct mien_correlated *c, uint8_t level,
                                                  uint64_t step, int64_t *out, size_t n);

/* Wipes and frees; NULL is fine. */
void mien_correlated_free(struct mien_correlated *c);

#endif
