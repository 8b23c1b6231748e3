// SPDX-License-Identifier: Apache-2.0
#include "common/nn/each.h"

#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/nn/generator.h"
#include "common/nn/step.h"

#include <math.h>
#include <string.h>

/* Coins are compared as integers of so many bits: a double holds them all. */
#define COIN (UINT64_C(1) << 53)

struct mien_each {
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_each_sum sum;
    uint64_t threshold;    /* a coin below it draws the example */
    struct mien_step *one; /* on one example */
    struct mien_step *generator;
    float *gradient; /* [n_gradient] secret */
    float *begun;
    float *values;
    struct mien_moments moments;
    struct mien_rng_seeded *rng;
    size_t at; /* examples of the step that have been looked at */
    uint32_t n_steps;
};

static bool trains_generator(const struct mien_plan *plan)
{
    return plan->family == MIEN_FAMILY_GAN && plan->train_on_device == MIEN_TRAIN_GENERATOR;
}

static enum mien_step_kind kind_of(const struct mien_plan *plan)
{
    return plan->family == MIEN_FAMILY_GAN ? MIEN_STEP_DISCRIMINATOR : MIEN_STEP_WHOLE;
}

bool mien_each_can(const struct mien_plan *plan)
{
    return plan->norm != MIEN_NORM_BATCH && plan->family != MIEN_FAMILY_MOMENTS;
}

/* What is trained comes first in the model. */
static uint64_t n_gradient(const struct mien_plan *plan, const struct mien_layout *layout)
{
    return plan->family == MIEN_FAMILY_GAN ? layout->n_d : layout->n_values;
}

uint64_t mien_each_n_gradient(const struct mien_plan *plan)
{
    struct mien_layout layout;

    return mien_layout_init(&layout, plan, NULL) == MIEN_OK ? n_gradient(plan, &layout) : 0;
}

enum mien_status mien_each_bytes(const struct mien_plan *plan, uint64_t *bytes)
{
    const uint64_t n_vectors = plan->optimiser == MIEN_OPTIMISER_ADAM ? 4 : 2;
    struct mien_layout layout;
    uint64_t one = 0;
    uint64_t generator = 0;
    enum mien_status status = mien_each_can(plan) ? MIEN_OK : MIEN_EINVAL;

    if (status == MIEN_OK)
        status = mien_layout_init(&layout, plan, NULL);
    if (status == MIEN_OK)
        status = mien_step_bytes(plan, &layout, kind_of(plan), 1, &one);
    if (status == MIEN_OK && trains_generator(plan))
        status = mien_step_bytes(plan, &layout, MIEN_STEP_GENERATOR, plan->batch, &generator);
    if (status != MIEN_OK)
        return status;
    *bytes = sizeof(struct mien_each) + one + generator +
             (n_vectors * layout.n_values + n_gradient(plan, &layout)) * sizeof(float);
    return MIEN_OK;
}

static enum mien_status make_vectors(struct mien_each *each)
{
    const uint64_t n = each->layout.n_values;
    const bool adam = each->plan.optimiser == MIEN_OPTIMISER_ADAM;

    each->begun = mien_calloc(n, sizeof(float));
    each->values = mien_calloc(n, sizeof(float));
    each->gradient = mien_calloc(n_gradient(&each->plan, &each->layout), sizeof(float));
    each->moments.first = adam ? mien_calloc(n, sizeof(float)) : NULL;
    each->moments.second = adam ? mien_calloc(n, sizeof(float)) : NULL;
    if (each->begun == NULL || each->values == NULL || each->gradient == NULL ||
        (adam && (each->moments.first == NULL || each->moments.second == NULL)))
        return MIEN_ENOMEM;
    return MIEN_OK;
}

enum mien_status mien_each_new(const struct mien_plan *plan, double rate,
                               const struct mien_each_sum *sum, struct mien_each **out)
{
    if (!mien_each_can(plan) || !(rate > 0.0 && rate <= 1.0))
        return MIEN_EINVAL;
    struct mien_each *each = mien_calloc(1, sizeof(*each));
    if (each == NULL)
        return MIEN_ENOMEM;
    each->plan = *plan;
    each->sum = *sum;
    each->threshold = (uint64_t)floor(rate * (double)COIN);
    enum mien_status status = mien_layout_init(&each->layout, &each->plan, NULL);
    if (status == MIEN_OK)
        status = mien_step_new(&each->plan, &each->layout, kind_of(plan), 1, &each->one);
    if (status == MIEN_OK && trains_generator(plan))
        status = mien_step_new(&each->plan, &each->layout, MIEN_STEP_GENERATOR, plan->batch,
                               &each->generator);
    if (status == MIEN_OK)
        status = make_vectors(each);
    if (status != MIEN_OK) {
        mien_each_free(each);
        return status;
    }
    *out = each;
    return MIEN_OK;
}

const struct mien_layout *mien_each_layout(const struct mien_each *each)
{
    return &each->layout;
}

static void wipe_free(float *numbers, uint64_t n)
{
    if (numbers != NULL)
        mien_wipe(numbers, n * sizeof(float));
    mien_free(numbers);
}

void mien_each_free(struct mien_each *each)
{
    if (each == NULL)
        return;
    mien_step_free(each->one);
    mien_step_free(each->generator);
    wipe_free(each->gradient, n_gradient(&each->plan, &each->layout));
    mien_free(each->begun);
    wipe_free(each->values, each->layout.n_values);
    wipe_free(each->moments.first, each->layout.n_values);
    wipe_free(each->moments.second, each->layout.n_values);
    mien_rng_seeded_free(each->rng);
    mien_free(each);
}

enum mien_status mien_each_begin(struct mien_each *each, const float *values, struct mien_rng *rng)
{
    const size_t bytes = each->layout.n_values * sizeof(float);
    uint8_t key[32];
    enum mien_status status = mien_rng_fill(rng, key, sizeof(key));

    mien_rng_seeded_free(each->rng);
    each->rng = NULL;
    if (status == MIEN_OK)
        status = mien_rng_seeded_new_key(key, 0, &each->rng);
    mien_wipe(key, sizeof(key));
    if (status != MIEN_OK)
        return status;
    memcpy(each->begun, values, bytes);
    memcpy(each->values, values, bytes);
    if (each->moments.first != NULL) {
        memset(each->moments.first, 0, bytes);
        memset(each->moments.second, 0, bytes);
    }
    each->moments.t = 0;
    each->at = 0;
    each->n_steps = 0;
    return MIEN_OK;
}

/* The generated picture of an example's loss has its attributes: it is that example's alone. */
static enum mien_status load(struct mien_each *each, const struct mien_examples *examples,
                             size_t index)
{
    const uint32_t n_code = mien_plan_code_size(&each->plan);
    float *code = mien_step_real_code(each->one);
    enum mien_status status =
        examples->picture(examples->self, index, mien_step_examples(each->one), code);

    if (status == MIEN_OK && code != NULL && mien_step_fake_code(each->one) != NULL)
        memcpy(mien_step_fake_code(each->one), code, n_code * sizeof(float));
    return status;
}

static enum mien_status add_one(struct mien_each *each, const struct mien_examples *examples,
                                size_t index)
{
    enum mien_status status = load(each, examples, index);

    if (status == MIEN_ENOTFOUND)
        return MIEN_OK;
    if (status == MIEN_OK)
        status = mien_step_run(each->one, each->values, each->rng);
    if (status != MIEN_OK)
        return status;
    mien_step_gradient(each->one, each->gradient);
    each->sum.add(each->sum.self, each->gradient);
    return MIEN_OK;
}

static enum mien_status step_generator(struct mien_each *each, const struct mien_moments *moments)
{
    const uint32_t n_code = mien_plan_condition_size(&each->plan);

    for (uint32_t i = 0; n_code > 0 && i < each->plan.batch; i++)
        mien_code_draw(&each->plan, each->rng,
                       mien_step_fake_code(each->generator) + (size_t)i * n_code);
    enum mien_status status = mien_step_run(each->generator, each->values, each->rng);
    if (status == MIEN_OK)
        mien_step_apply(each->generator, each->values, each->plan.g_rate, moments);
    return status;
}

static enum mien_status descend(struct mien_each *each, size_t n)
{
    const struct mien_moments *moments = each->moments.first == NULL ? NULL : &each->moments;
    enum mien_status status = each->sum.take(each->sum.self, n, each->gradient);

    each->at = 0;
    if (status != MIEN_OK)
        return status;
    each->moments.t++;
    mien_step_apply_given(each->one, each->gradient, each->values, each->plan.d_rate, moments);
    if (each->generator != NULL)
        status = step_generator(each, moments);
    each->n_steps++;
    return status;
}

enum mien_status mien_each_step(struct mien_each *each, const struct mien_examples *examples,
                                bool *done)
{
    enum mien_status status = MIEN_OK;
    uint32_t n_drawn = 0;

    if (each->rng == NULL || examples->n == 0)
        return MIEN_ESTATE;
    while (each->at < examples->n && n_drawn < each->plan.batch && status == MIEN_OK) {
        const size_t index = each->at++;

        if (mien_rng_seeded_below(each->rng, COIN) >= each->threshold)
            continue;
        status = add_one(each, examples, index);
        n_drawn++;
    }
    if (status == MIEN_OK && !mien_rng_seeded_ok(each->rng))
        status = MIEN_ECRYPTO;
    if (status == MIEN_OK && each->at >= examples->n)
        status = descend(each, examples->n);
    *done = status == MIEN_OK && each->n_steps >= each->plan.local_steps;
    return status;
}

const float *mien_each_values(const struct mien_each *each)
{
    return each->values;
}

void mien_each_update(const struct mien_each *each, float *update, bool *finite)
{
    const uint64_t n = mien_plan_n_shared(&each->plan);
    const uint64_t first = mien_plan_first_shared(&each->plan);

    for (uint64_t i = 0; i < n; i++)
        update[i] = each->values[first + i] - each->begun[first + i];
    *finite = mien_model_finite(update, n) &&
              mien_model_finite(each->values, mien_plan_n_private(&each->plan));
}
