// SPDX-License-Identifier: Apache-2.0
#include "common/dp/sampling.h"

#include <float.h>
#include <math.h>

/* Deviations of the opening rule. */
#define SIGMAS 6.0

/* Beyond it no fleet is. */
#define MAX_UNITS (UINT64_C(1) << 40)

/* lgamma is good to some units of 53 bits of numbers below 2^46: far below this, relative. */
#define ROUND_UP (1.0 + 1e-6)

static bool is_sampled(const struct mien_dp_draw *draw)
{
    return draw->sampling != MIEN_SAMPLING_NONE && draw->rate < 1.0;
}

static bool enough(const struct mien_dp_draw *draw, uint64_t n_units)
{
    const double drawn = is_sampled(draw) ? draw->rate * (double)n_units : (double)n_units;
    const double spread = is_sampled(draw) ? SIGMAS * sqrt(drawn) : 0.0;

    return drawn * (1.0 - draw->drop_out) - spread >= (double)draw->min_reports;
}

uint64_t mien_dp_draw_min_units(const struct mien_dp_draw *draw)
{
    if (draw->sampling == MIEN_SAMPLING_FIXED)
        return draw->population;
    if (!enough(draw, MAX_UNITS))
        return MIEN_DP_NEVER;
    /* Where the rule holds it also holds for more: its left side rises once it is above 0. */
    uint64_t low = 0;
    uint64_t high = MAX_UNITS;
    while (high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;

        if (enough(draw, middle))
            high = middle;
        else
            low = middle;
    }
    return high;
}

double mien_dp_binomial_at(uint64_t n, double q, uint64_t k)
{
    const double nn = (double)n;
    const double kk = (double)k;

    if (k > n)
        return 0.0;
    if (q >= 1.0)
        return k == n ? 1.0 : 0.0;
    const double log_ways = lgamma(nn + 1) - lgamma(kk + 1) - lgamma(nn - kk + 1);
    return fmin(1.0, exp(log_ways + kk * log(q) + (nn - kk) * log1p(-q)) * ROUND_UP);
}

/* P(exactly min_reports - 1 of the other units report). Units that would report are at least
 * N (1 - drop_out) for the smallest N that opens; min_reports lies below the mode for that many, so
 * more of them make it less likely. */
static double pivotal_by_coins(const struct mien_dp_draw *draw)
{
    const uint64_t n_units = mien_dp_draw_min_units(draw);

    if (n_units == MIEN_DP_NEVER || draw->min_reports == 0)
        return 0.0; /* never opens; or is always released */
    const double reporting = floor((double)n_units * (1.0 - draw->drop_out));
    if (reporting < 1.0)
        return 1.0;
    return mien_dp_binomial_at((uint64_t)reporting - 1, draw->rate, draw->min_reports - 1);
}

/* Of m units drawn without replacement, m (1 - drop_out) report on average; Hoeffding. */
static double pivotal_of_fixed(const struct mien_dp_draw *draw)
{
    const double m = (double)draw->cohort;
    const double gap = m * (1.0 - draw->drop_out) - (double)draw->min_reports;

    return gap > 0.0 ? exp(-2.0 * gap * gap / m) : 1.0;
}

double mien_dp_draw_apart(const struct mien_dp_draw *draw)
{
    if (!is_sampled(draw))
        return 0.0;
    if (draw->sampling == MIEN_SAMPLING_FIXED)
        return draw->rate * pivotal_of_fixed(draw);
    /* Not 0, even if it underflows: 0 says that no such bound was made. */
    return fmin(1.0, fmax(draw->rate * pivotal_by_coins(draw), DBL_MIN));
}
