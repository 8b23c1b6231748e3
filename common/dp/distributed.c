// SPDX-License-Identifier: Apache-2.0
#include "common/dp/distributed.h"

#include "common/dp/discrete_gaussian.h"

#include <math.h>

#define TWO_PI_SQUARED 19.7392088021787172376 /* 2 pi^2 */
#define REACH 12.0

/* Relative, each way: far above the rounding of the few operations here. */
#define ROUND_UP (1.0 + 1e-9)
#define ROUND_DOWN (1.0 - 1e-14)

double mien_distributed_tau(double variance, uint64_t n_shares)
{
    double sum = 0.0;

    if (!(variance >= MIEN_DISTRIBUTED_MIN_VARIANCE))
        return (double)INFINITY;
    for (uint64_t j = n_shares - 1; j > 0; j--)
        sum += exp(-TWO_PI_SQUARED * variance * (double)j / ((double)j + 1.0));
    return 10.0 * sum * ROUND_UP;
}

uint64_t mien_distributed_variance(double noise_multiplier, uint64_t bound, uint64_t n_shares)
{
    const double sigma = noise_multiplier * (double)bound;
    const double variance = ceil(sigma * sigma / (double)n_shares * (1.0 + 1e-14));
    struct mien_discrete_gaussian ignored;

    if (!(variance >= 1.0 && variance < (double)MIEN_DISCRETE_GAUSSIAN_MAX))
        return 0;
    return mien_discrete_gaussian_init(&ignored, (uint64_t)variance, 1) == MIEN_OK
               ? (uint64_t)variance
               : 0;
}

double mien_distributed_noise(double variance, uint64_t bound, uint64_t n_shares)
{
    return sqrt(variance * (double)n_shares) / (double)bound * ROUND_DOWN;
}

uint64_t mien_distributed_reach(uint64_t variance, uint64_t n_shares)
{
    return (uint64_t)ceil(REACH * sqrt((double)variance * (double)n_shares) * ROUND_UP);
}
