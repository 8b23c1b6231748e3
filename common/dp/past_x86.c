// SPDX-License-Identifier: Apache-2.0
/* Which kernels an x86-64 processor can run. Compiled for any of them, unlike the kernels. */
#include "common/dp/past_x86.h"

#include <stddef.h>

const struct mien_past_kernel *const *mien_past_kernels(void)
{
    static const struct mien_past_kernel *const all[] = {&mien_past_plain, &mien_past_avx2,
                                                         &mien_past_avx512, NULL};
    static const struct mien_past_kernel *const two[] = {&mien_past_plain, &mien_past_avx2, NULL};
    static const struct mien_past_kernel *const one[] = {&mien_past_plain, NULL};

    /* The builtin also asks whether the operating system keeps the wide registers. */
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2"))
        return one;
    return __builtin_cpu_supports("avx512f") ? all : two;
}
