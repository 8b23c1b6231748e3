// SPDX-License-Identifier: Apache-2.0
#include "common/base/float_mode.h"

#if defined(__x86_64__)

#include <xmmintrin.h>

/* MXCSR: results that are denormal (bit 15) and operands (bit 6) count as zero. */
#define FLUSH 0x8040u

uint64_t mien_float_flush(void)
{
    const uint32_t mode = _mm_getcsr();

    _mm_setcsr(mode | FLUSH);
    return mode;
}

void mien_float_restore(uint64_t mode)
{
    _mm_setcsr((uint32_t)mode);
}

#elif defined(__aarch64__)

/* FPCR.FZ */
#define FLUSH (UINT64_C(1) << 24)

static void set_mode(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}

uint64_t mien_float_flush(void)
{
    uint64_t mode;

    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    set_mode(mode | FLUSH);
    return mode;
}

void mien_float_restore(uint64_t mode)
{
    set_mode(mode);
}

#else

uint64_t mien_float_flush(void)
{
    return 0;
}

void mien_float_restore(uint64_t mode)
{
    (void)mode;
}

#endif
