/* Ops that choose elements: rows of a table, the largest under a window.
 *
 * Sticky errors as in graph.h. What is chosen does not change in a small neighbourhood, so only the
 * chosen values have gradients; the choosers (indexes, the tensor that is compared) have none.
 *
 * Source:  Bengio et al. 2003 (embedding), Scherer et al. 2010 (max pooling)
 * Threads: as graph.h
 */
#ifndef MIEN_TENSOR_SELECT_H
#define MIEN_TENSOR_SELECT_H

#include "common/tensor/graph.h"

/* Rows of a table: table [v, c] at index [n, ...] give [n ..., c] with one row for each index, as
 * [count of index, c]. An index is a whole number stored as a real; one that is none of 0 .. v - 1
 * (or NaN) gives a row of zeros, so that no input can reach outside the table. */
mien_ref mien_gather(struct mien_graph *graph, mien_ref table, mien_ref index);

/* The adjoint in the table: rows [count of index, c] are added up where they were taken from.
 *
 *   table_shape  [v, c]
 */
mien_ref mien_scatter(struct mien_graph *graph, mien_ref rows, mien_ref index,
                      struct mien_shape table_shape);

/* From `from`, the element where `by` is largest under each window (the first of equal ones; a NaN
 * counts as largest): both [n, h, w, c] give [n, oh, ow, c], oh = (h - side) / stride + 1. */
mien_ref mien_pick(struct mien_graph *graph, mien_ref from, mien_ref by, uint32_t side,
                   uint32_t stride);

/* The adjoint in `from`: y [n, oh, ow, c], each added at its place, zeros elsewhere. */
mien_ref mien_unpick(struct mien_graph *graph, mien_ref y, mien_ref by, uint32_t side,
                     uint32_t stride);

/* Max pooling under windows of side x side. */
mien_ref mien_max_pool(struct mien_graph *graph, mien_ref x, uint32_t side, uint32_t stride);

/* The largest number of each row, x [.., c] gives [.., 1]. Its gradient counts as 0: it serves to
 * shift numbers where a shift changes nothing (softmax). */
mien_ref mien_row_max(struct mien_graph *graph, mien_ref x);

#endif
