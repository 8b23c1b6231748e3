// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/select.h"

#include "common/tensor/graph_internal.h"

mien_ref mien_gather(struct mien_graph *graph, mien_ref table, mien_ref index)
{
    if (table == MIEN_NO_REF || index == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_shape st = mien_graph_shape(graph, table);
    const struct mien_shape si = mien_graph_shape(graph, index);

    if (st.n_axes != 2)
        return mien_graph_fail(graph, MIEN_EINVAL, "gather", "expected a table [v, c]");
    const struct mien_node node = {.op = MIEN_OP_GATHER,
                                   .shape = mien_shape2((uint32_t)mien_shape_count(&si), st.dim[1]),
                                   .in = {table, index}};
    return mien_graph_append(graph, &node);
}

mien_ref mien_scatter(struct mien_graph *graph, mien_ref rows, mien_ref index,
                      struct mien_shape table_shape)
{
    if (rows == MIEN_NO_REF || index == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_shape sr = mien_graph_shape(graph, rows);
    const struct mien_shape si = mien_graph_shape(graph, index);

    if (sr.n_axes != 2 || table_shape.n_axes != 2 || sr.dim[0] != mien_shape_count(&si) ||
        sr.dim[1] != table_shape.dim[1])
        return mien_graph_fail(graph, MIEN_EINVAL, "scatter", "the shapes do not agree");
    const struct mien_node node = {
        .op = MIEN_OP_SCATTER, .shape = table_shape, .in = {rows, index}};
    return mien_graph_append(graph, &node);
}

/* The shape of what is picked from `by`, {0} when the window does not fit. */
static struct mien_shape picked_shape(const struct mien_shape *by, uint32_t side, uint32_t stride)
{
    if (by->n_axes != 4 || side == 0 || stride == 0 || by->dim[1] < side || by->dim[2] < side)
        return (struct mien_shape){0};
    return mien_shape4(by->dim[0], (by->dim[1] - side) / stride + 1,
                       (by->dim[2] - side) / stride + 1, by->dim[3]);
}

mien_ref mien_pick(struct mien_graph *graph, mien_ref from, mien_ref by, uint32_t side,
                   uint32_t stride)
{
    if (from == MIEN_NO_REF || by == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_shape sf = mien_graph_shape(graph, from);
    const struct mien_shape sb = mien_graph_shape(graph, by);
    const struct mien_shape picked = picked_shape(&sb, side, stride);

    if (mien_shape_count(&picked) == 0 || !mien_shape_equal(&sf, &sb))
        return mien_graph_fail(graph, MIEN_EINVAL, "pick", "the window does not fit the pictures");
    const struct mien_node node = {.op = MIEN_OP_PICK,
                                   .shape = picked,
                                   .in = {from, by},
                                   .flags = side,
                                   .conv = {.stride = stride}};
    return mien_graph_append(graph, &node);
}

mien_ref mien_unpick(struct mien_graph *graph, mien_ref y, mien_ref by, uint32_t side,
                     uint32_t stride)
{
    if (y == MIEN_NO_REF || by == MIEN_NO_REF)
        return MIEN_NO_REF;
    const struct mien_shape sy = mien_graph_shape(graph, y);
    const struct mien_shape sb = mien_graph_shape(graph, by);
    const struct mien_shape picked = picked_shape(&sb, side, stride);

    if (mien_shape_count(&picked) == 0 || !mien_shape_equal(&sy, &picked))
        return mien_graph_fail(graph, MIEN_EINVAL, "unpick", "the shapes do not agree");
    const struct mien_node node = {.op = MIEN_OP_UNPICK,
                                   .shape = sb,
                                   .in = {y, by},
                                   .flags = side,
                                   .conv = {.stride = stride}};
    return mien_graph_append(graph, &node);
}

mien_ref mien_max_pool(struct mien_graph *graph, mien_ref x, uint32_t side, uint32_t stride)
{
    return mien_pick(graph, x, x, side, stride);
}

mien_ref mien_row_max(struct mien_graph *graph, mien_ref x)
{
    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    struct mien_node node = {
        .op = MIEN_OP_ROW_MAX, .shape = mien_graph_shape(graph, x), .in = {x, MIEN_NO_REF}};

    node.shape.dim[node.shape.n_axes - 1] = 1;
    return mien_graph_append(graph, &node);
}
