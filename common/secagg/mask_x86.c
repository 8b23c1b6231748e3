// SPDX-License-Identifier: Apache-2.0
/* Which kernels an x86-64 processor can run. Compiled for any of them, unlike the kernels. */
#include "common/secagg/mask_x86.h"

#include <cpuid.h>
#include <stddef.h>

/* Leaf 7, ECX bit 9: the compiler's builtin does not know VAES everywhere. */
static bool has_vaes(void)
{
    unsigned int a;
    unsigned int b;
    unsigned int c = 0;
    unsigned int d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (c >> 9 & 1) != 0;
}

/* Leaf 1, ECX bits 25 (AES) and 9 (SSSE3). */
static bool has_aesni(void)
{
    unsigned int a;
    unsigned int b;
    unsigned int c = 0;
    unsigned int d;

    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 25 & 1) != 0 && (c >> 9 & 1) != 0;
}

const struct mien_mask_kernel *mien_mask_native(uint32_t i)
{
    const struct mien_mask_kernel *found[3];
    uint32_t n = 0;

    /* The builtin also asks whether the operating system keeps the wide registers. */
    __builtin_cpu_init();
    if (has_vaes() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
        found[n++] = &mien_mask_vaes512;
    if (has_vaes() && __builtin_cpu_supports("avx2"))
        found[n++] = &mien_mask_vaes256;
    if (has_aesni())
        found[n++] = &mien_mask_aesni;
    return i < n ? found[i] : NULL;
}
