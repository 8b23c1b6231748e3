// SPDX-License-Identifier: Apache-2.0
#include "common/nn/optim.h"

#include "common/base/compiler.h"
#include "common/tensor/elements.h"

#include <math.h>

void mien_sgd_step(float *value, const float *gradient, uint64_t n, double rate)
{
    const float r = (float)rate;

    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        value[i] -= r * gradient[i];
}

struct mien_adam mien_adam_default(double rate)
{
    return (struct mien_adam){.rate = rate, .beta_1 = 0.5, .beta_2 = 0.99, .epsilon = 1e-8};
}

void mien_adam_step(const struct mien_adam *adam, const struct mien_moments *moments, uint64_t at,
                    float *value, const float *gradient, uint64_t n)
{
    /* The bias corrections go into the rate and epsilon (Kingma, Ba 2015, end of section 2). */
    const double correction_2 = sqrt(1.0 - pow(adam->beta_2, (double)moments->t));
    const double correction_1 = 1.0 - pow(adam->beta_1, (double)moments->t);
    const struct mien_adam_terms terms = {
        .rate = (float)(adam->rate * correction_2 / correction_1),
        .epsilon = (float)(adam->epsilon * correction_2),
        .beta_1 = (float)adam->beta_1,
        .beta_2 = (float)adam->beta_2,
    };

    mien_elements_native()->adam(&terms, gradient, n, value, moments->first + at,
                                 moments->second + at);
}

void mien_ema_step(float *average, const float *value, uint64_t n, double keep)
{
    const float k = (float)keep;

    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        average[i] = k * average[i] + (1.0f - k) * value[i];
}
