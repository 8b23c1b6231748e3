/* Tensors with their axes in another order: what other libraries' files need.
 *
 * Threads: any
 */
#ifndef MIEN_NN_PERMUTE_H
#define MIEN_NN_PERMUTE_H

#include "common/tensor/graph.h"

/* The shape after a permutation: axis i is axis order[i] of `shape`. */
struct mien_shape mien_permuted_shape(const struct mien_shape *shape, const uint32_t *order);

/* Copies a tensor with its axes in another order, as numpy's transpose does.
 *
 *   from   [shape]
 *   order  [n_axes] each axis once: axis i of the result is axis order[i] of `from`
 *   to     [mien_permuted_shape] out, not `from`
 */
void mien_permute(const float *from, const struct mien_shape *shape, const uint32_t *order,
                  float *to);

#endif
