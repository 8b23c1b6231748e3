// SPDX-License-Identifier: Apache-2.0
#include "common/nn/recurrent.h"

#include "common/tensor/compose.h"

/* What every step needs. */
struct steps {
    struct mien_graph *graph;
    const struct mien_gru *gru;
    mien_ref bias; /* [1, 3 u] */
    uint32_t n;
    uint32_t units;
};

/* The states after the symbols of from_x [n, t, 3 u], beginning at *h, which then is the last one.
 * Halves, not one symbol after the other: gradients of slices are zeros around a part, and of t
 * slices of the whole they would be t times the whole. */
static mien_ref states_of(const struct steps *s, mien_ref from_x, uint32_t t, mien_ref *h)
{
    struct mien_graph *g = s->graph;

    if (t == 1) {
        mien_ref flat = mien_reshape(g, from_x, mien_shape2(s->n, 3 * s->units));

        *h = mien_gru_cell(g, flat, *h, s->gru->state, s->bias);
        return mien_reshape(g, *h, mien_shape3(s->n, 1, s->units));
    }
    const uint32_t half = t / 2;
    mien_ref early = states_of(s, mien_slice(g, from_x, 1, 0, half), half, h);
    mien_ref late = states_of(s, mien_slice(g, from_x, 1, half, t - half), t - half, h);
    return mien_concat(g, early, late, 1);
}

mien_ref mien_gru_layer(struct mien_graph *graph, const struct mien_gru *gru, mien_ref x)
{
    const struct mien_shape from = mien_graph_shape(graph, x);
    const uint32_t units = mien_graph_shape(graph, gru->state).dim[0];

    if (x == MIEN_NO_REF || gru->state == MIEN_NO_REF)
        return MIEN_NO_REF;
    const uint32_t n = from.dim[0];
    const uint32_t t = from.dim[1];
    mien_ref bias_x = mien_reshape(graph, gru->input_bias, mien_shape2(1, 3 * units));
    mien_ref rows = mien_reshape(graph, x, mien_shape2(n * t, from.dim[3]));
    mien_ref from_x = mien_add(graph, mien_matmul(graph, rows, gru->input, 0), bias_x);
    const struct steps s = {
        graph, gru, mien_reshape(graph, gru->state_bias, mien_shape2(1, 3 * units)), n, units};
    mien_ref h = mien_constant(graph, mien_shape2(n, units), 0.0);
    mien_ref states =
        states_of(&s, mien_reshape(graph, from_x, mien_shape3(n, t, 3 * units)), t, &h);

    return mien_reshape(graph, states, mien_shape4(n, t, 1, units));
}
