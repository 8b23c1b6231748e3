// SPDX-License-Identifier: Apache-2.0
/* The convolution of upsampled pictures against upsampling and then convolving, values and
 * gradients, over more pictures than are worked on at a time. */
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "tests/support/test.h"

#include <math.h>

static const struct mien_conv same3 = {1, 1, 1, 1, 1};

enum { OUT_Y, OUT_DX, OUT_DW, N_OUT };

/* y, and the gradients of sum y^2. */
static void outputs_of(struct mien_graph *g, mien_ref x, mien_ref w, mien_ref y, mien_ref *out)
{
    const mien_ref wrt[2] = {x, w};

    out[OUT_Y] = y;
    mien_grad(g, mien_sum_all(g, mien_multiply(g, y, y)), wrt, 2, out + OUT_DX);
}

static void compare_on(struct mien_shape x_shape, uint32_t n_out)
{
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    struct mien_rng_seeded *seeded = NULL;
    mien_ref out[2 * N_OUT];

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const mien_ref x = mien_parameter(g, x_shape, 0);
    const mien_ref w =
        mien_parameter(g, mien_shape4(3, 3, x_shape.dim[3], n_out), mien_shape_count(&x_shape));
    const mien_ref up = mien_upsample(g, x);
    const mien_ref together = mien_conv2d(g, up, w, &same3);
    /* A factor of 2 between the two keeps them apart and changes no digit. */
    const mien_ref apart = mien_scale(g, mien_conv2d(g, mien_scale(g, up, 2.0), w, &same3), 0.5);

    assert_int_equal(mien_graph_node(g, together)->op, MIEN_OP_UPCONV);
    outputs_of(g, x, w, together, out);
    outputs_of(g, x, w, apart, out + N_OUT);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    assert_int_equal(mien_exec_new(g, out, 2 * N_OUT, &exec), MIEN_OK);
    const uint64_t n_params = mien_graph_n_params(g);
    mien_real *params = mien_calloc(n_params, sizeof(*params));
    assert_non_null(params);
    assert_int_equal(mien_rng_seeded_new(9, 0, &seeded), MIEN_OK);
    for (uint64_t i = 0; i < n_params; i++)
        params[i] = (mien_real)mien_rng_seeded_normal(seeded);
    mien_rng_seeded_free(seeded);
    assert_int_equal(mien_exec_run(exec, params), MIEN_OK);
    for (size_t i = 0; i < N_OUT; i++) {
        const mien_real *one = mien_exec_output(exec, i);
        const mien_real *two = mien_exec_output(exec, i + N_OUT);
        const struct mien_shape shape = mien_graph_shape(g, out[i]);

        for (uint64_t k = 0; k < mien_shape_count(&shape); k++)
            assert_true(fabs(one[k] - two[k]) <= 1e-10 * (1.0 + fabs(two[k])));
    }
    mien_free(params);
    mien_exec_free(exec);
    mien_graph_free(g);
}

static void it_equals_upsampling_and_convolving(void **state)
{
    (void)state;
    compare_on(mien_shape4(1, 1, 1, 1), 1);
    compare_on(mien_shape4(2, 1, 3, 2), 3);
    compare_on(mien_shape4(7, 16, 16, 24), 20);
}

static void other_geometries_are_left_alone(void **state)
{
    (void)state;
    const struct mien_conv valid3 = {1, 0, 0, 0, 0};
    struct mien_graph *g = NULL;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const mien_ref up = mien_upsample(g, mien_parameter(g, mien_shape4(1, 4, 4, 2), 0));
    const mien_ref w3 = mien_parameter(g, mien_shape4(3, 3, 2, 2), 32);
    const mien_ref w1 = mien_parameter(g, mien_shape4(1, 1, 2, 2), 68);
    mien_ref y = mien_conv2d(g, up, w3, &valid3);
    assert_int_equal(mien_graph_node(g, y)->op, MIEN_OP_CONV);
    y = mien_conv2d(g, up, w1, &valid3);
    assert_int_equal(mien_graph_node(g, y)->op, MIEN_OP_CONV);
    /* Wrong channels are still refused. */
    const mien_ref bad = mien_parameter(g, mien_shape4(3, 3, 5, 2), 72);
    assert_int_equal(mien_conv2d(g, up, bad, &same3), MIEN_NO_REF);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_EINVAL);
    mien_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_equals_upsampling_and_convolving),
        cmocka_unit_test(other_geometries_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
