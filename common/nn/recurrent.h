/* A recurrent layer along texts.
 *
 * Source:  Cho et al. 2014; tensor/compose.h has the cell
 * Threads: as tensor/graph.h
 */
#ifndef MIEN_NN_RECURRENT_H
#define MIEN_NN_RECURRENT_H

#include "common/tensor/graph.h"

/* Parameters of a layer of u units on c numbers a symbol; gates in the order reset, keep, fresh. */
struct mien_gru {
    mien_ref input;      /* [c, 3 u] */
    mien_ref state;      /* [u, 3 u] */
    mien_ref input_bias; /* [3 u] */
    mien_ref state_bias; /* [3 u] */
};

/* x [n, t, 1, c] gives the state after each of the t symbols, [n, t, 1, u]; it begins at zero. */
mien_ref mien_gru_layer(struct mien_graph *graph, const struct mien_gru *gru, mien_ref x);

#endif
