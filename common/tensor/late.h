/* Late outputs: gradients of large weights, computed a few rows at a time when they are used.
 *
 * Under a batch of few examples the gradient of a dense layer's weights is a product with short
 * sums, or a few of these added up. Writing it to memory and reading it again takes longer than
 * computing it, so a late output has no place in the arena: who uses it gets rows of it while they
 * are in a cache. The bits are those of an output that is stored.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_LATE_H
#define MIEN_TENSOR_LATE_H

#include "common/base/real.h"
#include "common/tensor/graph.h"

/* Rows that are computed at a time: those of a tile. */
#define MIEN_LATE_ROWS 12

/* Marks what is computed late: outputs that may be (mien_graph_late), are large, and are products
 * with short sums or sums of them, none of which anything else reads; and the products.
 *
 *   needed   [n_nodes]
 *   readers  [n_nodes] zeroed, for its own use
 *   late     [n_nodes] zeroed; written
 */
void mien_late_find(const struct mien_graph *graph, const mien_ref *outputs, size_t n_outputs,
                    const bool *needed, uint32_t *readers, bool *late);

/* Rows `first` .. `first + n_rows - 1` of a product. */
struct mien_late_part {
    const mien_real *a; /* its operands */
    const mien_real *b;
    uint64_t first;
    uint64_t n_rows;
    bool add; /* to what is there, instead of writing over it */
};

/* Computes a part of a late product: out [n_rows, columns]. */
void mien_late_compute(const struct mien_graph *graph, const struct mien_node *product,
                       const struct mien_late_part *part, mien_real *out);

#endif
