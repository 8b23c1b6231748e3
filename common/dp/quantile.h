/* The normal distribution's quantile in fixed point, with a bound on its error.
 *
 * f(u) is the x >= 0 with P(|N(0, 1)| > x) = u. For every u that begins with 64 given bits, of
 * which the first is among the leading 20, the table gives f to about 2^-49, and says how far it
 * may be off. Who needs more (noise.h) decides by exact arithmetic where this bound cannot.
 *
 * Octaves of u are cut in 128 cells; in each, f is the polynomial of degree 5 that has f's value
 * and first two derivatives at both ends (they are closed forms in x). Evaluation is five integer
 * products, without a branch; only the address of the cell depends on u.
 *
 * Source:  Hermite interpolation, error h^6 / 6! / 2^6 max |f^(6)|; erfc of the C library, which
 *          tests/unit/dp/test_quantile.c compares with exact values
 * Threads: a table is read-only once made
 */
#ifndef MIEN_DP_QUANTILE_H
#define MIEN_DP_QUANTILE_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stdint.h>

/* Values are integers times 2^-60. */
#define MIEN_QUANTILE_ONE_BITS 60

#define MIEN_QUANTILE_OCTAVES 20
#define MIEN_QUANTILE_CELL_BITS 7
#define MIEN_QUANTILE_DEGREE 5

/* Smallest u, by its first 64 bits, that the table answers for: 2^-20. */
#define MIEN_QUANTILE_MIN_U (UINT64_C(1) << (64 - MIEN_QUANTILE_OCTAVES))

/* What a value may be off by interpolation, the C library and rounding: 2^-46, over eight times
 * what they come to. */
#define MIEN_QUANTILE_BASE_ERROR (UINT64_C(1) << 14)

struct mien_quantile {
    /* [octave][cell][power of t / 2, t being the place in the cell from 0 to 1] */
    int64_t cell[MIEN_QUANTILE_OCTAVES << MIEN_QUANTILE_CELL_BITS][MIEN_QUANTILE_DEGREE + 1];
};

/* Makes the table. The caller owns the storage, of some 120 KiB. */
void mien_quantile_init(struct mien_quantile *table);

/* f of every u in [high_bits, high_bits + 1) 2^-64, each within *error.
 *
 *   high_bits  at least MIEN_QUANTILE_MIN_U; may be secret
 *   error      out: in the same units; the last term is what the bits not yet drawn may change,
 *              since |f'| = f' / u u <= 1.26 / u
 */
static inline uint64_t mien_quantile_at(const struct mien_quantile *table, uint64_t high_bits,
                                        uint64_t *error)
{
    const unsigned octave = mien_leading_zeros(high_bits);
    const uint64_t place = high_bits << octave << 1;
    const int64_t *c =
        table->cell[octave << MIEN_QUANTILE_CELL_BITS | place >> (64 - MIEN_QUANTILE_CELL_BITS)];
    const int64_t half_t = (int64_t)(place << MIEN_QUANTILE_CELL_BITS >> 1);
    int64_t f = c[MIEN_QUANTILE_DEGREE];

    for (int power = MIEN_QUANTILE_DEGREE - 1; power >= 0; power--)
        f = c[power] + (int64_t)((mien_i128)f * half_t >> 64);
    *error = MIEN_QUANTILE_BASE_ERROR + (UINT64_C(1) << octave >> 2) + 1;
    return f < 0 ? 0 : (uint64_t)f;
}

#endif
