// SPDX-License-Identifier: Apache-2.0
#include "common/nn/model.h"

#include "common/base/bytes.h"
#include "common/base/digest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void push(struct mien_layout *layout, const char *name, struct mien_shape shape,
                 uint32_t fan_in, float start)
{
    struct mien_tensor *tensor = &layout->tensor[layout->n_tensors++];

    *tensor = (struct mien_tensor){
        .shape = shape, .offset = layout->n_values, .fan_in = fan_in, .start = start};
    (void)snprintf(tensor->name, sizeof(tensor->name), "%s", name);
    layout->n_values += mien_shape_count(&shape);
}

/* A tensor of one layer: prefix and role make its name. */
static void push_role(struct mien_layout *layout, const char *prefix, const char *role,
                      struct mien_shape shape, uint32_t fan_in)
{
    char name[MIEN_TENSOR_NAME_BYTES];

    (void)snprintf(name, sizeof(name), "%s.%s", prefix, role);
    push(layout, name, shape, fan_in, 0.0f);
}

/* Weights, and a number for each channel out unless the layer has none. */
static void push_weighted(struct mien_layout *layout, const char *prefix,
                          const struct mien_layer *layer, struct mien_shape shape, uint32_t fan_in)
{
    push_role(layout, prefix, "weight", shape, fan_in);
    if (!layer->no_bias)
        push_role(layout, prefix, "bias", mien_shape1(layer->channels), 0);
}

static void push_norm(struct mien_layout *layout, const char *prefix,
                      const struct mien_layer *layer, uint32_t channels)
{
    char name[MIEN_TENSOR_NAME_BYTES];

    (void)snprintf(name, sizeof(name), "%s.weight", prefix);
    if (!layer->no_scale)
        push(layout, name, mien_shape1(channels), 0, 1.0f);
    push_role(layout, prefix, "bias", mien_shape1(channels), 0);
}

static void push_gru(struct mien_layout *layout, const char *prefix, uint32_t from, uint32_t units)
{
    push_role(layout, prefix, "input", mien_shape2(from, 3 * units), units);
    push_role(layout, prefix, "state", mien_shape2(units, 3 * units), units);
    push_role(layout, prefix, "input_bias", mien_shape1(3 * units), 0);
    push_role(layout, prefix, "state_bias", mien_shape1(3 * units), 0);
}

static void push_layer(struct mien_layout *layout, const char *prefix,
                       const struct mien_layer *layer, const struct mien_extent *from)
{
    const uint32_t k = layer->kernel;
    const uint32_t out = layer->channels;

    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        push_weighted(layout, prefix, layer, mien_shape2(from->c, out), from->c);
        break;
    case MIEN_LAYER_CONV:
        push_weighted(layout, prefix, layer, mien_shape4(k, k, from->c, out), k * k * from->c);
        break;
    case MIEN_LAYER_CONV_TRANSPOSED:
        /* The weights of the convolution whose adjoint it is: out channels before in. Each output
         * is reached by (k / stride)^2 inputs. */
        push_weighted(layout, prefix, layer, mien_shape4(k, k, out, from->c),
                      k * k * from->c / (layer->stride * layer->stride));
        break;
    case MIEN_LAYER_GROUP_NORM:
        push_norm(layout, prefix, layer, from->c);
        break;
    case MIEN_LAYER_EMBED:
        push_role(layout, prefix, "weight", mien_shape2(MIEN_PLAN_N_SYMBOLS, out), 1);
        break;
    case MIEN_LAYER_GRU:
        push_gru(layout, prefix, from->c, out);
        break;
    default:
        break;
    }
}

static enum mien_status push_network(struct mien_layout *layout, char net,
                                     const struct mien_layer *layers, uint32_t n_layers,
                                     struct mien_extent at)
{
    for (uint32_t i = 0; i < n_layers; i++) {
        char prefix[12];
        struct mien_extent next;
        enum mien_status status = mien_layer_extent(&layers[i], &at, &next, NULL);

        if (status != MIEN_OK)
            return status;
        (void)snprintf(prefix, sizeof(prefix), "%c.%u", net, i % MIEN_PLAN_MAX_LAYERS);
        push_layer(layout, prefix, &layers[i], &at);
        at = next;
    }
    return MIEN_OK;
}

static char second_letter(const struct mien_plan *plan)
{
    if (plan->family == MIEN_FAMILY_CLASSIFIER)
        return 'c';
    return plan->family == MIEN_FAMILY_CHARLM ? 'l' : 'g';
}

enum mien_status mien_layout_init(struct mien_layout *out, const struct mien_plan *plan,
                                  struct mien_err *err)
{
    enum mien_status status = mien_plan_validate(plan, err);
    const uint32_t n_code = mien_plan_condition_size(plan);
    const char first = plan->family == MIEN_FAMILY_GAN ? 'd' : 'e';

    if (status != MIEN_OK)
        return status;
    memset(out, 0, sizeof(*out));
    status =
        push_network(out, first, plan->d_layers, plan->n_d_layers, mien_plan_first_input(plan));
    if (n_code > 0)
        push(out, first == 'd' ? "d.code.weight" : "e.code.weight",
             mien_shape2(n_code, mien_plan_code_width(plan)), n_code, 0.0f);
    out->n_d = out->n_values;
    out->n_d_tensors = out->n_tensors;
    if (status == MIEN_OK)
        status = push_network(out, second_letter(plan), plan->g_layers, plan->n_g_layers,
                              mien_plan_second_input(plan));
    return status;
}

bool mien_layout_same(const struct mien_layout *a, const struct mien_layout *b)
{
    bool same = a->n_tensors == b->n_tensors && a->n_values == b->n_values && a->n_d == b->n_d;

    for (uint32_t i = 0; i < a->n_tensors && same; i++) {
        const struct mien_tensor *x = &a->tensor[i];
        const struct mien_tensor *y = &b->tensor[i];

        same = strcmp(x->name, y->name) == 0 && x->offset == y->offset &&
               mien_shape_equal(&x->shape, &y->shape);
    }
    return same;
}

enum mien_status mien_model_start(const struct mien_layout *layout, struct mien_rng_seeded *rng,
                                  float *values)
{
    for (uint32_t t = 0; t < layout->n_tensors; t++) {
        const struct mien_tensor *tensor = &layout->tensor[t];
        const uint64_t n = mien_shape_count(&tensor->shape);
        float *to = values + tensor->offset;
        const float bound = tensor->fan_in > 0 ? 1.0f / sqrtf((float)tensor->fan_in) : 0.0f;

        for (uint64_t i = 0; i < n; i++) {
            if (tensor->fan_in > 0)
                to[i] = bound * (2.0f * mien_rng_seeded_uniform(rng) - 1.0f);
            else
                to[i] = tensor->start;
        }
    }
    return mien_rng_seeded_ok(rng) ? MIEN_OK : MIEN_ECRYPTO;
}

void mien_model_to_bytes(const float *values, uint64_t n, uint8_t *bytes)
{
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof(bits));
        mien_store_le32(bytes + 4 * i, bits);
    }
}

void mien_model_from_bytes(const uint8_t *bytes, uint64_t n, float *values)
{
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits = mien_load_le32(bytes + 4 * i);

        memcpy(&values[i], &bits, sizeof(bits));
    }
}

enum mien_status mien_model_digest(const float *values, uint64_t n, uint8_t out[32])
{
    struct mien_digest_stream *stream = NULL;
    uint8_t block[4096];
    enum mien_status status = mien_digest_stream_new(&stream);

    for (uint64_t at = 0; at < n && status == MIEN_OK; at += sizeof(block) / 4) {
        uint64_t part = n - at < sizeof(block) / 4 ? n - at : sizeof(block) / 4;

        mien_model_to_bytes(values + at, part, block);
        status = mien_digest_stream_add(stream, block, part * 4);
    }
    if (status == MIEN_OK)
        status = mien_digest_stream_finish(stream, out);
    mien_digest_stream_free(stream);
    return status;
}

bool mien_model_finite(const float *values, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            return false;
    }
    return true;
}
