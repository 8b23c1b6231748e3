// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/exec.h"

#include "common/base/float_mode.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/tensor/elements.h"
#include "common/tensor/kernel_select.h"
#include "common/tensor/kernels.h"
#include "common/tensor/late.h"
#include "common/tensor/memory_plan.h"

#include <string.h>

struct mien_exec {
    const struct mien_graph *graph;
    struct mien_memory_plan plan;
    struct mien_workspace *workspace;
    struct mien_workspace own; /* what `workspace` points at, unless it is another's */
    mien_real *constants;
    const mien_real **value; /* [n_nodes] where each root's values are; inputs: as bound */
    mien_ref *outputs;
    size_t n_outputs;
};

enum mien_status mien_exec_bytes(const struct mien_graph *graph, const mien_ref *outputs,
                                 size_t n_outputs, uint64_t *bytes)
{
    struct mien_memory_plan plan = {0};
    enum mien_status status = mien_memory_plan_init(&plan, graph, outputs, n_outputs);

    if (status != MIEN_OK)
        return status;
    const uint64_t n_nodes = mien_graph_n_nodes(graph);
    const uint64_t per_node = sizeof(mien_ref) * 2 + sizeof(uint64_t) + 2 * sizeof(uint32_t) +
                              sizeof(struct mien_fusion) + 2 * sizeof(bool) + sizeof(mien_real *);
    *bytes = (plan.n_elements + plan.n_scratch + plan.n_constants) * sizeof(mien_real) +
             n_nodes * per_node + n_outputs * sizeof(mien_ref) + sizeof(struct mien_exec);
    mien_memory_plan_fini(&plan);
    return MIEN_OK;
}

void mien_workspace_fini(struct mien_workspace *workspace)
{
    mien_free(workspace->arena);
    mien_free(workspace->scratch);
    *workspace = (struct mien_workspace){0};
}

static enum mien_status grow(mien_real **at, uint64_t *n, uint64_t wanted)
{
    size_t bytes;

    if (*at != NULL && wanted <= *n)
        return MIEN_OK;
    if (!mien_mul_size(wanted, sizeof(mien_real), &bytes))
        return MIEN_ELIMIT;
    mien_free(*at);
    *at = mien_calloc_aligned(bytes);
    *n = *at == NULL ? 0 : wanted;
    return *at == NULL ? MIEN_ENOMEM : MIEN_OK;
}

static void write_constants(struct mien_exec *exec)
{
    for (uint32_t step = 0; step < exec->plan.n_steps; step++) {
        mien_ref n = exec->plan.order[step];
        const struct mien_node *node = mien_graph_node(exec->graph, n);

        if (node->op != MIEN_OP_CONSTANT)
            continue;
        mien_real *place = exec->constants + exec->plan.place[n];
        exec->value[n] = place;
        for (uint64_t i = 0; i < mien_shape_count(&node->shape); i++)
            place[i] = (mien_real)node->number;
    }
}

/* A workspace may have grown since the last run. */
static void point_at_places(struct mien_exec *exec)
{
    for (uint32_t step = 0; step < exec->plan.n_steps; step++) {
        mien_ref n = exec->plan.order[step];

        if (mien_graph_node(exec->graph, n)->op != MIEN_OP_CONSTANT)
            exec->value[n] = exec->workspace->arena + exec->plan.place[n];
    }
}

enum mien_status mien_exec_new(const struct mien_graph *graph, const mien_ref *outputs,
                               size_t n_outputs, struct mien_exec **out)
{
    return mien_exec_new_in(graph, outputs, n_outputs, NULL, out);
}

enum mien_status mien_exec_new_in(const struct mien_graph *graph, const mien_ref *outputs,
                                  size_t n_outputs, struct mien_workspace *workspace,
                                  struct mien_exec **out)
{
    struct mien_exec *exec = mien_calloc(1, sizeof(*exec));

    if (exec == NULL)
        return MIEN_ENOMEM;
    exec->graph = graph;
    exec->workspace = workspace == NULL ? &exec->own : workspace;
    enum mien_status status = mien_memory_plan_init(&exec->plan, graph, outputs, n_outputs);
    if (status != MIEN_OK)
        goto out;
    struct mien_workspace *w = exec->workspace;
    status = grow(&w->arena, &w->n_arena, exec->plan.n_elements);
    if (status == MIEN_OK)
        status = grow(&w->scratch, &w->n_scratch, exec->plan.n_scratch);
    if (status != MIEN_OK)
        goto out;
    status = MIEN_ENOMEM;
    exec->constants = mien_calloc_aligned(exec->plan.n_constants * sizeof(mien_real));
    exec->value = mien_calloc(mien_graph_n_nodes(graph), sizeof(*exec->value));
    exec->outputs = mien_memdup(outputs, n_outputs * sizeof(*outputs));
    exec->n_outputs = n_outputs;
    if (exec->constants == NULL || exec->value == NULL || exec->outputs == NULL)
        goto out;
    write_constants(exec);
    *out = exec;
    exec = NULL;
    status = MIEN_OK;
out:
    mien_exec_free(exec);
    return status;
}

void mien_exec_free(struct mien_exec *exec)
{
    if (exec == NULL)
        return;
    mien_memory_plan_fini(&exec->plan);
    mien_workspace_fini(&exec->own);
    mien_free(exec->constants);
    mien_free(exec->value);
    mien_free(exec->outputs);
    mien_free(exec);
}

enum mien_status mien_exec_bind(struct mien_exec *exec, uint32_t index, const mien_real *values)
{
    for (mien_ref n = 0; n < mien_graph_n_nodes(exec->graph); n++) {
        const struct mien_node *node = mien_graph_node(exec->graph, n);

        if (node->op == MIEN_OP_INPUT && node->offset == index) {
            exec->value[n] = values;
            return MIEN_OK;
        }
    }
    return MIEN_EINVAL;
}

static const mien_real *value_of(const struct mien_exec *exec, mien_ref ref)
{
    return ref == MIEN_NO_REF ? NULL : exec->value[exec->plan.root[ref]];
}

static void compute_weight_grad(struct mien_exec *exec, const struct mien_node *node,
                                const mien_real *a, const mien_real *b, mien_real *out)
{
    const struct mien_conv_shapes shapes = mien_graph_conv_shapes(exec->graph, node);
    const uint64_t n_x = mien_shape_count(&shapes.x);
    const uint64_t n_w = mien_shape_count(&shapes.w);
    const uint64_t n_y = mien_shape_count(&shapes.y);

    for (uint32_t i = 0; i < mien_graph_n_groups(node); i++, a += n_x, b += n_y, out += n_w) {
        if (node->op == MIEN_OP_CONV_WEIGHT_GRAD)
            mien_kernel_conv_weight_grad(&shapes, a, b, out, exec->workspace->scratch);
        else
            mien_kernel_upconv_weight_grad(&shapes, a, b, out, exec->workspace->scratch);
    }
}

static void compute_conv(struct mien_exec *exec, const struct mien_node *node, const mien_real *a,
                         const mien_real *b, mien_real *out)
{
    const struct mien_conv_shapes shapes = mien_graph_conv_shapes(exec->graph, node);

    switch (node->op) {
    case MIEN_OP_CONV:
        mien_kernel_conv(&shapes, a, b, out, exec->workspace->scratch);
        break;
    case MIEN_OP_CONV_INPUT_GRAD:
        mien_kernel_conv_input_grad(&shapes, a, b, out, exec->workspace->scratch);
        break;
    case MIEN_OP_UPCONV:
        mien_kernel_upconv(&shapes, a, b, out, exec->workspace->scratch);
        break;
    case MIEN_OP_UPCONV_INPUT_GRAD:
        mien_kernel_upconv_input_grad(&shapes, a, b, out, exec->workspace->scratch);
        break;
    default:
        compute_weight_grad(exec, node, a, b, out);
    }
}

/* Each group's rows into a table of its own. */
static void compute_scatter(const struct mien_exec *exec, const struct mien_node *node,
                            const mien_real *rows, const mien_real *index, mien_real *out)
{
    const struct mien_shape shape_index = mien_graph_shape(exec->graph, node->in[1]);
    const uint32_t groups = mien_graph_n_groups(node);
    const uint64_t n = mien_shape_count(&shape_index) / groups;
    const uint64_t n_columns = node->shape.dim[1];
    struct mien_shape table = node->shape;

    table.dim[0] /= groups;
    for (uint32_t i = 0; i < groups; i++)
        mien_kernel_scatter(rows + i * n * n_columns, &table, index + i * n, n,
                            out + i * table.dim[0] * n_columns);
}

static void compute_selection(const struct mien_exec *exec, const struct mien_node *node,
                              const mien_real *a, const mien_real *b, mien_real *out)
{
    const struct mien_shape shape_a = mien_graph_shape(exec->graph, node->in[0]);
    const struct mien_shape shape_b = mien_graph_shape(exec->graph, node->in[1]);
    const struct mien_pick_window window = {node->flags, node->conv.stride};

    switch (node->op) {
    case MIEN_OP_GATHER:
        mien_kernel_gather(a, &shape_a, b, mien_shape_count(&shape_b), out);
        break;
    case MIEN_OP_SCATTER:
        compute_scatter(exec, node, a, b, out);
        break;
    case MIEN_OP_PICK:
        mien_kernel_pick(&window, a, b, &shape_b, &node->shape, out);
        break;
    case MIEN_OP_UNPICK:
        mien_kernel_unpick(&window, a, b, &shape_b, &shape_a, out);
        break;
    default:
        mien_kernel_row_max(a, &shape_a, out);
    }
}

static void compute(struct mien_exec *exec, const struct mien_node *node, mien_real *out)
{
    const mien_real *a = value_of(exec, node->in[0]);
    const mien_real *b = value_of(exec, node->in[1]);
    const struct mien_shape shape_a = mien_graph_shape(exec->graph, node->in[0]);
    const struct mien_shape shape_b = mien_graph_shape(exec->graph, node->in[1]);
    const struct mien_elements *elements = mien_elements_native();

    switch (node->op) {
    case MIEN_OP_ADD:
    case MIEN_OP_SUBTRACT:
    case MIEN_OP_MULTIPLY:
    case MIEN_OP_DIVIDE:
        mien_kernel_binary(node->op, a, &shape_a, b, &shape_b, out);
        break;
    case MIEN_OP_GATE:
        elements->gate(a, b, mien_shape_count(&shape_a), (mien_real)node->number, out);
        break;
    case MIEN_OP_SUM:
        mien_kernel_sum(a, &shape_a, &node->shape, out);
        break;
    case MIEN_OP_BROADCAST:
        mien_kernel_broadcast(a, &shape_a, &node->shape, out);
        break;
    case MIEN_OP_MATMUL:
        mien_kernel_matmul(node, a, &shape_a, b, out);
        break;
    case MIEN_OP_CONV:
    case MIEN_OP_CONV_INPUT_GRAD:
    case MIEN_OP_CONV_WEIGHT_GRAD:
    case MIEN_OP_UPCONV:
    case MIEN_OP_UPCONV_INPUT_GRAD:
    case MIEN_OP_UPCONV_WEIGHT_GRAD:
        compute_conv(exec, node, a, b, out);
        break;
    case MIEN_OP_UPSAMPLE:
        mien_kernel_upsample(a, &shape_a, out);
        break;
    case MIEN_OP_SUM_POOL:
        mien_kernel_sum_pool(a, &node->shape, out);
        break;
    case MIEN_OP_SLICE:
        mien_kernel_slice(a, &shape_a, node->flags, node->start, node->shape.dim[node->flags], out);
        break;
    case MIEN_OP_PAD:
        mien_kernel_pad(a, &shape_a, node->flags, node->start, node->shape.dim[node->flags], out);
        break;
    case MIEN_OP_GATHER:
    case MIEN_OP_SCATTER:
    case MIEN_OP_PICK:
    case MIEN_OP_UNPICK:
    case MIEN_OP_ROW_MAX:
        compute_selection(exec, node, a, b, out);
        break;
    default:
        elements->unary(node->op, a, mien_shape_count(&node->shape), (mien_real)node->number, out);
    }
}

static void compute_chain(struct mien_exec *exec, const struct mien_fusion *chain)
{
    struct mien_link links[MIEN_FUSION_MAX];

    for (uint32_t i = 0; i < chain->n; i++) {
        const mien_ref n = exec->plan.order[chain->first + i];
        const struct mien_node *node = mien_graph_node(exec->graph, n);

        if (node->op == MIEN_OP_CONSTANT) /* never in a longer chain; written when it was made */
            return;
        links[i] = (struct mien_link){
            .node = node,
            .a = value_of(exec, node->in[0]),
            .b = value_of(exec, node->in[1]),
            .out = exec->workspace->arena + exec->plan.place[n],
        };
        if (chain->n == 1)
            compute(exec, node, links[i].out);
    }
    if (chain->n > 1)
        mien_fusion_run(exec->graph, chain, links);
}

enum mien_status mien_exec_run(struct mien_exec *exec, const mien_real *params)
{
    for (mien_ref n = 0; n < mien_graph_n_nodes(exec->graph); n++) {
        const struct mien_node *node = mien_graph_node(exec->graph, n);

        if (!exec->plan.needed[n])
            continue;
        if (node->op == MIEN_OP_PARAMETER)
            exec->value[n] = params == NULL ? NULL : params + node->offset;
        if (node->op <= MIEN_OP_PARAMETER && exec->value[n] == NULL)
            return MIEN_ESTATE;
    }
    point_at_places(exec);
    const uint64_t mode = mien_float_flush();
    for (uint32_t i = 0; i < exec->plan.n_fusions; i++)
        compute_chain(exec, &exec->plan.fusions[i]);
    mien_float_restore(mode);
    return MIEN_OK;
}

const mien_real *mien_exec_output(const struct mien_exec *exec, size_t index)
{
    return index < exec->n_outputs ? value_of(exec, exec->outputs[index]) : NULL;
}

/* Rows of a late node: a product, or the sum of a late node and a product. */
static void compute_late(const struct mien_exec *exec, mien_ref n, uint64_t first, uint64_t n_rows,
                         mien_real *out)
{
    const struct mien_node *node = mien_graph_node(exec->graph, n);
    struct mien_late_part part = {.first = first, .n_rows = n_rows};

    if (node->op == MIEN_OP_ADD) {
        compute_late(exec, node->in[0], first, n_rows, out);
        node = mien_graph_node(exec->graph, node->in[1]);
        part.add = true;
    }
    part.a = value_of(exec, node->in[0]);
    part.b = value_of(exec, node->in[1]);
    mien_late_compute(exec->graph, node, &part, out);
}

void mien_exec_visit(struct mien_exec *exec, size_t index, mien_visitor *visitor, void *self)
{
    const mien_ref n = exec->outputs[index];
    const struct mien_shape shape = mien_graph_shape(exec->graph, n);
    const mien_real *stored = mien_exec_output(exec, index);

    if (stored != NULL) {
        visitor(self, 0, stored, mien_shape_count(&shape));
        return;
    }
    const uint64_t mode = mien_float_flush();
    for (uint64_t row = 0; row < shape.dim[0]; row += MIEN_LATE_ROWS) {
        const uint64_t n_rows = mien_min_size(MIEN_LATE_ROWS, shape.dim[0] - row);

        compute_late(exec, n, row, n_rows, exec->workspace->scratch);
        visitor(self, row * shape.dim[1], exec->workspace->scratch, n_rows * shape.dim[1]);
    }
    mien_float_restore(mode);
}
