// SPDX-License-Identifier: Apache-2.0
/* Every op's gradient rule against central differences, in double precision, first and second
 * order. A case builds y from up to two parameters; with fixed random weights u and directions v,
 *
 *   f = <u, y>,  g = df/dp by the graph,  s = <v, g>,  h = ds/dp by the graph
 *
 * are compared with differences of f and of s.
 */
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define MAX_PARAMS 2048
#define STEP 1e-5
#define TOLERANCE 2e-6

struct op_case {
    const char *name;
    struct mien_shape a;
    struct mien_shape b; /* {0} for one operand */
    mien_ref (*build)(struct mien_graph *graph, mien_ref a, mien_ref b);
    double low; /* parameters are drawn from [low, low + 1.5] */
};

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

/* The graph of one case: f, g (flat over a, b), s and h. */
struct probe {
    struct mien_graph *graph;
    struct mien_exec *exec;
    size_t n_a;
    size_t n_b;
    double params[MAX_PARAMS];
};

enum { OUT_F, OUT_S, OUT_GA, OUT_GB, OUT_HA, OUT_HB, N_OUT };

/* A parameter that is never moved: fixed random numbers behind the moved ones. */
static mien_ref fixed(struct probe *p, struct mien_shape shape, size_t *end)
{
    size_t at = *end;

    *end += (size_t)mien_shape_count(&shape);
    assert_true(*end <= MAX_PARAMS);
    return mien_parameter(p->graph, shape, at);
}

static mien_ref dot(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_sum_all(g, mien_multiply(g, a, b));
}

static void probe_init(struct probe *p, const struct op_case *c)
{
    struct mien_rng_seeded *seeded = NULL;
    mien_ref out[N_OUT];

    memset(p, 0, sizeof(*p));
    p->n_a = (size_t)mien_shape_count(&c->a);
    p->n_b = (size_t)mien_shape_count(&c->b);
    size_t end = p->n_a + p->n_b;
    assert_int_equal(mien_graph_new(&p->graph), MIEN_OK);
    struct mien_graph *g = p->graph;
    const mien_ref a = mien_parameter(g, c->a, 0);
    const mien_ref b = p->n_b > 0 ? mien_parameter(g, c->b, p->n_a) : a;
    const mien_ref y = c->build(g, a, b);
    const mien_ref wrt[2] = {a, b};
    mien_ref first[2];
    mien_ref second[2];

    out[OUT_F] = dot(g, y, fixed(p, mien_graph_shape(g, y), &end));
    mien_grad(g, out[OUT_F], wrt, 2, first);
    mien_ref s = dot(g, first[0], fixed(p, mien_graph_shape(g, first[0]), &end));
    if (p->n_b > 0)
        s = mien_add(g, s, dot(g, first[1], fixed(p, mien_graph_shape(g, first[1]), &end)));
    mien_grad(g, s, wrt, 2, second);
    out[OUT_S] = s;
    out[OUT_GA] = first[0];
    out[OUT_GB] = first[1];
    out[OUT_HA] = second[0];
    out[OUT_HB] = second[1];
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    assert_int_equal(mien_exec_new(g, out, N_OUT, &p->exec), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(3, 0, &seeded), MIEN_OK);
    for (size_t i = 0; i < end; i++)
        p->params[i] = c->low + 1.5 * (double)mien_rng_seeded_uniform(seeded);
    mien_rng_seeded_free(seeded);
}

static void probe_fini(struct probe *p)
{
    mien_exec_free(p->exec);
    mien_graph_free(p->graph);
}

static double value_at(struct probe *p, size_t output)
{
    assert_int_equal(mien_exec_run(p->exec, p->params), MIEN_OK);
    return *mien_exec_output(p->exec, output);
}

/* One parameter's central difference of an output (fourth order in the step). */
static double difference(struct probe *p, size_t param, size_t output)
{
    const double at = p->params[param];
    double value[4];
    static const double steps[4] = {-2, -1, 1, 2};

    for (int i = 0; i < 4; i++) {
        p->params[param] = at + steps[i] * STEP;
        value[i] = value_at(p, output);
    }
    p->params[param] = at;
    return (value[0] - 8 * value[1] + 8 * value[2] - value[3]) / (12 * STEP);
}

static void compare(struct probe *p, const char *name, const char *order, size_t outputs[2],
                    size_t of)
{
    double by_graph[MAX_PARAMS];
    double scale = 1.0;

    (void)value_at(p, of);
    memcpy(by_graph, mien_exec_output(p->exec, outputs[0]), p->n_a * sizeof(double));
    if (p->n_b > 0)
        memcpy(by_graph + p->n_a, mien_exec_output(p->exec, outputs[1]), p->n_b * sizeof(double));
    for (size_t i = 0; i < p->n_a + p->n_b; i++)
        scale = fmax(scale, fabs(by_graph[i]));
    for (size_t i = 0; i < p->n_a + p->n_b; i++) {
        const double numeric = difference(p, i, of);

        if (!(fabs(numeric - by_graph[i]) <= TOLERANCE * scale))
            fail_msg("%s, %s order, parameter %zu: %.9g by the graph, %.9g numeric", name, order, i,
                     by_graph[i], numeric);
    }
}

static void every_op_has_its_first_and_second_gradient(void **state)
{
    (void)state;
    struct probe *p = mien_calloc(1, sizeof(*p));

    assert_non_null(p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t first[2] = {OUT_GA, OUT_GB};
        size_t second[2] = {OUT_HA, OUT_HB};

        probe_init(p, &cases[i]);
        compare(p, cases[i].name, "first", first, OUT_F);
        compare(p, cases[i].name, "second", second, OUT_S);
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
