// SPDX-License-Identifier: Apache-2.0
#include "common/dp/clip.h"

#include <math.h>

#define SMALLEST 1e-9
#define LARGEST 1e9

double mien_clip_next(double clip, double within, double quantile, double rate)
{
    const double share = isnan(within) ? quantile : fmin(fmax(within, 0.0), 1.0);

    return fmin(fmax(clip * exp(-rate * (share - quantile)), SMALLEST), LARGEST);
}

double mien_clip_update_noise(double z, double sigma_b)
{
    const double ratio = z / (2.0 * sigma_b);

    return ratio < 1.0 ? z / sqrt(1.0 - ratio * ratio) : 0.0;
}
