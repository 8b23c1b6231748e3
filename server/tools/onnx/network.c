// SPDX-License-Identifier: Apache-2.0
#include "server/tools/onnx/network.h"

#include "common/base/mem.h"
#include "common/nn/layers.h"
#include "common/nn/permute.h"
#include "common/tensor/compose.h"

#include <stdio.h>

#define NAME_BYTES 48

struct name {
    char text[NAME_BYTES];
};

/* Where the walk stands. */
struct walk {
    struct mien_onnx *onnx;
    const struct mien_onnx_network *network;
    const struct mien_tensor *tensor; /* the next layer's first */
    uint32_t layer;
    struct mien_extent extent; /* of the value `at` */
    struct name at;
    struct name out; /* what this layer gives */
};

static struct mien_conv same_padding(uint32_t size, uint32_t kernel, uint32_t stride)
{
    return mien_conv_same(size, size, &(struct mien_kernel_size){kernel, kernel, stride});
}

static struct name name_of(const struct walk *walk, const char *role)
{
    struct name name;

    (void)snprintf(name.text, sizeof(name.text), "%s.%u.%s", walk->network->prefix,
                   walk->network->first_layer + walk->layer, role);
    return name;
}

/* One operator on `a` and up to two constants, "" for none. */
static void operate(struct walk *walk, const char *op, const char *const inputs[3],
                    const char *output)
{
    uint32_t n = 0;

    while (n < 3 && inputs[n] != NULL)
        n++;
    mien_onnx_node(walk->onnx, op, inputs, n, output);
}

static void unary(struct walk *walk, const char *op)
{
    operate(walk, op, (const char *const[3]){walk->at.text}, walk->out.text);
}

/* The next tensor as it is, under another shape of as many values; gives its name. */
static const char *add_as(struct walk *walk, struct mien_shape shape)
{
    const struct mien_tensor *tensor = walk->tensor++;

    mien_onnx_floats(walk->onnx, tensor->name, shape, walk->network->values + tensor->offset);
    return tensor->name;
}

static const char *add(struct walk *walk)
{
    return add_as(walk, walk->tensor->shape);
}

/* Axes for Reshape: 0 keeps that axis, -1 takes what is left. */
struct axes {
    uint32_t n;
    int64_t dim[4];
};

static void reshape(struct walk *walk, const char *role, const char *from, const struct axes *axes,
                    const char *to)
{
    const struct name shape = name_of(walk, role);

    mien_onnx_ints(walk->onnx, shape.text, axes->dim, axes->n);
    operate(walk, "Reshape", (const char *const[3]){from, shape.text}, to);
}

static void transpose(struct walk *walk, const char *from, const int64_t order[4], const char *to)
{
    operate(walk, "Transpose", (const char *const[3]){from}, to);
    mien_onnx_attr_ints(walk->onnx, "perm", order, 4);
}

/* ---- layers ---- */

static void dense(struct walk *walk, const struct mien_layer *layer)
{
    const char *weight = add(walk);
    const char *bias = layer->no_bias ? NULL : add(walk);

    operate(walk, "Gemm", (const char *const[3]){walk->at.text, weight, bias}, walk->out.text);
}

/* Weights [k, k, a, b] as [b, a, k, k]: a convolution's [out, in, k, k], and a transposed one's
 * [in, out, k, k]. */
static enum mien_status conv_weight(struct walk *walk, const char **name)
{
    static const uint32_t order[4] = {3, 2, 0, 1};
    const struct mien_tensor *tensor = walk->tensor++;
    const float *values = walk->network->values + tensor->offset;
    float *turned = mien_calloc(mien_shape_count(&tensor->shape), sizeof(float));

    if (turned == NULL)
        return MIEN_ENOMEM;
    mien_permute(values, &tensor->shape, order, turned);
    mien_onnx_floats(walk->onnx, tensor->name, mien_permuted_shape(&tensor->shape, order), turned);
    mien_free(turned);
    *name = tensor->name;
    return MIEN_OK;
}

static enum mien_status conv(struct walk *walk, const struct mien_layer *layer, const char *op,
                             const struct mien_conv *geometry)
{
    const int64_t kernel[2] = {layer->kernel, layer->kernel};
    const int64_t strides[2] = {layer->stride, layer->stride};
    const int64_t pads[4] = {geometry->pad_top, geometry->pad_left, geometry->pad_bottom,
                             geometry->pad_right};
    const char *weight;
    enum mien_status status = conv_weight(walk, &weight);

    if (status != MIEN_OK)
        return status;
    const char *bias = layer->no_bias ? NULL : add(walk);
    operate(walk, op, (const char *const[3]){walk->at.text, weight, bias}, walk->out.text);
    mien_onnx_attr_ints(walk->onnx, "kernel_shape", kernel, 2);
    mien_onnx_attr_ints(walk->onnx, "strides", strides, 2);
    mien_onnx_attr_ints(walk->onnx, "pads", pads, 4);
    return MIEN_OK;
}

static void upsample(struct walk *walk)
{
    const float by[4] = {1.0f, 1.0f, 2.0f, 2.0f};
    const struct name scales = name_of(walk, "scales");

    mien_onnx_floats(walk->onnx, scales.text, mien_shape1(4), by);
    operate(walk, "Resize", (const char *const[3]){walk->at.text, "", scales.text}, walk->out.text);
    mien_onnx_attr_text(walk->onnx, "mode", "nearest");
    mien_onnx_attr_text(walk->onnx, "coordinate_transformation_mode", "asymmetric");
    mien_onnx_attr_text(walk->onnx, "nearest_mode", "floor");
}

/* A group is a run of channels, so as [N, groups, the rest] each group is an "instance". */
static enum mien_status group_norm(struct walk *walk, const struct mien_layer *layer)
{
    const struct mien_extent *e = &walk->extent;
    const struct axes grouped = {3, {0, layer->groups, -1}};
    const struct axes whole = {e->h == 0 ? 2 : 4, {0, e->c, e->h, e->w}};
    const struct mien_shape channels =
        e->h == 0 ? mien_shape1(e->c) : (struct mien_shape){3, {e->c, 1, 1}};
    const struct name rows = name_of(walk, "rows");
    const struct name ones = name_of(walk, "ones");
    const struct name zeros = name_of(walk, "zeros");
    const struct name normed = name_of(walk, "normed");
    const struct name back = name_of(walk, "back");
    const struct name scaled = name_of(walk, "scaled");
    float *numbers = mien_calloc(layer->groups, sizeof(float));

    if (numbers == NULL)
        return MIEN_ENOMEM;
    mien_onnx_floats(walk->onnx, zeros.text, mien_shape1(layer->groups), numbers);
    for (uint32_t i = 0; i < layer->groups; i++)
        numbers[i] = 1.0f;
    mien_onnx_floats(walk->onnx, ones.text, mien_shape1(layer->groups), numbers);
    mien_free(numbers);
    reshape(walk, "grouped", walk->at.text, &grouped, rows.text);
    operate(walk, "InstanceNormalization", (const char *const[3]){rows.text, ones.text, zeros.text},
            normed.text);
    mien_onnx_attr_float(walk->onnx, "epsilon", (float)MIEN_NORM_EPSILON);
    reshape(walk, "whole", normed.text, &whole, back.text);
    const char *product = back.text;
    if (!layer->no_scale) {
        operate(walk, "Mul", (const char *const[3]){back.text, add_as(walk, channels)},
                scaled.text);
        product = scaled.text;
    }
    operate(walk, "Add", (const char *const[3]){product, add_as(walk, channels)}, walk->out.text);
    return MIEN_OK;
}

static void leaky(struct walk *walk, const struct mien_layer *layer)
{
    if (!(layer->slope > 0.0)) {
        unary(walk, "Relu");
        return;
    }
    unary(walk, "LeakyRelu");
    mien_onnx_attr_float(walk->onnx, "alpha", (float)layer->slope);
}

static void pool(struct walk *walk, const struct mien_layer *layer)
{
    const bool max = layer->kind == MIEN_LAYER_MAX_POOL;
    const int64_t stride = max ? layer->stride : layer->kernel;
    const int64_t kernel[2] = {layer->kernel, layer->kernel};
    const int64_t strides[2] = {stride, stride};

    unary(walk, max ? "MaxPool" : "AveragePool");
    mien_onnx_attr_ints(walk->onnx, "kernel_shape", kernel, 2);
    mien_onnx_attr_ints(walk->onnx, "strides", strides, 2);
}

static void unflatten(struct walk *walk, const struct mien_layer *layer)
{
    static const int64_t order[4] = {0, 3, 1, 2};
    const struct axes dims = {4, {0, layer->height, layer->width, layer->channels}};
    const struct name last = name_of(walk, "channels_last");

    reshape(walk, "shape", walk->at.text, &dims, last.text);
    transpose(walk, last.text, order, walk->out.text);
}

static void flatten(struct walk *walk)
{
    static const int64_t order[4] = {0, 2, 3, 1};
    const struct axes dims = {2, {0, -1}};
    const struct name last = name_of(walk, "channels_last");

    transpose(walk, walk->at.text, order, last.text);
    reshape(walk, "shape", last.text, &dims, walk->out.text);
}

static enum mien_status add_layer(struct walk *walk, const struct mien_layer *layer)
{
    struct mien_conv geometry;

    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        dense(walk, layer);
        return MIEN_OK;
    case MIEN_LAYER_CONV:
        geometry = same_padding(walk->extent.h, layer->kernel, layer->stride);
        return conv(walk, layer, "Conv", &geometry);
    case MIEN_LAYER_CONV_TRANSPOSED:
        /* The adjoint of a convolution of the result; a plan's kernels are no smaller than its
         * strides, so they reach all of it. */
        geometry = same_padding(walk->extent.h * layer->stride, layer->kernel, layer->stride);
        return conv(walk, layer, "ConvTranspose", &geometry);
    case MIEN_LAYER_UPSAMPLE:
        upsample(walk);
        return MIEN_OK;
    case MIEN_LAYER_GROUP_NORM:
        return group_norm(walk, layer);
    case MIEN_LAYER_LEAKY_RELU:
        leaky(walk, layer);
        return MIEN_OK;
    case MIEN_LAYER_TANH:
        unary(walk, "Tanh");
        return MIEN_OK;
    case MIEN_LAYER_RESHAPE:
        unflatten(walk, layer);
        return MIEN_OK;
    case MIEN_LAYER_FLATTEN:
        flatten(walk);
        return MIEN_OK;
    case MIEN_LAYER_MAX_POOL:
    case MIEN_LAYER_AVERAGE_POOL:
        pool(walk, layer);
        return MIEN_OK;
    case MIEN_LAYER_EMBED: /* of texts, which are not exported */
    case MIEN_LAYER_GRU:
        break;
    }
    return MIEN_EINVAL;
}

enum mien_status mien_onnx_network(struct mien_onnx *onnx, const struct mien_onnx_network *network)
{
    struct walk walk = {
        .onnx = onnx, .network = network, .tensor = network->tensor, .extent = network->from};

    (void)snprintf(walk.at.text, sizeof(walk.at.text), "%s", network->input);
    for (; walk.layer < network->n_layers; walk.layer++) {
        const struct mien_layer *layer = &network->layers[walk.layer];
        struct mien_extent next;
        enum mien_status status = mien_layer_extent(layer, &walk.extent, &next, NULL);

        walk.out = name_of(&walk, "out");
        if (walk.layer + 1 == network->n_layers)
            (void)snprintf(walk.out.text, sizeof(walk.out.text), "%s", network->output);
        if (status == MIEN_OK)
            status = add_layer(&walk, layer);
        if (status != MIEN_OK)
            return status;
        walk.extent = next;
        walk.at = walk.out;
    }
    return MIEN_OK;
}
