// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/rules.h"

#include "common/tensor/graph_internal.h"
#include "common/tensor/select.h"

static struct mien_adjoints one(mien_ref da)
{
    return (struct mien_adjoints){da, MIEN_NO_REF};
}

/* db, of the full shape, summed over the axes along which b was repeated. Of what all groups share
 * in channels only: each group's rows apart. */
static mien_ref sum_to_b(const struct mien_rule_args *r, mien_ref db)
{
    struct mien_shape rows = mien_graph_shape(r->graph, db);

    if (r->groups_b == 0 || db == MIEN_NO_REF)
        return mien_sum_to(r->graph, db, r->shape_b);
    const uint32_t c = r->shape_b.n_axes == 1 ? 1 : r->shape_b.dim[r->shape_b.n_axes - 1];
    if (mien_shape_count(&r->shape_b) != (uint64_t)r->groups_b * c ||
        (c != 1 && c != rows.dim[rows.n_axes - 1]))
        return mien_graph_fail(r->graph, MIEN_EINVAL, "gradient by groups",
                               "an operand is shared in more than its last axis");
    rows = mien_shape3(r->groups_b, (uint32_t)(mien_shape_count(&rows) / r->groups_b / c), c);
    db = mien_sum_to(r->graph, mien_reshape(r->graph, db, rows), mien_shape3(r->groups_b, 1, c));
    return mien_reshape(r->graph, db, r->shape_b);
}

/* A node whose result has a part for each group of b's adjoint. */
static mien_ref for_each_group(const struct mien_rule_args *r, struct mien_node node)
{
    node.groups = r->groups_b;
    return mien_graph_append(r->graph, &node);
}

/* y = a + b, y = a - b */
static struct mien_adjoints add_rule(const struct mien_rule_args *r)
{
    return (struct mien_adjoints){r->dy, sum_to_b(r, r->dy)};
}

static struct mien_adjoints subtract_rule(const struct mien_rule_args *r)
{
    return (struct mien_adjoints){r->dy, sum_to_b(r, mien_scale(r->graph, r->dy, -1.0))};
}

/* y = a b: da = dy b, db = dy a */
static struct mien_adjoints multiply_rule(const struct mien_rule_args *r)
{
    mien_ref db = mien_multiply(r->graph, r->dy, r->a);

    return (struct mien_adjoints){mien_multiply(r->graph, r->dy, r->b), sum_to_b(r, db)};
}

/* y = a / b: da = dy / b, db = -dy y / b */
static struct mien_adjoints divide_rule(const struct mien_rule_args *r)
{
    mien_ref da = mien_divide(r->graph, r->dy, r->b);
    mien_ref db = mien_scale(r->graph, mien_multiply(r->graph, da, r->y), -1.0);

    return (struct mien_adjoints){da, sum_to_b(r, db)};
}

/* y = sqrt(a): da = dy / (2 y) */
static struct mien_adjoints sqrt_rule(const struct mien_rule_args *r)
{
    return one(mien_divide(r->graph, mien_scale(r->graph, r->dy, 0.5), r->y));
}

/* y = tanh(a): da = dy (1 - y^2) */
static struct mien_adjoints tanh_rule(const struct mien_rule_args *r)
{
    mien_ref square = mien_multiply(r->graph, r->y, r->y);
    mien_ref slope = mien_shift(r->graph, mien_scale(r->graph, square, -1.0), 1.0);

    return one(mien_multiply(r->graph, r->dy, slope));
}

/* y = 1 / (1 + e^-a): da = dy y (1 - y) */
static struct mien_adjoints sigmoid_rule(const struct mien_rule_args *r)
{
    mien_ref rest = mien_shift(r->graph, mien_scale(r->graph, r->y, -1.0), 1.0);

    return one(mien_multiply(r->graph, r->dy, mien_multiply(r->graph, r->y, rest)));
}

/* y = log(1 + e^a): da = dy sigmoid(a) */
static struct mien_adjoints softplus_rule(const struct mien_rule_args *r)
{
    return one(mien_multiply(r->graph, r->dy, mien_sigmoid(r->graph, r->a)));
}

/* y = a > 0 ? a : s a: da = a > 0 ? dy : s dy. y has the sign of a unless s < 0, and is kept
 * anyway, while a can be forgotten. */
static struct mien_adjoints leaky_rule(const struct mien_rule_args *r)
{
    const double slope = r->node.number;

    return one(mien_gate(r->graph, r->dy, slope < 0.0 ? r->a : r->y, slope));
}

/* y = b > 0 ? a : s a: da = b > 0 ? dy : s dy */
static struct mien_adjoints gate_rule(const struct mien_rule_args *r)
{
    return one(mien_gate(r->graph, r->dy, r->b, r->node.number));
}

/* db = op(a)' dy of each group, a not transposed. */
static mien_ref matmul_groups(const struct mien_rule_args *r, bool right)
{
    return for_each_group(r, (struct mien_node){.op = MIEN_OP_MATMUL,
                                                .shape = r->shape_b,
                                                .in = {right ? r->dy : r->a, right ? r->a : r->dy},
                                                .flags = MIEN_TRANSPOSE_LEFT});
}

/* y = op(a) op(b): da = dy op(b)', db = op(a)' dy, each as it must stand to come out in the layout
 * of a and b. */
static struct mien_adjoints matmul_rule(const struct mien_rule_args *r)
{
    bool left = (r->node.flags & MIEN_TRANSPOSE_LEFT) != 0;
    bool right = (r->node.flags & MIEN_TRANSPOSE_RIGHT) != 0;
    uint32_t both = MIEN_TRANSPOSE_LEFT | MIEN_TRANSPOSE_RIGHT;
    struct mien_adjoints out;

    if (left)
        out.da = mien_matmul(r->graph, r->b, r->dy, right ? both : MIEN_TRANSPOSE_RIGHT);
    else
        out.da = mien_matmul(r->graph, r->dy, r->b, right ? 0 : MIEN_TRANSPOSE_RIGHT);
    if (r->groups_b > 0)
        out.db = matmul_groups(r, right);
    else if (right)
        out.db = mien_matmul(r->graph, r->dy, r->a, left ? both : MIEN_TRANSPOSE_LEFT);
    else
        out.db = mien_matmul(r->graph, r->a, r->dy, left ? 0 : MIEN_TRANSPOSE_LEFT);
    return out;
}

/* The adjoint in the weights b, of x and y. */
static mien_ref weights_adjoint(const struct mien_rule_args *r, mien_ref x, mien_ref y)
{
    if (r->groups_b == 0)
        return mien_conv2d_weight_grad(r->graph, x, y, r->shape_b, &r->node.conv);
    return for_each_group(r, (struct mien_node){.op = MIEN_OP_CONV_WEIGHT_GRAD,
                                                .shape = r->shape_b,
                                                .in = {x, y},
                                                .conv = r->node.conv});
}

static mien_ref upconv_weights_adjoint(const struct mien_rule_args *r, mien_ref x, mien_ref y)
{
    if (r->groups_b == 0)
        return mien_upconv_weight_grad(r->graph, x, y, r->shape_b);
    return for_each_group(
        r, (struct mien_node){.op = MIEN_OP_UPCONV_WEIGHT_GRAD, .shape = r->shape_b, .in = {x, y}});
}

/* The three convolutions are the partial products of one trilinear form <y, conv(x, w)>, so each
 * one's adjoints are the other two. */
static struct mien_adjoints conv_rule(const struct mien_rule_args *r)
{
    const struct mien_conv *conv = &r->node.conv;

    return (struct mien_adjoints){
        mien_conv2d_input_grad(r->graph, r->dy, r->b, r->shape_a, conv),
        weights_adjoint(r, r->a, r->dy),
    };
}

/* x~ = input_grad(y, w): dy = conv(dx~, w), dw = weight_grad(dx~, y) */
static struct mien_adjoints conv_input_grad_rule(const struct mien_rule_args *r)
{
    const struct mien_conv *conv = &r->node.conv;

    return (struct mien_adjoints){
        mien_conv2d(r->graph, r->dy, r->b, conv),
        weights_adjoint(r, r->dy, r->a),
    };
}

/* w~ = weight_grad(x, y): dx = input_grad(y, dw~), dy = conv(x, dw~) */
static struct mien_adjoints conv_weight_grad_rule(const struct mien_rule_args *r)
{
    const struct mien_conv *conv = &r->node.conv;

    return (struct mien_adjoints){
        mien_conv2d_input_grad(r->graph, r->b, r->dy, r->shape_a, conv),
        mien_conv2d(r->graph, r->a, r->dy, conv),
    };
}

/* The same three again, for upsampled pictures: upconv(x, w) is linear in x and in w. */
static struct mien_adjoints upconv_rule(const struct mien_rule_args *r)
{
    return (struct mien_adjoints){
        mien_upconv_input_grad(r->graph, r->dy, r->b, r->shape_a),
        upconv_weights_adjoint(r, r->a, r->dy),
    };
}

static struct mien_adjoints upconv_input_grad_rule(const struct mien_rule_args *r)
{
    return (struct mien_adjoints){
        mien_upconv(r->graph, r->dy, r->b),
        upconv_weights_adjoint(r, r->dy, r->a),
    };
}

static struct mien_adjoints upconv_weight_grad_rule(const struct mien_rule_args *r)
{
    return (struct mien_adjoints){
        mien_upconv_input_grad(r->graph, r->b, r->dy, r->shape_a),
        mien_upconv(r->graph, r->a, r->dy),
    };
}

static struct mien_adjoints slice_rule(const struct mien_rule_args *r)
{
    uint32_t axis = r->node.flags;

    return one(mien_pad(r->graph, r->dy, axis, r->node.start, r->shape_a.dim[axis]));
}

static struct mien_adjoints pad_rule(const struct mien_rule_args *r)
{
    uint32_t axis = r->node.flags;

    return one(mien_slice(r->graph, r->dy, axis, r->node.start, r->shape_a.dim[axis]));
}

/* y = the table's rows at index: the table gets each row's adjoint added at its place, the index
 * none. SCATTER is linear in its rows and the other way round. */
static struct mien_adjoints gather_rule(const struct mien_rule_args *r)
{
    if (r->groups_a > 0)
        return one(mien_graph_append(r->graph, &(struct mien_node){.op = MIEN_OP_SCATTER,
                                                                   .shape = r->shape_a,
                                                                   .in = {r->dy, r->b},
                                                                   .groups = r->groups_a}));
    return one(mien_scatter(r->graph, r->dy, r->b, r->shape_a));
}

static struct mien_adjoints scatter_rule(const struct mien_rule_args *r)
{
    return one(mien_gather(r->graph, r->dy, r->b));
}

/* Where b is largest is the same in a neighbourhood almost everywhere, so b has no adjoint, and
 * PICK and UNPICK are adjoints of each other in a. */
static struct mien_adjoints pick_rule(const struct mien_rule_args *r)
{
    return one(mien_unpick(r->graph, r->dy, r->b, r->node.flags, r->node.conv.stride));
}

static struct mien_adjoints unpick_rule(const struct mien_rule_args *r)
{
    return one(mien_pick(r->graph, r->dy, r->b, r->node.flags, r->node.conv.stride));
}

/* Ops that work element by element. */
static struct mien_adjoints element_rule(const struct mien_rule_args *r)
{
    const struct mien_adjoints none = {MIEN_NO_REF, MIEN_NO_REF};

    switch (r->node.op) {
    case MIEN_OP_ADD:
        return add_rule(r);
    case MIEN_OP_SUBTRACT:
        return subtract_rule(r);
    case MIEN_OP_MULTIPLY:
        return multiply_rule(r);
    case MIEN_OP_DIVIDE:
        return divide_rule(r);
    case MIEN_OP_SCALE:
        return one(mien_scale(r->graph, r->dy, r->node.number));
    case MIEN_OP_SHIFT:
        return one(r->dy);
    case MIEN_OP_SQRT:
        return sqrt_rule(r);
    case MIEN_OP_EXP: /* da = dy y */
        return one(mien_multiply(r->graph, r->dy, r->y));
    case MIEN_OP_LOG: /* da = dy / a */
        return one(mien_divide(r->graph, r->dy, r->a));
    case MIEN_OP_TANH:
        return tanh_rule(r);
    case MIEN_OP_SIGMOID:
        return sigmoid_rule(r);
    case MIEN_OP_SOFTPLUS:
        return softplus_rule(r);
    case MIEN_OP_LEAKY:
        return leaky_rule(r);
    case MIEN_OP_GATE:
        return gate_rule(r);
    default: /* a leaf, or ROW_MAX */
        return none;
    }
}

struct mien_adjoints mien_rule_apply(const struct mien_rule_args *r)
{
    switch (r->node.op) {
    case MIEN_OP_RESHAPE:
        return one(mien_reshape(r->graph, r->dy, r->shape_a));
    case MIEN_OP_SUM:
        return one(mien_broadcast_to(r->graph, r->dy, r->shape_a));
    case MIEN_OP_BROADCAST:
        return one(mien_sum_to(r->graph, r->dy, r->shape_a));
    case MIEN_OP_MATMUL:
        return matmul_rule(r);
    case MIEN_OP_CONV:
        return conv_rule(r);
    case MIEN_OP_CONV_INPUT_GRAD:
        return conv_input_grad_rule(r);
    case MIEN_OP_CONV_WEIGHT_GRAD:
        return conv_weight_grad_rule(r);
    case MIEN_OP_UPCONV:
        return upconv_rule(r);
    case MIEN_OP_UPCONV_INPUT_GRAD:
        return upconv_input_grad_rule(r);
    case MIEN_OP_UPCONV_WEIGHT_GRAD:
        return upconv_weight_grad_rule(r);
    case MIEN_OP_UPSAMPLE:
        return one(mien_sum_pool(r->graph, r->dy));
    case MIEN_OP_SUM_POOL:
        return one(mien_upsample(r->graph, r->dy));
    case MIEN_OP_SLICE:
        return slice_rule(r);
    case MIEN_OP_PAD:
        return pad_rule(r);
    case MIEN_OP_GATHER:
        return gather_rule(r);
    case MIEN_OP_SCATTER:
        return scatter_rule(r);
    case MIEN_OP_PICK:
        return pick_rule(r);
    case MIEN_OP_UNPICK:
        return unpick_rule(r);
    default:
        return element_rule(r);
    }
}
