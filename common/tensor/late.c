// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/late.h"

#include "common/tensor/product.h"

/* Longer sums take longer than writing them down and reading them. */
#define MOST_TERMS 48

/* Smaller outputs stay in a cache until they are used: a mebibyte. */
#define FEWEST_ELEMENTS (UINT64_C(1) << 18)

/* Products that are added up to one output. */
#define MOST_PRODUCTS 16

struct search {
    const struct mien_graph *graph;
    const uint32_t *readers;
};

/* a' b, its operands computed or bound before any parameter changes. */
static bool is_short_product(const struct mien_graph *graph, const struct mien_node *node)
{
    if (node->op != MIEN_OP_MATMUL || (node->flags & MIEN_TRANSPOSE_RIGHT) != 0 ||
        (node->flags & MIEN_TRANSPOSE_LEFT) == 0)
        return false;
    const struct mien_shape a = mien_graph_shape(graph, node->in[0]);
    for (int i = 0; i < 2; i++) {
        const struct mien_node *from = mien_graph_node(graph, node->in[i]);

        while (from->op == MIEN_OP_RESHAPE)
            from = mien_graph_node(graph, from->in[0]);
        if (from->op == MIEN_OP_PARAMETER)
            return false;
    }
    return a.dim[0] <= MOST_TERMS && a.dim[1] == node->shape.dim[0];
}

static bool is_plain_add(const struct mien_graph *graph, const struct mien_node *node)
{
    const struct mien_shape b = mien_graph_shape(graph, node->in[1]);

    return node->op == MIEN_OP_ADD && mien_shape_equal(&b, &node->shape);
}

/* ((product + product) + product) ..: in this order, rows added one after the other are the sum. */
static bool can_be_late(const struct search *s, mien_ref n)
{
    for (uint32_t i = 0; i < MOST_PRODUCTS && s->readers[n] == 1; i++) {
        const struct mien_node *node = mien_graph_node(s->graph, n);

        if (is_short_product(s->graph, node))
            return true;
        if (!is_plain_add(s->graph, node))
            return false;
        const struct mien_node *last = mien_graph_node(s->graph, node->in[1]);
        if (s->readers[node->in[1]] != 1 || !is_short_product(s->graph, last))
            return false;
        n = node->in[0];
    }
    return false;
}

static void mark(const struct mien_graph *graph, mien_ref n, bool *late)
{
    const struct mien_node *node = mien_graph_node(graph, n);

    for (; node->op == MIEN_OP_ADD; n = node->in[0], node = mien_graph_node(graph, n)) {
        late[n] = true;
        late[node->in[1]] = true;
    }
    late[n] = true;
}

void mien_late_find(const struct mien_graph *graph, const mien_ref *outputs, size_t n_outputs,
                    const bool *needed, uint32_t *readers, bool *late)
{
    const struct search search = {graph, readers};

    for (mien_ref n = 0; n < mien_graph_n_nodes(graph); n++) {
        const struct mien_node *node = mien_graph_node(graph, n);

        for (int i = 0; i < 2; i++) {
            if (needed[n] && node->in[i] != MIEN_NO_REF)
                readers[node->in[i]]++;
        }
    }
    for (size_t i = 0; i < n_outputs; i++)
        readers[outputs[i]]++;
    for (size_t i = 0; i < n_outputs; i++) {
        const struct mien_node *node = mien_graph_node(graph, outputs[i]);

        if (node->may_be_late && mien_shape_count(&node->shape) >= FEWEST_ELEMENTS &&
            can_be_late(&search, outputs[i]))
            mark(graph, outputs[i], late);
    }
}

void mien_late_compute(const struct mien_graph *graph, const struct mien_node *node,
                       const struct mien_late_part *part, mien_real *out)
{
    const struct mien_shape a = mien_graph_shape(graph, node->in[0]);
    const uint64_t n = node->shape.dim[1];
    const struct mien_product product = {
        .rows = {1, 1, part->n_rows},
        .a_rows = {0, 0, 1},
        .c_rows = {0, 0, (ptrdiff_t)n},
        .sum = {1, 1, a.dim[0]},
        .a_sum = {0, 0, (ptrdiff_t)a.dim[1]},
        .b_sum = {0, 0, (ptrdiff_t)n},
        .n_columns = n,
        .b_column = 1,
        .add = part->add,
    };

    mien_product_run(&product, part->a + part->first, part->b, out);
}
