// SPDX-License-Identifier: Apache-2.0
#include "client/noise.h"

#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/dp/discrete_gaussian.h"

#define BLOCK 2048 /* of noise at a time: 16 KiB, whatever is in it */

enum mien_status mien_client_add_noise(const struct mien_secagg_params *params,
                                       struct mien_rng *rng, int32_t *vector)
{
    struct mien_discrete_gaussian share;
    int64_t noise[BLOCK];
    enum mien_status status = MIEN_OK;

    if (params->share == 0)
        return MIEN_OK;
    status = mien_discrete_gaussian_init(&share, params->share, 1);
    for (uint32_t at = 0; at < params->dim && status == MIEN_OK; at += BLOCK) {
        const uint32_t n = (uint32_t)mien_min_size(BLOCK, params->dim - at);

        status = mien_discrete_gaussian_draw(&share, rng, noise, n);
        for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
            vector[at + i] = (int32_t)((uint32_t)vector[at + i] + (uint32_t)noise[i]);
    }
    mien_wipe(noise, sizeof(noise));
    if (status != MIEN_OK)
        mien_wipe(vector, params->dim * sizeof(*vector));
    return status;
}
