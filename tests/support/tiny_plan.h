/* A plan of each family with networks of some hundred numbers, for tests that train often.
 */
#ifndef MIEN_TESTS_SUPPORT_TINY_PLAN_H
#define MIEN_TESTS_SUPPORT_TINY_PLAN_H

#include "common/plan/keys.h"
#include "tests/support/test.h"

#include <string.h>

static inline void tiny_networks(struct mien_plan *plan, uint32_t first_out, uint32_t latent)
{
    const struct mien_layer first[] = {
        {.kind = MIEN_LAYER_CONV, .channels = 3, .kernel = 4, .stride = 4},
        {.kind = MIEN_LAYER_LEAKY_RELU, .slope = 0.2},
        {.kind = MIEN_LAYER_FLATTEN},
        {.kind = MIEN_LAYER_DENSE, .channels = first_out},
    };
    const struct mien_layer second[] = {
        {.kind = MIEN_LAYER_DENSE, .channels = 64},
        {.kind = MIEN_LAYER_RESHAPE, .height = 4, .width = 4, .channels = 4},
        {.kind = MIEN_LAYER_GROUP_NORM, .groups = 2},
        {.kind = MIEN_LAYER_UPSAMPLE},
        {.kind = MIEN_LAYER_CONV_TRANSPOSED, .channels = 1, .kernel = 2, .stride = 2},
        {.kind = MIEN_LAYER_TANH},
    };

    memcpy(plan->d_layers, first, sizeof(first));
    memcpy(plan->g_layers, second, sizeof(second));
    plan->n_d_layers = sizeof(first) / sizeof(first[0]);
    plan->n_g_layers = sizeof(second) / sizeof(second[0]);
    plan->latent = latent;
}

static inline void tiny_classifier(struct mien_plan *plan)
{
    const struct mien_layer layers[] = {
        {.kind = MIEN_LAYER_CONV, .channels = 4, .kernel = 3, .stride = 1},
        {.kind = MIEN_LAYER_LEAKY_RELU},
        {.kind = MIEN_LAYER_MAX_POOL, .kernel = 2, .stride = 2},
        {.kind = MIEN_LAYER_AVERAGE_POOL, .kernel = 2},
        {.kind = MIEN_LAYER_FLATTEN},
        {.kind = MIEN_LAYER_DENSE, .channels = 2},
    };

    memcpy(plan->g_layers, layers, sizeof(layers));
    plan->n_g_layers = sizeof(layers) / sizeof(layers[0]);
    assert_int_equal(mien_plan_set(plan, "plan.attributes", "glasses:0|1", NULL), MIEN_OK);
}

static inline void tiny_charlm(struct mien_plan *plan)
{
    const struct mien_layer layers[] = {
        {.kind = MIEN_LAYER_EMBED, .channels = 3},
        {.kind = MIEN_LAYER_GRU, .channels = 4},
        {.kind = MIEN_LAYER_CONV, .channels = MIEN_PLAN_N_SYMBOLS, .kernel = 1, .stride = 1},
    };

    memcpy(plan->g_layers, layers, sizeof(layers));
    plan->n_g_layers = sizeof(layers) / sizeof(layers[0]);
    plan->text_length = 6;
}

/* 16 x 16 grey. */
static inline struct mien_plan tiny_plan(enum mien_family family)
{
    struct mien_plan plan;
    struct mien_err err = {0};

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    memset(plan.d_layers, 0, sizeof(plan.d_layers));
    memset(plan.g_layers, 0, sizeof(plan.g_layers));
    plan.n_d_layers = 0;
    plan.n_g_layers = 0;
    plan.channels = 1;
    plan.family = family;
    plan.batch = 2;
    plan.local_steps = 2;
    plan.g_steps = 3;
    plan.g_batch = 4;
    if (family == MIEN_FAMILY_CLASSIFIER)
        tiny_classifier(&plan);
    else if (family == MIEN_FAMILY_CHARLM)
        tiny_charlm(&plan);
    else
        tiny_networks(&plan, family == MIEN_FAMILY_GAN ? 1 : family == MIEN_FAMILY_VAE ? 4 : 2, 2);
    if (mien_plan_validate(&plan, &err) != MIEN_OK)
        fail_msg("%s: %s", mien_family_name(family), err.text);
    return plan;
}

#endif
