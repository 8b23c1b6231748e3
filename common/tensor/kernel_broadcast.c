// SPDX-License-Identifier: Apache-2.0
/* Everything where two shapes differ: ops of two operands, sums, repeats.
 *
 * Rows can be as short as the three colours of a pixel or the four channels of a norm's group. A
 * loop over such a row costs more than its work, so short patterns are laid out side by side in a
 * tile first, and the loops run over tiles.
 */
#include "common/tensor/kernels.h"

#include "common/base/num.h"
#include "common/tensor/elements.h"

#include <string.h>

/* Elements of a tile: a small share of the first-level cache. */
#define TILE 1024

/* How a small tensor lies in a full one: axes in runs that are repeated (dim 1 in the small one)
 * and kept, in turn; a run that is not there has length 1.
 *
 *   full   [lead, outer, times, kept, each]
 *   small  [   1, outer,     1, kept,    1]
 */
struct spread {
    uint64_t lead;
    uint64_t outer;
    uint64_t times;
    uint64_t kept;
    uint64_t each;
};

static struct spread spread_of(const struct mien_shape *full, const struct mien_shape *small)
{
    uint64_t run[5] = {1, 1, 1, 1, 1}; /* from the last axis to the first */
    const uint64_t n = mien_shape_count(full);
    size_t at = 0;

    if (mien_shape_count(small) == 1)
        return (struct spread){1, 1, 1, 1, n};
    for (uint32_t i = full->n_axes; i > 0; i--) {
        const uint32_t dim = full->dim[i - 1];
        const bool is_kept = small->dim[i - 1] == dim;

        if (dim == 1)
            continue;
        /* Runs 0, 2 and 4 are repeated, 1 and 3 kept: four axes never need a sixth. */
        if (is_kept != (at % 2 == 1))
            at++;
        run[at] *= dim;
    }
    return (struct spread){run[4], run[3], run[2], run[1], run[0]};
}

/* Patterns that fit side by side in a tile; 0 when tiles are no help. */
static uint64_t patterns_per_tile(const struct spread *s)
{
    const uint64_t pattern = s->kept * s->each;

    if (s->times == 1 || pattern > TILE)
        return 0;
    return mien_min_size(s->times, TILE / pattern);
}

static void repeat_each(const mien_real *small, const struct spread *s, mien_real *out)
{
    for (uint64_t k = 0; k < s->kept; k++) {
        for (uint64_t i = 0; i < s->each; i++)
            *out++ = small[k];
    }
}

/* Writes `count` patterns of kept x each. */
static void fill_tile(const mien_real *small, const struct spread *s, uint64_t count,
                      mien_real *tile)
{
    const uint64_t pattern = s->kept * s->each;

    repeat_each(small, s, tile);
    for (uint64_t i = 1; i < count; i++)
        memcpy(tile + i * pattern, tile, pattern * sizeof(*tile));
}

/* One block [times, kept, each] of the full operand against [kept] of the small one. */
static void binary_block(enum mien_op op, const struct spread *s, const mien_real *a,
                         const mien_real *b, mien_real *out)
{
    const uint64_t pattern = s->kept * s->each;
    const uint64_t n = s->times * pattern;
    const uint64_t per_tile = patterns_per_tile(s);
    const struct mien_elements *elements = mien_elements_native();
    mien_real tile[TILE];

    if (per_tile > 0) {
        fill_tile(b, s, per_tile, tile);
        for (uint64_t at = 0; at < n; at += per_tile * pattern)
            elements->rows(op, a + at, tile, mien_min_size(per_tile * pattern, n - at), out + at);
    } else if (s->each == 1) {
        for (uint64_t at = 0; at < n; at += pattern)
            elements->rows(op, a + at, b, pattern, out + at);
    } else {
        for (uint64_t at = 0; at < n; at += s->each)
            elements->number(op, a + at, b[at / s->each % s->kept], s->each, out + at);
    }
}

void mien_kernel_binary(enum mien_op op, const mien_real *a, const struct mien_shape *shape_a,
                        const mien_real *b, const struct mien_shape *shape_b, mien_real *out)
{
    const struct spread s = spread_of(shape_a, shape_b);
    const uint64_t block = s.times * s.kept * s.each;

    for (uint64_t i = 0; i < s.lead * s.outer; i++)
        binary_block(op, &s, a + i * block, b + i % s.outer * s.kept, out + i * block);
}

/* Adds `count` patterns of kept x each to [kept] sums. */
static void fold(const mien_real *x, const struct spread *s, uint64_t count, mien_real *out)
{
    const struct mien_elements *elements = mien_elements_native();

    for (uint64_t i = 0; i < count; i++, x += s->kept * s->each) {
        if (s->each == 1) {
            elements->rows(MIEN_OP_ADD, out, x, s->kept, out);
            continue;
        }
        for (uint64_t k = 0; k < s->kept; k++)
            out[k] += elements->sum(x + k * s->each, s->each);
    }
}

static void sum_block(const struct spread *s, const mien_real *x, mien_real *out)
{
    const uint64_t pattern = s->kept * s->each;
    const uint64_t n = s->times * pattern;
    const uint64_t per_tile = patterns_per_tile(s);
    const struct mien_elements *elements = mien_elements_native();
    mien_real tile[TILE];

    if (per_tile == 0) {
        fold(x, s, s->times, out);
        return;
    }
    memset(tile, 0, per_tile * pattern * sizeof(*tile));
    for (uint64_t at = 0; at < n; at += per_tile * pattern)
        elements->rows(MIEN_OP_ADD, tile, x + at, mien_min_size(per_tile * pattern, n - at), tile);
    fold(tile, s, per_tile, out);
}

void mien_kernel_sum(const mien_real *x, const struct mien_shape *from, const struct mien_shape *to,
                     mien_real *out)
{
    const struct spread s = spread_of(from, to);
    const uint64_t block = s.times * s.kept * s.each;

    memset(out, 0, mien_shape_count(to) * sizeof(*out));
    for (uint64_t i = 0; i < s.lead * s.outer; i++)
        sum_block(&s, x + i * block, out + i % s.outer * s.kept);
}

void mien_kernel_broadcast(const mien_real *x, const struct mien_shape *from,
                           const struct mien_shape *to, mien_real *out)
{
    const struct spread s = spread_of(to, from);
    const uint64_t pattern = s.kept * s.each;

    for (uint64_t i = 0; i < s.lead * s.outer; i++, out += s.times * pattern)
        fill_tile(x + i % s.outer * s.kept, &s, s.times, out);
}
