// SPDX-License-Identifier: Apache-2.0
/* Chains of element-wise steps against the same graph computed one node at a time, each in an exec
 * of its own: bit by bit, with every set of kernels. */
#include "common/tensor/fusion.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/compose.h"
#include "common/tensor/cost.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "common/tensor/graph_internal.h"
#include "common/tensor/tile.h"
#include "tests/support/test.h"

#include <string.h>

static uint64_t count_of(const struct mien_graph *g, mien_ref n)
{
    const struct mien_shape shape = mien_graph_shape(g, n);

    return mien_shape_count(&shape);
}

/* Node n on values of its operands, in a graph of its own. */
static float *compute_alone(const struct mien_graph *g, mien_ref n, float *const *values)
{
    struct mien_node node = *mien_graph_node(g, n);
    struct mien_graph *own = NULL;
    struct mien_exec *exec = NULL;
    const float *bound[2] = {NULL, NULL};
    uint32_t n_bound = 0;

    assert_int_equal(mien_graph_new(&own), MIEN_OK);
    for (int i = 0; i < 2; i++) {
        if (node.in[i] == MIEN_NO_REF)
            continue;
        bound[n_bound++] = values[node.in[i]];
        node.in[i] = mien_input(own, mien_graph_shape(g, node.in[i]));
    }
    mien_ref y = mien_graph_append(own, &node);
    assert_int_equal(mien_exec_new(own, &y, 1, &exec), MIEN_OK);
    for (uint32_t i = 0; i < n_bound; i++)
        assert_int_equal(mien_exec_bind(exec, i, bound[i]), MIEN_OK);
    assert_int_equal(mien_exec_run(exec, NULL), MIEN_OK);
    float *out = mien_memdup(mien_exec_output(exec, 0), count_of(g, n) * sizeof(*out));
    assert_non_null(out);
    mien_exec_free(exec);
    mien_graph_free(own);
    return out;
}

/* Draws the inputs; all nodes' values, each given. */
static float **compute_each(const struct mien_graph *g)
{
    struct mien_rng_seeded *rng = NULL;
    float **values = mien_calloc(mien_graph_n_nodes(g), sizeof(*values));

    assert_non_null(values);
    assert_int_equal(mien_rng_seeded_new(5, 0, &rng), MIEN_OK);
    for (mien_ref n = 0; n < mien_graph_n_nodes(g); n++) {
        if (mien_graph_node(g, n)->op != MIEN_OP_INPUT) {
            values[n] = compute_alone(g, n, values);
            continue;
        }
        values[n] = mien_calloc(count_of(g, n), sizeof(float));
        assert_non_null(values[n]);
        for (uint64_t i = 0; i < count_of(g, n); i++)
            values[n][i] = mien_rng_seeded_normal(rng);
    }
    mien_rng_seeded_free(rng);
    return values;
}

static void assert_fused_is_each_alone(const struct mien_graph *g, const mien_ref *outputs,
                                       size_t n_outputs)
{
    struct mien_exec *exec = NULL;
    float **values = compute_each(g);

    assert_int_equal(mien_exec_new(g, outputs, n_outputs, &exec), MIEN_OK);
    for (mien_ref n = 0; n < mien_graph_n_nodes(g); n++) {
        const struct mien_node *node = mien_graph_node(g, n);

        if (node->op == MIEN_OP_INPUT)
            assert_int_equal(mien_exec_bind(exec, (uint32_t)node->offset, values[n]), MIEN_OK);
    }
    for (int run = 0; run < 2; run++) {
        assert_int_equal(mien_exec_run(exec, NULL), MIEN_OK);
        for (size_t i = 0; i < n_outputs; i++)
            assert_memory_equal(mien_exec_output(exec, i), values[outputs[i]],
                                count_of(g, outputs[i]) * sizeof(float));
    }
    for (mien_ref n = 0; n < mien_graph_n_nodes(g); n++)
        mien_free(values[n]);
    mien_free(values);
    mien_exec_free(exec);
}

static uint32_t fused_of(const struct mien_graph *g, const mien_ref *outputs, size_t n_outputs)
{
    struct mien_cost cost;

    assert_int_equal(mien_cost_of(g, outputs, n_outputs, &cost), MIEN_OK);
    return cost.n_fused;
}

/* A convolution's bias and activation are one chain; a norm's sums cut chains. */
static void chains_are_what_follows_each_other_on_one_size(void **state)
{
    const struct mien_conv same = {1, 1, 1, 1, 1};
    struct mien_graph *g = NULL;

    (void)state;
    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_input(g, mien_shape4(2, 6, 6, 8));
    mien_ref w = mien_input(g, mien_shape4(3, 3, 8, 8));
    mien_ref bias = mien_input(g, mien_shape4(1, 1, 1, 8));
    mien_ref y = mien_conv2d(g, x, w, &same);
    assert_int_equal(fused_of(g, &y, 1), 0);
    mien_ref z = mien_leaky(g, mien_add(g, y, bias), 0.2);
    assert_int_equal(fused_of(g, &z, 1), 2);
    mien_ref alone = mien_tanh(g, mien_sum_to(g, z, mien_shape4(1, 1, 1, 8)));
    assert_int_equal(fused_of(g, &alone, 1), 2);
    /* [mean's sum, scale] centred, squared [sum, scale, shift, sqrt] divided, times, plus, leaky */
    mien_ref normed = mien_group_norm(g, x, 2, 1e-5);
    normed = mien_leaky(g, mien_add(g, mien_multiply(g, normed, bias), bias), 0.2);
    assert_int_equal(fused_of(g, &normed, 1), 2 + 3 + 4);
    mien_graph_free(g);
}

/* Every kind of second operand, operands read again later, outputs in mid-chain, and places that
 * are written over. */
static void build_mixture(struct mien_graph *g, mien_ref *outputs)
{
    const struct mien_shape shape = mien_shape4(3, 17, 19, 12);
    mien_ref x = mien_input(g, shape);
    mien_ref bias = mien_input(g, mien_shape4(1, 1, 1, 12));
    mien_ref of_picture = mien_input(g, mien_shape4(3, 1, 1, 12));
    mien_ref one = mien_input(g, mien_shape1(1));
    mien_ref sideways = mien_input(g, mien_shape4(1, 17, 1, 12));
    mien_ref a = mien_add(g, x, bias);
    mien_ref b = mien_leaky(g, a, 0.2);
    mien_ref c = mien_multiply(g, b, of_picture);
    mien_ref d = mien_divide(g, c, mien_shift(g, mien_multiply(g, b, b), 1.0));
    mien_ref e = mien_multiply(g, mien_tanh(g, d), one);
    mien_ref f = mien_add(g, mien_scale(g, e, 3.0), sideways);
    mien_ref h = mien_subtract(g, mien_gate(g, f, a, 0.1), e);
    mien_ref i = mien_multiply(g, mien_sigmoid(g, h), mien_exp(g, mien_scale(g, b, -0.5)));

    outputs[0] = c;
    outputs[1] = i;
    outputs[2] = mien_sum_all(g, mien_sqrt(g, mien_reshape(g, i, mien_shape2(3 * 17, 19 * 12))));
    mien_grad(g, outputs[2], &x, 1, outputs + 3);
}

static void fused_steps_give_the_bits_of_steps_alone(void **state)
{
    struct mien_graph *g = NULL;
    mien_ref outputs[4];

    (void)state;
    for (const struct mien_tile_set *const *set = mien_tile_sets(); *set != NULL; set++) {
        mien_tile_force(*set);
        assert_int_equal(mien_graph_new(&g), MIEN_OK);
        build_mixture(g, outputs);
        assert_true(fused_of(g, outputs, 4) > 20);
        assert_fused_is_each_alone(g, outputs, 4);
        mien_graph_free(g);
    }
    mien_tile_force(NULL);
}

/* More steps than one chain holds, each read by the next two. */
static void long_chains_are_cut_and_keep_what_is_read(void **state)
{
    struct mien_graph *g = NULL;
    mien_ref y[3 * MIEN_FUSION_MAX];
    const size_t n = sizeof(y) / sizeof(y[0]);

    (void)state;
    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    y[0] = mien_input(g, mien_shape2(7, 1013));
    y[1] = mien_tanh(g, y[0]);
    for (size_t i = 2; i < n; i++)
        y[i] = i % 3 == 0 ? mien_multiply(g, y[i - 1], y[i - 2])
                          : mien_subtract(g, y[i - 2], mien_sigmoid(g, y[i - 1]));
    assert_true(fused_of(g, &y[n - 1], 1) > 2 * MIEN_FUSION_MAX);
    assert_fused_is_each_alone(g, &y[n - 1], 1);
    mien_graph_free(g);
}

/* `small` and `early` are read for the last time inside a chain, and side by side: `late`, placed
 * by lifetimes of steps alone, would lie over both while the first step still reads `small`. */
static void what_a_chain_reads_is_kept_until_its_end(void **state)
{
    struct mien_graph *g = NULL;

    (void)state;
    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_input(g, mien_shape3(4, 64, 33));
    mien_ref small = mien_tanh(g, mien_input(g, mien_shape3(1, 1, 33)));
    mien_ref early = mien_exp(g, x);
    mien_ref product = mien_multiply(g, x, small);
    mien_ref difference = mien_subtract(g, product, early);
    mien_ref late = mien_sigmoid(g, x);
    mien_ref y = mien_add(g, difference, late);
    assert_int_equal(fused_of(g, &y, 1), 5);
    assert_fused_is_each_alone(g, &y, 1);
    mien_graph_free(g);
}

/* Kernels of one node and of a chain are called with sizes of their own. */
static void random_chains_give_the_bits_of_steps_alone(void **state)
{
    struct mien_rng_seeded *rng = NULL;

    (void)state;
    assert_int_equal(mien_rng_seeded_new(11, 0, &rng), MIEN_OK);
    for (int round = 0; round < 40; round++) {
        struct mien_graph *g = NULL;
        mien_ref y[24];

        assert_int_equal(mien_graph_new(&g), MIEN_OK);
        const uint32_t n = 1 + (uint32_t)mien_rng_seeded_below(rng, 5);
        const uint32_t h = 1 + (uint32_t)mien_rng_seeded_below(rng, 40);
        const uint32_t c = 1 + (uint32_t)mien_rng_seeded_below(rng, 70);
        const struct mien_shape shape = mien_shape3(n, h, c);
        const struct mien_shape small[] = {mien_shape3(1, 1, c), mien_shape3(n, 1, c),
                                           mien_shape3(n, 1, 1), mien_shape3(1, h, c),
                                           mien_shape1(1)};
        y[0] = mien_input(g, shape);
        y[1] = mien_input(g, shape);
        for (size_t i = 2; i < 24; i++) {
            mien_ref a = y[mien_rng_seeded_below(rng, i)];
            const uint64_t how = mien_rng_seeded_below(rng, 6);

            if (how == 0)
                y[i] = mien_leaky(g, a, 0.1 * (double)i);
            else if (how == 1)
                y[i] = mien_gate(g, a, y[mien_rng_seeded_below(rng, i)], 0.3);
            else if (how < 4)
                y[i] = mien_add(g, a, y[mien_rng_seeded_below(rng, i)]);
            else
                y[i] = mien_multiply(g, a, mien_input(g, small[mien_rng_seeded_below(rng, 5)]));
        }
        assert_fused_is_each_alone(g, y + 20, 4);
        mien_graph_free(g);
    }
    mien_rng_seeded_free(rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_are_what_follows_each_other_on_one_size),
        cmocka_unit_test(fused_steps_give_the_bits_of_steps_alone),
        cmocka_unit_test(long_chains_are_cut_and_keep_what_is_read),
        cmocka_unit_test(what_a_chain_reads_is_kept_until_its_end),
        cmocka_unit_test(random_chains_give_the_bits_of_steps_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
