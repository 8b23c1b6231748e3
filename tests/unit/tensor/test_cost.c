// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/tensor/cost.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "tests/support/test.h"

static struct mien_cost cost_of(const struct mien_graph *graph, mien_ref output)
{
    struct mien_cost cost;

    assert_int_equal(mien_cost_of(graph, &output, 1, &cost), MIEN_OK);
    return cost;
}

/* [3, 5] times [5, 7], plus a bias, then the sum of all: 2 * 105 + 21 + 21. */
static void arithmetic_is_that_of_the_formulas(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_input(g, mien_shape2(3, 5));
    mien_ref w = mien_parameter(g, mien_shape2(5, 7), 0);
    mien_ref b = mien_parameter(g, mien_shape2(1, 7), 35);
    mien_ref product = mien_matmul(g, x, w, 0);
    assert_int_equal(cost_of(g, product).flops, 2 * 3 * 5 * 7);
    assert_int_equal(cost_of(g, mien_matmul(g, x, product, MIEN_TRANSPOSE_LEFT)).flops,
                     2 * 3 * 5 * 7 * 2);
    assert_int_equal(cost_of(g, mien_sum_all(g, mien_add(g, product, b))).flops, 210 + 21 + 21);
    mien_graph_free(g);
}

/* 2 pictures of 8 x 8 x 3 to 4 x 4 x 6 by 4 x 4 windows; its two adjoints cost the same. */
static void a_convolution_and_its_adjoints_cost_the_same(void **state)
{
    (void)state;
    const struct mien_conv halving = {2, 1, 1, 1, 1};
    const uint64_t expected = 2 * (2 * 4 * 4 * 6) * (4 * 4 * 3);
    struct mien_graph *g = NULL;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_input(g, mien_shape4(2, 8, 8, 3));
    mien_ref w = mien_parameter(g, mien_shape4(4, 4, 3, 6), 0);
    mien_ref y = mien_conv2d(g, x, w, &halving);
    mien_ref z = mien_input(g, mien_shape4(2, 4, 4, 6));
    assert_int_equal(cost_of(g, y).flops, expected);
    mien_ref back = mien_conv2d_input_grad(g, z, w, mien_shape4(2, 8, 8, 3), &halving);
    assert_int_equal(cost_of(g, back).flops, expected);
    mien_ref dw = mien_conv2d_weight_grad(g, x, z, mien_shape4(4, 4, 3, 6), &halving);
    assert_int_equal(cost_of(g, dw).flops, expected);
    mien_graph_free(g);
}

/* A chain of element-wise steps lives in one place, and what is not needed costs nothing. */
static void memory_is_what_the_plan_says(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    uint64_t bytes = 0;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_input(g, mien_shape2(64, 64));
    mien_ref y = mien_tanh(g, mien_scale(g, mien_shift(g, x, 1.0), 2.0));
    mien_ref unused = mien_exp(g, x);
    const struct mien_cost cost = cost_of(g, y);
    assert_int_equal(cost.n_steps, 3);
    assert_int_equal(cost.flops, 3 * 64 * 64);
    assert_int_equal(cost.arena_bytes, 64 * 64 * sizeof(float));
    assert_int_equal(cost_of(g, unused).n_steps, 1);
    assert_int_equal(mien_exec_bytes(g, &y, 1, &bytes), MIEN_OK);
    assert_int_equal(cost.total_bytes, bytes);
    assert_true(cost.total_bytes >= cost.arena_bytes + cost.scratch_bytes);
    assert_int_equal(mien_exec_new(g, &y, 1, &exec), MIEN_OK);
    mien_exec_free(exec);
    mien_graph_free(g);
}

static void counting_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;
    struct mien_cost cost;
    enum mien_status status = MIEN_ENOMEM;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref y = mien_tanh(g, mien_input(g, mien_shape2(4, 4)));
    const long live = mien_mem_live();
    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = mien_cost_of(g, &y, 1, &cost);
        if (status != MIEN_OK)
            assert_int_equal(status, MIEN_ENOMEM);
    }
    mien_mem_fail_at(-1);
    assert_int_equal(mien_mem_live(), live);
    mien_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_that_of_the_formulas),
        cmocka_unit_test(a_convolution_and_its_adjoints_cost_the_same),
        cmocka_unit_test(memory_is_what_the_plan_says),
        cmocka_unit_test(counting_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
