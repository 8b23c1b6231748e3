// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/graph_internal.h"

#include <stdbool.h>
#include <string.h>

/* Output height or width, 0 when the kernel does not fit. */
static uint32_t extent_of(uint32_t in, uint32_t kernel, uint32_t stride, uint64_t padding)
{
    uint64_t padded = in + padding;

    if (stride == 0 || kernel == 0 || padded < kernel)
        return 0;
    uint64_t extent = (padded - kernel) / stride + 1;
    return extent > UINT32_MAX ? 0 : (uint32_t)extent;
}

/* The shape of the convolution of x with w, {0} when there is none. */
static struct mien_shape conv_shape(const struct mien_shape *x, const struct mien_shape *w,
                                    const struct mien_conv *conv)
{
    if (x->n_axes != 4 || w->n_axes != 4 || x->dim[3] != w->dim[2])
        return (struct mien_shape){0};
    uint64_t pad_h = (uint64_t)conv->pad_top + conv->pad_bottom;
    uint64_t pad_w = (uint64_t)conv->pad_left + conv->pad_right;
    return mien_shape4(x->dim[0], extent_of(x->dim[1], w->dim[0], conv->stride, pad_h),
                       extent_of(x->dim[2], w->dim[1], conv->stride, pad_w), w->dim[3]);
}

/* One of the three convolution ops, given the shapes of x, w and y = conv(x, w). */
static mien_ref conv_node(struct mien_graph *graph, struct mien_node *node,
                          const struct mien_shape *x, const struct mien_shape *w,
                          const struct mien_shape *y)
{
    struct mien_shape want = conv_shape(x, w, &node->conv);

    if (mien_shape_count(&want) == 0 || !mien_shape_equal(&want, y))
        return mien_graph_fail(graph, MIEN_EINVAL, "convolution", "the shapes do not agree");
    return mien_graph_append(graph, node);
}

/* A 3 x 3 "same" convolution of an upsampled picture has an op of its own, which computes the same
 * from the picture before it was upsampled. */
static bool is_upconv(const struct mien_graph *graph, mien_ref x, const struct mien_shape *w,
                      const struct mien_conv *conv)
{
    return mien_graph_node(graph, x)->op == MIEN_OP_UPSAMPLE && w->n_axes == 4 && w->dim[0] == 3 &&
           w->dim[1] == 3 && conv->stride == 1 && conv->pad_top == 1 && conv->pad_left == 1 &&
           conv->pad_bottom == 1 && conv->pad_right == 1;
}

mien_ref mien_conv2d(struct mien_graph *graph, mien_ref x, mien_ref w, const struct mien_conv *conv)
{
    if (x == MIEN_NO_REF || w == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape sx = mien_graph_shape(graph, x);
    struct mien_shape sw = mien_graph_shape(graph, w);

    if (is_upconv(graph, x, &sw, conv))
        return mien_upconv(graph, mien_graph_node(graph, x)->in[0], w);
    struct mien_node node = {
        .op = MIEN_OP_CONV, .shape = conv_shape(&sx, &sw, conv), .in = {x, w}, .conv = *conv};

    return conv_node(graph, &node, &sx, &sw, &node.shape);
}

mien_ref mien_conv2d_input_grad(struct mien_graph *graph, mien_ref y, mien_ref w,
                                struct mien_shape x_shape, const struct mien_conv *conv)
{
    if (y == MIEN_NO_REF || w == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape sy = mien_graph_shape(graph, y);
    struct mien_shape sw = mien_graph_shape(graph, w);
    struct mien_node node = {
        .op = MIEN_OP_CONV_INPUT_GRAD, .shape = x_shape, .in = {y, w}, .conv = *conv};

    return conv_node(graph, &node, &x_shape, &sw, &sy);
}

mien_ref mien_conv2d_weight_grad(struct mien_graph *graph, mien_ref x, mien_ref y,
                                 struct mien_shape w_shape, const struct mien_conv *conv)
{
    if (x == MIEN_NO_REF || y == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape sx = mien_graph_shape(graph, x);
    struct mien_shape sy = mien_graph_shape(graph, y);
    struct mien_node node = {
        .op = MIEN_OP_CONV_WEIGHT_GRAD, .shape = w_shape, .in = {x, y}, .conv = *conv};

    return conv_node(graph, &node, &sx, &w_shape, &sy);
}

uint32_t mien_graph_n_groups(const struct mien_node *node)
{
    return node->groups == 0 ? 1 : node->groups;
}

struct mien_conv_shapes mien_graph_conv_shapes(const struct mien_graph *graph,
                                               const struct mien_node *node)
{
    struct mien_shape first = mien_graph_shape(graph, node->in[0]);
    struct mien_shape second = mien_graph_shape(graph, node->in[1]);
    struct mien_shape own = node->shape;

    first.dim[0] /= mien_graph_n_groups(node);
    second.dim[0] /= mien_graph_n_groups(node);
    own.dim[0] /= mien_graph_n_groups(node);
    switch (node->op) {
    case MIEN_OP_CONV:
    case MIEN_OP_UPCONV:
        return (struct mien_conv_shapes){first, second, own, node->conv};
    case MIEN_OP_CONV_INPUT_GRAD:
    case MIEN_OP_UPCONV_INPUT_GRAD:
        return (struct mien_conv_shapes){own, second, first, node->conv};
    default:
        return (struct mien_conv_shapes){first, own, second, node->conv};
    }
}

/* One of the three, given the shapes of x, w and y = upconv(x, w). */
static mien_ref upconv_node(struct mien_graph *graph, const struct mien_node *node,
                            const struct mien_shape *x, const struct mien_shape *w,
                            const struct mien_shape *y)
{
    const bool agree = x->n_axes == 4 && w->n_axes == 4 && y->n_axes == 4 && w->dim[0] == 3 &&
                       w->dim[1] == 3 && w->dim[2] == x->dim[3] && w->dim[3] == y->dim[3] &&
                       y->dim[0] == x->dim[0] && y->dim[1] == 2 * x->dim[1] &&
                       y->dim[2] == 2 * x->dim[2];

    if (!agree)
        return mien_graph_fail(graph, MIEN_EINVAL, "upsampled convolution",
                               "the shapes do not agree");
    return mien_graph_append(graph, node);
}

mien_ref mien_upconv(struct mien_graph *graph, mien_ref x, mien_ref w)
{
    if (x == MIEN_NO_REF || w == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_shape sx = mien_graph_shape(graph, x);
    const struct mien_shape sw = mien_graph_shape(graph, w);
    const struct mien_node node = {
        .op = MIEN_OP_UPCONV,
        .shape = mien_shape4(sx.dim[0], 2 * sx.dim[1], 2 * sx.dim[2], sw.dim[3]),
        .in = {x, w}};

    return upconv_node(graph, &node, &sx, &sw, &node.shape);
}

mien_ref mien_upconv_input_grad(struct mien_graph *graph, mien_ref y, mien_ref w,
                                struct mien_shape x_shape)
{
    if (y == MIEN_NO_REF || w == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_shape sy = mien_graph_shape(graph, y);
    const struct mien_shape sw = mien_graph_shape(graph, w);
    const struct mien_node node = {.op = MIEN_OP_UPCONV_INPUT_GRAD, .shape = x_shape, .in = {y, w}};

    return upconv_node(graph, &node, &x_shape, &sw, &sy);
}

mien_ref mien_upconv_weight_grad(struct mien_graph *graph, mien_ref x, mien_ref y,
                                 struct mien_shape w_shape)
{
    if (x == MIEN_NO_REF || y == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_shape sx = mien_graph_shape(graph, x);
    const struct mien_shape sy = mien_graph_shape(graph, y);
    const struct mien_node node = {
        .op = MIEN_OP_UPCONV_WEIGHT_GRAD, .shape = w_shape, .in = {x, y}};

    return upconv_node(graph, &node, &sx, &w_shape, &sy);
}
