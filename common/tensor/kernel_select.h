/* What the ops of select.h compute, on plain arrays.
 *
 * As kernels.h: nothing here allocates or checks a shape. Indexes come from outside and are judged.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_KERNEL_SELECT_H
#define MIEN_TENSOR_KERNEL_SELECT_H

#include "common/base/real.h"
#include "common/tensor/graph.h"

struct mien_pick_window {
    uint32_t side;
    uint32_t stride;
};

/* out [n, c] = rows of table [v, c]; zeros where an index is none of 0 .. v - 1. */
void mien_kernel_gather(const mien_real *table, const struct mien_shape *table_shape,
                        const mien_real *index, uint64_t n, mien_real *out);

/* table [v, c] = sums of rows [n, c] by index. */
void mien_kernel_scatter(const mien_real *rows, const struct mien_shape *table_shape,
                         const mien_real *index, uint64_t n, mien_real *table);

/* out [n, oh, ow, c] = from [n, h, w, c] where `by`, of the same shape, is largest. */
void mien_kernel_pick(const struct mien_pick_window *window, const mien_real *from,
                      const mien_real *by, const struct mien_shape *shape,
                      const struct mien_shape *picked, mien_real *out);

/* The adjoint: y [n, oh, ow, c] added at those places of out [n, h, w, c]. */
void mien_kernel_unpick(const struct mien_pick_window *window, const mien_real *y,
                        const mien_real *by, const struct mien_shape *shape,
                        const struct mien_shape *picked, mien_real *out);

/* out [.., 1] = the largest of each row of x [.., c]. */
void mien_kernel_row_max(const mien_real *x, const struct mien_shape *shape, mien_real *out);

#endif
