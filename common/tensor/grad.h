/* Reverse-mode differentiation that adds nodes.
 *
 * The gradient of a scalar node is built from the ops of graph.h, so it is a graph like any other
 * and can be differentiated again: penalties on gradients (R1, Gulrajani et al. 2017) need no
 * special case.
 *
 * Source:  Griewank, Walther 2008, "Evaluating Derivatives", chapter 3; rules stand beside the ops
 *          in grad.c
 * Threads: as graph.h
 */
#ifndef MIEN_TENSOR_GRAD_H
#define MIEN_TENSOR_GRAD_H

#include "common/tensor/graph.h"

/* Gradients of y in each wrt[i]: out[i] has the shape of wrt[i] (zeros where y does not depend on
 * it). Failures are sticky in the graph; out[i] is then MIEN_NO_REF.
 *
 *   y  [1]
 */
void mien_grad(struct mien_graph *graph, mien_ref y, const mien_ref *wrt, size_t n_wrt,
               mien_ref *out);

#endif
