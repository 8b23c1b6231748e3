// SPDX-License-Identifier: Apache-2.0
/* The losses of all families on tiny networks against central differences, in double precision. */
#include "common/nn/families.h"

#include "common/base/mem.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "tests/support/tiny_plan.h"

#include <math.h>

#define STEP 1e-5
#define TOLERANCE 1e-6
#define BATCH 3
#define MAX_INPUT 2048

struct bench {
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_graph *graph;
    struct mien_exec *exec;
    mien_real *values;
    mien_real storage[6][MAX_INPUT];
};

static mien_ref loss_of(const struct mien_network *net, struct mien_step_inputs *inputs)
{
    if (net->plan->family == MIEN_FAMILY_GAN)
        return mien_discriminator_loss(net, BATCH, inputs);
    if (net->plan->family == MIEN_FAMILY_MOMENTS)
        return mien_match_loss(net, BATCH, inputs);
    return mien_family_loss(net, BATCH, inputs);
}

static void fill(struct bench *b, mien_ref input, struct mien_rng_seeded *rng)
{
    if (input == MIEN_NO_REF)
        return;
    const struct mien_node *node = mien_graph_node(b->graph, input);
    mien_real *numbers = b->storage[node->offset];

    assert_true(node->offset < 6 && mien_shape_count(&node->shape) <= MAX_INPUT);
    for (uint64_t i = 0; i < mien_shape_count(&node->shape); i++)
        numbers[i] = (mien_real)mien_rng_seeded_uniform(rng);
    assert_int_equal(mien_exec_bind(b->exec, (uint32_t)node->offset, numbers), MIEN_OK);
}

/* Symbols are whole numbers, and so are the places of the next ones' scores; one has none. */
static void fill_text(struct bench *b, const struct mien_step_inputs *inputs)
{
    const uint64_t symbols = mien_graph_node(b->graph, inputs->real)->offset;
    const uint64_t target = mien_graph_node(b->graph, inputs->target)->offset;

    for (uint32_t i = 0; i < BATCH * b->plan.text_length; i++) {
        b->storage[symbols][i] = (mien_real)(i * 7 % MIEN_PLAN_N_SYMBOLS);
        b->storage[target][i] = (mien_real)(i * MIEN_PLAN_N_SYMBOLS + i * 11 % 97);
    }
    b->storage[target][4] = -1;
}

static void bench_init(struct bench *b, const struct mien_plan *plan)
{
    struct mien_rng_seeded *rng = NULL;
    struct mien_step_inputs inputs;
    mien_ref outputs[MIEN_MODEL_MAX_TENSORS + 1];
    mien_ref wrt[MIEN_MODEL_MAX_TENSORS];

    memset(b, 0, sizeof(*b));
    b->plan = *plan;
    assert_int_equal(mien_layout_init(&b->layout, plan, NULL), MIEN_OK);
    assert_int_equal(mien_graph_new(&b->graph), MIEN_OK);
    const struct mien_network net = {.graph = b->graph, .plan = &b->plan, .layout = &b->layout};
    outputs[0] = loss_of(&net, &inputs);
    for (uint32_t i = 0; i < b->layout.n_tensors; i++)
        wrt[i] = mien_parameter(b->graph, b->layout.tensor[i].shape, b->layout.tensor[i].offset);
    mien_grad(b->graph, outputs[0], wrt, b->layout.n_tensors, outputs + 1);
    assert_int_equal(mien_graph_status(b->graph, NULL), MIEN_OK);
    assert_int_equal(mien_exec_new(b->graph, outputs, b->layout.n_tensors + 1, &b->exec), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(9, 0, &rng), MIEN_OK);
    fill(b, inputs.real, rng);
    fill(b, inputs.real_code, rng);
    fill(b, inputs.z, rng);
    fill(b, inputs.fake_code, rng);
    fill(b, inputs.mix, rng);
    fill(b, inputs.target, rng);
    if (plan->family == MIEN_FAMILY_CHARLM)
        fill_text(b, &inputs);
    b->values = mien_calloc(b->layout.n_values, sizeof(*b->values));
    assert_non_null(b->values);
    for (uint64_t i = 0; i < b->layout.n_values; i++)
        b->values[i] = (mien_real)(0.4 * (double)mien_rng_seeded_normal(rng));
    mien_rng_seeded_free(rng);
}

static void bench_fini(struct bench *b)
{
    mien_exec_free(b->exec);
    mien_graph_free(b->graph);
    mien_free(b->values);
}

static double loss_at(struct bench *b)
{
    assert_int_equal(mien_exec_run(b->exec, b->values), MIEN_OK);
    return *mien_exec_output(b->exec, 0);
}

static double difference(struct bench *b, uint64_t i)
{
    static const double steps[4] = {-2, -1, 1, 2};
    const double at = (double)b->values[i];
    double f[4];

    for (int k = 0; k < 4; k++) {
        b->values[i] = (mien_real)(at + steps[k] * STEP);
        f[k] = loss_at(b);
    }
    b->values[i] = (mien_real)at;
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * STEP);
}

static void check(const struct mien_plan *plan)
{
    struct bench *b = mien_calloc(1, sizeof(*b));

    assert_non_null(b);
    bench_init(b, plan);
    mien_real *gradient = mien_calloc(b->layout.n_values, sizeof(*gradient));
    assert_non_null(gradient);
    double length = 0.0;
    (void)loss_at(b);
    for (uint32_t t = 0; t < b->layout.n_tensors; t++)
        memcpy(gradient + b->layout.tensor[t].offset, mien_exec_output(b->exec, t + 1),
               mien_shape_count(&b->layout.tensor[t].shape) * sizeof(*gradient));
    /* Every value of small networks, every third of larger ones. */
    for (uint64_t i = 0; i<b->layout.n_values; i += b->layout.n_values> 500 ? 3 : 1) {
        const double numeric = difference(b, i);

        length += numeric * numeric;
        if (!(fabs(numeric - (double)gradient[i]) <= TOLERANCE * fmax(1.0, fabs(numeric))))
            fail_msg("%s, value %llu: %.9g by the graph, %.9g numeric",
                     mien_family_name(plan->family), (unsigned long long)i, (double)gradient[i],
                     numeric);
    }
    assert_true(length > 1e-6);
    mien_free(gradient);
    bench_fini(b);
    mien_free(b);
}

static void every_familys_loss_has_its_gradient(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        const struct mien_plan plan = tiny_plan((enum mien_family)family);

        check(&plan);
    }
}

static void conditioned_losses_have_their_gradients(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_AUTOENCODER; family++) {
        struct mien_plan plan = tiny_plan((enum mien_family)family);

        assert_int_equal(mien_plan_set(&plan, "plan.attributes", "hat:0|1, age:0..9", NULL),
                         MIEN_OK);
        check(&plan);
    }
}

static void a_penalty_on_projected_scores_has_its_gradient(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_GAN);

    assert_int_equal(mien_plan_set(&plan, "plan.attributes", "hat:0|1", NULL), MIEN_OK);
    assert_int_equal(mien_plan_set(&plan, "plan.conditioning", "projection", NULL), MIEN_OK);
    plan.loss = MIEN_LOSS_WASSERSTEIN;
    check(&plan);
}

static void batch_norm_and_layers_without_bias_have_their_gradients(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_VAE);

    plan.norm = MIEN_NORM_BATCH;
    plan.g_layers[0].no_bias = true;
    plan.g_layers[2].no_scale = true;
    plan.g_layers[4].no_bias = true;
    plan.d_layers[0].no_bias = true;
    check(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_familys_loss_has_its_gradient),
        cmocka_unit_test(conditioned_losses_have_their_gradients),
        cmocka_unit_test(a_penalty_on_projected_scores_has_its_gradient),
        cmocka_unit_test(batch_norm_and_layers_without_bias_have_their_gradients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
