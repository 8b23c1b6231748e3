// SPDX-License-Identifier: Apache-2.0
#include "common/plan/plan.h"

#include "common/base/text.h"
#include "common/plan/clipping.h"
#include "common/plan/networks.h"
#include "common/plan/noise.h"
#include "common/plan/sampling.h"

#include <math.h>
#include <string.h>

static bool in(double v, double low, double high)
{
    return v >= low && v <= high; /* false for NaN */
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

/* The family, and what only some families have. */
static enum mien_status check_family(const struct mien_plan *plan, struct mien_err *err)
{
    const bool classifier = plan->family == MIEN_FAMILY_CLASSIFIER;

    if (plan->family < MIEN_FAMILY_GAN || plan->family > MIEN_FAMILY_MOMENTS)
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.family: expected gan, vae, autoencoder, classifier, charlm or "
                            "moments");
    if (plan->share != MIEN_PLAN_SHARE_ALL &&
        (plan->share != MIEN_PLAN_SHARE_DECODER || plan->family != MIEN_FAMILY_VAE))
        return mien_err_set(err, MIEN_EINVAL, "plan.share: expected all, or decoder in a vae");
    if (plan->conditioning != MIEN_CONDITIONING_CONCATENATION &&
        (plan->conditioning != MIEN_CONDITIONING_PROJECTION || plan->family != MIEN_FAMILY_GAN))
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.conditioning: expected concatenation, or projection in a gan");
    if (plan->norm != MIEN_NORM_GROUP && plan->norm != MIEN_NORM_BATCH)
        return mien_err_set(err, MIEN_EINVAL, "plan.norm: expected group or batch");
    if (plan->norm == MIEN_NORM_BATCH && plan->batch < 2)
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.norm = batch: plan.batch is %u, expected 2 or more", plan->batch);
    if (classifier && (plan->n_attributes != 1 || plan->attributes[0].n_values < 2))
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.attributes: a classifier has one, with two values or more");
    if (plan->family == MIEN_FAMILY_MOMENTS && plan->n_attributes > 0)
        return mien_err_set(err, MIEN_EINVAL, "plan.attributes: moments take none");
    if (plan->family == MIEN_FAMILY_CHARLM && plan->n_attributes > 0)
        return mien_err_set(err, MIEN_EINVAL, "plan.attributes: a charlm takes none");
    if (plan->text_length > MIEN_PLAN_MAX_TEXT ||
        (plan->family == MIEN_FAMILY_CHARLM && plan->text_length < 2))
        return mien_err_set(err, MIEN_ELIMIT, "plan.text_length: expected 2 to %d",
                            MIEN_PLAN_MAX_TEXT);
    return MIEN_OK;
}

static enum mien_status check_what(const struct mien_plan *plan, struct mien_err *err)
{
    enum mien_status status = check_family(plan, err);

    if (status != MIEN_OK)
        return status;
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
        status = check_attribute(&plan->attributes[i], err);

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
    if (!in(plan->kl_weight, 0.0, 1e6))
        return mien_err_set(err, MIEN_ELIMIT, "plan.kl_weight: expected 0 to 1e6");
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
    if (plan->rotate < MIEN_PLAN_UNROTATED || plan->rotate > MIEN_PLAN_ROTATED)
        return mien_err_set(err, MIEN_EINVAL, "quantise.rotate: expected yes, no or filled");
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
    enum mien_status status = mien_plan_check_noise(plan, err);
    if (status == MIEN_OK)
        status = mien_plan_check_sampling(plan, err);
    return status == MIEN_OK ? mien_plan_check_clipping(plan, err) : status;
}

enum mien_status mien_plan_validate(const struct mien_plan *plan, struct mien_err *err)
{
    enum mien_status (*const checks[])(const struct mien_plan *plan, struct mien_err *err) = {
        check_what, check_training, check_rounds, check_privacy};

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        enum mien_status status = checks[i](plan, err);

        if (status != MIEN_OK)
            return status;
    }
    return mien_plan_check_networks(plan, err);
}

const char *mien_plan_warning(const struct mien_plan *plan)
{
    if (plan->norm == MIEN_NORM_BATCH)
        return "plan.norm = batch: every picture depends on the others of its batch, in training "
               "and when generating";
    return NULL;
}
