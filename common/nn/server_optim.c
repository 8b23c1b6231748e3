// SPDX-License-Identifier: Apache-2.0
#include "common/nn/server_optim.h"

#include <math.h>

bool mien_server_has_first(const struct mien_plan *plan)
{
    return plan->server_optimiser != MIEN_SERVER_AVERAGE;
}

bool mien_server_has_second(const struct mien_plan *plan)
{
    return plan->server_optimiser == MIEN_SERVER_ADAM;
}

void mien_server_step(const struct mien_plan *plan, const float *update,
                      struct mien_server_moments *moments, float *values, uint64_t n)
{
    const float rate = (float)plan->server_rate;
    const float beta = (float)plan->server_momentum;
    const float gamma = (float)plan->server_second;
    const float tau = (float)plan->server_tau;
    float *m = moments->first;
    float *v = moments->second;

    switch (plan->server_optimiser) {
    case MIEN_SERVER_AVERAGE:
        for (uint64_t i = 0; i < n; i++)
            values[i] += rate * update[i];
        break;
    case MIEN_SERVER_MOMENTUM:
        for (uint64_t i = 0; i < n; i++) {
            m[i] = beta * m[i] + update[i];
            values[i] += rate * m[i];
        }
        break;
    case MIEN_SERVER_ADAM:
        for (uint64_t i = 0; i < n; i++) {
            m[i] = beta * m[i] + (1.0f - beta) * update[i];
            v[i] = gamma * v[i] + (1.0f - gamma) * update[i] * update[i];
            values[i] += rate * m[i] / (sqrtf(v[i]) + tau);
        }
        break;
    }
}
