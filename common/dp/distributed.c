// SPDX-License-Identifier: Apache-2.0
#include "common/dp/distributed.h"

#include <math.h>

#define TWO_PI_SQUARED 19.7392088021787172376 /* 2 pi^2 */

/* Relative, each way: far above the rounding of the few operations here. */
#define ROUND_UP (1.0 + 1e-9)
#define ROUND_DOWN (1.0 - 1e-14)

double mien_distributed_tau(double variance, uint64_t n_shares)
{
    double sum = 0.0;

    if (!(variance >= MIEN_DISTRIBUTED_MIN_VARIANCE) || n_shares == 0)
        return (double)INFINITY;
    for (uint64_t j = n_shares - 1; j > 0; j--)
        sum += exp(-TWO_PI_SQUARED * variance * (double)j / ((double)j + 1.0));
    return 10.0 * sum * ROUND_UP;
}

double mien_distributed_noise(double variance, uint64_t bound, uint64_t n_shares)
{
    return sqrt(variance * (double)n_shares) / (double)bound * ROUND_DOWN;
}
