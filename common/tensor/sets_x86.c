// SPDX-License-Identifier: Apache-2.0
/* Which tiles an x86-64 processor can run, by feature bits: a model number says nothing about what
 * the operating system, or a hypervisor, lets a program use. */
#include "common/tensor/tile_x86.h"

const struct mien_tile_set *const *mien_tile_sets(void)
{
    static const struct mien_tile_set *const all[] = {&mien_tile_plain, &mien_tile_avx2,
                                                      &mien_tile_avx512, NULL};
    static const struct mien_tile_set *const two[] = {&mien_tile_plain, &mien_tile_avx2, NULL};
    static const struct mien_tile_set *const one[] = {&mien_tile_plain, NULL};

    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return one;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl")
               ? all
               : two;
}
