/* What the files of common/tensor share about building nodes.
 *
 * Threads: as graph.h
 */
#ifndef MIEN_TENSOR_GRAPH_INTERNAL_H
#define MIEN_TENSOR_GRAPH_INTERNAL_H

#include "common/tensor/graph.h"

/* Adds a node, or finds its equal. MIEN_NO_REF when the graph has failed. */
mien_ref mien_graph_append(struct mien_graph *graph, const struct mien_node *node);

/* Notes the first failure; always MIEN_NO_REF. */
mien_ref mien_graph_fail(struct mien_graph *graph, enum mien_status status, const char *op,
                         const char *why);

/* Output height or width of a convolution, 0 when the kernel does not fit. */
uint32_t mien_conv_extent(uint32_t in, uint32_t kernel, uint32_t stride, uint64_t padding);

/* Whether `number` of this CONSTANT is what an op would absorb. */
bool mien_is_constant(const struct mien_graph *graph, mien_ref ref, double number);

#endif
