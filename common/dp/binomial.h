/* The binomial distribution's upper tail, rounded up.
 *
 * Source:  Loader 2000, "Fast and Accurate Computation of Binomial Probabilities"
 * Threads: any
 */
#ifndef MIEN_DP_BINOMIAL_H
#define MIEN_DP_BINOMIAL_H

#include <stdint.h>

/* P(Bin(n, p) >= k), relative error below 1e-9 and never below the true value; p in (0, 1). */
double mien_binomial_tail(uint64_t n, double p, uint64_t k);

#endif
