// SPDX-License-Identifier: Apache-2.0
#include "common/dp/past.h"

#include <stddef.h>

/* Set by tests before they start a thread. */
static const struct mien_past_kernel *forced;

static bool step(const int32_t *c, const int32_t *past, uint32_t n, int64_t *row)
{
    if (!mien_past_within(row, MIEN_PAST_Z_LIMIT))
        return false;
    for (uint32_t j = 0; j < n; j++, past += MIEN_PAST_LANES) {
        for (int i = 0; i < MIEN_PAST_LANES; i++)
            row[i] -= (int64_t)c[j] * past[i];
    }
    mien_past_round(row);
    return mien_past_within(row, MIEN_PAST_W_LIMIT);
}

const struct mien_past_kernel mien_past_plain = {.name = "plain", .step = step};

const struct mien_past_kernel *mien_past_native(void)
{
    const struct mien_past_kernel *const *kernels = mien_past_kernels();

    if (forced != NULL)
        return forced;
    while (kernels[1] != NULL)
        kernels++;
    return *kernels;
}

void mien_past_force(const struct mien_past_kernel *kernel)
{
    forced = kernel;
}
