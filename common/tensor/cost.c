// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/cost.h"

#include "common/base/real.h"
#include "common/tensor/exec.h"
#include "common/tensor/graph_internal.h"
#include "common/tensor/memory_plan.h"

/* Each place of y takes a window of x: kh kw c products for each of its channels. */
static uint64_t conv_flops(const struct mien_graph *graph, const struct mien_node *node)
{
    const struct mien_conv_shapes s = mien_graph_conv_shapes(graph, node);

    return 2 * mien_graph_n_groups(node) * mien_shape_count(&s.y) * s.w.dim[0] * s.w.dim[1] *
           s.w.dim[2];
}

static uint64_t matmul_flops(const struct mien_graph *graph, const struct mien_node *node)
{
    const struct mien_shape a = mien_graph_shape(graph, node->in[0]);
    const bool left = (node->flags & MIEN_TRANSPOSE_LEFT) != 0;
    const uint32_t inner = left ? a.dim[0] / mien_graph_n_groups(node) : a.dim[1];

    return 2 * mien_shape_count(&node->shape) * inner;
}

static uint64_t node_flops(const struct mien_graph *graph, const struct mien_node *node)
{
    const struct mien_shape a = mien_graph_shape(graph, node->in[0]);

    switch (node->op) {
    case MIEN_OP_CONSTANT:
    case MIEN_OP_BROADCAST:
    case MIEN_OP_UPSAMPLE:
    case MIEN_OP_SLICE:
    case MIEN_OP_PAD:
    case MIEN_OP_GATHER:
        return 0; /* moved, not computed */
    case MIEN_OP_SUM:
    case MIEN_OP_SUM_POOL:
    case MIEN_OP_SCATTER:
    case MIEN_OP_PICK:
    case MIEN_OP_ROW_MAX:
        return mien_shape_count(&a);
    case MIEN_OP_MATMUL:
        return matmul_flops(graph, node);
    case MIEN_OP_CONV:
    case MIEN_OP_CONV_INPUT_GRAD:
    case MIEN_OP_CONV_WEIGHT_GRAD:
    case MIEN_OP_UPCONV:
    case MIEN_OP_UPCONV_INPUT_GRAD:
    case MIEN_OP_UPCONV_WEIGHT_GRAD:
        return conv_flops(graph, node);
    default:
        return mien_shape_count(&node->shape);
    }
}

enum mien_status mien_cost_of(const struct mien_graph *graph, const mien_ref *outputs,
                              size_t n_outputs, struct mien_cost *out)
{
    struct mien_memory_plan plan = {0};
    struct mien_cost cost = {0};
    enum mien_status status = mien_exec_bytes(graph, outputs, n_outputs, &cost.total_bytes);

    if (status == MIEN_OK)
        status = mien_memory_plan_init(&plan, graph, outputs, n_outputs);
    if (status != MIEN_OK)
        return status;
    cost.n_steps = plan.n_steps + plan.n_late;
    for (uint32_t i = 0; i < plan.n_fusions; i++)
        cost.n_fused += plan.fusions[i].n > 1 ? plan.fusions[i].n : 0;
    cost.arena_bytes = plan.n_elements * sizeof(mien_real);
    cost.scratch_bytes = plan.n_scratch * sizeof(mien_real);
    for (uint32_t i = 0; i < plan.n_steps + plan.n_late; i++)
        cost.flops += node_flops(graph, mien_graph_node(graph, plan.order[i]));
    mien_memory_plan_fini(&plan);
    *out = cost;
    return MIEN_OK;
}
