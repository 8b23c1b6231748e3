// SPDX-License-Identifier: Apache-2.0
/* Which kernel an x86-64 processor can run. Compiled for any of them, unlike the kernel itself. */
#include "common/secagg/mask_vaes.h"

#include <cpuid.h>

mien_mask_kernel mien_mask_native(void)
{
    unsigned int a;
    unsigned int b;
    unsigned int c = 0;
    unsigned int d;

    /* The builtin also asks whether the operating system keeps the wide registers; it does not know
     * VAES in every compiler: leaf 7, ECX bit 9. */
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (c >> 9 & 1) == 0)
        return NULL;
    return mien_mask_vaes;
}
