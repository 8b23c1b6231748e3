// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/grad.h"

#include "common/base/mem.h"
#include "common/tensor/graph_internal.h"
#include "common/tensor/select.h"

#include <stdbool.h>

/* What a rule gets: node `y` (a copy: the graph grows meanwhile), its operands a and b, and the
 * adjoint dy. It returns the adjoints of the operands, MIEN_NO_REF for none. */
struct rule_args {
    struct mien_graph *graph;
    struct mien_node node;
    mien_ref y;
    mien_ref a;
    mien_ref b;
    mien_ref dy;
    struct mien_shape shape_a;
    struct mien_shape shape_b;
};

struct adjoints {
    mien_ref da;
    mien_ref db;
};

static struct adjoints one(mien_ref da)
{
    return (struct adjoints){da, MIEN_NO_REF};
}

/* y = a + b, y = a - b: db is summed over the axes along which b was repeated. */
static struct adjoints add_rule(const struct rule_args *r)
{
    return (struct adjoints){r->dy, mien_sum_to(r->graph, r->dy, r->shape_b)};
}

static struct adjoints subtract_rule(const struct rule_args *r)
{
    mien_ref db = mien_sum_to(r->graph, mien_scale(r->graph, r->dy, -1.0), r->shape_b);

    return (struct adjoints){r->dy, db};
}

/* y = a b: da = dy b, db = dy a */
static struct adjoints multiply_rule(const struct rule_args *r)
{
    mien_ref db = mien_multiply(r->graph, r->dy, r->a);

    return (struct adjoints){mien_multiply(r->graph, r->dy, r->b),
                             mien_sum_to(r->graph, db, r->shape_b)};
}

/* y = a / b: da = dy / b, db = -dy y / b */
static struct adjoints divide_rule(const struct rule_args *r)
{
    mien_ref da = mien_divide(r->graph, r->dy, r->b);
    mien_ref db = mien_scale(r->graph, mien_multiply(r->graph, da, r->y), -1.0);

    return (struct adjoints){da, mien_sum_to(r->graph, db, r->shape_b)};
}

/* y = sqrt(a): da = dy / (2 y) */
static struct adjoints sqrt_rule(const struct rule_args *r)
{
    return one(mien_divide(r->graph, mien_scale(r->graph, r->dy, 0.5), r->y));
}

/* y = tanh(a): da = dy (1 - y^2) */
static struct adjoints tanh_rule(const struct rule_args *r)
{
    mien_ref square = mien_multiply(r->graph, r->y, r->y);
    mien_ref slope = mien_shift(r->graph, mien_scale(r->graph, square, -1.0), 1.0);

    return one(mien_multiply(r->graph, r->dy, slope));
}

/* y = 1 / (1 + e^-a): da = dy y (1 - y) */
static struct adjoints sigmoid_rule(const struct rule_args *r)
{
    mien_ref rest = mien_shift(r->graph, mien_scale(r->graph, r->y, -1.0), 1.0);

    return one(mien_multiply(r->graph, r->dy, mien_multiply(r->graph, r->y, rest)));
}

/* y = log(1 + e^a): da = dy sigmoid(a) */
static struct adjoints softplus_rule(const struct rule_args *r)
{
    return one(mien_multiply(r->graph, r->dy, mien_sigmoid(r->graph, r->a)));
}

/* y = a > 0 ? a : s a: da = a > 0 ? dy : s dy. y has the sign of a unless s < 0, and is kept
 * anyway, while a can be forgotten. */
static struct adjoints leaky_rule(const struct rule_args *r)
{
    const double slope = r->node.number;

    return one(mien_gate(r->graph, r->dy, slope < 0.0 ? r->a : r->y, slope));
}

/* y = b > 0 ? a : s a: da = b > 0 ? dy : s dy */
static struct adjoints gate_rule(const struct rule_args *r)
{
    return one(mien_gate(r->graph, r->dy, r->b, r->node.number));
}

/* y = op(a) op(b): da = dy op(b)', db = op(a)' dy, each as it must stand to come out in the layout
 * of a and b. */
static struct adjoints matmul_rule(const struct rule_args *r)
{
    bool left = (r->node.flags & MIEN_TRANSPOSE_LEFT) != 0;
    bool right = (r->node.flags & MIEN_TRANSPOSE_RIGHT) != 0;
    uint32_t both = MIEN_TRANSPOSE_LEFT | MIEN_TRANSPOSE_RIGHT;
    struct adjoints out;

    if (left)
        out.da = mien_matmul(r->graph, r->b, r->dy, right ? both : MIEN_TRANSPOSE_RIGHT);
    else
        out.da = mien_matmul(r->graph, r->dy, r->b, right ? 0 : MIEN_TRANSPOSE_RIGHT);
    if (right)
        out.db = mien_matmul(r->graph, r->dy, r->a, left ? both : MIEN_TRANSPOSE_LEFT);
    else
        out.db = mien_matmul(r->graph, r->a, r->dy, left ? 0 : MIEN_TRANSPOSE_LEFT);
    return out;
}

/* The three convolutions are the partial products of one trilinear form <y, conv(x, w)>, so each
 * one's adjoints are the other two. */
static struct adjoints conv_rule(const struct rule_args *r)
{
    const struct mien_conv *conv = &r->node.conv;

    return (struct adjoints){
        mien_conv2d_input_grad(r->graph, r->dy, r->b, r->shape_a, conv),
        mien_conv2d_weight_grad(r->graph, r->a, r->dy, r->shape_b, conv),
    };
}

/* x~ = input_grad(y, w): dy = conv(dx~, w), dw = weight_grad(dx~, y) */
static struct adjoints conv_input_grad_rule(const struct rule_args *r)
{
    const struct mien_conv *conv = &r->node.conv;

    return (struct adjoints){
        mien_conv2d(r->graph, r->dy, r->b, conv),
        mien_conv2d_weight_grad(r->graph, r->dy, r->a, r->shape_b, conv),
    };
}

/* w~ = weight_grad(x, y): dx = input_grad(y, dw~), dy = conv(x, dw~) */
static struct adjoints conv_weight_grad_rule(const struct rule_args *r)
{
    const struct mien_conv *conv = &r->node.conv;

    return (struct adjoints){
        mien_conv2d_input_grad(r->graph, r->b, r->dy, r->shape_a, conv),
        mien_conv2d(r->graph, r->a, r->dy, conv),
    };
}

/* The same three again, for upsampled pictures: upconv(x, w) is linear in x and in w. */
static struct adjoints upconv_rule(const struct rule_args *r)
{
    return (struct adjoints){
        mien_upconv_input_grad(r->graph, r->dy, r->b, r->shape_a),
        mien_upconv_weight_grad(r->graph, r->a, r->dy, r->shape_b),
    };
}

static struct adjoints upconv_input_grad_rule(const struct rule_args *r)
{
    return (struct adjoints){
        mien_upconv(r->graph, r->dy, r->b),
        mien_upconv_weight_grad(r->graph, r->dy, r->a, r->shape_b),
    };
}

static struct adjoints upconv_weight_grad_rule(const struct rule_args *r)
{
    return (struct adjoints){
        mien_upconv_input_grad(r->graph, r->b, r->dy, r->shape_a),
        mien_upconv(r->graph, r->a, r->dy),
    };
}

static struct adjoints slice_rule(const struct rule_args *r)
{
    uint32_t axis = r->node.flags;

    return one(mien_pad(r->graph, r->dy, axis, r->node.start, r->shape_a.dim[axis]));
}

static struct adjoints pad_rule(const struct rule_args *r)
{
    uint32_t axis = r->node.flags;

    return one(mien_slice(r->graph, r->dy, axis, r->node.start, r->shape_a.dim[axis]));
}

/* y = the table's rows at index: the table gets each row's adjoint added at its place, the index
 * none. SCATTER is linear in its rows and the other way round. */
static struct adjoints gather_rule(const struct rule_args *r)
{
    return one(mien_scatter(r->graph, r->dy, r->b, r->shape_a));
}

static struct adjoints scatter_rule(const struct rule_args *r)
{
    return one(mien_gather(r->graph, r->dy, r->b));
}

/* Where b is largest is the same in a neighbourhood almost everywhere, so b has no adjoint, and
 * PICK and UNPICK are adjoints of each other in a. */
static struct adjoints pick_rule(const struct rule_args *r)
{
    return one(mien_unpick(r->graph, r->dy, r->b, r->node.flags, r->node.conv.stride));
}

static struct adjoints unpick_rule(const struct rule_args *r)
{
    return one(mien_pick(r->graph, r->dy, r->b, r->node.flags, r->node.conv.stride));
}

/* Ops that work element by element. */
static struct adjoints element_rule(const struct rule_args *r)
{
    const struct adjoints none = {MIEN_NO_REF, MIEN_NO_REF};

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

static struct adjoints apply_rule(const struct rule_args *r)
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

/* Marks which nodes up to y depend on one of wrt. */
static void mark_dependent(const struct mien_graph *graph, mien_ref y, const mien_ref *wrt,
                           size_t n_wrt, bool *depends)
{
    for (size_t i = 0; i < n_wrt; i++) {
        if (wrt[i] <= y)
            depends[wrt[i]] = true;
    }
    for (mien_ref n = 0; n <= y; n++) {
        const struct mien_node *node = mien_graph_node(graph, n);

        for (int i = 0; i < 2; i++) {
            if (node->in[i] != MIEN_NO_REF && depends[node->in[i]])
                depends[n] = true;
        }
    }
}

static void accumulate(struct mien_graph *graph, mien_ref *slot, mien_ref more)
{
    *slot = *slot == MIEN_NO_REF ? more : mien_add(graph, *slot, more);
}

static void step_back(struct mien_graph *graph, mien_ref n, const bool *depends, mien_ref *adjoint)
{
    struct rule_args r = {
        .graph = graph, .node = *mien_graph_node(graph, n), .y = n, .dy = adjoint[n]};

    r.a = r.node.in[0];
    r.b = r.node.in[1];
    r.shape_a = mien_graph_shape(graph, r.a);
    r.shape_b = mien_graph_shape(graph, r.b);
    /* Adjoints of operands that do not matter become dead nodes, which no plan keeps. */
    struct adjoints d = apply_rule(&r);
    if (r.a != MIEN_NO_REF && depends[r.a] && d.da != MIEN_NO_REF)
        accumulate(graph, &adjoint[r.a], d.da);
    if (r.b != MIEN_NO_REF && depends[r.b] && d.db != MIEN_NO_REF)
        accumulate(graph, &adjoint[r.b], d.db);
}

void mien_grad(struct mien_graph *graph, mien_ref y, const mien_ref *wrt, size_t n_wrt,
               mien_ref *out)
{
    bool *depends = NULL;
    mien_ref *adjoint = NULL;

    for (size_t i = 0; i < n_wrt; i++)
        out[i] = MIEN_NO_REF;
    if (mien_graph_status(graph, NULL) != MIEN_OK || y == MIEN_NO_REF)
        return;
    struct mien_shape scalar = mien_graph_shape(graph, y);
    if (mien_shape_count(&scalar) != 1) {
        (void)mien_graph_fail(graph, MIEN_EINVAL, "gradient", "of something that is no scalar");
        return;
    }
    size_t n_nodes = (size_t)y + 1;
    depends = mien_calloc(n_nodes, sizeof(*depends));
    adjoint = mien_calloc(n_nodes, sizeof(*adjoint));
    if (depends == NULL || adjoint == NULL) {
        (void)mien_graph_fail(graph, MIEN_ENOMEM, "gradient", "no memory");
        goto out;
    }
    mark_dependent(graph, y, wrt, n_wrt, depends);
    for (size_t n = 0; n < n_nodes; n++)
        adjoint[n] = MIEN_NO_REF;
    adjoint[y] = mien_constant(graph, scalar, 1.0);
    for (mien_ref n = y + 1; n > 0; n--) {
        if (adjoint[n - 1] != MIEN_NO_REF && depends[n - 1])
            step_back(graph, n - 1, depends, adjoint);
    }
    for (size_t i = 0; i < n_wrt; i++) {
        if (wrt[i] <= y && adjoint[wrt[i]] != MIEN_NO_REF)
            out[i] = adjoint[wrt[i]];
        else if (wrt[i] != MIEN_NO_REF)
            out[i] = mien_constant(graph, mien_graph_shape(graph, wrt[i]), 0.0);
    }
out:
    mien_free(depends);
    mien_free(adjoint);
}
