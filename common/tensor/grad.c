// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/grad.h"

#include "common/base/mem.h"
#include "common/tensor/apart.h"
#include "common/tensor/graph_internal.h"
#include "common/tensor/rules.h"

#include <stdbool.h>

/* A gradient on its way back through the graph. */
struct walk {
    struct mien_graph *graph;
    size_t n_nodes;
    bool *depends;          /* whether a node depends on what the gradient is wanted in */
    mien_ref *adjoint;      /* of each node, or MIEN_NO_REF */
    uint32_t groups;        /* 0: of the whole batch */
    enum mien_apart *apart; /* NULL without groups */
};

static void walk_fini(struct walk *w)
{
    mien_free(w->depends);
    mien_free(w->adjoint);
    mien_free(w->apart);
}

/* Ready to go back from y; false when the graph has failed. */
static bool walk_init(struct walk *w, mien_ref y, uint32_t groups)
{
    w->n_nodes = (size_t)y + 1;
    w->groups = groups;
    w->depends = mien_calloc(w->n_nodes, sizeof(*w->depends));
    w->adjoint = mien_calloc(w->n_nodes, sizeof(*w->adjoint));
    w->apart = groups > 0 ? mien_calloc(w->n_nodes, sizeof(*w->apart)) : NULL;
    if (w->depends == NULL || w->adjoint == NULL || (groups > 0 && w->apart == NULL)) {
        (void)mien_graph_fail(w->graph, MIEN_ENOMEM, "gradient", "no memory");
        return false;
    }
    for (size_t n = 0; n < w->n_nodes; n++)
        w->adjoint[n] = MIEN_NO_REF;
    w->adjoint[y] = mien_constant(w->graph, mien_graph_shape(w->graph, y), 1.0);
    if (groups == 0)
        return true;
    mien_apart_of(w->graph, y, groups, w->apart);
    if (w->apart[y] != MIEN_APART)
        (void)mien_graph_fail(w->graph, MIEN_EINVAL, "gradient by groups",
                              "a loss depends on more than one group");
    return w->apart[y] == MIEN_APART;
}

/* Marks which nodes depend on one of wrt. */
static void mark_dependent(struct walk *w, const mien_ref *wrt, size_t n_wrt)
{
    for (size_t i = 0; i < n_wrt; i++) {
        if (wrt[i] < w->n_nodes)
            w->depends[wrt[i]] = true;
    }
    for (mien_ref n = 0; n < w->n_nodes; n++) {
        const struct mien_node *node = mien_graph_node(w->graph, n);

        for (int i = 0; i < 2; i++) {
            if (node->in[i] != MIEN_NO_REF && w->depends[node->in[i]])
                w->depends[n] = true;
        }
    }
}

static void accumulate(struct walk *w, mien_ref n, mien_ref more)
{
    mien_ref *slot = &w->adjoint[n];

    *slot = *slot == MIEN_NO_REF ? more : mien_add(w->graph, *slot, more);
}

/* How many adjoints an operand has, and the shape of them all. */
static uint32_t groups_of(const struct walk *w, mien_ref n, struct mien_shape *shape)
{
    if (w->groups == 0 || n == MIEN_NO_REF || !w->depends[n] || w->apart[n] != MIEN_SHARED)
        return 0;
    shape->dim[0] *= w->groups;
    return w->groups;
}

/* Whether the rule of the node keeps the groups apart. What all groups share meets the batch as
 * weights: the second operand, or a table. Before that only shape and scale may change. */
static bool goes_by_groups(const struct walk *w, const struct mien_rule_args *r)
{
    const enum mien_op op = r->node.op;

    if (w->groups == 0)
        return true;
    if (w->apart[r->y] == MIEN_SHARED)
        return op == MIEN_OP_RESHAPE || op == MIEN_OP_SCALE;
    return r->groups_a == 0 || op == MIEN_OP_GATHER;
}

static void step_back(struct walk *w, mien_ref n)
{
    struct mien_rule_args r = {
        .graph = w->graph, .node = *mien_graph_node(w->graph, n), .y = n, .dy = w->adjoint[n]};

    r.a = r.node.in[0];
    r.b = r.node.in[1];
    r.shape_a = mien_graph_shape(w->graph, r.a);
    r.shape_b = mien_graph_shape(w->graph, r.b);
    r.groups_a = groups_of(w, r.a, &r.shape_a);
    r.groups_b = groups_of(w, r.b, &r.shape_b);
    if (r.a == MIEN_NO_REF)
        return;
    if (r.node.groups > 0 || !goes_by_groups(w, &r)) {
        (void)mien_graph_fail(w->graph, MIEN_EINVAL, "gradient",
                              "no rule for an op on what groups share");
        return;
    }
    /* Adjoints of operands that do not matter become dead nodes, which no plan keeps. */
    struct mien_adjoints d = mien_rule_apply(&r);
    if (w->depends[r.a] && d.da != MIEN_NO_REF)
        accumulate(w, r.a, d.da);
    if (r.b != MIEN_NO_REF && w->depends[r.b] && d.db != MIEN_NO_REF)
        accumulate(w, r.b, d.db);
}

/* The gradients at the end of the way. */
static void give(struct walk *w, const mien_ref *wrt, size_t n_wrt, mien_ref *out)
{
    for (size_t i = 0; i < n_wrt; i++) {
        struct mien_shape shape = mien_graph_shape(w->graph, wrt[i]);

        if (w->groups > 0)
            shape.dim[0] *= w->groups;
        if (wrt[i] < w->n_nodes && w->adjoint[wrt[i]] != MIEN_NO_REF)
            out[i] = w->adjoint[wrt[i]];
        else if (wrt[i] != MIEN_NO_REF)
            out[i] = mien_constant(w->graph, shape, 0.0);
    }
}

static void gradient(struct mien_graph *graph, mien_ref y, uint32_t groups, const mien_ref *wrt,
                     size_t n_wrt, mien_ref *out)
{
    struct walk w = {.graph = graph};

    if (walk_init(&w, y, groups)) {
        mark_dependent(&w, wrt, n_wrt);
        for (mien_ref n = y + 1; n > 0; n--) {
            if (w.adjoint[n - 1] != MIEN_NO_REF && w.depends[n - 1])
                step_back(&w, n - 1);
        }
        if (mien_graph_status(graph, NULL) == MIEN_OK)
            give(&w, wrt, n_wrt, out);
    }
    walk_fini(&w);
}

void mien_grad(struct mien_graph *graph, mien_ref y, const mien_ref *wrt, size_t n_wrt,
               mien_ref *out)
{
    const struct mien_shape scalar = mien_graph_shape(graph, y);

    for (size_t i = 0; i < n_wrt; i++)
        out[i] = MIEN_NO_REF;
    if (mien_graph_status(graph, NULL) != MIEN_OK || y == MIEN_NO_REF)
        return;
    if (mien_shape_count(&scalar) == 1)
        gradient(graph, y, 0, wrt, n_wrt, out);
    else
        (void)mien_graph_fail(graph, MIEN_EINVAL, "gradient", "of something that is no scalar");
}

void mien_grad_groups(struct mien_graph *graph, mien_ref losses, uint32_t groups,
                      const mien_ref *wrt, size_t n_wrt, mien_ref *out)
{
    const struct mien_shape each = mien_graph_shape(graph, losses);

    for (size_t i = 0; i < n_wrt; i++)
        out[i] = MIEN_NO_REF;
    if (mien_graph_status(graph, NULL) != MIEN_OK || losses == MIEN_NO_REF)
        return;
    for (size_t i = 0; i < n_wrt; i++) {
        if (wrt[i] == MIEN_NO_REF || mien_graph_node(graph, wrt[i])->op != MIEN_OP_PARAMETER) {
            (void)mien_graph_fail(graph, MIEN_EINVAL, "gradient by groups",
                                  "in something that is no parameter");
            return;
        }
    }
    if (groups > 0 && mien_shape_count(&each) == groups)
        gradient(graph, losses, groups, wrt, n_wrt, out);
    else
        (void)mien_graph_fail(graph, MIEN_EINVAL, "gradient by groups", "expected a loss a group");
}
