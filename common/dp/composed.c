// SPDX-License-Identifier: Apache-2.0
#include "common/dp/composed.h"

#include "common/dp/rdp.h"

#include <math.h>
#include <stdbool.h>

static bool in_range(const struct mien_dp_steps *steps)
{
    return steps->rate > 0.0 && steps->rate <= 1.0 && steps->noise > 0.0 && isfinite(steps->noise);
}

enum mien_status mien_dp_composed_epsilon(const struct mien_dp_steps *steps, size_t n_steps,
                                          double delta, double *epsilon)
{
    double total[MIEN_RDP_N_ORDERS] = {0};
    double moments[MIEN_RDP_N_ORDERS];
    double least = (double)INFINITY;

    if (!(delta > 0.0 && delta < 1.0))
        return MIEN_EINVAL;
    for (size_t j = 0; j < n_steps; j++) {
        const struct mien_pair pair = {steps[j].noise, steps[j].rate, 0.0};

        if (!in_range(&steps[j]))
            return MIEN_EINVAL;
        if (steps[j].count == 0)
            continue;
        enum mien_status status = mien_rdp_pair(&pair, mien_rdp_orders, MIEN_RDP_N_ORDERS, moments);
        if (status != MIEN_OK)
            return status;
        for (size_t i = 0; i < MIEN_RDP_N_ORDERS; i++)
            total[i] += (double)steps[j].count * moments[i];
    }
    for (size_t i = 0; i < MIEN_RDP_N_ORDERS; i++) {
        const double order = mien_rdp_orders[i];

        least = fmin(least, mien_rdp_epsilon(total[i] / (order - 1.0), order, delta));
    }
    *epsilon = least;
    return MIEN_OK;
}
