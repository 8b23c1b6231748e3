// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/fusion.h"

#include "common/base/num.h"
#include "common/tensor/elements.h"
#include "common/tensor/kernels.h"

/* Elements of a tensor that a step computes at a time: two of them fit a first-level cache. */
#define AT_ONCE 4096

bool mien_is_element_wise(enum mien_op op)
{
    return op >= MIEN_OP_ADD && op <= MIEN_OP_GATE;
}

static bool is_binary(enum mien_op op)
{
    return op >= MIEN_OP_ADD && op <= MIEN_OP_DIVIDE;
}

/* How a node's second operand goes with rows of its first. */
enum second {
    NOT_BY_ROWS,
    ELEMENT_BY_ELEMENT, /* or there is none */
    ONE_NUMBER,
    EVERY_ROW_THE_SAME, /* repeated along the leading axes */
    ROW_BY_ROW,
};

/* Rows that are the first n_axes axes of a node. */
static enum second second_of(const struct mien_graph *graph, const struct mien_node *node,
                             uint32_t n_axes)
{
    const struct mien_shape b = mien_graph_shape(graph, node->in[1]);
    bool is_repeated = true;
    bool is_whole = true;

    if (!is_binary(node->op) || mien_shape_equal(&b, &node->shape))
        return ELEMENT_BY_ELEMENT;
    if (mien_shape_count(&b) == 1)
        return ONE_NUMBER;
    for (uint32_t i = 0; i < n_axes; i++) {
        is_repeated = is_repeated && b.dim[i] == 1;
        is_whole = is_whole && b.dim[i] == node->shape.dim[i];
    }
    if (is_whole)
        return ROW_BY_ROW;
    return is_repeated ? EVERY_ROW_THE_SAME : NOT_BY_ROWS;
}

/* A way to cut a node into rows. */
struct cut {
    uint32_t n_axes;
    enum second second;
};

static struct cut cut_into(const struct mien_graph *graph, const struct mien_node *node,
                           uint64_t n_rows)
{
    uint64_t n = 1;

    for (uint32_t i = 1; i <= node->shape.n_axes; i++) {
        n *= node->shape.dim[i - 1];
        const enum second second = second_of(graph, node, i);

        if (n == n_rows && second != NOT_BY_ROWS)
            return (struct cut){i, second};
    }
    return (struct cut){0, NOT_BY_ROWS};
}

static bool all_can(const struct mien_graph *graph, const mien_ref *order, uint32_t n,
                    uint64_t n_rows)
{
    for (uint32_t i = 0; i < n; i++) {
        if (cut_into(graph, mien_graph_node(graph, order[i]), n_rows).second == NOT_BY_ROWS)
            return false;
    }
    return true;
}

/* The most rows into which all of these can be cut: leading axes of the first one. 1: none. */
static uint64_t common_rows(const struct mien_graph *graph, const mien_ref *order, uint32_t n)
{
    const struct mien_shape shape = mien_graph_shape(graph, order[0]);
    uint64_t n_rows = 1;
    uint64_t most = 1;

    for (uint32_t i = 0; i < shape.n_axes; i++) {
        n_rows *= shape.dim[i];
        if (n_rows > most && all_can(graph, order, n, n_rows))
            most = n_rows;
    }
    return most;
}

static bool may_join(const struct mien_graph *graph, mien_ref first, mien_ref next)
{
    const struct mien_node *a = mien_graph_node(graph, first);
    const struct mien_node *b = mien_graph_node(graph, next);

    return mien_is_element_wise(a->op) && mien_is_element_wise(b->op) &&
           mien_shape_count(&a->shape) == mien_shape_count(&b->shape);
}

uint32_t mien_fusions_find(const struct mien_graph *graph, const mien_ref *order, uint32_t n_steps,
                           struct mien_fusion *fusions)
{
    uint32_t n_fusions = 0;

    for (uint32_t at = 0; at < n_steps;) {
        struct mien_fusion chain = {at, 1, 1};

        while (chain.n < MIEN_FUSION_MAX && at + chain.n < n_steps &&
               may_join(graph, order[at], order[at + chain.n])) {
            const uint64_t n_rows = common_rows(graph, order + at, chain.n + 1);

            if (n_rows == 1)
                break;
            chain.n++;
            chain.n_rows = n_rows;
        }
        fusions[n_fusions++] = chain;
        at += chain.n;
    }
    return n_fusions;
}

/* `shape` with its first n_axes axes as one of n_rows. */
static struct mien_shape rows_of(const struct mien_shape *shape, uint32_t n_axes, uint64_t n_rows)
{
    struct mien_shape rows = {.n_axes = 1, .dim = {(uint32_t)n_rows}};

    for (uint32_t i = n_axes; i < shape->n_axes; i++)
        rows.dim[rows.n_axes++] = shape->dim[i];
    return rows;
}

/* The rows that are computed next. */
struct range {
    uint64_t first;
    uint64_t n;
    uint64_t n_rows; /* of all */
};

static void run_repeated(const struct mien_graph *graph, const struct mien_link *link,
                         const struct cut *cut, const struct range *range)
{
    const struct mien_node *node = link->node;
    const struct mien_shape b = mien_graph_shape(graph, node->in[1]);
    const bool same = cut->second == EVERY_ROW_THE_SAME;
    const uint64_t a_row = mien_shape_count(&node->shape) / range->n_rows;
    const uint64_t b_row = same ? 0 : mien_shape_count(&b) / range->n_rows;
    const struct mien_shape rows_a = rows_of(&node->shape, cut->n_axes, range->n);
    const struct mien_shape rows_b = rows_of(&b, cut->n_axes, same ? 1 : range->n);

    mien_kernel_binary(node->op, link->a + range->first * a_row, &rows_a,
                       link->b + range->first * b_row, &rows_b, link->out + range->first * a_row);
}

static void run_link(const struct mien_graph *graph, const struct mien_link *link,
                     const struct cut *cut, const struct range *range)
{
    const struct mien_elements *elements = mien_elements_native();
    const struct mien_node *node = link->node;
    const uint64_t row = mien_shape_count(&node->shape) / range->n_rows;
    const uint64_t at = range->first * row;
    const uint64_t n = range->n * row;
    const mien_real number = (mien_real)node->number;

    if (node->op == MIEN_OP_GATE)
        elements->gate(link->a + at, link->b + at, n, number, link->out + at);
    else if (!is_binary(node->op))
        elements->unary(node->op, link->a + at, n, number, link->out + at);
    else if (cut->second == ELEMENT_BY_ELEMENT)
        elements->rows(node->op, link->a + at, link->b + at, n, link->out + at);
    else if (cut->second == ONE_NUMBER)
        elements->number(node->op, link->a + at, link->b[0], n, link->out + at);
    else
        run_repeated(graph, link, cut, range);
}

void mien_fusion_run(const struct mien_graph *graph, const struct mien_fusion *chain,
                     const struct mien_link *links)
{
    const uint64_t row = mien_shape_count(&links[0].node->shape) / chain->n_rows;
    const uint64_t per_go = mien_max_size(1, AT_ONCE / row);
    struct cut cuts[MIEN_FUSION_MAX];
    struct range range = {.n_rows = chain->n_rows};

    for (uint32_t i = 0; i < chain->n; i++)
        cuts[i] = cut_into(graph, links[i].node, chain->n_rows);
    for (; range.first < chain->n_rows; range.first += range.n) {
        range.n = mien_min_size(per_go, chain->n_rows - range.first);
        for (uint32_t i = 0; i < chain->n; i++)
            run_link(graph, &links[i], &cuts[i], &range);
    }
}
