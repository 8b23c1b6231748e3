// SPDX-License-Identifier: Apache-2.0
/* Every op's gradient rule against central differences, in double precision, first and second
 * order. */
#include "op_probe.h"

#include "common/base/rng_seeded.h"

static const struct mien_conv same3 = {1, 1, 1, 1, 1};
static const struct mien_conv half4 = {2, 1, 1, 1, 1};
static const struct mien_conv point = {1, 0, 0, 0, 0};
static const struct mien_conv lopsided = {2, 0, 1, 2, 0};

static mien_ref build_add(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_add(g, a, b), mien_add(g, a, b));
}

static mien_ref build_subtract(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_subtract(g, a, b), a);
}

static mien_ref build_multiply(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, a, b);
}

static mien_ref build_divide(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_divide(g, a, b);
}

static mien_ref build_scale_shift(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    mien_ref x = mien_shift(g, mien_scale(g, a, 1.7), 0.3);
    return mien_multiply(g, x, x);
}

static mien_ref build_sqrt(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_sqrt(g, a);
}

static mien_ref build_exp(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_exp(g, a);
}

static mien_ref build_log(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_log_of(g, a);
}

static mien_ref build_tanh(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_tanh(g, a);
}

static mien_ref build_sigmoid(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_sigmoid(g, a);
}

static mien_ref build_softplus(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_softplus(g, a);
}

static mien_ref build_leaky(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    mien_ref y = mien_leaky(g, a, 0.2);
    return mien_multiply(g, y, y);
}

static mien_ref build_reshape(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    mien_ref y = mien_reshape(g, mien_exp(g, a), mien_shape2(4, 6));
    return mien_multiply(g, y, mien_reshape(g, a, mien_shape2(4, 6)));
}

static mien_ref build_sum(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    mien_ref rows = mien_sum_to(g, a, mien_shape4(2, 1, 3, 1));
    return mien_multiply(g, mien_multiply(g, a, a), mien_exp(g, rows));
}

static mien_ref build_broadcast(struct mien_graph *g, mien_ref a, mien_ref b)
{
    mien_ref wide = mien_broadcast_to(g, b, mien_graph_shape(g, a));
    return mien_multiply(g, mien_multiply(g, wide, wide), a);
}

static mien_ref build_mean(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    mien_ref centred = mien_subtract(g, a, mien_mean_all(g, a));
    return mien_divide(g, centred, mien_mean_all(g, mien_multiply(g, centred, centred)));
}

static mien_ref build_matmul(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_matmul(g, a, b, 0));
}

static mien_ref build_matmul_left(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_matmul(g, a, b, MIEN_TRANSPOSE_LEFT));
}

static mien_ref build_matmul_right(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_matmul(g, a, b, MIEN_TRANSPOSE_RIGHT));
}

static mien_ref build_matmul_both(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_matmul(g, a, b, MIEN_TRANSPOSE_LEFT | MIEN_TRANSPOSE_RIGHT));
}

static mien_ref build_conv(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_conv2d(g, a, b, &same3));
}

static mien_ref build_conv_stride(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_conv2d(g, a, b, &half4));
}

static mien_ref build_conv_point(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_conv2d(g, a, b, &point));
}

static mien_ref build_conv_lopsided(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_conv2d(g, a, b, &lopsided));
}

static mien_ref build_conv_input_grad(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_conv2d_input_grad(g, a, b, mien_shape4(2, 6, 6, 2), &half4));
}

static mien_ref build_conv_weight_grad(struct mien_graph *g, mien_ref a, mien_ref b)
{
    mien_ref w = mien_conv2d_weight_grad(g, a, b, mien_shape4(4, 4, 2, 3), &half4);
    return mien_tanh(g, mien_scale(g, w, 0.1));
}

static mien_ref build_upconv(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_conv2d(g, mien_upsample(g, a), b, &same3));
}

static mien_ref build_upsample(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_tanh(g, mien_upsample(g, a));
}

static mien_ref build_sum_pool(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_tanh(g, mien_sum_pool(g, a));
}

static mien_ref build_slice(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_multiply(g, mien_slice(g, a, 1, 1, 2), mien_slice(g, mien_exp(g, a), 1, 0, 2));
}

static mien_ref build_concat(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_exp(g, mien_concat(g, a, b, 1));
}

static mien_ref build_gradient_norm(struct mien_graph *g, mien_ref a, mien_ref b)
{
    /* (|d tanh(ab) / da| - 1)^2: what a gradient penalty does, so the case reaches third order */
    mien_ref y = mien_sum_all(g, mien_tanh(g, mien_matmul(g, a, b, 0)));
    mien_ref da;

    mien_grad(g, y, &a, 1, &da);
    mien_ref squares = mien_sum_to(g, mien_multiply(g, da, da), mien_shape2(3, 1));
    mien_ref off = mien_shift(g, mien_sqrt(g, mien_shift(g, squares, 1e-10)), -1.0);
    return mien_multiply(g, off, off);
}

static const struct op_case cases[] = {
    {"add", {4, {2, 3, 2, 2}}, {4, {1, 3, 1, 2}}, build_add, -0.7},
    {"subtract", {2, {3, 4}}, {2, {1, 4}}, build_subtract, -0.7},
    {"multiply", {4, {2, 2, 3, 2}}, {4, {2, 1, 3, 1}}, build_multiply, -0.7},
    {"multiply by one number", {2, {3, 4}}, {1, {1}}, build_multiply, -0.7},
    {"divide", {2, {3, 4}}, {2, {3, 1}}, build_divide, 0.5},
    {"scale and shift", {1, {7}}, {0, {0}}, build_scale_shift, -0.7},
    {"square root", {1, {7}}, {0, {0}}, build_sqrt, 0.5},
    {"exponential", {1, {7}}, {0, {0}}, build_exp, -0.7},
    {"logarithm", {1, {7}}, {0, {0}}, build_log, 0.5},
    {"tanh", {1, {7}}, {0, {0}}, build_tanh, -0.7},
    {"sigmoid", {1, {7}}, {0, {0}}, build_sigmoid, -0.7},
    {"softplus", {1, {7}}, {0, {0}}, build_softplus, -0.7},
    {"leaky relu", {1, {40}}, {0, {0}}, build_leaky, -0.75},
    {"reshape", {4, {2, 3, 2, 2}}, {0, {0}}, build_reshape, -0.7},
    {"sum", {4, {2, 2, 3, 2}}, {0, {0}}, build_sum, -0.7},
    {"broadcast", {4, {2, 2, 3, 2}}, {4, {1, 2, 1, 2}}, build_broadcast, -0.7},
    {"mean", {2, {3, 4}}, {0, {0}}, build_mean, -0.7},
    {"product", {2, {3, 4}}, {2, {4, 2}}, build_matmul, -0.7},
    {"product, left transposed", {2, {4, 3}}, {2, {4, 2}}, build_matmul_left, -0.7},
    {"product, right transposed", {2, {3, 4}}, {2, {2, 4}}, build_matmul_right, -0.7},
    {"product, both transposed", {2, {4, 3}}, {2, {2, 4}}, build_matmul_both, -0.7},
    {"convolution", {4, {2, 4, 5, 2}}, {4, {3, 3, 2, 3}}, build_conv, -0.7},
    {"convolution, stride 2", {4, {2, 6, 6, 2}}, {4, {4, 4, 2, 3}}, build_conv_stride, -0.7},
    {"convolution, 1 x 1", {4, {2, 2, 3, 3}}, {4, {1, 1, 3, 2}}, build_conv_point, -0.7},
    {"convolution, lopsided", {4, {1, 5, 6, 2}}, {4, {3, 2, 2, 2}}, build_conv_lopsided, -0.7},
    {"convolution, input adjoint",
     {4, {2, 3, 3, 3}},
     {4, {4, 4, 2, 3}},
     build_conv_input_grad,
     -.7},
    {"convolution, weight adjoint",
     {4, {2, 6, 6, 2}},
     {4, {2, 3, 3, 3}},
     build_conv_weight_grad,
     -.7},
    {"convolution, upsampled", {4, {2, 2, 3, 2}}, {4, {3, 3, 2, 3}}, build_upconv, -0.3},
    {"upsample", {4, {2, 2, 3, 2}}, {0, {0}}, build_upsample, -0.7},
    {"sum pool", {4, {1, 4, 2, 3}}, {0, {0}}, build_sum_pool, -0.7},
    {"slice", {2, {3, 4}}, {0, {0}}, build_slice, -0.7},
    {"concat", {2, {3, 2}}, {2, {3, 4}}, build_concat, -0.7},
    {"penalty on a gradient", {2, {3, 4}}, {2, {4, 2}}, build_gradient_norm, -0.7},
};

static void draw_params(struct probe *p, double low)
{
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(3, 0, &seeded), MIEN_OK);
    for (size_t i = 0; i < p->n_params; i++)
        p->params[i] = low + 1.5 * (double)mien_rng_seeded_uniform(seeded);
    mien_rng_seeded_free(seeded);
}

static void every_op_has_its_first_and_second_gradient(void **state)
{
    (void)state;
    struct probe *p = mien_calloc(1, sizeof(*p));

    assert_non_null(p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        probe_init(p, &cases[i]);
        draw_params(p, cases[i].low);
        probe_check(p, cases[i].name);
        probe_fini(p);
    }
    mien_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_its_first_and_second_gradient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
