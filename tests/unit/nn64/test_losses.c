// SPDX-License-Identifier: Apache-2.0
/* Whole losses of small conditioned networks against central differences, in double precision:
 * the penalties make the discriminator's gradient a second derivative. */
#include "common/base/mem.h"
#include "common/nn/network.h"
#include "common/plan/keys.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define STEP 1e-5
#define TOLERANCE 1e-5
#define BATCH 3
#define MAX_INPUT 1024

/* 8 x 8 grey, every kind of layer between the two networks. */
static struct mien_plan small_plan(void)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    plan.size = 8;
    plan.channels = 1;
    plan.latent = 3;
    plan.n_d_layers = 0;
    plan.n_g_layers = 0;
    memset(plan.d_layers, 0, sizeof(plan.d_layers));
    memset(plan.g_layers, 0, sizeof(plan.g_layers));
    const struct mien_layer d[] = {
        {.kind = MIEN_LAYER_CONV, .channels = 4, .kernel = 4, .stride = 2},
        {.kind = MIEN_LAYER_TANH},
        {.kind = MIEN_LAYER_CONV, .channels = 4, .kernel = 3, .stride = 1},
        {.kind = MIEN_LAYER_GROUP_NORM, .groups = 2},
        {.kind = MIEN_LAYER_LEAKY_RELU, .slope = 0.2},
        {.kind = MIEN_LAYER_FLATTEN},
        {.kind = MIEN_LAYER_DENSE, .channels = 1},
    };
    const struct mien_layer g[] = {
        {.kind = MIEN_LAYER_DENSE, .channels = 16},
        {.kind = MIEN_LAYER_RESHAPE, .height = 2, .width = 2, .channels = 4},
        {.kind = MIEN_LAYER_GROUP_NORM, .groups = 2},
        {.kind = MIEN_LAYER_TANH},
        {.kind = MIEN_LAYER_CONV_TRANSPOSED, .channels = 3, .kernel = 4, .stride = 2},
        {.kind = MIEN_LAYER_TANH},
        {.kind = MIEN_LAYER_UPSAMPLE},
        {.kind = MIEN_LAYER_CONV, .channels = 1, .kernel = 3, .stride = 1},
        {.kind = MIEN_LAYER_TANH},
    };
    memcpy(plan.d_layers, d, sizeof(d));
    memcpy(plan.g_layers, g, sizeof(g));
    plan.n_d_layers = sizeof(d) / sizeof(d[0]);
    plan.n_g_layers = sizeof(g) / sizeof(g[0]);
    plan.gp_lambda = 3.0;
    plan.r1_gamma = 2.0;
    assert_int_equal(mien_plan_set(&plan, "plan.attributes", "hat:0|1, age:0..9", NULL), MIEN_OK);
    return plan;
}

static void bind_inputs(struct mien_exec *exec, const struct mien_graph *graph,
                        struct mien_rng_seeded *rng, double storage[5][MAX_INPUT])
{
    uint32_t n_bound = 0;

    for (mien_ref n = 0; n < mien_graph_n_nodes(graph); n++) {
        const struct mien_node *node = mien_graph_node(graph, n);

        if (node->op != MIEN_OP_INPUT)
            continue;
        assert_true(n_bound < 5 && mien_shape_count(&node->shape) <= MAX_INPUT);
        for (uint64_t i = 0; i < mien_shape_count(&node->shape); i++)
            storage[n_bound][i] = (double)mien_rng_seeded_uniform(rng);
        assert_int_equal(mien_exec_bind(exec, n_bound, storage[n_bound]), MIEN_OK);
        n_bound++;
    }
}

static void check_loss(enum mien_loss loss_kind, bool discriminator)
{
    static double storage[5][MAX_INPUT];
    struct mien_plan plan = small_plan();
    struct mien_layout layout;
    struct mien_rng_seeded *rng = NULL;
    struct mien_exec *exec = NULL;
    struct mien_step_inputs inputs;
    mien_ref outputs[MIEN_MODEL_MAX_TENSORS + 1];
    mien_ref wrt[MIEN_MODEL_MAX_TENSORS];
    struct mien_graph *graph = NULL;

    plan.loss = loss_kind;
    assert_int_equal(mien_layout_init(&layout, &plan, NULL), MIEN_OK);
    assert_int_equal(mien_graph_new(&graph), MIEN_OK);
    const struct mien_network net = {.graph = graph, .plan = &plan, .layout = &layout};
    outputs[0] = discriminator ? mien_discriminator_loss(&net, BATCH, &inputs)
                               : mien_generator_loss(&net, BATCH, &inputs);
    for (uint32_t i = 0; i < layout.n_tensors; i++)
        wrt[i] = mien_parameter(graph, layout.tensor[i].shape, layout.tensor[i].offset);
    mien_grad(graph, outputs[0], wrt, layout.n_tensors, outputs + 1);
    assert_int_equal(mien_graph_status(graph, NULL), MIEN_OK);
    assert_int_equal(mien_exec_new(graph, outputs, layout.n_tensors + 1, &exec), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(9, 0, &rng), MIEN_OK);
    bind_inputs(exec, graph, rng, storage);
    double *values = mien_calloc(layout.n_values, sizeof(*values));
    double *gradient = mien_calloc(layout.n_values, sizeof(*gradient));
    assert_true(values != NULL && gradient != NULL);
    for (uint64_t i = 0; i < layout.n_values; i++)
        values[i] = (double)mien_rng_seeded_normal(rng) * 0.4;
    assert_int_equal(mien_exec_run(exec, values), MIEN_OK);
    for (uint32_t t = 0; t < layout.n_tensors; t++)
        memcpy(gradient + layout.tensor[t].offset, mien_exec_output(exec, t + 1),
               mien_shape_count(&layout.tensor[t].shape) * sizeof(double));
    for (uint64_t i = 0; i < layout.n_values; i++) {
        static const double steps[4] = {-2, -1, 1, 2};
        const double at = values[i];
        double f[4];

        for (int k = 0; k < 4; k++) {
            values[i] = at + steps[k] * STEP;
            assert_int_equal(mien_exec_run(exec, values), MIEN_OK);
            f[k] = *mien_exec_output(exec, 0);
        }
        values[i] = at;
        const double numeric = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * STEP);
        if (!(fabs(numeric - gradient[i]) <= TOLERANCE * fmax(1.0, fabs(numeric))))
            fail_msg("loss %d, value %llu: %.9g by the graph, %.9g numeric", (int)loss_kind,
                     (unsigned long long)i, gradient[i], numeric);
    }
    mien_free(values);
    mien_free(gradient);
    mien_rng_seeded_free(rng);
    mien_exec_free(exec);
    mien_graph_free(graph);
}

static void the_discriminators_losses_have_their_gradients(void **state)
{
    (void)state;
    check_loss(MIEN_LOSS_NON_SATURATING, true);
    check_loss(MIEN_LOSS_HINGE, true);
    check_loss(MIEN_LOSS_WASSERSTEIN, true);
}

static void the_generators_losses_have_their_gradients(void **state)
{
    (void)state;
    check_loss(MIEN_LOSS_NON_SATURATING, false);
    check_loss(MIEN_LOSS_HINGE, false);
}

/* The hinge loss beside its formula, real and fake pictures scored by a pass of their own. */
static double distance_from_two_passes(enum mien_norm norm)
{
    static double storage[5][MAX_INPUT];
    struct mien_plan plan = small_plan();
    struct mien_layout layout;
    struct mien_rng_seeded *rng = NULL;
    struct mien_exec *exec = NULL;
    struct mien_step_inputs in;
    struct mien_graph *g = NULL;
    mien_ref outputs[2];

    plan.loss = MIEN_LOSS_HINGE;
    plan.norm = norm;
    assert_int_equal(mien_layout_init(&layout, &plan, NULL), MIEN_OK);
    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const struct mien_network net = {.graph = g, .plan = &plan, .layout = &layout};
    outputs[0] = mien_discriminator_loss(&net, BATCH, &in);
    mien_ref fake = mien_second_network(&net, in.z, in.fake_code);
    mien_ref low = mien_shift(g, mien_discriminator(&net, fake, in.fake_code), 1.0);
    mien_ref high = mien_scale(g, mien_discriminator(&net, in.real, in.real_code), -1.0);
    high = mien_shift(g, high, 1.0);
    outputs[1] = mien_add(g, mien_mean_all(g, mien_leaky(g, high, 0.0)),
                          mien_mean_all(g, mien_leaky(g, low, 0.0)));
    assert_int_equal(mien_exec_new(g, outputs, 2, &exec), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(9, 0, &rng), MIEN_OK);
    bind_inputs(exec, g, rng, storage);
    double *values = mien_calloc(layout.n_values, sizeof(*values));
    assert_non_null(values);
    for (uint64_t i = 0; i < layout.n_values; i++)
        values[i] = (double)mien_rng_seeded_normal(rng) * 0.4;
    assert_int_equal(mien_exec_run(exec, values), MIEN_OK);
    const double distance = fabs(*mien_exec_output(exec, 0) - *mien_exec_output(exec, 1));
    assert_true(*mien_exec_output(exec, 0) > 0.1);
    mien_free(values);
    mien_rng_seeded_free(rng);
    mien_exec_free(exec);
    mien_graph_free(g);
    return distance;
}

static void scoring_in_one_pass_changes_no_score(void **state)
{
    (void)state;
    assert_true(distance_from_two_passes(MIEN_NORM_GROUP) < 1e-12);
    assert_true(distance_from_two_passes(MIEN_NORM_BATCH) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_discriminators_losses_have_their_gradients),
        cmocka_unit_test(the_generators_losses_have_their_gradients),
        cmocka_unit_test(scoring_in_one_pass_changes_no_score),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
