/* The sum of m independent discrete Gaussians of variance sigma^2 each: noise that devices add by
 * themselves.
 *
 * Such a sum is no discrete Gaussian, but nearly one of variance m sigma^2. By Poisson summation
 * the convolution of two, of variances v and w, is a discrete Gaussian of variance v + w times
 * const (1 + theta(x)) with |theta| <= h = 2 sum_k>=1 exp(-2 pi^2 k^2 s), s = 1 / (1/v + 1/w); both
 * add up to 1, so the logarithm of their ratio lies within log((1 + h) / (1 - h)), which is below
 * 5 exp(-2 pi^2 s) for s >= 1/8. One after the other, the j-th at s = sigma^2 j / (j + 1), the sum
 * of m is within tau / 2 of the discrete Gaussian of variance m sigma^2 everywhere, with
 *
 *     tau = 10 sum_{j=1}^{m-1} exp(-2 pi^2 sigma^2 j / (j + 1)),
 *
 * and that of two shifted sums within tau. For d coordinates the Renyi moment of order a is then at
 * most a (a - 1) / 2 D^2 + (a - 1/2) tau d, D the shift over sigma sqrt(m): a times tau d / 2 for
 * the numerator, a - 1 times for the denominator. More noise than m shares is post-processing.
 *
 * Source:  Kairouz, Liu, Steinke 2021, "The Distributed Discrete Gaussian Mechanism for Federated
 *          Learning with Secure Aggregation", section 3; the moment's second term is written out
 *          here, since tau d alone needs more argument than it saves
 * Threads: any; no state
 */
#ifndef MIEN_DP_DISTRIBUTED_H
#define MIEN_DP_DISTRIBUTED_H

#include <stdint.h>

/* Least variance of a share for which the bound is proven. */
#define MIEN_DISTRIBUTED_MIN_VARIANCE 0.25

/* tau of one coordinate, rounded up; infinite below the least variance or of none. What underflows
 * to 0 is below what every conversion to epsilon is rounded up by.
 *
 *   variance  sigma^2 of a share
 *   n_shares  m >= 1
 */
double mien_distributed_tau(double variance, uint64_t n_shares);

/* z of m shares against a vector of L2 norm `bound`, rounded down. */
double mien_distributed_noise(double variance, uint64_t bound, uint64_t n_shares);

#endif
