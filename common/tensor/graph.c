// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/graph_internal.h"

#include "common/base/mem.h"
#include "common/base/num.h"

#include <inttypes.h>
#include <string.h>

/* Far above what any plan needs; keeps a runaway builder from eating the machine. */
#define MAX_NODES 100000

struct mien_graph {
    struct mien_node *nodes;
    uint32_t n_nodes;
    uint32_t cap;
    uint32_t n_inputs;
    uint64_t n_params;
    struct mien_err failure; /* status MIEN_OK until an op fails */
};

uint64_t mien_shape_count(const struct mien_shape *shape)
{
    uint64_t n = 1;

    if (shape->n_axes == 0 || shape->n_axes > MIEN_MAX_AXES)
        return 0;
    for (uint32_t i = 0; i < shape->n_axes; i++) {
        if (shape->dim[i] == 0 || n > MIEN_MAX_ELEMENTS / shape->dim[i])
            return 0;
        n *= shape->dim[i];
    }
    return n;
}

bool mien_shape_equal(const struct mien_shape *a, const struct mien_shape *b)
{
    return a->n_axes == b->n_axes && memcmp(a->dim, b->dim, a->n_axes * sizeof(a->dim[0])) == 0;
}

enum mien_status mien_graph_new(struct mien_graph **out)
{
    struct mien_graph *graph = mien_calloc(1, sizeof(*graph));

    if (graph == NULL)
        return MIEN_ENOMEM;
    *out = graph;
    return MIEN_OK;
}

void mien_graph_free(struct mien_graph *graph)
{
    if (graph == NULL)
        return;
    mien_free(graph->nodes);
    mien_free(graph);
}

enum mien_status mien_graph_status(const struct mien_graph *graph, struct mien_err *err)
{
    if (graph->failure.status == MIEN_OK)
        return MIEN_OK;
    return mien_err_set(err, graph->failure.status, "%s", graph->failure.text);
}

uint32_t mien_graph_n_nodes(const struct mien_graph *graph)
{
    return graph->n_nodes;
}

const struct mien_node *mien_graph_node(const struct mien_graph *graph, mien_ref ref)
{
    return &graph->nodes[ref];
}

void mien_graph_late(struct mien_graph *graph, mien_ref output)
{
    if (output < graph->n_nodes)
        graph->nodes[output].may_be_late = true;
}

struct mien_shape mien_graph_shape(const struct mien_graph *graph, mien_ref ref)
{
    if (ref >= graph->n_nodes)
        return (struct mien_shape){0};
    return graph->nodes[ref].shape;
}

uint32_t mien_graph_n_inputs(const struct mien_graph *graph)
{
    return graph->n_inputs;
}

uint64_t mien_graph_n_params(const struct mien_graph *graph)
{
    return graph->n_params;
}

mien_ref mien_graph_fail(struct mien_graph *graph, enum mien_status status, const char *op,
                         const char *why)
{
    if (graph->failure.status == MIEN_OK)
        (void)mien_err_set(&graph->failure, status, "%s (node %" PRIu32 "): %s", op, graph->n_nodes,
                           why);
    return MIEN_NO_REF;
}

static bool same_node(const struct mien_node *a, const struct mien_node *b)
{
    return a->op == b->op && a->in[0] == b->in[0] && a->in[1] == b->in[1] &&
           a->number == b->number && a->offset == b->offset && a->flags == b->flags &&
           a->start == b->start && a->groups == b->groups &&
           mien_shape_equal(&a->shape, &b->shape) &&
           memcmp(&a->conv, &b->conv, sizeof(a->conv)) == 0;
}

static bool make_room(struct mien_graph *graph)
{
    if (graph->n_nodes < graph->cap)
        return true;
    if (graph->cap >= MAX_NODES)
        return false;
    uint32_t cap = graph->cap == 0 ? 256 : graph->cap * 2;
    struct mien_node *grown = mien_reallocarray(graph->nodes, cap, sizeof(*grown));
    if (grown == NULL)
        return false;
    graph->nodes = grown;
    graph->cap = cap;
    return true;
}

mien_ref mien_graph_append(struct mien_graph *graph, const struct mien_node *node)
{
    if (graph->failure.status != MIEN_OK)
        return MIEN_NO_REF;
    if (mien_shape_count(&node->shape) == 0)
        return mien_graph_fail(graph, MIEN_ELIMIT, "shape", "an axis is 0 or the tensor too large");
    /* Newest first: what repeats is mostly near. */
    for (uint32_t i = graph->n_nodes; i > 0; i--) {
        if (same_node(&graph->nodes[i - 1], node))
            return i - 1;
    }
    if (!make_room(graph))
        return mien_graph_fail(graph, MIEN_ENOMEM, "graph", "no memory for another node");
    graph->nodes[graph->n_nodes] = *node;
    return graph->n_nodes++;
}

mien_ref mien_input(struct mien_graph *graph, struct mien_shape shape)
{
    struct mien_node node = {.op = MIEN_OP_INPUT,
                             .shape = shape,
                             .in = {MIEN_NO_REF, MIEN_NO_REF},
                             .offset = graph->n_inputs};
    mien_ref ref = mien_graph_append(graph, &node);

    if (ref != MIEN_NO_REF)
        graph->n_inputs++;
    return ref;
}

mien_ref mien_parameter(struct mien_graph *graph, struct mien_shape shape, uint64_t offset)
{
    struct mien_node node = {.op = MIEN_OP_PARAMETER,
                             .shape = shape,
                             .in = {MIEN_NO_REF, MIEN_NO_REF},
                             .offset = offset};
    mien_ref ref = mien_graph_append(graph, &node);

    if (ref == MIEN_NO_REF)
        return ref;
    uint64_t count = mien_shape_count(&shape);
    if (offset > UINT64_MAX - count)
        return mien_graph_fail(graph, MIEN_ELIMIT, "parameter", "the offset overflows");
    if (offset + count > graph->n_params)
        graph->n_params = offset + count;
    return ref;
}

mien_ref mien_constant(struct mien_graph *graph, struct mien_shape shape, double number)
{
    struct mien_node node = {
        .op = MIEN_OP_CONSTANT, .shape = shape, .in = {MIEN_NO_REF, MIEN_NO_REF}, .number = number};

    return mien_graph_append(graph, &node);
}
