/* Chains: element-wise steps that follow each other and are computed together.
 *
 * Tensors of a chain are cut into rows (one for each of their leading places), and all steps do a
 * few rows before the next few, so what one step writes is still in the nearest cache when the next
 * reads it. Elements see the same operations as one step at a time: the bits are equal.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_FUSION_H
#define MIEN_TENSOR_FUSION_H

#include "common/base/real.h"
#include "common/tensor/graph.h"

/* Steps of one chain at most. */
#define MIEN_FUSION_MAX 16

/* Steps first .. first + n - 1 of an order. */
struct mien_fusion {
    uint32_t first;
    uint32_t n;      /* 1: a step of its own */
    uint64_t n_rows; /* of every tensor in it; 1 for a step of its own */
};

/* Whether an op computes each element from elements in the same place. */
bool mien_is_element_wise(enum mien_op op);

/* Cuts an order of steps into chains; returns their number.
 *
 *   order    [n_steps] nodes
 *   fusions  [n_steps] written
 */
uint32_t mien_fusions_find(const struct mien_graph *graph, const mien_ref *order, uint32_t n_steps,
                           struct mien_fusion *fusions);

/* One step of a chain and where its tensors are. */
struct mien_link {
    const struct mien_node *node;
    const mien_real *a;
    const mien_real *b; /* NULL where the op takes one operand */
    mien_real *out;
};

/* Computes a chain.
 *
 *   links  [chain->n] in order
 */
void mien_fusion_run(const struct mien_graph *graph, const struct mien_fusion *chain,
                     const struct mien_link *links);

#endif
