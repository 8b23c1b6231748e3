/* What one node computes, on plain arrays.
 *
 * Nothing here allocates, knows a graph or checks a shape: exec.c calls with what the graph has
 * proven. Element-wise kernels may write over their first operand.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_KERNELS_H
#define MIEN_TENSOR_KERNELS_H

#include "common/base/real.h"
#include "common/tensor/graph_internal.h"

/* out = a op b; shapes as in graph.h (b broadcasts to a). */
void mien_kernel_binary(enum mien_op op, const mien_real *a, const struct mien_shape *shape_a,
                        const mien_real *b, const struct mien_shape *shape_b, mien_real *out);

/* out = sums of x over the axes where `to` has length 1. */
void mien_kernel_sum(const mien_real *x, const struct mien_shape *from, const struct mien_shape *to,
                     mien_real *out);

/* out = x repeated along the axes where `from` has length 1. */
void mien_kernel_broadcast(const mien_real *x, const struct mien_shape *from,
                           const struct mien_shape *to, mien_real *out);

/* out [m, n] = a b with the transposes of the node. */
void mien_kernel_matmul(const struct mien_node *node, const mien_real *a,
                        const struct mien_shape *shape_a, const mien_real *b, mien_real *out);

/* Elements of scratch space that the three kernels below need. */
uint64_t mien_kernel_conv_scratch(const struct mien_conv_shapes *shapes);

void mien_kernel_conv(const struct mien_conv_shapes *shapes, const mien_real *x, const mien_real *w,
                      mien_real *y, mien_real *scratch);
void mien_kernel_conv_input_grad(const struct mien_conv_shapes *shapes, const mien_real *y,
                                 const mien_real *w, mien_real *x, mien_real *scratch);
void mien_kernel_conv_weight_grad(const struct mien_conv_shapes *shapes, const mien_real *x,
                                  const mien_real *y, mien_real *w, mien_real *scratch);

/* The same for convolutions of upsampled pictures. */
uint64_t mien_kernel_upconv_scratch(const struct mien_conv_shapes *shapes);

void mien_kernel_upconv(const struct mien_conv_shapes *shapes, const mien_real *x,
                        const mien_real *w, mien_real *y, mien_real *scratch);
void mien_kernel_upconv_input_grad(const struct mien_conv_shapes *shapes, const mien_real *y,
                                   const mien_real *w, mien_real *x, mien_real *scratch);
void mien_kernel_upconv_weight_grad(const struct mien_conv_shapes *shapes, const mien_real *x,
                                    const mien_real *y, mien_real *w, mien_real *scratch);

/* x [n, h, w, c] to [n, 2h, 2w, c], and back by sums; `small` is the shape of the smaller side. */
void mien_kernel_upsample(const mien_real *x, const struct mien_shape *small, mien_real *out);
void mien_kernel_sum_pool(const mien_real *x, const struct mien_shape *small, mien_real *out);

/* A range of one axis, and its adjoint. */
void mien_kernel_slice(const mien_real *x, const struct mien_shape *from, uint32_t axis,
                       uint32_t start, uint32_t len, mien_real *out);
void mien_kernel_pad(const mien_real *x, const struct mien_shape *from, uint32_t axis,
                     uint32_t start, uint32_t total, mien_real *out);

#endif
