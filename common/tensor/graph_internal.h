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

/* Shapes of a convolution y = conv(x, w), whichever of the three is computed. */
struct mien_conv_shapes {
    struct mien_shape x;
    struct mien_shape w;
    struct mien_shape y;
    struct mien_conv conv;
};

/* Parts that a node computes apart, at least 1. */
uint32_t mien_graph_n_groups(const struct mien_node *node);

/* Of a node whose op is one of the convolutions; of one group where it has several. */
struct mien_conv_shapes mien_graph_conv_shapes(const struct mien_graph *graph,
                                               const struct mien_node *node);

/* The convolution of x [n, h, w, c], upsampled, with w [3, 3, c, o]: [n, 2h, 2w, o], and its two
 * adjoints. mien_conv2d makes it where it fits. */
mien_ref mien_upconv(struct mien_graph *graph, mien_ref x, mien_ref w);
mien_ref mien_upconv_input_grad(struct mien_graph *graph, mien_ref y, mien_ref w,
                                struct mien_shape x_shape);
mien_ref mien_upconv_weight_grad(struct mien_graph *graph, mien_ref x, mien_ref y,
                                 struct mien_shape w_shape);

/* Whether `number` of this CONSTANT is what an op would absorb. */
bool mien_is_constant(const struct mien_graph *graph, mien_ref ref, double number);

#endif
