// SPDX-License-Identifier: Apache-2.0
/* What grad gives when it is applied to its own result, or to copies of a parameter: products with
 * the Hessian, and the gradient of every example of a batch. In double precision. */
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/compose.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

enum { N = 3, C = 2, O = 4, K = 3, SIDE = 4, N_PICTURE = SIDE * SIDE * C };

enum { N_W = K * K * C * O, N_V = O, N_PARAMS = N_W + N_V };

static const struct mien_conv same3 = {1, 1, 1, 1, 1};

static void draw(double *numbers, size_t n, uint64_t seed)
{
    struct mien_rng_seeded *rng = NULL;

    assert_int_equal(mien_rng_seeded_new(seed, 0, &rng), MIEN_OK);
    for (size_t i = 0; i < n; i++)
        numbers[i] = 0.5 * (double)mien_rng_seeded_normal(rng);
    mien_rng_seeded_free(rng);
}

/* mean over pictures of log(1 + e^score), score = sum over pixels of v . tanh(conv(x, w)) */
static mien_ref loss_of(struct mien_graph *g, mien_ref x, mien_ref w, mien_ref v)
{
    const uint32_t n = mien_graph_shape(g, x).dim[0];
    mien_ref maps = mien_tanh(g, mien_conv2d(g, x, w, &same3));
    mien_ref weighted = mien_multiply(g, maps, mien_reshape(g, v, mien_shape4(1, 1, 1, O)));
    mien_ref scores = mien_sum_to(g, weighted, mien_shape4(n, 1, 1, 1));

    return mien_mean_all(g, mien_softplus(g, scores));
}

/* The gradient (outputs 0 and 1) and the Hessian times a direction (2 and 3), flat over w, v. */
static void run_hessian(const double *params, const double *pictures, const double *direction,
                        double gradient[N_PARAMS], double product[N_PARAMS])
{
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    double all[2 * N_PARAMS];
    mien_ref out[4];

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const mien_ref x = mien_input(g, mien_shape4(N, SIDE, SIDE, C));
    const mien_ref wrt[2] = {mien_parameter(g, mien_shape4(K, K, C, O), 0),
                             mien_parameter(g, mien_shape1(O), N_W)};
    const mien_ref towards[2] = {mien_parameter(g, mien_shape4(K, K, C, O), N_PARAMS),
                                 mien_parameter(g, mien_shape1(O), N_PARAMS + N_W)};

    mien_grad(g, loss_of(g, x, wrt[0], wrt[1]), wrt, 2, out);
    mien_ref along = mien_add(g, mien_sum_all(g, mien_multiply(g, out[0], towards[0])),
                              mien_sum_all(g, mien_multiply(g, out[1], towards[1])));
    mien_grad(g, along, wrt, 2, out + 2);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    assert_int_equal(mien_exec_new(g, out, 4, &exec), MIEN_OK);
    assert_int_equal(mien_exec_bind(exec, 0, pictures), MIEN_OK);
    memcpy(all, params, N_PARAMS * sizeof(double));
    memcpy(all + N_PARAMS, direction, N_PARAMS * sizeof(double));
    assert_int_equal(mien_exec_run(exec, all), MIEN_OK);
    memcpy(gradient, mien_exec_output(exec, 0), N_W * sizeof(double));
    memcpy(gradient + N_W, mien_exec_output(exec, 1), N_V * sizeof(double));
    memcpy(product, mien_exec_output(exec, 2), N_W * sizeof(double));
    memcpy(product + N_W, mien_exec_output(exec, 3), N_V * sizeof(double));
    mien_exec_free(exec);
    mien_graph_free(g);
}

static void a_hessian_vector_product_is_the_change_of_the_gradient(void **state)
{
    (void)state;
    static double pictures[N * N_PICTURE];
    double params[N_PARAMS];
    double moved[N_PARAMS];
    double direction[N_PARAMS];
    double at[N_PARAMS];
    double product[N_PARAMS];
    double before[N_PARAMS];
    double after[N_PARAMS];
    const double step = 1e-5;

    draw(pictures, N * N_PICTURE, 1);
    draw(params, N_PARAMS, 2);
    draw(direction, N_PARAMS, 3);
    run_hessian(params, pictures, direction, at, product);
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < N_PARAMS; i++)
            moved[i] = params[i] + (side == 0 ? -step : step) * direction[i];
        run_hessian(moved, pictures, direction, side == 0 ? before : after, at);
    }
    for (int i = 0; i < N_PARAMS; i++)
        assert_true(fabs((after[i] - before[i]) / (2 * step) - product[i]) < 1e-7);
}

static void the_hessian_is_symmetric(void **state)
{
    (void)state;
    static double pictures[N * N_PICTURE];
    double params[N_PARAMS];
    double first[N_PARAMS];
    double second[N_PARAMS];
    double gradient[N_PARAMS];
    double of_first[N_PARAMS];
    double of_second[N_PARAMS];
    double one_way = 0.0;
    double other_way = 0.0;

    draw(pictures, N * N_PICTURE, 4);
    draw(params, N_PARAMS, 5);
    draw(first, N_PARAMS, 6);
    draw(second, N_PARAMS, 7);
    run_hessian(params, pictures, first, gradient, of_first);
    run_hessian(params, pictures, second, gradient, of_second);
    for (int i = 0; i < N_PARAMS; i++) {
        one_way += second[i] * of_first[i];
        other_way += first[i] * of_second[i];
    }
    assert_true(fabs(one_way) > 1e-3);
    assert_true(fabs(one_way - other_way) < 1e-12 * fmax(1.0, fabs(one_way)));
}

/* The weights as n copies side by side, [k, k, c, n o]: one group of a convolution each. */
static mien_ref copies_of(struct mien_graph *g, mien_ref w)
{
    mien_ref rows = mien_reshape(g, w, mien_shape3(K * K * C, 1, O));

    return mien_reshape(g, mien_broadcast_to(g, rows, mien_shape3(K * K * C, N, O)),
                        mien_shape4(K, K, C, N * O));
}

/* The gradient of every picture's score in its own copy of w, in one pass: [k k c, n, o]. The
 * pictures stand side by side in the channels. */
static void grouped(const double *params, const double *side_by_side, double *out)
{
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    mien_ref gradient;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const mien_ref x = mien_input(g, mien_shape4(1, SIDE, SIDE, N * C));
    const mien_ref copies = copies_of(g, mien_parameter(g, mien_shape4(K, K, C, O), 0));
    mien_ref maps = mien_tanh(g, mien_conv2d_groups(g, x, copies, &same3, N));

    mien_grad(g, mien_sum_all(g, mien_multiply(g, maps, maps)), &copies, 1, &gradient);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    assert_int_equal(mien_exec_new(g, &gradient, 1, &exec), MIEN_OK);
    assert_int_equal(mien_exec_bind(exec, 0, side_by_side), MIEN_OK);
    assert_int_equal(mien_exec_run(exec, params), MIEN_OK);
    memcpy(out, mien_exec_output(exec, 0), (size_t)N * N_W * sizeof(double));
    mien_exec_free(exec);
    mien_graph_free(g);
}

/* The same of one picture alone: [k k c, o]. */
static void alone(const double *params, const double *picture, double *out)
{
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    mien_ref gradient;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const mien_ref x = mien_input(g, mien_shape4(1, SIDE, SIDE, C));
    const mien_ref w = mien_parameter(g, mien_shape4(K, K, C, O), 0);
    mien_ref maps = mien_tanh(g, mien_conv2d(g, x, w, &same3));

    mien_grad(g, mien_sum_all(g, mien_multiply(g, maps, maps)), &w, 1, &gradient);
    assert_int_equal(mien_exec_new(g, &gradient, 1, &exec), MIEN_OK);
    assert_int_equal(mien_exec_bind(exec, 0, picture), MIEN_OK);
    assert_int_equal(mien_exec_run(exec, params), MIEN_OK);
    memcpy(out, mien_exec_output(exec, 0), N_W * sizeof(double));
    mien_exec_free(exec);
    mien_graph_free(g);
}

static void grouped_products_give_the_gradient_of_every_example(void **state)
{
    (void)state;
    static double pictures[N][N_PICTURE];
    static double side_by_side[N * N_PICTURE];
    static double together[N * N_W];
    static double single[N_W];
    double params[N_PARAMS];

    draw(&pictures[0][0], N * N_PICTURE, 8);
    draw(params, N_PARAMS, 9);
    for (int n = 0; n < N; n++) {
        for (int i = 0; i < N_PICTURE; i++)
            side_by_side[(i / C * N + n) * C + i % C] = pictures[n][i];
    }
    grouped(params, side_by_side, together);
    for (int n = 0; n < N; n++) {
        alone(params, pictures[n], single);
        for (int i = 0; i < N_W; i++)
            assert_true(fabs(together[(i / O * N + n) * O + i % O] - single[i]) < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hessian_vector_product_is_the_change_of_the_gradient),
        cmocka_unit_test(the_hessian_is_symmetric),
        cmocka_unit_test(grouped_products_give_the_gradient_of_every_example),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
