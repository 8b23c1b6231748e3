// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/memory_plan.h"

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/tensor/kernels.h"
#include "common/tensor/late.h"

#include <string.h>

/* 64 bytes of floats: places do not share cache lines. */
#define PLACE_UNIT 16
#define FOR_EVER UINT32_MAX

/* Places in use, by offset. */
struct busy {
    uint64_t at;
    uint64_t len;
    mien_ref owner;
};

struct planner {
    const struct mien_graph *graph;
    struct mien_memory_plan *plan;
    uint32_t n_nodes;
    struct busy *busy;
    uint32_t n_busy;
};

void mien_memory_plan_fini(struct mien_memory_plan *plan)
{
    if (plan == NULL)
        return;
    mien_free(plan->order);
    mien_free(plan->fusions);
    mien_free(plan->fusion_end);
    mien_free(plan->root);
    mien_free(plan->place);
    mien_free(plan->last_use);
    mien_free(plan->late);
    mien_free(plan->needed);
    *plan = (struct mien_memory_plan){0};
}

static bool is_leaf(enum mien_op op)
{
    return op <= MIEN_OP_PARAMETER;
}

static void mark_needed(struct planner *p, const mien_ref *outputs, size_t n_outputs)
{
    for (size_t i = 0; i < n_outputs; i++)
        p->plan->needed[outputs[i]] = true;
    for (mien_ref n = p->n_nodes; n > 0; n--) {
        const struct mien_node *node = mien_graph_node(p->graph, n - 1);

        for (int i = 0; i < 2; i++) {
            if (p->plan->needed[n - 1] && node->in[i] != MIEN_NO_REF)
                p->plan->needed[node->in[i]] = true;
        }
    }
}

/* Order of computation, roots, and the last step that reads each root. */
static void find_lifetimes(struct planner *p, const mien_ref *outputs, size_t n_outputs)
{
    struct mien_memory_plan *plan = p->plan;

    for (mien_ref n = 0; n < p->n_nodes; n++) {
        const struct mien_node *node = mien_graph_node(p->graph, n);

        plan->root[n] = node->op == MIEN_OP_RESHAPE ? plan->root[node->in[0]] : n;
        plan->place[n] = MIEN_NO_PLACE;
        if (!plan->needed[n] || plan->late[n] || is_leaf(node->op) || node->op == MIEN_OP_RESHAPE)
            continue;
        for (int i = 0; i < 2; i++) {
            if (node->in[i] != MIEN_NO_REF)
                plan->last_use[plan->root[node->in[i]]] = plan->n_steps;
        }
        plan->last_use[n] = plan->n_steps;
        plan->order[plan->n_steps++] = n;
    }
    for (mien_ref n = 0; n < p->n_nodes; n++) {
        /* Constants are written once, before the first run. */
        if (mien_graph_node(p->graph, n)->op == MIEN_OP_CONSTANT)
            plan->last_use[n] = FOR_EVER;
    }
    for (size_t i = 0; i < n_outputs; i++)
        plan->last_use[plan->root[outputs[i]]] = FOR_EVER;
}

/* What late nodes read is kept for them. */
static void keep_for_late(struct planner *p)
{
    struct mien_memory_plan *plan = p->plan;

    for (mien_ref n = 0; n < p->n_nodes; n++) {
        const struct mien_node *node = mien_graph_node(p->graph, n);

        if (!plan->late[n])
            continue;
        plan->order[plan->n_steps + plan->n_late++] = n;
        for (int i = 0; i < 2; i++) {
            if (!plan->late[node->in[i]])
                plan->last_use[plan->root[node->in[i]]] = FOR_EVER;
        }
    }
}

static void find_chains(struct planner *p)
{
    struct mien_memory_plan *plan = p->plan;

    plan->n_fusions = mien_fusions_find(p->graph, plan->order, plan->n_steps, plan->fusions);
    for (uint32_t i = 0; i < plan->n_fusions; i++) {
        const struct mien_fusion *chain = &plan->fusions[i];

        for (uint32_t step = 0; step < chain->n; step++)
            plan->fusion_end[chain->first + step] = chain->first + chain->n - 1;
    }
}

/* Steps of a chain run in turn, so what one of them reads is kept until the last has run. */
static void release_dead(struct planner *p, uint32_t step)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->n_busy; i++) {
        uint32_t last = p->plan->last_use[p->busy[i].owner];

        if (last == FOR_EVER || p->plan->fusion_end[last] >= step)
            p->busy[kept++] = p->busy[i];
    }
    p->n_busy = kept;
}

/* An element-wise node may write over its first operand when nothing reads that later: in a chain
 * too, where an element is written after all steps before have read it. */
static bool take_over(struct planner *p, uint32_t step, mien_ref n)
{
    const struct mien_node *node = mien_graph_node(p->graph, n);

    if (!mien_is_element_wise(node->op))
        return false;
    mien_ref from = p->plan->root[node->in[0]];
    if (p->plan->place[from] == MIEN_NO_PLACE || p->plan->last_use[from] != step)
        return false;
    /* A smaller second operand in the same place would be overwritten while still read. */
    if (node->in[1] != MIEN_NO_REF && p->plan->root[node->in[1]] == from &&
        node->in[1] != node->in[0])
        return false;
    for (uint32_t i = 0; i < p->n_busy; i++) {
        if (p->busy[i].owner == from) {
            p->busy[i].owner = n;
            p->plan->place[n] = p->plan->place[from];
            return true;
        }
    }
    return false;
}

static uint64_t room_of(const struct planner *p, mien_ref n)
{
    const struct mien_shape shape = mien_graph_shape(p->graph, n);

    return (mien_shape_count(&shape) + PLACE_UNIT - 1) / PLACE_UNIT * PLACE_UNIT;
}

/* The lowest gap that is large enough. */
static void find_place(struct planner *p, mien_ref n)
{
    const uint64_t len = room_of(p, n);
    uint64_t at = 0;
    uint32_t i = 0;

    for (; i < p->n_busy && p->busy[i].at - at < len; i++)
        at = p->busy[i].at + p->busy[i].len;
    memmove(&p->busy[i + 1], &p->busy[i], (p->n_busy - i) * sizeof(p->busy[0]));
    p->busy[i] = (struct busy){at, len, n};
    p->n_busy++;
    p->plan->place[n] = at;
    if (at + len > p->plan->n_elements)
        p->plan->n_elements = at + len;
}

static uint64_t late_scratch(const struct mien_node *node)
{
    return MIEN_LATE_ROWS * (uint64_t)node->shape.dim[1];
}

static uint64_t scratch_of(const struct mien_graph *graph, const struct mien_node *node)
{
    if (node->op < MIEN_OP_CONV || node->op > MIEN_OP_UPCONV_WEIGHT_GRAD)
        return 0;
    const struct mien_conv_shapes shapes = mien_graph_conv_shapes(graph, node);

    return node->op < MIEN_OP_UPCONV ? mien_kernel_conv_scratch(&shapes)
                                     : mien_kernel_upconv_scratch(&shapes);
}

static void assign_places(struct planner *p)
{
    struct mien_memory_plan *plan = p->plan;

    for (uint32_t i = 0; i < plan->n_late; i++)
        plan->n_scratch =
            mien_max_size(plan->n_scratch,
                          late_scratch(mien_graph_node(p->graph, plan->order[plan->n_steps + i])));
    for (uint32_t step = 0; step < plan->n_steps; step++) {
        mien_ref n = plan->order[step];
        const struct mien_node *node = mien_graph_node(p->graph, n);

        if (node->op == MIEN_OP_CONSTANT) {
            plan->place[n] = plan->n_constants;
            plan->n_constants += room_of(p, n);
            continue;
        }
        release_dead(p, step);
        if (!take_over(p, step, n))
            find_place(p, n);
        plan->n_scratch = mien_max_size(plan->n_scratch, scratch_of(p->graph, node));
    }
}

enum mien_status mien_memory_plan_init(struct mien_memory_plan *out, const struct mien_graph *graph,
                                       const mien_ref *outputs, size_t n_outputs)
{
    struct mien_memory_plan plan = {0};
    struct planner p = {.graph = graph, .plan = &plan, .n_nodes = mien_graph_n_nodes(graph)};

    enum mien_status status = mien_graph_status(graph, NULL);

    if (status != MIEN_OK)
        return status;
    for (size_t i = 0; i < n_outputs; i++) {
        if (outputs[i] >= p.n_nodes)
            return MIEN_EINVAL;
    }
    plan.order = mien_calloc(p.n_nodes, sizeof(*plan.order));
    plan.root = mien_calloc(p.n_nodes, sizeof(*plan.root));
    plan.place = mien_calloc(p.n_nodes, sizeof(*plan.place));
    plan.last_use = mien_calloc(p.n_nodes, sizeof(*plan.last_use));
    plan.needed = mien_calloc(p.n_nodes, sizeof(*plan.needed));
    plan.late = mien_calloc(p.n_nodes, sizeof(*plan.late));
    plan.fusions = mien_calloc(p.n_nodes, sizeof(*plan.fusions));
    plan.fusion_end = mien_calloc(p.n_nodes, sizeof(*plan.fusion_end));
    p.busy = mien_calloc((size_t)p.n_nodes + 1, sizeof(*p.busy));
    if (plan.order == NULL || plan.root == NULL || plan.place == NULL || plan.last_use == NULL ||
        plan.needed == NULL || plan.late == NULL || plan.fusions == NULL ||
        plan.fusion_end == NULL || p.busy == NULL) {
        mien_memory_plan_fini(&plan);
        mien_free(p.busy);
        return MIEN_ENOMEM;
    }
    mark_needed(&p, outputs, n_outputs);
    /* last_use counts readers, before it is what it says. */
    mien_late_find(graph, outputs, n_outputs, plan.needed, plan.last_use, plan.late);
    memset(plan.last_use, 0, p.n_nodes * sizeof(*plan.last_use));
    find_lifetimes(&p, outputs, n_outputs);
    keep_for_late(&p);
    find_chains(&p);
    assign_places(&p);
    mien_free(p.busy);
    *out = plan;
    return MIEN_OK;
}
