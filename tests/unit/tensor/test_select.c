// SPDX-License-Identifier: Apache-2.0
/* Ops that choose elements: what they do with bad indexes, equal numbers and NaN; what they and
 * composed ops refuse. */
#include "common/tensor/compose.h"
#include "common/tensor/exec.h"
#include "common/tensor/select.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static struct mien_graph *graph;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(mien_graph_new(&graph), MIEN_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mien_graph_free(graph);
    return 0;
}

/* y with input 0 and these parameters. */
static void evaluate(mien_ref y, const float *input, const float *params, float *out)
{
    struct mien_exec *exec = NULL;
    const struct mien_shape shape = mien_graph_shape(graph, y);

    assert_int_equal(mien_graph_status(graph, NULL), MIEN_OK);
    assert_int_equal(mien_exec_new(graph, &y, 1, &exec), MIEN_OK);
    assert_int_equal(mien_exec_bind(exec, 0, input), MIEN_OK);
    assert_int_equal(mien_exec_run(exec, params), MIEN_OK);
    memcpy(out, mien_exec_output(exec, 0), mien_shape_count(&shape) * sizeof(float));
    mien_exec_free(exec);
}

static void an_index_outside_the_table_gives_zeros(void **state)
{
    (void)state;
    const float table[6] = {1, 2, 3, 4, 5, 6};
    const float index[7] = {2, -1, 3, NAN, INFINITY, -INFINITY, 0};
    const float want[14] = {5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2};
    float got[14];

    const mien_ref at = mien_input(graph, mien_shape1(7));
    evaluate(mien_gather(graph, mien_parameter(graph, mien_shape2(3, 2), 0), at), index, table,
             got);
    assert_memory_equal(got, want, sizeof(want));
}

static void a_row_outside_the_table_is_added_nowhere(void **state)
{
    (void)state;
    const float rows[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const float index[4] = {1, 1, 3, NAN};
    const float want[6] = {0, 0, 4, 6, 0, 0};
    float got[6];

    const mien_ref at = mien_input(graph, mien_shape1(4));
    const mien_ref from = mien_parameter(graph, mien_shape2(4, 2), 0);
    evaluate(mien_scatter(graph, from, at, mien_shape2(3, 2)), index, rows, got);
    assert_memory_equal(got, want, sizeof(want));
}

static void the_first_of_equal_numbers_is_picked(void **state)
{
    (void)state;
    const float by[4] = {1, 7, 7, 7};
    const float from[4] = {10, 20, 30, 40};
    float got;

    const mien_ref x = mien_input(graph, mien_shape4(1, 2, 2, 1));
    const mien_ref y = mien_parameter(graph, mien_shape4(1, 2, 2, 1), 0);
    evaluate(mien_pick(graph, y, x, 2, 2), by, from, &got);
    assert_true(got == 20.0f);
}

static void a_nan_is_not_passed_over(void **state)
{
    (void)state;
    const float numbers[4] = {9, 1, NAN, 5};
    float got;

    const mien_ref x = mien_input(graph, mien_shape4(1, 2, 2, 1));
    evaluate(mien_max_pool(graph, x, 2, 2), numbers, NULL, &got);
    assert_true(isnan(got));
    evaluate(mien_row_max(graph, mien_reshape(graph, x, mien_shape2(1, 4))), numbers, NULL, &got);
    assert_true(isnan(got));
}

static void a_softmax_of_large_numbers_is_finite(void **state)
{
    (void)state;
    const float logits[3] = {1000, -1000, 999};
    float got[3];

    const mien_ref x = mien_input(graph, mien_shape2(1, 3));
    evaluate(mien_softmax(graph, x), logits, NULL, got);
    assert_true(fabsf(got[0] - 0.7310586f) < 1e-6f && got[1] == 0.0f);
    assert_true(fabsf(got[0] + got[1] + got[2] - 1.0f) < 1e-6f);
}

static void assert_refused(mien_ref made, const char *op)
{
    struct mien_err err = {0};

    assert_int_equal(made, MIEN_NO_REF);
    assert_int_equal(mien_graph_status(graph, &err), MIEN_EINVAL);
    if (strstr(err.text, op) == NULL)
        fail_msg("\"%s\" does not name %s", err.text, op);
    mien_graph_free(graph);
    graph = NULL;
    assert_int_equal(mien_graph_new(&graph), MIEN_OK);
}

static mien_ref picture(uint32_t side, uint32_t channels)
{
    return mien_input(graph, mien_shape4(1, side, side, channels));
}

static void operands_that_do_not_fit_are_refused_by_name(void **state)
{
    (void)state;
    const struct mien_conv point = {1, 0, 0, 0, 0};

    assert_refused(mien_gather(graph, picture(2, 1), picture(2, 1)), "gather");
    assert_refused(mien_scatter(graph, picture(2, 1), picture(2, 1), mien_shape2(2, 2)), "scatter");
    assert_refused(mien_max_pool(graph, picture(2, 1), 3, 1), "pick");
    assert_refused(mien_max_pool(graph, picture(2, 1), 2, 0), "pick");
    assert_refused(mien_pick(graph, picture(4, 1), picture(4, 2), 2, 2), "pick");
    assert_refused(mien_unpick(graph, picture(4, 1), picture(4, 1), 2, 2), "unpick");
    assert_refused(mien_average_pool(graph, picture(5, 1), 2), "average pool");
    assert_refused(mien_group_norm(graph, picture(2, 3), 2, 1e-5), "group norm");
    assert_refused(mien_log_softmax(graph, picture(2, 3)), "softmax");
    assert_refused(mien_conv2d_groups(graph, picture(2, 3),
                                      mien_parameter(graph, mien_shape4(1, 1, 1, 4), 0), &point, 2),
                   "grouped convolution");
    assert_refused(mien_gru_cell(graph, mien_input(graph, mien_shape2(1, 6)),
                                 mien_input(graph, mien_shape2(1, 2)),
                                 mien_parameter(graph, mien_shape2(3, 6), 0),
                                 mien_parameter(graph, mien_shape2(1, 6), 18)),
                   "matmul");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_index_outside_the_table_gives_zeros),
        TEST(a_row_outside_the_table_is_added_nowhere),
        TEST(the_first_of_equal_numbers_is_picked),
        TEST(a_nan_is_not_passed_over),
        TEST(a_softmax_of_large_numbers_is_finite),
        TEST(operands_that_do_not_fit_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
