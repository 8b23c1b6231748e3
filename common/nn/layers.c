// SPDX-License-Identifier: Apache-2.0
#include "common/nn/layers.h"

#include "common/nn/recurrent.h"
#include "common/tensor/compose.h"
#include "common/tensor/select.h"

mien_ref mien_batch_mean(const struct mien_network *net, mien_ref x)
{
    const struct mien_shape s = mien_graph_shape(net->graph, x);

    if (net->groups == 0)
        return mien_mean_all(net->graph, x);
    const uint32_t each = (uint32_t)(mien_shape_count(&s) / net->groups);
    mien_ref rows = mien_reshape(net->graph, x, mien_shape2(net->groups, each));
    mien_ref sums = mien_sum_to(net->graph, rows, mien_shape2(net->groups, 1));
    return mien_scale(net->graph, sums, 1.0 / (double)each);
}

static mien_ref next_parameter(struct mien_walk *walk)
{
    const struct mien_tensor *tensor = &walk->net->layout->tensor[walk->tensor++];

    return mien_parameter(walk->net->graph, tensor->shape, tensor->offset);
}

/* A vector of length c as [1, .., 1, c], to go with data of this many axes. */
static mien_ref along_channels(struct mien_graph *g, mien_ref v, uint32_t n_axes)
{
    const uint32_t c = mien_graph_shape(g, v).dim[0];

    return mien_reshape(g, v, n_axes == 2 ? mien_shape2(1, c) : mien_shape4(1, 1, 1, c));
}

/* x plus the layer's bias, if it has one. */
static mien_ref with_bias(struct mien_walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;

    if (layer->no_bias)
        return x;
    return mien_add(g, x, along_channels(g, next_parameter(walk), mien_graph_shape(g, x).n_axes));
}

static mien_ref dense(struct mien_walk *walk, const struct mien_layer *layer, mien_ref x)
{
    mien_ref weight = next_parameter(walk);

    return with_bias(walk, layer, mien_matmul(walk->net->graph, x, weight, 0));
}

static mien_ref conv(struct mien_walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const struct mien_shape from = mien_graph_shape(g, x);
    const struct mien_kernel_size kernel = {layer->kernel, layer->kernel, layer->stride};
    const struct mien_conv geometry = mien_conv_same(from.dim[1], from.dim[2], &kernel);
    mien_ref weight = next_parameter(walk);

    return with_bias(walk, layer, mien_conv2d(g, x, weight, &geometry));
}

static mien_ref conv_transposed(struct mien_walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const struct mien_shape from = mien_graph_shape(g, x);
    const uint32_t h = from.dim[1] * layer->stride;
    const uint32_t w = from.dim[2] * layer->stride;
    const struct mien_kernel_size kernel = {layer->kernel, layer->kernel, layer->stride};
    const struct mien_conv geometry = mien_conv_same(h, w, &kernel);
    mien_ref weight = next_parameter(walk);
    mien_ref y = mien_conv2d_input_grad(g, x, weight,
                                        mien_shape4(from.dim[0], h, w, layer->channels), &geometry);

    return with_bias(walk, layer, y);
}

static mien_ref norm(struct mien_walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const uint32_t n_axes = mien_graph_shape(g, x).n_axes;
    mien_ref y = walk->net->plan->norm == MIEN_NORM_BATCH
                     ? mien_batch_norm(g, x, MIEN_NORM_EPSILON)
                     : mien_group_norm(g, x, layer->groups, MIEN_NORM_EPSILON);

    if (!layer->no_scale)
        y = mien_multiply(g, y, along_channels(g, next_parameter(walk), n_axes));
    return mien_add(g, y, along_channels(g, next_parameter(walk), n_axes));
}

static mien_ref embed(struct mien_walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const struct mien_shape from = mien_graph_shape(g, x);
    mien_ref rows = mien_gather(g, next_parameter(walk), x);

    return mien_reshape(g, rows, mien_shape4(from.dim[0], from.dim[1], 1, layer->channels));
}

static mien_ref recurrent(struct mien_walk *walk, mien_ref x)
{
    struct mien_gru gru;

    gru.input = next_parameter(walk);
    gru.state = next_parameter(walk);
    gru.input_bias = next_parameter(walk);
    gru.state_bias = next_parameter(walk);
    return mien_gru_layer(walk->net->graph, &gru, x);
}

static mien_ref apply_layer(struct mien_walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const struct mien_shape from = mien_graph_shape(g, x);

    if (x == MIEN_NO_REF) /* the graph has failed and keeps why */
        return MIEN_NO_REF;
    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        return dense(walk, layer, x);
    case MIEN_LAYER_CONV:
        return conv(walk, layer, x);
    case MIEN_LAYER_CONV_TRANSPOSED:
        return conv_transposed(walk, layer, x);
    case MIEN_LAYER_UPSAMPLE:
        return mien_upsample(g, x);
    case MIEN_LAYER_GROUP_NORM:
        return norm(walk, layer, x);
    case MIEN_LAYER_LEAKY_RELU:
        return mien_leaky(g, x, layer->slope);
    case MIEN_LAYER_TANH:
        return mien_tanh(g, x);
    case MIEN_LAYER_RESHAPE:
        return mien_reshape(g, x,
                            mien_shape4(from.dim[0], layer->height, layer->width, layer->channels));
    case MIEN_LAYER_FLATTEN:
        return mien_reshape(
            g, x, mien_shape2(from.dim[0], (uint32_t)(mien_shape_count(&from) / from.dim[0])));
    case MIEN_LAYER_MAX_POOL:
        return mien_max_pool(g, x, layer->kernel, layer->stride);
    case MIEN_LAYER_AVERAGE_POOL:
        return mien_average_pool(g, x, layer->kernel);
    case MIEN_LAYER_EMBED:
        return embed(walk, layer, x);
    case MIEN_LAYER_GRU:
        return recurrent(walk, x);
    }
    return MIEN_NO_REF;
}

mien_ref mien_walk_layers(struct mien_walk *walk, const struct mien_layer *layers, uint32_t n,
                          mien_ref x)
{
    for (uint32_t i = 0; i < n; i++)
        x = apply_layer(walk, &layers[i], x);
    return x;
}

mien_ref mien_code_weight(const struct mien_network *net)
{
    const struct mien_tensor *tensor = &net->layout->tensor[net->layout->n_d_tensors - 1];

    return mien_parameter(net->graph, tensor->shape, tensor->offset);
}

mien_ref mien_first_network(const struct mien_network *net, mien_ref x, mien_ref code)
{
    struct mien_walk walk = {.net = net};
    struct mien_graph *g = net->graph;

    x = mien_walk_layers(&walk, net->plan->d_layers, 1, x);
    if (code != MIEN_NO_REF) {
        mien_ref sums = mien_matmul(g, code, mien_code_weight(net), 0);
        const struct mien_shape s = mien_graph_shape(g, sums);

        x = mien_add(g, x, mien_reshape(g, sums, mien_shape4(s.dim[0], 1, 1, s.dim[1])));
    }
    return mien_walk_layers(&walk, net->plan->d_layers + 1, net->plan->n_d_layers - 1, x);
}

mien_ref mien_first_features(const struct mien_network *net, mien_ref x, mien_ref *last)
{
    struct mien_walk walk = {.net = net};
    const uint32_t n = net->plan->n_d_layers;
    mien_ref features = mien_walk_layers(&walk, net->plan->d_layers, n - 1, x);

    *last = mien_walk_layers(&walk, net->plan->d_layers + n - 1, 1, features);
    return features;
}

mien_ref mien_second_network(const struct mien_network *net, mien_ref z, mien_ref code)
{
    struct mien_walk walk = {.net = net, .tensor = net->layout->n_d_tensors};
    mien_ref x = code == MIEN_NO_REF ? z : mien_concat(net->graph, z, code, 1);

    return mien_walk_layers(&walk, net->plan->g_layers, net->plan->n_g_layers, x);
}
