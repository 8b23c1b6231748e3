// SPDX-License-Identifier: Apache-2.0
#include "common/wire/plan_codec.h"

#include "common/base/digest.h"
#include "common/plan/plan.h"
#include "common/wire/canon.h"
#include "common/wire/message.h"

#include "plan.pb-c.h"

#include <math.h>
#include <string.h>

/* Fields of the same name and type on both sides; lists and enums are copied beside it. */
#define SAME_FIELDS(X)                                                                             \
    X(size)                                                                                        \
    X(channels)                                                                                    \
    X(latent)                                                                                      \
    X(local_steps)                                                                                 \
    X(batch)                                                                                       \
    X(min_examples)                                                                                \
    X(flip)                                                                                        \
    X(d_rate)                                                                                      \
    X(g_rate)                                                                                      \
    X(r1_gamma)                                                                                    \
    X(gp_lambda)                                                                                   \
    X(server_rate)                                                                                 \
    X(g_steps)                                                                                     \
    X(g_batch)                                                                                     \
    X(g_server_rate)                                                                               \
    X(ema)                                                                                         \
    X(rate)                                                                                        \
    X(cohort)                                                                                      \
    X(min_reports)                                                                                 \
    X(deadline_s)                                                                                  \
    X(rounds)                                                                                      \
    X(group_min)                                                                                   \
    X(group_max)                                                                                   \
    X(drop_out)                                                                                    \
    X(corrupt)                                                                                     \
    X(bits)                                                                                        \
    X(clip)                                                                                        \
    X(noise_multiplier)                                                                            \
    X(delta)                                                                                       \
    X(epsilon_cap)                                                                                 \
    X(population)                                                                                  \
    X(cap)                                                                                         \
    X(text_length)                                                                                 \
    X(kl_weight)                                                                                   \
    X(clip_quantile)                                                                               \
    X(clip_rate)                                                                                   \
    X(clip_noise)                                                                                  \
    X(server_momentum)                                                                             \
    X(server_second)                                                                               \
    X(server_tau)                                                                                  \
    X(min_separation)                                                                              \
    X(max_participations)

#define LAYER_FIELDS(X)                                                                            \
    X(channels)                                                                                    \
    X(kernel)                                                                                      \
    X(stride)                                                                                      \
    X(groups)                                                                                      \
    X(height)                                                                                      \
    X(width)                                                                                       \
    X(slope)                                                                                       \
    X(no_bias)                                                                                     \
    X(no_scale)

/* What a plan's spelling points to while it is packed. */
struct spelling {
    Mien__Plan plan;
    Mien__Layer layers[2][MIEN_PLAN_MAX_LAYERS];
    Mien__Layer *layer_pointers[2][MIEN_PLAN_MAX_LAYERS];
    Mien__Attribute attributes[MIEN_PLAN_MAX_ATTRIBUTES];
    Mien__Attribute *attribute_pointers[MIEN_PLAN_MAX_ATTRIBUTES];
    char *values[MIEN_PLAN_MAX_ATTRIBUTES][MIEN_PLAN_MAX_VALUES];
};

static void spell_layers(const struct mien_layer *in, uint32_t n, Mien__Layer *out,
                         Mien__Layer **pointers)
{
    for (uint32_t i = 0; i < n; i++) {
        mien__layer__init(&out[i]);
        out[i].kind = in[i].kind;
#define COPY(field) out[i].field = in[i].field;
        LAYER_FIELDS(COPY)
#undef COPY
        pointers[i] = &out[i];
    }
}

static void spell_attribute(const struct mien_attribute *in, Mien__Attribute *out, char **values)
{
    mien__attribute__init(out);
    out->name = (char *)(uintptr_t)in->name;
    out->n_value = in->n_values;
    out->value = values;
    for (uint32_t i = 0; i < in->n_values; i++)
        values[i] = (char *)(uintptr_t)in->value[i];
    out->low = in->low;
    out->high = in->high;
}

/* A choice that plans did not always have (plan.proto) counts from 0 there: absent is the first. */
static uint32_t later(unsigned choice)
{
    return (uint32_t)choice - 1;
}

static unsigned was_later(uint32_t spelled)
{
    return spelled + 1u;
}

static void spell(const struct mien_plan *plan, struct spelling *out)
{
    Mien__Plan *m = &out->plan;

    mien__plan__init(m);
    m->family = plan->family;
    m->train_on_device = plan->train_on_device;
    m->loss = plan->loss;
    m->optimiser = plan->optimiser;
    m->sampling = plan->sampling;
    m->clip_by = later(plan->clip_by);
    m->mechanism = later(plan->mechanism);
    m->noise_by = later(plan->noise_by);
    m->server_optimiser = later(plan->server_optimiser);
    m->sum_class = later(plan->sum_class);
    m->rotate = later(plan->rotate);
    m->share = later(plan->share);
    m->conditioning = later(plan->conditioning);
    m->norm = later(plan->norm);
    m->strategy = later(plan->strategy);
#define COPY(field) m->field = plan->field;
    SAME_FIELDS(COPY)
#undef COPY
    spell_layers(plan->d_layers, plan->n_d_layers, out->layers[0], out->layer_pointers[0]);
    spell_layers(plan->g_layers, plan->n_g_layers, out->layers[1], out->layer_pointers[1]);
    m->n_d_layers = plan->n_d_layers;
    m->d_layers = out->layer_pointers[0];
    m->n_g_layers = plan->n_g_layers;
    m->g_layers = out->layer_pointers[1];
    for (uint32_t i = 0; i < plan->n_attributes; i++) {
        spell_attribute(&plan->attributes[i], &out->attributes[i], out->values[i]);
        out->attribute_pointers[i] = &out->attributes[i];
    }
    m->n_attributes = plan->n_attributes;
    m->attributes = out->attribute_pointers;
}

enum mien_status mien_plan_encode(const struct mien_plan *plan, struct mien_buf *out)
{
    struct spelling spelling;
    size_t before = out->len;

    if (mien_plan_validate(plan, NULL) != MIEN_OK)
        return MIEN_EINVAL;
    spell(plan, &spelling);

    size_t n = protobuf_c_message_get_packed_size(&spelling.plan.base);

    if (n > MIEN_MESSAGE_PLAN_BYTES)
        return MIEN_ELIMIT;
    if (mien_buf_reserve(out, n) != MIEN_OK)
        return MIEN_ENOMEM;
    out->len += protobuf_c_message_pack(&spelling.plan.base, out->data + out->len);

    /* Minus zero and text that is not printable validate, but have no spelling. */
    struct mien_span bytes = {out->data + before, n};

    if (mien_canon_check(&mien__plan__descriptor, bytes, "plan", NULL) != MIEN_OK) {
        out->len = before;
        return MIEN_EINVAL;
    }
    return MIEN_OK;
}

static enum mien_status copy_layers(Mien__Layer *const *in, size_t n, struct mien_layer *out,
                                    uint32_t *n_out, struct mien_err *err)
{
    if (n > MIEN_PLAN_MAX_LAYERS)
        return mien_err_set(err, MIEN_ELIMIT, "plan: a network of %zu layers, at most %d are taken",
                            n, MIEN_PLAN_MAX_LAYERS);
    for (size_t i = 0; i < n; i++) {
        out[i].kind = (enum mien_layer_kind)in[i]->kind;
#define COPY(field) out[i].field = in[i]->field;
        LAYER_FIELDS(COPY)
#undef COPY
        if (!isfinite(in[i]->slope))
            return mien_err_set(err, MIEN_EPARSE, "plan: slope of layer %zu is not finite", i);
    }
    *n_out = (uint32_t)n;
    return MIEN_OK;
}

static enum mien_status copy_name(const char *in, char out[MIEN_PLAN_NAME_BYTES],
                                  struct mien_err *err)
{
    size_t n = strlen(in);

    if (n == 0 || n >= MIEN_PLAN_NAME_BYTES)
        return mien_err_set(err, MIEN_ELIMIT, "plan: a name of %zu bytes, not 1 to %d", n,
                            MIEN_PLAN_NAME_BYTES - 1);
    memcpy(out, in, n + 1);
    return MIEN_OK;
}

static enum mien_status copy_attribute(const Mien__Attribute *in, struct mien_attribute *out,
                                       struct mien_err *err)
{
    enum mien_status status = copy_name(in->name, out->name, err);

    if (status != MIEN_OK)
        return status;
    if (in->n_value > MIEN_PLAN_MAX_VALUES)
        return mien_err_set(err, MIEN_ELIMIT, "plan: attribute %s has %zu values, at most %d",
                            out->name, in->n_value, MIEN_PLAN_MAX_VALUES);
    if (!isfinite(in->low) || !isfinite(in->high))
        return mien_err_set(err, MIEN_EPARSE, "plan: attribute %s has no finite range", out->name);
    for (size_t i = 0; status == MIEN_OK && i < in->n_value; i++)
        status = copy_name(in->value[i], out->value[i], err);
    out->n_values = (uint32_t)in->n_value;
    out->low = in->low;
    out->high = in->high;
    return status;
}

static enum mien_status copy_attributes(const Mien__Plan *in, struct mien_plan *out,
                                        struct mien_err *err)
{
    enum mien_status status = MIEN_OK;

    if (in->n_attributes > MIEN_PLAN_MAX_ATTRIBUTES)
        return mien_err_set(err, MIEN_ELIMIT, "plan: %zu attributes, at most %d are taken",
                            in->n_attributes, MIEN_PLAN_MAX_ATTRIBUTES);
    for (size_t i = 0; status == MIEN_OK && i < in->n_attributes; i++)
        status = copy_attribute(in->attributes[i], &out->attributes[i], err);
    out->n_attributes = (uint32_t)in->n_attributes;
    return status;
}

/* Numbers are judged by mien_plan_validate; only that they are numbers is judged here. */
static enum mien_status copy_fields(const Mien__Plan *in, struct mien_plan *out,
                                    struct mien_err *err)
{
    out->family = (enum mien_family)in->family;
    out->train_on_device = (enum mien_train_on_device)in->train_on_device;
    out->loss = (enum mien_loss)in->loss;
    out->optimiser = (enum mien_optimiser)in->optimiser;
    out->sampling = (enum mien_plan_sampling)in->sampling;
    out->clip_by = (enum mien_clip_by)was_later(in->clip_by);
    out->mechanism = (enum mien_plan_mechanism)was_later(in->mechanism);
    out->noise_by = (enum mien_plan_noise_by)was_later(in->noise_by);
    out->server_optimiser = (enum mien_server_optimiser)was_later(in->server_optimiser);
    out->sum_class = (enum mien_plan_class)was_later(in->sum_class);
    out->rotate = (enum mien_plan_rotate)was_later(in->rotate);
    out->share = (enum mien_plan_share)was_later(in->share);
    out->conditioning = (enum mien_conditioning)was_later(in->conditioning);
    out->norm = (enum mien_norm)was_later(in->norm);
    out->strategy = (enum mien_plan_strategy)was_later(in->strategy);
#define COPY(field)                                                                                \
    out->field = in->field;                                                                        \
    if (!isfinite((double)in->field))                                                              \
        return mien_err_set(err, MIEN_EPARSE, "plan: " #field " is not finite");
    SAME_FIELDS(COPY)
#undef COPY
    return MIEN_OK;
}

static enum mien_status copy_plan(const Mien__Plan *in, struct mien_plan *out, struct mien_err *err)
{
    enum mien_status status = copy_fields(in, out, err);

    if (status == MIEN_OK)
        status = copy_layers(in->d_layers, in->n_d_layers, out->d_layers, &out->n_d_layers, err);
    if (status == MIEN_OK)
        status = copy_layers(in->g_layers, in->n_g_layers, out->g_layers, &out->n_g_layers, err);
    if (status == MIEN_OK)
        status = copy_attributes(in, out, err);
    return status;
}

enum mien_status mien_plan_decode(struct mien_span bytes, struct mien_plan *out,
                                  struct mien_err *err)
{
    struct mien_plan plan;
    struct mien_canon canon;

    if (bytes.len > MIEN_MESSAGE_PLAN_BYTES)
        return mien_err_set(err, MIEN_ELIMIT, "plan: %zu bytes, at most %d are taken", bytes.len,
                            MIEN_MESSAGE_PLAN_BYTES);

    enum mien_status status = mien_canon_open(&mien__plan__descriptor, bytes, "plan", &canon, err);

    if (status != MIEN_OK)
        return status;
    memset(&plan, 0, sizeof(plan));
    status = copy_plan((const Mien__Plan *)canon.message, &plan, err);
    mien_canon_close(&canon);
    if (status == MIEN_OK)
        status = mien_plan_validate(&plan, err);
    if (status == MIEN_OK)
        *out = plan;
    return status;
}

enum mien_status mien_plan_fingerprint(const struct mien_plan *plan, uint8_t out[32])
{
    struct mien_buf bytes = {0};
    enum mien_status status = mien_plan_encode(plan, &bytes);

    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&bytes), out);
    mien_buf_fini(&bytes);
    return status;
}
