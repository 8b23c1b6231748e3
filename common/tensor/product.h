/* Sums of products, c = a b, where the rows of a and the sum lie anywhere that two loops can reach.
 *
 * A matrix, one stored transposed, and the patches of a picture are all such layouts, so matrices
 * and convolutions in all three directions are this one product, and no patch is ever written down.
 *
 * The order of every sum is fixed by the shapes alone: blocks of at most MIEN_PRODUCT_BLOCK, each
 * summed in order, added in order.
 *
 * Source:  Goto, van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication" (blocks and
 *          panels); Georganas et al. 2018, "Anatomy of High-Performance Deep Learning Convolutions"
 *          (no patches)
 * Threads: any
 */
#ifndef MIEN_TENSOR_PRODUCT_H
#define MIEN_TENSOR_PRODUCT_H

#include "common/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Terms summed at a time: a panel of b this high stays in the first-level cache. */
#define MIEN_PRODUCT_BLOCK 128

/* Three loops, the last one over neighbours. */
struct mien_extent {
    uint64_t outer;
    uint64_t inner;
    uint64_t len;
};

/* How far apart, in elements, one step of each loop takes. */
struct mien_stride {
    ptrdiff_t outer;
    ptrdiff_t inner;
    ptrdiff_t step;
};

struct mien_product {
    struct mien_extent rows; /* of a and c */
    struct mien_stride a_rows;
    struct mien_stride c_rows;
    struct mien_extent sum; /* terms of every sum: columns of a, rows of b */
    struct mien_stride a_sum;
    struct mien_stride b_sum;
    uint64_t n_columns; /* of b and c; those of c are neighbours */
    ptrdiff_t b_column; /* 1, or else b_sum.step is 1 */
    bool add;           /* to what c holds */
};

/* c = a b, or c += a b. */
void mien_product_run(const struct mien_product *product, const mien_real *a, const mien_real *b,
                      mien_real *c);

/* A product of an [m, k] with a [k, n] matrix, either one stored transposed; c is [m, n]. */
struct mien_matrices {
    uint64_t m, n, k;
    bool left;  /* a is stored as [k, m] */
    bool right; /* b as [n, k] */
    bool add;
};

void mien_product_matrices(const struct mien_matrices *matrices, const mien_real *a,
                           const mien_real *b, mien_real *c);

#endif
