// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/apart.h"

/* A node, what its operands are (SHARED where there is none), and their shapes. */
struct place {
    const struct mien_node *node;
    enum mien_apart a;
    enum mien_apart b;
    struct mien_shape shape_a;
    struct mien_shape shape_b;
    uint32_t groups;
};

static bool divides(uint32_t groups, const struct mien_shape *shape)
{
    return shape->dim[0] % groups == 0;
}

/* Rows in, the same rows out. */
static bool keeps_rows(const struct place *p)
{
    return p->node->shape.dim[0] == p->shape_a.dim[0] && divides(p->groups, &p->shape_a);
}

/* Element by element: a smaller operand must be each group's own where it is not shared, and lie
 * across the rows of all where it is. */
static bool binary_keeps(const struct place *p)
{
    if (p->b == MIEN_SHARED)
        return mien_shape_count(&p->shape_b) == 1 || p->shape_b.dim[0] == 1;
    return p->shape_a.dim[0] == p->shape_b.dim[0] && p->shape_a.n_axes == p->shape_b.n_axes &&
           divides(p->groups, &p->shape_a);
}

static bool is_product(enum mien_op op)
{
    return op == MIEN_OP_MATMUL || op == MIEN_OP_CONV || op == MIEN_OP_CONV_INPUT_GRAD ||
           op == MIEN_OP_UPCONV || op == MIEN_OP_UPCONV_INPUT_GRAD;
}

/* Products of each row, or picture, with shared weights. */
static bool product_keeps(const struct place *p)
{
    return p->a == MIEN_APART && p->b == MIEN_SHARED && p->node->groups == 0 &&
           (p->node->flags & MIEN_TRANSPOSE_LEFT) == 0 && divides(p->groups, &p->shape_a);
}

static bool keeps(const struct place *p)
{
    if (is_product(p->node->op))
        return product_keeps(p);
    switch (p->node->op) {
    case MIEN_OP_ADD:
    case MIEN_OP_SUBTRACT:
    case MIEN_OP_MULTIPLY:
    case MIEN_OP_DIVIDE:
    case MIEN_OP_GATE:
        return binary_keeps(p);
    case MIEN_OP_SUM:
    case MIEN_OP_BROADCAST:
    case MIEN_OP_PICK:
    case MIEN_OP_UNPICK:
    case MIEN_OP_UPSAMPLE:
    case MIEN_OP_SUM_POOL:
    case MIEN_OP_ROW_MAX:
        return keeps_rows(p);
    case MIEN_OP_SLICE:
    case MIEN_OP_PAD:
        return p->node->flags != 0 && keeps_rows(p);
    case MIEN_OP_GATHER:
        return p->a == MIEN_SHARED;
    case MIEN_OP_CONV_WEIGHT_GRAD:
    case MIEN_OP_UPCONV_WEIGHT_GRAD:
    case MIEN_OP_SCATTER:
        return false;
    default: /* RESHAPE moves no number, the others take one at a time */
        return true;
    }
}

static enum mien_apart one(const struct place *p)
{
    if (p->node->op == MIEN_OP_INPUT)
        return divides(p->groups, &p->node->shape) ? MIEN_APART : MIEN_MIXED;
    if (p->a == MIEN_SHARED && p->b == MIEN_SHARED)
        return MIEN_SHARED;
    if (p->a == MIEN_MIXED || p->b == MIEN_MIXED)
        return MIEN_MIXED;
    return keeps(p) ? MIEN_APART : MIEN_MIXED;
}

void mien_apart_of(const struct mien_graph *graph, mien_ref last, uint32_t groups,
                   enum mien_apart *apart)
{
    for (mien_ref n = 0; n <= last; n++) {
        const struct mien_node *node = mien_graph_node(graph, n);
        struct place p = {
            .node = node,
            .a = node->in[0] == MIEN_NO_REF ? MIEN_SHARED : apart[node->in[0]],
            .b = node->in[1] == MIEN_NO_REF ? MIEN_SHARED : apart[node->in[1]],
            .shape_a = mien_graph_shape(graph, node->in[0]),
            .shape_b = mien_graph_shape(graph, node->in[1]),
            .groups = groups,
        };

        /* The rows of a constant before weights, such as the ones that a gradient starts at, are as
         * good as a batch. */
        if (is_product(node->op) && mien_graph_node(graph, node->in[0])->op == MIEN_OP_CONSTANT &&
            divides(groups, &p.shape_a))
            p.a = MIEN_APART;
        apart[n] = one(&p);
    }
}
