// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/steps.h"

#include "common/base/mem.h"
#include "common/nn/model.h"
#include "common/plan/preset.h"

#include <string.h>

#define D MIEN_STEP_DISCRIMINATOR
#define G MIEN_STEP_GENERATOR
#define PENALTY MIEN_LOSS_WASSERSTEIN
#define PLAIN MIEN_LOSS_NON_SATURATING

const struct bench_step bench_steps[] = {
    {"gan32-d-16", "faces32-large", PENALTY, D, 16, false, false},
    {"gan32-g-16", "faces32-large", PENALTY, G, 16, false, false},
    {"gan32-d-32", "faces32-large", PENALTY, D, 32, false, false},
    {"gan32-g-32", "faces32-large", PENALTY, G, 32, false, false},
    {"gan64-d-16", "faces32-large", PENALTY, D, 16, true, false},
    {"vae32-step-16", "vae32-large", PLAIN, MIEN_STEP_WHOLE, 16, false, false},
    {"small-grad-5", "faces32", PLAIN, D, 5, false, true},
    {"small-d-5", "faces32", PENALTY, D, 5, false, false},
    {"small-g-5", "faces32", PENALTY, G, 5, false, false},
    {"digits-d-16", "digits28", PENALTY, D, 16, false, false},
    {"digits-g-16", "digits28", PENALTY, G, 16, false, false},
    {NULL, NULL, PLAIN, D, 0, false, false},
};

/* Opens a gap of two layers in front of layer `at`. */
static void make_gap(struct mien_layer *layers, uint32_t *n, uint32_t at)
{
    memmove(&layers[at + 2], &layers[at], (*n - at) * sizeof(layers[0]));
    *n += 2;
}

/* faces32-large with one more halving, and one more doubling, of 512 channels. */
static void lengthen(struct mien_plan *plan)
{
    const uint32_t d_end = plan->n_d_layers - 2; /* before flatten and dense */

    plan->size = 64;
    make_gap(plan->d_layers, &plan->n_d_layers, d_end);
    plan->d_layers[d_end] =
        (struct mien_layer){.kind = MIEN_LAYER_CONV, .channels = 512, .kernel = 4, .stride = 2};
    plan->d_layers[d_end + 1] = plan->d_layers[d_end - 1]; /* leaky */

    plan->g_layers[0].channels = 8192; /* dense, reshape, relu, and then the first doubling */
    plan->g_layers[1].channels = 512;
    make_gap(plan->g_layers, &plan->n_g_layers, 3);
    plan->g_layers[3] = (struct mien_layer){
        .kind = MIEN_LAYER_CONV_TRANSPOSED, .channels = 256, .kernel = 4, .stride = 2};
    plan->g_layers[4] = plan->g_layers[2];
}

void bench_trained_fini(struct bench_trained *t)
{
    mien_step_free(t->step);
    mien_rng_seeded_free(t->rng);
    mien_free(t->values);
    mien_free(t->moments.first);
    mien_free(t->moments.second);
}

static enum mien_status make_step(struct bench_trained *t)
{
    const struct bench_step *c = t->what;
    enum mien_status status = mien_layout_init(&t->layout, &t->plan, NULL);

    if (status == MIEN_OK)
        status = mien_step_bytes(&t->plan, &t->layout, c->kind, c->batch, &t->step_bytes);
    if (status == MIEN_OK)
        status = mien_step_cost(&t->plan, &t->layout, c->kind, c->batch, &t->cost);
    if (status == MIEN_OK)
        status = mien_step_new(&t->plan, &t->layout, c->kind, c->batch, &t->step);
    return status;
}

enum mien_status bench_trained_init(struct bench_trained *t, const struct bench_step *what)
{
    *t = (struct bench_trained){.what = what};
    enum mien_status status = mien_plan_preset(what->preset, &t->plan, NULL);

    if (status != MIEN_OK)
        return status;
    t->plan.loss = what->loss;
    t->plan.r1_gamma = 0.0;
    t->plan.n_attributes = 0;
    if (what->is_longer)
        lengthen(&t->plan);
    status = make_step(t);
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(1, 0, &t->rng);
    if (status != MIEN_OK)
        return status;
    t->values = mien_calloc(t->layout.n_values, sizeof(float));
    t->moments.first = mien_calloc(t->layout.n_values, sizeof(float));
    t->moments.second = mien_calloc(t->layout.n_values, sizeof(float));
    if (t->values == NULL || t->moments.first == NULL || t->moments.second == NULL)
        return MIEN_ENOMEM;
    float *pictures = mien_step_examples(t->step);
    const size_t n = what->batch * mien_plan_example_size(&t->plan);
    for (size_t i = 0; pictures != NULL && i < n; i++)
        pictures[i] = 2.0f * mien_rng_seeded_uniform(t->rng) - 1.0f;
    return mien_model_start(&t->layout, t->rng, t->values);
}

enum mien_status bench_train_once(struct bench_trained *t)
{
    enum mien_status status = mien_step_run(t->step, t->values, t->rng);

    if (status != MIEN_OK || t->what->is_gradient_only)
        return status;
    t->moments.t++;
    mien_step_apply(t->step, t->values, 2e-4, &t->moments);
    return MIEN_OK;
}
