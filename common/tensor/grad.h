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

/* The gradients of `groups` losses, each in parameters of its own: what as many devices would find
 * that start at the same parameters, from one pass over all their examples. The batch is equal
 * parts one below the other, a device's each; only products that make gradients of weights are done
 * for each part alone. Gradients of gradients are fine before this (penalties); its results are not
 * differentiated again.
 *
 *   losses  [groups], or [groups, 1]: each of its own part of all inputs
 *   wrt     parameters
 *   out     [n_wrt] wrt[i]'s shape with its first axis times groups: a part for each loss
 *
 * Fails, with MIEN_EINVAL, where groups do not stay apart (apart.h), as in batch norm, and where
 * parameters are used otherwise than as weights, tables, or along the last axis.
 */
void mien_grad_groups(struct mien_graph *graph, mien_ref losses, uint32_t groups,
                      const mien_ref *wrt, size_t n_wrt, mien_ref *out);

#endif
