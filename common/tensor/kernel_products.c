// SPDX-License-Identifier: Apache-2.0
/* Products of matrices and convolutions as the graph asks for them. */
#include "common/tensor/kernels.h"

#include "common/tensor/convolution.h"
#include "common/tensor/product.h"

void mien_kernel_matmul(const struct mien_node *node, const mien_real *a,
                        const struct mien_shape *shape_a, const mien_real *b, mien_real *out)
{
    const bool left = (node->flags & MIEN_TRANSPOSE_LEFT) != 0;
    const uint32_t groups = mien_graph_n_groups(node);
    const struct mien_matrices product = {
        .m = node->shape.dim[0] / groups,
        .n = node->shape.dim[1],
        .k = left ? shape_a->dim[0] / groups : shape_a->dim[1],
        .left = left,
        .right = (node->flags & MIEN_TRANSPOSE_RIGHT) != 0,
    };

    for (uint32_t i = 0; i < groups; i++)
        mien_product_matrices(&product, a + i * product.m * product.k,
                              b + i * product.k * product.n, out + i * product.m * product.n);
}

uint64_t mien_kernel_conv_scratch(const struct mien_conv_shapes *shapes)
{
    const struct mien_convolution conv = mien_convolution_of(shapes);

    return mien_convolution_scratch(&conv);
}

void mien_kernel_conv(const struct mien_conv_shapes *shapes, const mien_real *x, const mien_real *w,
                      mien_real *y, mien_real *scratch)
{
    const struct mien_convolution conv = mien_convolution_of(shapes);

    mien_convolution_run(&conv, x, w, y, scratch);
}

void mien_kernel_conv_input_grad(const struct mien_conv_shapes *shapes, const mien_real *y,
                                 const mien_real *w, mien_real *x, mien_real *scratch)
{
    const struct mien_convolution conv = mien_convolution_of(shapes);

    mien_convolution_input_grad(&conv, y, w, x, scratch);
}

void mien_kernel_conv_weight_grad(const struct mien_conv_shapes *shapes, const mien_real *x,
                                  const mien_real *y, mien_real *w, mien_real *scratch)
{
    const struct mien_convolution conv = mien_convolution_of(shapes);

    mien_convolution_weight_grad(&conv, x, y, w, scratch);
}
