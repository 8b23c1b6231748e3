// SPDX-License-Identifier: Apache-2.0
#include "common/nn/network.h"

#include "common/tensor/grad.h"

/* Added to a variance, and under a root: far below what either ever means. */
#define NORM_EPSILON 1e-5
#define ROOT_EPSILON 1e-10

/* Where a builder stands: the tensors of the next layer come next in the layout. */
struct walk {
    const struct mien_network *net;
    uint32_t tensor;
    mien_ref code;
};

static mien_ref next_parameter(struct walk *walk)
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

static struct mien_conv same_padding(uint32_t size, uint32_t kernel, uint32_t stride)
{
    const uint32_t out = (size + stride - 1) / stride;
    const uint32_t span = (out - 1) * stride + kernel;
    const uint32_t total = span > size ? span - size : 0;

    return (struct mien_conv){stride, total / 2, total / 2, total - total / 2, total - total / 2};
}

static mien_ref dense(struct walk *walk, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    mien_ref weight = next_parameter(walk);
    mien_ref bias = next_parameter(walk);

    return mien_add(g, mien_matmul(g, x, weight, 0), along_channels(g, bias, 2));
}

static mien_ref conv(struct walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const struct mien_shape from = mien_graph_shape(g, x);
    const struct mien_conv geometry = same_padding(from.dim[1], layer->kernel, layer->stride);
    mien_ref weight = next_parameter(walk);
    mien_ref bias = next_parameter(walk);

    return mien_add(g, mien_conv2d(g, x, weight, &geometry), along_channels(g, bias, 4));
}

static mien_ref conv_transposed(struct walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const struct mien_shape from = mien_graph_shape(g, x);
    const uint32_t h = from.dim[1] * layer->stride;
    const uint32_t w = from.dim[2] * layer->stride;
    const struct mien_conv geometry = same_padding(h, layer->kernel, layer->stride);
    mien_ref weight = next_parameter(walk);
    mien_ref bias = next_parameter(walk);
    mien_ref y = mien_conv2d_input_grad(g, x, weight,
                                        mien_shape4(from.dim[0], h, w, layer->channels), &geometry);

    return mien_add(g, y, along_channels(g, bias, 4));
}

/* Wu, He 2018: mean and variance over a picture's pixels and a group's channels. */
static mien_ref group_norm(struct walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const struct mien_shape from = mien_graph_shape(g, x);
    const uint32_t n = from.dim[0];
    const uint32_t c = from.dim[from.n_axes - 1];
    const uint32_t pixels = from.n_axes == 4 ? from.dim[1] * from.dim[2] : 1;
    const uint32_t per_group = c / layer->groups;
    const struct mien_shape grouped = mien_shape4(n, pixels, layer->groups, per_group);
    const struct mien_shape one_each = mien_shape4(n, 1, layer->groups, 1);
    const double share = 1.0 / ((double)pixels * (double)per_group);
    mien_ref weight = along_channels(g, next_parameter(walk), from.n_axes);
    mien_ref bias = along_channels(g, next_parameter(walk), from.n_axes);

    mien_ref rows = mien_reshape(g, x, grouped);
    mien_ref mean = mien_scale(g, mien_sum_to(g, rows, one_each), share);
    mien_ref centred = mien_subtract(g, rows, mean);
    mien_ref squares = mien_sum_to(g, mien_multiply(g, centred, centred), one_each);
    mien_ref deviation = mien_sqrt(g, mien_shift(g, mien_scale(g, squares, share), NORM_EPSILON));
    mien_ref y = mien_reshape(g, mien_divide(g, centred, deviation), from);

    return mien_add(g, mien_multiply(g, y, weight), bias);
}

static mien_ref apply_layer(struct walk *walk, const struct mien_layer *layer, mien_ref x)
{
    struct mien_graph *g = walk->net->graph;
    const struct mien_shape from = mien_graph_shape(g, x);

    if (x == MIEN_NO_REF) /* the graph has failed and keeps why */
        return MIEN_NO_REF;
    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        return dense(walk, x);
    case MIEN_LAYER_CONV:
        return conv(walk, layer, x);
    case MIEN_LAYER_CONV_TRANSPOSED:
        return conv_transposed(walk, layer, x);
    case MIEN_LAYER_UPSAMPLE:
        return mien_upsample(g, x);
    case MIEN_LAYER_GROUP_NORM:
        return group_norm(walk, layer, x);
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
    }
    return MIEN_NO_REF;
}

mien_ref mien_discriminator(const struct mien_network *net, mien_ref x, mien_ref code)
{
    struct walk walk = {.net = net};
    struct mien_graph *g = net->graph;

    for (uint32_t i = 0; i < net->plan->n_d_layers; i++) {
        x = apply_layer(&walk, &net->plan->d_layers[i], x);
        if (i > 0 || code == MIEN_NO_REF)
            continue;
        /* The code as constant planes beside the picture (borders apart): its numbers times a
         * weight each, added to every pixel of the first layer's maps. */
        const struct mien_tensor *tensor = &net->layout->tensor[net->layout->n_d_tensors - 1];
        mien_ref weight = mien_parameter(g, tensor->shape, tensor->offset);
        const uint32_t n = mien_graph_shape(g, x).dim[0];
        const struct mien_shape planes = mien_shape4(n, 1, 1, tensor->shape.dim[1]);

        x = mien_add(g, x, mien_reshape(g, mien_matmul(g, code, weight, 0), planes));
    }
    return x;
}

mien_ref mien_generator_net(const struct mien_network *net, mien_ref z, mien_ref code)
{
    struct walk walk = {.net = net, .tensor = net->layout->n_d_tensors};
    mien_ref x = code == MIEN_NO_REF ? z : mien_concat(net->graph, z, code, 1);

    for (uint32_t i = 0; i < net->plan->n_g_layers; i++)
        x = apply_layer(&walk, &net->plan->g_layers[i], x);
    return x;
}

static mien_ref code_input(const struct mien_network *net, uint32_t n)
{
    const uint32_t n_code = mien_plan_code_size(net->plan);

    return n_code == 0 ? MIEN_NO_REF : mien_input(net->graph, mien_shape2(n, n_code));
}

/* mean (|gradient of the scores in the pictures| - target)^2, or of the squares for target < 0 */
static mien_ref gradient_penalty(const struct mien_network *net, mien_ref scores, mien_ref pictures,
                                 double target)
{
    struct mien_graph *g = net->graph;
    const uint32_t n = mien_graph_shape(g, pictures).dim[0];
    mien_ref slope;

    mien_grad(g, mien_sum_all(g, scores), &pictures, 1, &slope);
    mien_ref squares = mien_sum_to(g, mien_multiply(g, slope, slope), mien_shape4(n, 1, 1, 1));
    if (target < 0.0)
        return mien_mean_all(g, squares);
    mien_ref norm = mien_sqrt(g, mien_shift(g, squares, ROOT_EPSILON));
    mien_ref off = mien_shift(g, norm, -target);
    return mien_mean_all(g, mien_multiply(g, off, off));
}

/* How scores count: `sign` +1 for a score that should be low, -1 for one that should be high. */
static mien_ref score_loss(const struct mien_network *net, mien_ref scores, double sign)
{
    struct mien_graph *g = net->graph;
    mien_ref x = mien_scale(g, scores, sign);

    if (net->plan->loss == MIEN_LOSS_NON_SATURATING)
        x = mien_softplus(g, x);
    else if (net->plan->loss == MIEN_LOSS_HINGE)
        x = mien_leaky(g, mien_shift(g, x, 1.0), 0.0);
    return mien_mean_all(g, x);
}

static mien_ref wasserstein_penalty(const struct mien_network *net, uint32_t n, mien_ref fake,
                                    struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;

    inputs->mix = mien_input(g, mien_shape4(n, 1, 1, 1));
    mien_ref towards = mien_multiply(g, mien_subtract(g, fake, inputs->real), inputs->mix);
    mien_ref mixed = mien_add(g, inputs->real, towards);
    mien_ref scores = mien_discriminator(net, mixed, inputs->real_code);
    return mien_scale(g, gradient_penalty(net, scores, mixed, 1.0), net->plan->gp_lambda);
}

mien_ref mien_discriminator_loss(const struct mien_network *net, uint32_t n,
                                 struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;
    const struct mien_plan *plan = net->plan;

    inputs->mix = MIEN_NO_REF;
    inputs->real = mien_input(g, mien_shape4(n, plan->size, plan->size, plan->channels));
    inputs->real_code = code_input(net, n);
    inputs->z = mien_input(g, mien_shape2(n, plan->latent));
    inputs->fake_code = code_input(net, n);
    mien_ref fake = mien_generator_net(net, inputs->z, inputs->fake_code);
    mien_ref real_scores = mien_discriminator(net, inputs->real, inputs->real_code);
    mien_ref fake_scores = mien_discriminator(net, fake, inputs->fake_code);
    mien_ref loss =
        mien_add(g, score_loss(net, real_scores, -1.0), score_loss(net, fake_scores, 1.0));

    if (plan->loss == MIEN_LOSS_NON_SATURATING && plan->r1_gamma > 0.0) {
        mien_ref penalty = gradient_penalty(net, real_scores, inputs->real, -1.0);
        loss = mien_add(g, loss, mien_scale(g, penalty, 0.5 * plan->r1_gamma));
    }
    if (plan->loss == MIEN_LOSS_WASSERSTEIN)
        loss = mien_add(g, loss, wasserstein_penalty(net, n, fake, inputs));
    return loss;
}

mien_ref mien_generator_loss(const struct mien_network *net, uint32_t n,
                             struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;

    *inputs =
        (struct mien_step_inputs){MIEN_NO_REF, MIEN_NO_REF, MIEN_NO_REF, MIEN_NO_REF, MIEN_NO_REF};
    inputs->z = mien_input(g, mien_shape2(n, net->plan->latent));
    inputs->fake_code = code_input(net, n);
    mien_ref fake = mien_generator_net(net, inputs->z, inputs->fake_code);
    mien_ref scores = mien_discriminator(net, fake, inputs->fake_code);
    if (net->plan->loss == MIEN_LOSS_NON_SATURATING)
        return score_loss(net, scores, -1.0);
    return mien_scale(g, mien_mean_all(g, scores), -1.0);
}
