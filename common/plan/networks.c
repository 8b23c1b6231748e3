// SPDX-License-Identifier: Apache-2.0
/* The networks of each family: what they get, where they must end, what of them travels. */
#include "common/plan/networks.h"

#include <string.h>

static bool is_conditioned(const struct mien_plan *plan)
{
    return plan->family == MIEN_FAMILY_GAN || plan->family == MIEN_FAMILY_VAE ||
           plan->family == MIEN_FAMILY_AUTOENCODER;
}

static bool has_first(const struct mien_plan *plan)
{
    return plan->family != MIEN_FAMILY_CLASSIFIER && plan->family != MIEN_FAMILY_CHARLM;
}

const char *mien_family_name(enum mien_family family)
{
    static const char *const names[] = {"?",          "gan",    "vae",    "autoencoder",
                                        "classifier", "charlm", "moments"};

    return family >= MIEN_FAMILY_GAN && family <= MIEN_FAMILY_MOMENTS ? names[family] : names[0];
}

static const char *first_name(const struct mien_plan *plan)
{
    return plan->family == MIEN_FAMILY_GAN ? "discriminator" : "encoder";
}

static const char *second_name(const struct mien_plan *plan)
{
    switch (plan->family) {
    case MIEN_FAMILY_VAE:
    case MIEN_FAMILY_AUTOENCODER:
        return "decoder";
    case MIEN_FAMILY_CLASSIFIER:
        return "classifier";
    case MIEN_FAMILY_CHARLM:
        return "language model";
    default:
        return "generator";
    }
}

uint32_t mien_plan_condition_size(const struct mien_plan *plan)
{
    return is_conditioned(plan) ? mien_plan_code_size(plan) : 0;
}

uint32_t mien_plan_example_size(const struct mien_plan *plan)
{
    if (plan->family == MIEN_FAMILY_CHARLM)
        return plan->text_length + 1;
    return plan->size * plan->size * plan->channels;
}

struct mien_extent mien_plan_first_input(const struct mien_plan *plan)
{
    return (struct mien_extent){plan->size, plan->size, plan->channels};
}

struct mien_extent mien_plan_second_input(const struct mien_plan *plan)
{
    if (plan->family == MIEN_FAMILY_CLASSIFIER)
        return (struct mien_extent){plan->size, plan->size, plan->channels};
    if (plan->family == MIEN_FAMILY_CHARLM)
        return (struct mien_extent){plan->text_length, 1, 1};
    return (struct mien_extent){0, 0, plan->latent + mien_plan_condition_size(plan)};
}

/* What the first network must end at; 0 for any number (features). */
static uint32_t first_end(const struct mien_plan *plan)
{
    switch (plan->family) {
    case MIEN_FAMILY_GAN:
        return 1;
    case MIEN_FAMILY_VAE:
        return 2 * plan->latent;
    case MIEN_FAMILY_AUTOENCODER:
        return plan->latent;
    default:
        return 0;
    }
}

static struct mien_extent second_end(const struct mien_plan *plan)
{
    if (plan->family == MIEN_FAMILY_CLASSIFIER)
        return (struct mien_extent){0, 0, plan->attributes[0].n_values};
    if (plan->family == MIEN_FAMILY_CHARLM)
        return (struct mien_extent){plan->text_length, 1, MIEN_PLAN_N_SYMBOLS};
    return (struct mien_extent){plan->size, plan->size, plan->channels};
}

/* Walks a network; says where it ends and how many parameters it has. */
static enum mien_status walk(const struct mien_layer *layers, uint32_t n, struct mien_extent *at,
                             uint64_t *n_parameters, struct mien_err *err)
{
    if (n == 0 || n > MIEN_PLAN_MAX_LAYERS)
        return mien_err_set(err, MIEN_ELIMIT, "%u layers, expected 1 to %d", n,
                            MIEN_PLAN_MAX_LAYERS);
    for (uint32_t i = 0; i < n; i++) {
        struct mien_extent next;
        enum mien_status status = mien_layer_extent(&layers[i], at, &next, err);

        if (status != MIEN_OK)
            return mien_err_prefix(err, status, "layer %u", i);
        *n_parameters += mien_layer_n_parameters(&layers[i], at);
        if (*n_parameters > MIEN_PLAN_MAX_PARAMETERS)
            return mien_err_set(err, MIEN_ELIMIT, "more than %llu parameters",
                                (unsigned long long)MIEN_PLAN_MAX_PARAMETERS);
        *at = next;
    }
    return MIEN_OK;
}

/* Layers of the last norm are no matter: the last layer is dense, and what it gets is flat. */
static uint32_t last_features(const struct mien_plan *plan)
{
    struct mien_extent at = mien_plan_first_input(plan);
    uint64_t n = 0;

    if (plan->n_d_layers < 2 ||
        walk(plan->d_layers, plan->n_d_layers - 1, &at, &n, NULL) != MIEN_OK || at.h != 0)
        return 0;
    return at.c;
}

uint32_t mien_plan_code_width(const struct mien_plan *plan)
{
    if (mien_plan_condition_size(plan) == 0)
        return 0;
    if (plan->conditioning == MIEN_CONDITIONING_PROJECTION)
        return last_features(plan);
    return plan->d_layers[0].channels;
}

static enum mien_status check_conditioning(const struct mien_plan *plan, struct mien_err *err)
{
    if (mien_plan_condition_size(plan) == 0)
        return MIEN_OK;
    if (plan->conditioning == MIEN_CONDITIONING_CONCATENATION) {
        if (plan->d_layers[0].kind != MIEN_LAYER_CONV)
            return mien_err_set(err, MIEN_EINVAL, "a conditioned %s begins with a convolution",
                                first_name(plan));
        return MIEN_OK;
    }
    if (plan->d_layers[plan->n_d_layers - 1].kind != MIEN_LAYER_DENSE || last_features(plan) == 0)
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.conditioning = projection: the discriminator ends with a "
                            "dense layer on flat data");
    return MIEN_OK;
}

static enum mien_status walk_first(const struct mien_plan *plan, uint64_t *n_parameters,
                                   struct mien_err *err)
{
    struct mien_extent at = mien_plan_first_input(plan);
    const uint32_t end = first_end(plan);

    if (!has_first(plan)) {
        if (plan->n_d_layers != 0)
            return mien_err_set(err, MIEN_EINVAL, "a %s has one network, not two",
                                mien_family_name(plan->family));
        return MIEN_OK;
    }
    enum mien_status status = walk(plan->d_layers, plan->n_d_layers, &at, n_parameters, err);
    if (status != MIEN_OK)
        return mien_err_prefix(err, status, "%s", first_name(plan));
    status = check_conditioning(plan, err);
    if (status != MIEN_OK)
        return status;
    *n_parameters += (uint64_t)mien_plan_condition_size(plan) * mien_plan_code_width(plan);
    if (at.h != 0)
        return mien_err_set(err, MIEN_EINVAL, "the %s ends at %u x %u x %u, which is not flat",
                            first_name(plan), at.h, at.w, at.c);
    if (end != 0 && at.c != end)
        return mien_err_set(err, MIEN_EINVAL, "the %s ends at %u numbers, not %u", first_name(plan),
                            at.c, end);
    return MIEN_OK;
}

static enum mien_status walk_second(const struct mien_plan *plan, uint64_t *n_parameters,
                                    struct mien_err *err)
{
    struct mien_extent at = mien_plan_second_input(plan);
    const struct mien_extent end = second_end(plan);
    enum mien_status status = walk(plan->g_layers, plan->n_g_layers, &at, n_parameters, err);

    if (status != MIEN_OK)
        return mien_err_prefix(err, status, "%s", second_name(plan));
    if (at.h != end.h || at.w != end.w || at.c != end.c)
        return mien_err_set(err, MIEN_EINVAL, "the %s ends at %u x %u x %u, not %u x %u x %u",
                            second_name(plan), at.h, at.w, at.c, end.h, end.w, end.c);
    return MIEN_OK;
}

enum mien_status mien_plan_check_networks(const struct mien_plan *plan, struct mien_err *err)
{
    uint64_t n_parameters = 0;
    enum mien_status status = walk_first(plan, &n_parameters, err);

    return status == MIEN_OK ? walk_second(plan, &n_parameters, err) : status;
}

uint32_t mien_plan_n_features(const struct mien_plan *plan)
{
    struct mien_extent at = mien_plan_first_input(plan);
    uint64_t n = 0;

    if (!has_first(plan) || walk(plan->d_layers, plan->n_d_layers, &at, &n, NULL) != MIEN_OK)
        return 0;
    return at.c;
}

static uint64_t n_first(const struct mien_plan *plan)
{
    uint64_t n = 0;

    return walk_first(plan, &n, NULL) == MIEN_OK ? n : 0;
}

uint64_t mien_plan_n_parameters(const struct mien_plan *plan)
{
    uint64_t n = 0;

    if (walk_first(plan, &n, NULL) != MIEN_OK || walk_second(plan, &n, NULL) != MIEN_OK)
        return 0;
    return n;
}

uint64_t mien_plan_n_private(const struct mien_plan *plan)
{
    const bool keeps = plan->family == MIEN_FAMILY_VAE && plan->share == MIEN_PLAN_SHARE_DECODER;

    return keeps ? n_first(plan) : 0;
}

uint64_t mien_plan_first_shared(const struct mien_plan *plan)
{
    return mien_plan_n_private(plan);
}

uint64_t mien_plan_n_shared(const struct mien_plan *plan)
{
    if (plan->family == MIEN_FAMILY_MOMENTS)
        return 2 * (uint64_t)mien_plan_n_features(plan);
    if (plan->family == MIEN_FAMILY_GAN && plan->train_on_device == MIEN_TRAIN_DISCRIMINATOR)
        return n_first(plan);
    return mien_plan_n_parameters(plan) - mien_plan_n_private(plan);
}

bool mien_plan_draws(const struct mien_plan *plan)
{
    return plan->family == MIEN_FAMILY_GAN || plan->family == MIEN_FAMILY_VAE ||
           plan->family == MIEN_FAMILY_MOMENTS;
}

bool mien_plan_trains_at_coordinator(const struct mien_plan *plan)
{
    return plan->family == MIEN_FAMILY_MOMENTS ||
           (plan->family == MIEN_FAMILY_GAN && plan->train_on_device == MIEN_TRAIN_DISCRIMINATOR);
}
