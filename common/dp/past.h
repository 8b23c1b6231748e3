/* The inner loop of correlated noise (correlated.h): from z of a step and w of the steps before it,
 * w of this step, for a few coordinates.
 *
 *   w = floor((z - sum_j c_j past_j + 2^15) / 2^16)
 *
 * All in whole numbers that fit, so every kernel gives the same bits. The order of the past is that
 * of a ring, not of time; whoever calls turns the coefficients instead.
 *
 * Threads: any
 */
#ifndef MIEN_DP_PAST_H
#define MIEN_DP_PAST_H

#include "common/base/compiler.h"
#include "common/dp/strategy_table.h"

#include <stdbool.h>
#include <stdint.h>

/* Coordinates a call: those of 255 steps stay in a core's cache. */
#define MIEN_PAST_LANES 32

/* What z and w stay below: sums of products of coefficients that add up to less than 2^23 with w,
 * and z, are below 2^55. */
#define MIEN_PAST_Z_LIMIT ((int64_t)1 << 54)
#define MIEN_PAST_W_LIMIT ((int64_t)1 << 31)

/* A step.
 *
 *   c       [n] below 2^31, adding up to less than 2^23
 *   past    [n, LANES] secret: w of earlier steps
 *   row     [LANES] secret: z, then w
 *   return  whether all z and w are within the limits; where not, row says nothing
 */
struct mien_past_kernel {
    const char *name;
    bool (*step)(const int32_t *c, const int32_t *past, uint32_t n, int64_t *row);
};

/* The kernels that this processor can run, plain C first, the fastest last; NULL ends them. */
const struct mien_past_kernel *const *mien_past_kernels(void);

/* The kernel to run: the fastest, or the one that was forced. */
const struct mien_past_kernel *mien_past_native(void);

/* For tests, while no other thread draws noise: this kernel from now on; NULL: the fastest. */
void mien_past_force(const struct mien_past_kernel *kernel);

/* ---- for kernels ---- */

extern const struct mien_past_kernel mien_past_plain;

/* Whether all of row is in -limit .. limit - 1, limit being a power of two. */
MIEN_INLINE bool mien_past_within(const int64_t *row, int64_t limit)
{
    int64_t high = 0; /* bits that only numbers beyond the limit have */

    for (int i = 0; i < MIEN_PAST_LANES; i++)
        high |= row[i] ^ (row[i] >> 63);
    return (high & ~(limit - 1)) == 0;
}

/* Divides by c_0 and rounds. */
MIEN_INLINE void mien_past_round(int64_t *row)
{
    for (int i = 0; i < MIEN_PAST_LANES; i++)
        row[i] = (row[i] + ((int64_t)1 << (MIEN_STRATEGY_ONE_BITS - 1))) >> MIEN_STRATEGY_ONE_BITS;
}

#endif
