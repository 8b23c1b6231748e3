// SPDX-License-Identifier: Apache-2.0
/* The ops as functions: check operands, find the result's shape, append the node. */
#include "common/tensor/graph_internal.h"

#include <string.h>

bool mien_is_constant(const struct mien_graph *graph, mien_ref ref, double number)
{
    const struct mien_node *node = mien_graph_node(graph, ref);

    return node->op == MIEN_OP_CONSTANT && node->number == number;
}

/* Whether b's shape is a's, or broadcasts to it. */
static bool broadcasts(const struct mien_shape *b, const struct mien_shape *a)
{
    if (mien_shape_count(b) == 1)
        return true;
    if (a->n_axes != b->n_axes)
        return false;
    for (uint32_t i = 0; i < a->n_axes; i++) {
        if (b->dim[i] != a->dim[i] && b->dim[i] != 1)
            return false;
    }
    return true;
}

static mien_ref binary(struct mien_graph *graph, enum mien_op op, const char *name, mien_ref a,
                       mien_ref b)
{
    if (a == MIEN_NO_REF || b == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_node node = {.op = op, .shape = mien_graph_shape(graph, a), .in = {a, b}};
    struct mien_shape shape = mien_graph_shape(graph, b);

    if (!broadcasts(&shape, &node.shape))
        return mien_graph_fail(graph, MIEN_EINVAL, name, "the shapes do not agree");
    return mien_graph_append(graph, &node);
}

mien_ref mien_add(struct mien_graph *graph, mien_ref a, mien_ref b)
{
    if (a != MIEN_NO_REF && b != MIEN_NO_REF) {
        struct mien_shape sa = mien_graph_shape(graph, a);
        struct mien_shape sb = mien_graph_shape(graph, b);

        if (mien_is_constant(graph, b, 0.0) && broadcasts(&sb, &sa))
            return a;
        if (mien_is_constant(graph, a, 0.0) && mien_shape_equal(&sa, &sb))
            return b;
    }
    return binary(graph, MIEN_OP_ADD, "add", a, b);
}

mien_ref mien_subtract(struct mien_graph *graph, mien_ref a, mien_ref b)
{
    return binary(graph, MIEN_OP_SUBTRACT, "subtract", a, b);
}

mien_ref mien_multiply(struct mien_graph *graph, mien_ref a, mien_ref b)
{
    if (a != MIEN_NO_REF && b != MIEN_NO_REF) {
        const struct mien_node *na = mien_graph_node(graph, a);
        const struct mien_node *nb = mien_graph_node(graph, b);

        if (nb->op == MIEN_OP_CONSTANT && broadcasts(&nb->shape, &na->shape))
            return mien_scale(graph, a, nb->number);
        if (na->op == MIEN_OP_CONSTANT && mien_shape_equal(&na->shape, &nb->shape))
            return mien_scale(graph, b, na->number);
    }
    return binary(graph, MIEN_OP_MULTIPLY, "multiply", a, b);
}

mien_ref mien_divide(struct mien_graph *graph, mien_ref a, mien_ref b)
{
    return binary(graph, MIEN_OP_DIVIDE, "divide", a, b);
}

static mien_ref unary(struct mien_graph *graph, enum mien_op op, mien_ref x, double number)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_node node = {
        .op = op, .shape = mien_graph_shape(graph, x), .in = {x, MIEN_NO_REF}, .number = number};

    return mien_graph_append(graph, &node);
}

mien_ref mien_scale(struct mien_graph *graph, mien_ref x, double number)
{
    if (x == MIEN_NO_REF || number == 1.0)
        return x;
    const struct mien_node *node = mien_graph_node(graph, x);
    if (node->op == MIEN_OP_CONSTANT)
        return mien_constant(graph, node->shape, node->number * number);
    if (node->op == MIEN_OP_SCALE)
        return unary(graph, MIEN_OP_SCALE, node->in[0], node->number * number);
    return unary(graph, MIEN_OP_SCALE, x, number);
}

mien_ref mien_shift(struct mien_graph *graph, mien_ref x, double number)
{
    return number == 0.0 ? x : unary(graph, MIEN_OP_SHIFT, x, number);
}

mien_ref mien_sqrt(struct mien_graph *graph, mien_ref x)
{
    return unary(graph, MIEN_OP_SQRT, x, 0.0);
}

mien_ref mien_exp(struct mien_graph *graph, mien_ref x)
{
    return unary(graph, MIEN_OP_EXP, x, 0.0);
}

mien_ref mien_log_of(struct mien_graph *graph, mien_ref x)
{
    return unary(graph, MIEN_OP_LOG, x, 0.0);
}

mien_ref mien_tanh(struct mien_graph *graph, mien_ref x)
{
    return unary(graph, MIEN_OP_TANH, x, 0.0);
}

mien_ref mien_sigmoid(struct mien_graph *graph, mien_ref x)
{
    return unary(graph, MIEN_OP_SIGMOID, x, 0.0);
}

mien_ref mien_softplus(struct mien_graph *graph, mien_ref x)
{
    return unary(graph, MIEN_OP_SOFTPLUS, x, 0.0);
}

mien_ref mien_leaky(struct mien_graph *graph, mien_ref x, double slope)
{
    return unary(graph, MIEN_OP_LEAKY, x, slope);
}

mien_ref mien_gate(struct mien_graph *graph, mien_ref a, mien_ref b, double slope)
{
    if (a == MIEN_NO_REF || b == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape shape = mien_graph_shape(graph, b);
    struct mien_node node = {
        .op = MIEN_OP_GATE, .shape = mien_graph_shape(graph, a), .in = {a, b}, .number = slope};

    if (!mien_shape_equal(&shape, &node.shape))
        return mien_graph_fail(graph, MIEN_EINVAL, "gate", "the shapes do not agree");
    return mien_graph_append(graph, &node);
}

mien_ref mien_reshape(struct mien_graph *graph, mien_ref x, struct mien_shape shape)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_node *from = mien_graph_node(graph, x);
    if (mien_shape_equal(&from->shape, &shape))
        return x;
    if (mien_shape_count(&shape) != mien_shape_count(&from->shape))
        return mien_graph_fail(graph, MIEN_EINVAL, "reshape", "the number of elements changes");
    if (from->op == MIEN_OP_CONSTANT)
        return mien_constant(graph, shape, from->number);
    struct mien_node node = {.op = MIEN_OP_RESHAPE, .shape = shape, .in = {x, MIEN_NO_REF}};
    return mien_graph_append(graph, &node);
}

mien_ref mien_sum_to(struct mien_graph *graph, mien_ref x, struct mien_shape shape)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape from = mien_graph_shape(graph, x);
    if (mien_shape_equal(&from, &shape))
        return x;
    if (!broadcasts(&shape, &from))
        return mien_graph_fail(graph, MIEN_EINVAL, "sum", "the shapes do not agree");
    if (mien_shape_count(&from) == mien_shape_count(&shape))
        return mien_reshape(graph, x, shape);
    struct mien_node node = {.op = MIEN_OP_SUM, .shape = shape, .in = {x, MIEN_NO_REF}};
    return mien_graph_append(graph, &node);
}

mien_ref mien_sum_all(struct mien_graph *graph, mien_ref x)
{
    return mien_sum_to(graph, x, mien_shape1(1));
}

mien_ref mien_mean_all(struct mien_graph *graph, mien_ref x)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape shape = mien_graph_shape(graph, x);
    return mien_scale(graph, mien_sum_all(graph, x), 1.0 / (double)mien_shape_count(&shape));
}

mien_ref mien_broadcast_to(struct mien_graph *graph, mien_ref x, struct mien_shape shape)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_node *from = mien_graph_node(graph, x);
    if (mien_shape_equal(&from->shape, &shape))
        return x;
    if (!broadcasts(&from->shape, &shape))
        return mien_graph_fail(graph, MIEN_EINVAL, "broadcast", "the shapes do not agree");
    if (from->op == MIEN_OP_CONSTANT)
        return mien_constant(graph, shape, from->number);
    if (mien_shape_count(&from->shape) == mien_shape_count(&shape))
        return mien_reshape(graph, x, shape);
    struct mien_node node = {.op = MIEN_OP_BROADCAST, .shape = shape, .in = {x, MIEN_NO_REF}};
    return mien_graph_append(graph, &node);
}

mien_ref mien_matmul(struct mien_graph *graph, mien_ref a, mien_ref b, uint32_t transposes)
{
    if (a == MIEN_NO_REF || b == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape sa = mien_graph_shape(graph, a);
    struct mien_shape sb = mien_graph_shape(graph, b);
    bool left = (transposes & MIEN_TRANSPOSE_LEFT) != 0;
    bool right = (transposes & MIEN_TRANSPOSE_RIGHT) != 0;

    if (sa.n_axes != 2 || sb.n_axes != 2 || sa.dim[left ? 0 : 1] != sb.dim[right ? 1 : 0])
        return mien_graph_fail(graph, MIEN_EINVAL, "matmul", "the shapes do not agree");
    struct mien_node node = {.op = MIEN_OP_MATMUL,
                             .shape = mien_shape2(sa.dim[left ? 1 : 0], sb.dim[right ? 0 : 1]),
                             .in = {a, b},
                             .flags = transposes};
    return mien_graph_append(graph, &node);
}

mien_ref mien_upsample(struct mien_graph *graph, mien_ref x)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape s = mien_graph_shape(graph, x);
    if (s.n_axes != 4 || s.dim[1] > UINT32_MAX / 2 || s.dim[2] > UINT32_MAX / 2)
        return mien_graph_fail(graph, MIEN_EINVAL, "upsample", "expected [n, h, w, c]");
    struct mien_node node = {.op = MIEN_OP_UPSAMPLE,
                             .shape = mien_shape4(s.dim[0], 2 * s.dim[1], 2 * s.dim[2], s.dim[3]),
                             .in = {x, MIEN_NO_REF}};
    return mien_graph_append(graph, &node);
}

mien_ref mien_sum_pool(struct mien_graph *graph, mien_ref x)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape s = mien_graph_shape(graph, x);
    if (s.n_axes != 4 || s.dim[1] % 2 != 0 || s.dim[2] % 2 != 0)
        return mien_graph_fail(graph, MIEN_EINVAL, "sum pool", "expected [n, h, w, c], even h, w");
    struct mien_node node = {.op = MIEN_OP_SUM_POOL,
                             .shape = mien_shape4(s.dim[0], s.dim[1] / 2, s.dim[2] / 2, s.dim[3]),
                             .in = {x, MIEN_NO_REF}};
    return mien_graph_append(graph, &node);
}

mien_ref mien_slice(struct mien_graph *graph, mien_ref x, uint32_t axis, uint32_t start,
                    uint32_t len)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape shape = mien_graph_shape(graph, x);
    if (axis >= shape.n_axes || start > shape.dim[axis] || len > shape.dim[axis] - start)
        return mien_graph_fail(graph, MIEN_EINVAL, "slice", "the range is outside the axis");
    if (len == shape.dim[axis])
        return x;
    shape.dim[axis] = len;
    struct mien_node node = {
        .op = MIEN_OP_SLICE, .shape = shape, .in = {x, MIEN_NO_REF}, .flags = axis, .start = start};
    return mien_graph_append(graph, &node);
}

mien_ref mien_pad(struct mien_graph *graph, mien_ref x, uint32_t axis, uint32_t start,
                  uint32_t total)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape shape = mien_graph_shape(graph, x);
    if (axis >= shape.n_axes || start > total || shape.dim[axis] > total - start)
        return mien_graph_fail(graph, MIEN_EINVAL, "pad", "the range is outside the axis");
    if (total == shape.dim[axis])
        return x;
    shape.dim[axis] = total;
    struct mien_node node = {
        .op = MIEN_OP_PAD, .shape = shape, .in = {x, MIEN_NO_REF}, .flags = axis, .start = start};
    return mien_graph_append(graph, &node);
}

mien_ref mien_concat(struct mien_graph *graph, mien_ref a, mien_ref b, uint32_t axis)
{
    if (a == MIEN_NO_REF || b == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_shape sa = mien_graph_shape(graph, a);
    struct mien_shape sb = mien_graph_shape(graph, b);
    if (axis >= sa.n_axes || axis >= sb.n_axes || sa.dim[axis] > UINT32_MAX - sb.dim[axis])
        return mien_graph_fail(graph, MIEN_EINVAL, "concat", "no such axis");
    uint32_t total = sa.dim[axis] + sb.dim[axis];
    return mien_add(graph, mien_pad(graph, a, axis, 0, total),
                    mien_pad(graph, b, axis, sa.dim[axis], total));
}
