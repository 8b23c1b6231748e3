// SPDX-License-Identifier: Apache-2.0
/* Machines without a kernel of their own: OpenSSL's is the best there is. */
#include "common/secagg/mask_kernel.h"

#include <stddef.h>

const struct mien_mask_kernel *mien_mask_native(uint32_t i)
{
    (void)i;
    return NULL;
}
