/* The plan's networks as graphs: layer after layer over the model's parameters.
 *
 * Threads: as tensor/graph.h
 */
#ifndef MIEN_NN_LAYERS_H
#define MIEN_NN_LAYERS_H

#include "common/nn/model.h"
#include "common/tensor/graph.h"

/* Added to a variance: far below what it ever means. */
#define MIEN_NORM_EPSILON 1e-5

/* What the builders need to know. */
struct mien_network {
    struct mien_graph *graph;
    const struct mien_plan *plan;
    const struct mien_layout *layout;
    uint32_t groups; /* of the batch, a loss for each; 0: one loss for all */
};

/* The mean of all numbers of x [n, ..]: [1]; in groups the mean of each one's, [groups, 1]. */
mien_ref mien_batch_mean(const struct mien_network *net, mien_ref x);

/* Where a builder stands: the tensors of the next layer come next in the layout. */
struct mien_walk {
    const struct mien_network *net;
    uint32_t tensor;
};

/* Applies n layers to x: [n, c], or [n, h, w, c]; a text is [n, symbols, 1, 1]. */
mien_ref mien_walk_layers(struct mien_walk *walk, const struct mien_layer *layers, uint32_t n,
                          mien_ref x);

/* The first network of pictures x [n, size, size, channels]: [n, numbers it ends at].
 *
 *   code  [n, condition size], which enters as constant planes beside the picture: its numbers
 *         times a weight each are added to every pixel of the first layer's maps; MIEN_NO_REF
 *         when the plan is not conditioned
 */
mien_ref mien_first_network(const struct mien_network *net, mien_ref x, mien_ref code);

/* The same up to what its last layer gets (n_d_layers - 1 layers), without the code, and that
 * layer: for projection. */
mien_ref mien_first_features(const struct mien_network *net, mien_ref x, mien_ref *last);

/* The second network of z [n, latent] and code (MIEN_NO_REF: none): pictures [n, size, size,
 * channels]. */
mien_ref mien_second_network(const struct mien_network *net, mien_ref z, mien_ref code);

/* The weights of the code in the first network. */
mien_ref mien_code_weight(const struct mien_network *net);

#endif
