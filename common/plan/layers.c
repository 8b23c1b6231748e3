// SPDX-License-Identifier: Apache-2.0
/* What each kind of layer makes of its data, and the numbers it learns. */
#include "common/plan/plan.h"

static uint32_t ceil_div(uint32_t a, uint32_t b)
{
    return a / b + (a % b != 0);
}

static enum mien_status check_kernel(const struct mien_layer *layer, struct mien_err *err)
{
    if (layer->kernel == 0 || layer->kernel > 16 || layer->stride == 0 || layer->stride > 4 ||
        layer->kernel < layer->stride || layer->channels == 0 || layer->channels > 4096)
        return mien_err_set(err, MIEN_EINVAL, "a convolution of kernel %u, stride %u, %u maps",
                            layer->kernel, layer->stride, layer->channels);
    return MIEN_OK;
}

static enum mien_status check_pool(const struct mien_layer *layer, const struct mien_extent *from,
                                   struct mien_err *err)
{
    const bool max = layer->kind == MIEN_LAYER_MAX_POOL;

    if (layer->kernel == 0 || layer->kernel > from->h || layer->kernel > from->w ||
        (max && layer->stride == 0) ||
        (!max && (from->h % layer->kernel != 0 || from->w % layer->kernel != 0)))
        return mien_err_set(err, MIEN_EINVAL, "a pool of kernel %u, stride %u on %u x %u",
                            layer->kernel, layer->stride, from->h, from->w);
    return MIEN_OK;
}

/* Layers that need pictures. */
static enum mien_status spatial(const struct mien_layer *layer, const struct mien_extent *from,
                                struct mien_extent *out, struct mien_err *err)
{
    struct mien_extent to = *from;
    enum mien_status status = MIEN_OK;

    if (from->h == 0)
        return mien_err_set(err, MIEN_EINVAL, "a convolution, pool or upsampling on flat data");
    switch (layer->kind) {
    case MIEN_LAYER_UPSAMPLE:
        to.h *= 2;
        to.w *= 2;
        break;
    case MIEN_LAYER_MAX_POOL:
        status = check_pool(layer, from, err);
        if (status != MIEN_OK)
            return status;
        to.h = (from->h - layer->kernel) / layer->stride + 1;
        to.w = (from->w - layer->kernel) / layer->stride + 1;
        break;
    case MIEN_LAYER_AVERAGE_POOL:
        status = check_pool(layer, from, err);
        if (status != MIEN_OK)
            return status;
        to.h /= layer->kernel;
        to.w /= layer->kernel;
        break;
    default:
        status = check_kernel(layer, err);
        if (status != MIEN_OK)
            return status;
        bool grows = layer->kind == MIEN_LAYER_CONV_TRANSPOSED;
        to.h = grows ? from->h * layer->stride : ceil_div(from->h, layer->stride);
        to.w = grows ? from->w * layer->stride : ceil_div(from->w, layer->stride);
        to.c = layer->channels;
    }
    if (to.h > MIEN_PLAN_MAX_SIZE || to.w > MIEN_PLAN_MAX_SIZE)
        return mien_err_set(err, MIEN_ELIMIT, "a layer gives %u x %u, above %d", to.h, to.w,
                            MIEN_PLAN_MAX_SIZE);
    *out = to;
    return MIEN_OK;
}

static uint64_t flat_size(const struct mien_extent *extent)
{
    return extent->h == 0 ? extent->c : (uint64_t)extent->h * extent->w * extent->c;
}

static enum mien_status reshape(const struct mien_layer *layer, const struct mien_extent *from,
                                struct mien_extent *out, struct mien_err *err)
{
    *out = (struct mien_extent){layer->height, layer->width, layer->channels};
    if (layer->height == 0 || layer->height > MIEN_PLAN_MAX_SIZE || layer->width == 0 ||
        layer->width > MIEN_PLAN_MAX_SIZE || flat_size(out) != flat_size(from))
        return mien_err_set(err, MIEN_EINVAL, "a reshape of %llu numbers to %u x %u x %u",
                            (unsigned long long)flat_size(from), layer->height, layer->width,
                            layer->channels);
    return MIEN_OK;
}

/* Layers along a text: [symbols, 1, numbers of each]. */
static enum mien_status along_text(const struct mien_layer *layer, const struct mien_extent *from,
                                   struct mien_extent *out, struct mien_err *err)
{
    const bool embed = layer->kind == MIEN_LAYER_EMBED;

    if (from->h == 0 || from->w != 1 || (embed && from->c != 1))
        return mien_err_set(err, MIEN_EINVAL, "%s on data that is no text",
                            embed ? "an embedding" : "a recurrent layer");
    if (layer->channels == 0 || layer->channels > 4096)
        return mien_err_set(err, MIEN_EINVAL, "%s of %u numbers",
                            embed ? "an embedding" : "a recurrent layer", layer->channels);
    *out = (struct mien_extent){from->h, 1, layer->channels};
    return MIEN_OK;
}

/* Layers that leave the extent as it is. */
static enum mien_status in_place(const struct mien_layer *layer, const struct mien_extent *from,
                                 struct mien_extent *out, struct mien_err *err)
{
    if (layer->kind == MIEN_LAYER_GROUP_NORM &&
        (layer->groups == 0 || from->c % layer->groups != 0))
        return mien_err_set(err, MIEN_EINVAL, "a group norm of %u groups on %u channels",
                            layer->groups, from->c);
    if (layer->kind == MIEN_LAYER_LEAKY_RELU && !(layer->slope >= 0.0 && layer->slope <= 1.0))
        return mien_err_set(err, MIEN_EINVAL, "a leaky relu of slope %g", layer->slope);
    *out = *from;
    return MIEN_OK;
}

static enum mien_status dense(const struct mien_layer *layer, const struct mien_extent *from,
                              struct mien_extent *out, struct mien_err *err)
{
    if (from->h != 0)
        return mien_err_set(err, MIEN_EINVAL, "a dense layer on data that is not flat");
    if (layer->channels == 0 || layer->channels > 65536)
        return mien_err_set(err, MIEN_EINVAL, "a dense layer of %u units", layer->channels);
    *out = (struct mien_extent){0, 0, layer->channels};
    return MIEN_OK;
}

enum mien_status mien_layer_extent(const struct mien_layer *layer, const struct mien_extent *from,
                                   struct mien_extent *out, struct mien_err *err)
{
    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        return dense(layer, from, out, err);
    case MIEN_LAYER_CONV:
    case MIEN_LAYER_CONV_TRANSPOSED:
    case MIEN_LAYER_UPSAMPLE:
    case MIEN_LAYER_MAX_POOL:
    case MIEN_LAYER_AVERAGE_POOL:
        return spatial(layer, from, out, err);
    case MIEN_LAYER_GROUP_NORM:
    case MIEN_LAYER_LEAKY_RELU:
    case MIEN_LAYER_TANH:
        return in_place(layer, from, out, err);
    case MIEN_LAYER_RESHAPE:
        return reshape(layer, from, out, err);
    case MIEN_LAYER_FLATTEN:
        if (flat_size(from) > 1u << 20)
            return mien_err_set(err, MIEN_ELIMIT, "a flattened layer of over 2^20 numbers");
        *out = (struct mien_extent){0, 0, (uint32_t)flat_size(from)};
        return MIEN_OK;
    case MIEN_LAYER_EMBED:
    case MIEN_LAYER_GRU:
        return along_text(layer, from, out, err);
    }
    return mien_err_set(err, MIEN_EINVAL, "a layer of kind %d", (int)layer->kind);
}

uint64_t mien_layer_n_parameters(const struct mien_layer *layer, const struct mien_extent *from)
{
    const uint64_t c = layer->channels;
    const uint64_t bias = layer->no_bias ? 0 : c;

    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        return from->c * c + bias;
    case MIEN_LAYER_CONV:
    case MIEN_LAYER_CONV_TRANSPOSED:
        return (uint64_t)layer->kernel * layer->kernel * from->c * c + bias;
    case MIEN_LAYER_GROUP_NORM:
        return (layer->no_scale ? 1 : 2) * (uint64_t)from->c;
    case MIEN_LAYER_EMBED:
        return MIEN_PLAN_N_SYMBOLS * c;
    case MIEN_LAYER_GRU: /* of the input and of the state: weights and bias of three gates */
        return 3 * c * (from->c + c + 2);
    default:
        return 0;
    }
}
