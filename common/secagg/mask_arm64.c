// SPDX-License-Identifier: Apache-2.0
/* Which kernels an arm64 processor can run. Compiled for any of them, unlike the kernel. */
#include "common/secagg/mask_armv8.h"

#include <stddef.h>
#include <sys/auxv.h>

/* HWCAP_AES of Linux's <asm/hwcap.h>, part of its interface. */
#define HAS_AES (1UL << 3)

const struct mien_mask_kernel *mien_mask_native(uint32_t i)
{
    return i == 0 && (getauxval(AT_HWCAP) & HAS_AES) != 0 ? &mien_mask_armv8 : NULL;
}
