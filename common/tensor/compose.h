/* Ops made of other ops: geometry of convolutions, pools, norms, softmax, a recurrent cell.
 *
 * Nothing here has a kernel or a gradient rule of its own: what these functions add to the graph is
 * differentiated like everything else, to any order. Sticky errors as in graph.h.
 *
 * Threads: as graph.h
 */
#ifndef MIEN_TENSOR_COMPOSE_H
#define MIEN_TENSOR_COMPOSE_H

#include "common/tensor/graph.h"

/* A kernel and its stride. */
struct mien_kernel_size {
    uint32_t h;
    uint32_t w;
    uint32_t stride;
};

/* Padding "same" as TensorFlow has it: for pictures of h x w, as many zeros as make ceil(h /
 * stride) x ceil(w / stride) results; an odd zero goes to the bottom and the right. */
struct mien_conv mien_conv_same(uint32_t h, uint32_t w, const struct mien_kernel_size *kernel);

/* Padding "same" as PyTorch has it: kernel - 1 zeros whatever the picture and the stride; an odd
 * zero goes to the bottom and the right. Equal to the other at stride 1; at stride 2, pictures of
 * even sides and odd kernels the two look at different pixels. */
struct mien_conv mien_conv_same_torch(const struct mien_kernel_size *kernel);

/* Convolution in groups: x [n, h, w, c] and w [kh, kw, c / groups, o] give [n, oh, ow, o]; the o
 * results in equal parts, each from its own part of the c channels. */
mien_ref mien_conv2d_groups(struct mien_graph *graph, mien_ref x, mien_ref w,
                            const struct mien_conv *conv, uint32_t groups);

/* Means of side x side blocks; side divides h and w of x [n, h, w, c]. */
mien_ref mien_average_pool(struct mien_graph *graph, mien_ref x, uint32_t side);

/* max(x, 0). */
mien_ref mien_relu(struct mien_graph *graph, mien_ref x);

/* (x - mean) / sqrt(variance + epsilon), mean and (biased) variance over the axes where `each` has
 * length 1 and x more. */
mien_ref mien_normalise(struct mien_graph *graph, mien_ref x, struct mien_shape each,
                        double epsilon);

/* Normalises x [n, .., c] over an example's pixels and a group's channels (Wu, He 2018); over the
 * last axis (Ba et al. 2016); over the batch and its pixels (Ioffe, Szegedy 2015, with the
 * statistics of this batch). None scales or shifts afterwards. */
mien_ref mien_group_norm(struct mien_graph *graph, mien_ref x, uint32_t groups, double epsilon);
mien_ref mien_layer_norm(struct mien_graph *graph, mien_ref x, double epsilon);
mien_ref mien_batch_norm(struct mien_graph *graph, mien_ref x, double epsilon);

/* x - log sum e^x and e^x / sum e^x over each row of x [n, c]. */
mien_ref mien_log_softmax(struct mien_graph *graph, mien_ref x);
mien_ref mien_softmax(struct mien_graph *graph, mien_ref x);

/* -sum target log softmax(x) of each row: [n, 1]. A row of zeros in target [n, c] costs nothing. */
mien_ref mien_softmax_cross_entropy(struct mien_graph *graph, mien_ref x, mien_ref target);

/* mean + e^(log_variance / 2) noise, all of one shape (Kingma, Welling 2014, section 2.4). */
mien_ref mien_reparameterise(struct mien_graph *graph, mien_ref mean, mien_ref log_variance,
                             mien_ref noise);

/* KL(N(mean, e^log_variance) || N(0, 1)) of each row of [n, c]: [n, 1] (appendix B there). */
mien_ref mien_normal_divergence(struct mien_graph *graph, mien_ref mean, mien_ref log_variance);

/* One step of a gated recurrent unit of u numbers (Cho et al. 2014, with the reset gate behind the
 * product, as PyTorch and cuDNN have it):
 *
 *   r = sigmoid(x_r + h_r)   z = sigmoid(x_z + h_z)   c = tanh(x_c + r h_c)
 *   h' = c + z (h - c)
 *
 *   from_x  [n, 3 u]: r, z, c of W x + b, for the caller can make those of all steps in one product
 *   h       [n, u]
 *   w       [u, 3 u], b [1, 3 u]: of h
 */
mien_ref mien_gru_cell(struct mien_graph *graph, mien_ref from_x, mien_ref h, mien_ref w,
                       mien_ref b);

#endif
