// SPDX-License-Identifier: Apache-2.0
#include "common/plan/plan.h"

#include "common/base/text.h"
#include "common/plan/sampling.h"

#include <math.h>
#include <string.h>

static bool in(double v, double low, double high)
{
    return v >= low && v <= high; /* false for NaN */
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static enum mien_status spatial(const struct mien_layer *layer, const struct mien_extent *from,
                                struct mien_extent *out, struct mien_err *err)
{
    struct mien_extent to = *from;

    if (from->h == 0)
        return mien_err_set(err, MIEN_EINVAL, "a convolution or upsampling on flat data");
    if (layer->kind == MIEN_LAYER_UPSAMPLE) {
        to.h *= 2;
        to.w *= 2;
    } else {
        if (layer->kernel == 0 || layer->kernel > 16 || layer->stride == 0 || layer->stride > 4 ||
            layer->kernel < layer->stride || layer->channels == 0 || layer->channels > 4096)
            return mien_err_set(err, MIEN_EINVAL, "a convolution of kernel %u, stride %u, %u maps",
                                layer->kernel, layer->stride, layer->channels);
        bool grows = layer->kind == MIEN_LAYER_CONV_TRANSPOSED;
        to.h = grows ? from->h * layer->stride : (uint32_t)ceil_div(from->h, layer->stride);
        to.w = grows ? from->w * layer->stride : (uint32_t)ceil_div(from->w, layer->stride);
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

enum mien_status mien_layer_extent(const struct mien_layer *layer, const struct mien_extent *from,
                                   struct mien_extent *out, struct mien_err *err)
{
    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        if (from->h != 0)
            return mien_err_set(err, MIEN_EINVAL, "a dense layer on data that is not flat");
        if (layer->channels == 0 || layer->channels > 65536)
            return mien_err_set(err, MIEN_EINVAL, "a dense layer of %u units", layer->channels);
        *out = (struct mien_extent){0, 0, layer->channels};
        return MIEN_OK;
    case MIEN_LAYER_CONV:
    case MIEN_LAYER_CONV_TRANSPOSED:
    case MIEN_LAYER_UPSAMPLE:
        return spatial(layer, from, out, err);
    case MIEN_LAYER_GROUP_NORM:
        if (layer->groups == 0 || from->c % layer->groups != 0)
            return mien_err_set(err, MIEN_EINVAL, "a group norm of %u groups on %u channels",
                                layer->groups, from->c);
        *out = *from;
        return MIEN_OK;
    case MIEN_LAYER_LEAKY_RELU:
        if (!in(layer->slope, 0.0, 1.0))
            return mien_err_set(err, MIEN_EINVAL, "a leaky relu of slope %g", layer->slope);
        *out = *from;
        return MIEN_OK;
    case MIEN_LAYER_TANH:
        *out = *from;
        return MIEN_OK;
    case MIEN_LAYER_RESHAPE:
        *out = (struct mien_extent){layer->height, layer->width, layer->channels};
        if (layer->height == 0 || layer->height > MIEN_PLAN_MAX_SIZE || layer->width == 0 ||
            layer->width > MIEN_PLAN_MAX_SIZE || flat_size(out) != flat_size(from))
            return mien_err_set(err, MIEN_EINVAL, "a reshape of %llu numbers to %u x %u x %u",
                                (unsigned long long)flat_size(from), layer->height, layer->width,
                                layer->channels);
        return MIEN_OK;
    case MIEN_LAYER_FLATTEN:
        if (flat_size(from) > 1u << 20)
            return mien_err_set(err, MIEN_ELIMIT, "a flattened layer of over 2^20 numbers");
        *out = (struct mien_extent){0, 0, (uint32_t)flat_size(from)};
        return MIEN_OK;
    }
    return mien_err_set(err, MIEN_EINVAL, "a layer of kind %d", (int)layer->kind);
}

/* Parameters of a layer, n_code of conditioning included where it takes part. */
static uint64_t layer_parameters(const struct mien_layer *layer, const struct mien_extent *from)
{
    const uint64_t c = layer->channels;

    if (layer->kind == MIEN_LAYER_DENSE)
        return (uint64_t)from->c * c + c;
    if (layer->kind == MIEN_LAYER_CONV || layer->kind == MIEN_LAYER_CONV_TRANSPOSED)
        return (uint64_t)layer->kernel * layer->kernel * from->c * c + c;
    if (layer->kind == MIEN_LAYER_GROUP_NORM)
        return 2 * (uint64_t)from->c;
    return 0;
}

/* Walks a network; says where it ends and how many parameters it has. */
static enum mien_status walk(const struct mien_layer *layers, uint32_t n, struct mien_extent *at,
                             uint64_t *n_parameters, struct mien_err *err)
{
    for (uint32_t i = 0; i < n; i++) {
        struct mien_extent next;
        enum mien_status status = mien_layer_extent(&layers[i], at, &next, err);

        if (status != MIEN_OK)
            return mien_err_prefix(err, status, "layer %u", i);
        *n_parameters += layer_parameters(&layers[i], at);
        if (*n_parameters > MIEN_PLAN_MAX_PARAMETERS)
            return mien_err_set(err, MIEN_ELIMIT, "more than %llu parameters",
                                (unsigned long long)MIEN_PLAN_MAX_PARAMETERS);
        *at = next;
    }
    return MIEN_OK;
}

static enum mien_status walk_discriminator(const struct mien_plan *plan, uint64_t *n_parameters,
                                           struct mien_err *err)
{
    struct mien_extent at = {plan->size, plan->size, plan->channels};
    const struct mien_layer *first = &plan->d_layers[0];

    if (plan->n_d_layers == 0 || plan->n_d_layers > MIEN_PLAN_MAX_LAYERS)
        return mien_err_set(err, MIEN_ELIMIT, "discriminator of %u layers", plan->n_d_layers);
    if (plan->n_attributes > 0 && first->kind != MIEN_LAYER_CONV)
        return mien_err_set(err, MIEN_EINVAL,
                            "a conditioned discriminator begins with a convolution");
    enum mien_status status = walk(plan->d_layers, plan->n_d_layers, &at, n_parameters, err);
    if (status != MIEN_OK)
        return mien_err_prefix(err, status, "discriminator");
    /* The code enters as constant planes: one weight per number and map of the first layer. */
    *n_parameters += (uint64_t)mien_plan_code_size(plan) * first->channels;
    if (at.h != 0 || at.c != 1)
        return mien_err_set(err, MIEN_EINVAL, "the discriminator ends at %u numbers, not 1",
                            (unsigned)flat_size(&at));
    return MIEN_OK;
}

static enum mien_status walk_generator(const struct mien_plan *plan, uint64_t *n_parameters,
                                       struct mien_err *err)
{
    struct mien_extent at = {0, 0, plan->latent + mien_plan_code_size(plan)};

    if (plan->n_g_layers == 0 || plan->n_g_layers > MIEN_PLAN_MAX_LAYERS)
        return mien_err_set(err, MIEN_ELIMIT, "generator of %u layers", plan->n_g_layers);
    enum mien_status status = walk(plan->g_layers, plan->n_g_layers, &at, n_parameters, err);
    if (status != MIEN_OK)
        return mien_err_prefix(err, status, "generator");
    if (at.h != plan->size || at.w != plan->size || at.c != plan->channels)
        return mien_err_set(err, MIEN_EINVAL,
                            "the generator ends at %u x %u x %u, not %u x %u x %u", at.h, at.w,
                            at.c, plan->size, plan->size, plan->channels);
    return MIEN_OK;
}

static enum mien_status check_attribute(const struct mien_attribute *attribute,
                                        struct mien_err *err)
{
    size_t len = strnlen(attribute->name, MIEN_PLAN_NAME_BYTES);

    if (len == 0 || len == MIEN_PLAN_NAME_BYTES || !mien_utf8_printable(attribute->name, len))
        return mien_err_set(err, MIEN_EINVAL, "plan.attributes: a name is empty or not printable");
    if (attribute->n_values > MIEN_PLAN_MAX_VALUES)
        return mien_err_set(err, MIEN_ELIMIT, "plan.attributes: more than %d values of %s",
                            MIEN_PLAN_MAX_VALUES, attribute->name);
    for (uint32_t i = 0; i < attribute->n_values; i++) {
        size_t n = strnlen(attribute->value[i], MIEN_PLAN_NAME_BYTES);

        if (n == 0 || n == MIEN_PLAN_NAME_BYTES || !mien_utf8_printable(attribute->value[i], n))
            return mien_err_set(err, MIEN_EINVAL, "plan.attributes: a value of %s is not printable",
                                attribute->name);
    }
    if (attribute->n_values == 0 && !(isfinite(attribute->low) && isfinite(attribute->high) &&
                                      attribute->low < attribute->high))
        return mien_err_set(err, MIEN_EINVAL, "plan.attributes: the range of %s is empty",
                            attribute->name);
    return MIEN_OK;
}

static enum mien_status check_what(const struct mien_plan *plan, struct mien_err *err)
{
    if (plan->family != MIEN_FAMILY_GAN)
        return mien_err_set(err, MIEN_EINVAL, "plan.family: expected gan");
    if (plan->train_on_device != MIEN_TRAIN_GENERATOR &&
        plan->train_on_device != MIEN_TRAIN_DISCRIMINATOR)
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.train_on_device: expected generator or discriminator");
    if (plan->loss < MIEN_LOSS_NON_SATURATING || plan->loss > MIEN_LOSS_WASSERSTEIN)
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.loss: expected non-saturating, hinge or wasserstein");
    if (plan->size < 8 || plan->size > MIEN_PLAN_MAX_SIZE)
        return mien_err_set(err, MIEN_ELIMIT, "size %u: expected 8 to %d pixels", plan->size,
                            MIEN_PLAN_MAX_SIZE);
    if (plan->channels != 1 && plan->channels != 3)
        return mien_err_set(err, MIEN_EINVAL, "channels %u: expected 1 or 3", plan->channels);
    if (plan->latent == 0 || plan->latent > 1024)
        return mien_err_set(err, MIEN_ELIMIT, "latent %u: expected 1 to 1024", plan->latent);
    if (plan->n_attributes > MIEN_PLAN_MAX_ATTRIBUTES)
        return mien_err_set(err, MIEN_ELIMIT, "plan.attributes: more than %d",
                            MIEN_PLAN_MAX_ATTRIBUTES);
    for (uint32_t i = 0; i < plan->n_attributes; i++) {
        enum mien_status status = check_attribute(&plan->attributes[i], err);

        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK;
}

static enum mien_status check_training(const struct mien_plan *plan, struct mien_err *err)
{
    if (plan->optimiser != MIEN_OPTIMISER_SGD && plan->optimiser != MIEN_OPTIMISER_ADAM)
        return mien_err_set(err, MIEN_EINVAL, "plan.optimiser: expected sgd or adam");
    if (plan->local_steps == 0 || plan->local_steps > MIEN_PLAN_MAX_LOCAL_STEPS)
        return mien_err_set(err, MIEN_ELIMIT, "plan.local_steps: expected 1 to %d",
                            MIEN_PLAN_MAX_LOCAL_STEPS);
    if (plan->batch == 0 || plan->batch > 256)
        return mien_err_set(err, MIEN_ELIMIT, "plan.batch: expected 1 to 256");
    if (plan->min_examples == 0 || plan->min_examples > 1000000)
        return mien_err_set(err, MIEN_ELIMIT, "plan.min_examples: expected 1 to 1000000");
    if (!in(plan->d_rate, 0.0, 10.0) || !in(plan->g_rate, 0.0, 10.0) ||
        !in(plan->server_rate, 0.0, 100.0) || !in(plan->g_server_rate, 0.0, 10.0))
        return mien_err_set(err, MIEN_ELIMIT, "a learning rate is not in [0, 10]");
    if (!in(plan->r1_gamma, 0.0, 1e6) || !in(plan->gp_lambda, 0.0, 1e6))
        return mien_err_set(err, MIEN_ELIMIT, "plan.r1_gamma, plan.gp_lambda: expected 0 to 1e6");
    if (plan->g_steps > 1024 || plan->g_batch == 0 || plan->g_batch > 1024)
        return mien_err_set(err, MIEN_ELIMIT,
                            "plan.g_steps: at most 1024; plan.g_batch: 1 to 1024");
    if (!in(plan->ema, 0.0, 0.99999))
        return mien_err_set(err, MIEN_ELIMIT, "plan.ema: expected 0 to 0.99999");
    return MIEN_OK;
}

static enum mien_status check_rounds(const struct mien_plan *plan, struct mien_err *err)
{
    if (!in(plan->rate, 1e-9, 1.0))
        return mien_err_set(err, MIEN_ELIMIT, "round.rate: expected above 0, at most 1");
    if (plan->cohort < 2 || plan->cohort > 1000000)
        return mien_err_set(err, MIEN_ELIMIT, "round.cohort: expected 2 to 1000000");
    if (plan->min_reports < 2 || plan->min_reports > plan->cohort)
        return mien_err_set(err, MIEN_ELIMIT, "round.min_reports: expected 2 to round.cohort (%u)",
                            plan->cohort);
    if (plan->deadline_s == 0 || plan->deadline_s > 86400)
        return mien_err_set(err, MIEN_ELIMIT, "round.deadline_s: expected 1 to 86400");
    if (plan->rounds == 0 || plan->rounds > 1000000)
        return mien_err_set(err, MIEN_ELIMIT, "round.rounds: expected 1 to 1000000");
    if (plan->group_min < 2 || plan->group_max > MIEN_PLAN_MAX_GROUP ||
        plan->group_min > plan->group_max)
        return mien_err_set(err, MIEN_ELIMIT,
                            "secure_sum.group_min, group_max: expected 2 <= min <= max <= %d",
                            MIEN_PLAN_MAX_GROUP);
    if (!in(plan->drop_out, 0.0, 0.5) || !in(plan->corrupt, 0.0, 0.33))
        return mien_err_set(err, MIEN_ELIMIT,
                            "secure_sum.drop_out: at most 0.5; secure_sum.corrupt: at most 0.33");
    if (plan->sum_class != MIEN_PLAN_SEMI_MALICIOUS && plan->sum_class != MIEN_PLAN_CURIOUS)
        return mien_err_set(err, MIEN_EINVAL,
                            "secure_sum.class: expected semi-malicious or curious");
    if (plan->bits != 0 && (plan->bits < 12 || plan->bits > 32))
        return mien_err_set(err, MIEN_ELIMIT, "secure_sum.bits: expected 12 to 32, or 0");
    return MIEN_OK;
}

static enum mien_status check_privacy(const struct mien_plan *plan, struct mien_err *err)
{
    if (!in(plan->clip, 1e-9, 1e9))
        return mien_err_set(err, MIEN_ELIMIT, "privacy.clip: expected a positive number");
    if (!in(plan->noise_multiplier, 0.0, 1000.0))
        return mien_err_set(err, MIEN_ELIMIT, "privacy.noise_multiplier: expected 0 to 1000");
    if (!in(plan->delta, 1e-300, 0.1))
        return mien_err_set(err, MIEN_ELIMIT, "privacy.delta: expected above 0, at most 0.1");
    if (!in(plan->epsilon_cap, 0.0, 1e300))
        return mien_err_set(err, MIEN_ELIMIT, "privacy.epsilon_cap: expected 0 or more");
    return mien_plan_check_sampling(plan, err);
}

enum mien_status mien_plan_validate(const struct mien_plan *plan, struct mien_err *err)
{
    enum mien_status (*const checks[])(const struct mien_plan *plan, struct mien_err *err) = {
        check_what, check_training, check_rounds, check_privacy};
    uint64_t n_parameters = 0;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        enum mien_status status = checks[i](plan, err);

        if (status != MIEN_OK)
            return status;
    }
    enum mien_status status = walk_discriminator(plan, &n_parameters, err);
    if (status == MIEN_OK)
        status = walk_generator(plan, &n_parameters, err);
    return status;
}

uint64_t mien_plan_n_parameters(const struct mien_plan *plan)
{
    uint64_t n = 0;

    if (walk_discriminator(plan, &n, NULL) != MIEN_OK || walk_generator(plan, &n, NULL) != MIEN_OK)
        return 0;
    return n;
}

uint64_t mien_plan_n_shared(const struct mien_plan *plan)
{
    uint64_t n = 0;

    if (plan->train_on_device == MIEN_TRAIN_GENERATOR)
        return mien_plan_n_parameters(plan);
    return walk_discriminator(plan, &n, NULL) == MIEN_OK ? n : 0;
}
