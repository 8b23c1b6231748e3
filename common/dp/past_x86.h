/* The kernels of x86-64 processors (past.h); each file is compiled for its instruction set.
 *
 * Threads: any
 */
#ifndef MIEN_DP_PAST_X86_H
#define MIEN_DP_PAST_X86_H

#include "common/dp/past.h"

extern const struct mien_past_kernel mien_past_avx2;
extern const struct mien_past_kernel mien_past_avx512;

#endif
