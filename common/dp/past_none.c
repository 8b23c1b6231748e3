// SPDX-License-Identifier: Apache-2.0
/* Processors without a kernel of their own. */
#include "common/dp/past.h"

#include <stddef.h>

const struct mien_past_kernel *const *mien_past_kernels(void)
{
    static const struct mien_past_kernel *const kernels[] = {&mien_past_plain, NULL};

    return kernels;
}
