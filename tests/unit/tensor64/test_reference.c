// SPDX-License-Identifier: Apache-2.0
/* Ops and what is made of them against PyTorch (values, first and second gradients, reference
 * numbers in tests/vectors/ops.inc) and against central differences, in double precision. */
#include "op_probe.h"

#include "common/tensor/compose.h"
#include "common/tensor/select.h"

/* Reference numbers are printed with 11 digits. */
#define REFERENCE_TOLERANCE 1e-9

struct reference {
    const char *name;
    size_t n_y;
    const double *y;
    size_t n_gradient; /* of a and b together */
    const double *first;
    const double *second;
};

#include "tests/vectors/ops.inc"

static const double indexes[] = {0, 2, 1, 2, 3, 0};

static mien_ref conv_same(struct mien_graph *g, mien_ref a, mien_ref b,
                          const struct mien_kernel_size *kernel)
{
    const struct mien_shape s = mien_graph_shape(g, a);
    const struct mien_conv conv = mien_conv_same(s.dim[1], s.dim[2], kernel);

    return mien_tanh(g, mien_conv2d(g, a, b, &conv));
}

static mien_ref conv_same_odd(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return conv_same(g, a, b, &(struct mien_kernel_size){3, 3, 1});
}

static mien_ref conv_same_even(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return conv_same(g, a, b, &(struct mien_kernel_size){4, 2, 1});
}

static mien_ref conv_same_stride(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return conv_same(g, a, b, &(struct mien_kernel_size){3, 3, 2});
}

static mien_ref conv_same_halving(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return conv_same(g, a, b, &(struct mien_kernel_size){4, 4, 2});
}

static mien_ref conv_torch_even(struct mien_graph *g, mien_ref a, mien_ref b)
{
    const struct mien_conv conv = mien_conv_same_torch(&(struct mien_kernel_size){4, 2, 1});

    return mien_tanh(g, mien_conv2d(g, a, b, &conv));
}

static mien_ref conv_torch_stride(struct mien_graph *g, mien_ref a, mien_ref b)
{
    const struct mien_conv conv = mien_conv_same_torch(&(struct mien_kernel_size){3, 3, 2});

    return mien_tanh(g, mien_conv2d(g, a, b, &conv));
}

static mien_ref conv_groups(struct mien_graph *g, mien_ref a, mien_ref b)
{
    const struct mien_conv conv = mien_conv_same_torch(&(struct mien_kernel_size){3, 3, 1});

    return mien_tanh(g, mien_conv2d_groups(g, a, b, &conv, 2));
}

static mien_ref conv_depthwise(struct mien_graph *g, mien_ref a, mien_ref b)
{
    const struct mien_conv conv = mien_conv_same_torch(&(struct mien_kernel_size){3, 3, 1});

    return mien_tanh(g, mien_conv2d_groups(g, a, b, &conv, 3));
}

static mien_ref conv_transposed(struct mien_graph *g, mien_ref a, mien_ref b)
{
    const struct mien_conv conv = mien_conv_same(6, 6, &(struct mien_kernel_size){4, 4, 2});

    return mien_tanh(g, mien_conv2d_input_grad(g, a, b, mien_shape4(1, 6, 6, 2), &conv));
}

static mien_ref conv_weights(struct mien_graph *g, mien_ref a, mien_ref b)
{
    const struct mien_conv conv = mien_conv_same(6, 6, &(struct mien_kernel_size){4, 4, 2});

    return mien_tanh(g, mien_conv2d_weight_grad(g, a, b, mien_shape4(4, 4, 2, 2), &conv));
}

static mien_ref upsample_conv(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return conv_same(g, mien_upsample(g, a), b, &(struct mien_kernel_size){3, 3, 1});
}

static mien_ref upsample(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_tanh(g, mien_upsample(g, a));
}

static mien_ref average_pool(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_tanh(g, mien_average_pool(g, a, 3));
}

static mien_ref max_pool(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_tanh(g, mien_max_pool(g, a, 2, 2));
}

static mien_ref max_pool_overlapping(struct mien_graph *g, mien_ref a, mien_ref b)
{
    (void)b;
    return mien_tanh(g, mien_max_pool(g, a, 3, 2));
}

static mien_ref group_norm(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_group_norm(g, a, 2, 1e-5), b);
}

static mien_ref group_norm_flat(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_group_norm(g, a, 2, 1e-5), b);
}

static mien_ref layer_norm(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_layer_norm(g, a, 1e-5), b);
}

static mien_ref batch_norm(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_batch_norm(g, a, 1e-5), b);
}

static mien_ref relu(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_relu(g, a), b);
}

static mien_ref leaky_relu(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_leaky(g, a, 0.2), b);
}

static mien_ref curves(struct mien_graph *g, mien_ref a, mien_ref b)
{
    mien_ref sum = mien_add(g, mien_tanh(g, a), mien_sigmoid(g, mien_multiply(g, a, b)));

    return mien_add(g, sum, mien_softplus(g, mien_subtract(g, a, b)));
}

static mien_ref roots(struct mien_graph *g, mien_ref a, mien_ref b)
{
    mien_ref sum = mien_add(g, mien_sqrt(g, a), mien_log_of(g, mien_multiply(g, a, b)));

    return mien_divide(g, sum, mien_exp(g, b));
}

static mien_ref dense(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_tanh(g, mien_matmul(g, a, b, 0));
}

static mien_ref sums(struct mien_graph *g, mien_ref a, mien_ref b)
{
    mien_ref rows = mien_sum_to(g, mien_multiply(g, a, a), mien_shape3(2, 1, 3));
    mien_ref wide = mien_broadcast_to(g, rows, mien_shape3(2, 2, 3));

    return mien_multiply(g, mien_multiply(g, wide, a), b);
}

static mien_ref pieces(struct mien_graph *g, mien_ref a, mien_ref b)
{
    mien_ref both = mien_concat(g, a, b, 1);
    mien_ref left = mien_slice(g, both, 1, 1, 3);

    return mien_multiply(g, left, mien_slice(g, both, 1, 2, 3));
}

static mien_ref cross_entropy(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_softmax_cross_entropy(g, mien_scale(g, a, 3.0), b);
}

static mien_ref softmax(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_multiply(g, mien_softmax(g, a), b);
}

static mien_ref embedding(struct mien_graph *g, mien_ref a, mien_ref b)
{
    mien_ref index = mien_input(g, mien_shape2(2, 3));

    return mien_multiply(g, mien_tanh(g, mien_gather(g, a, index)), b);
}

static mien_ref gru_cell(struct mien_graph *g, mien_ref a, mien_ref b)
{
    /* a [n, 3 u + u]: from x, h; b [u + 1, 3 u]: weights, bias; u = 2 */
    mien_ref w = mien_slice(g, b, 0, 0, 2);
    mien_ref bias = mien_slice(g, b, 0, 2, 1);

    return mien_gru_cell(g, mien_slice(g, a, 1, 0, 6), mien_slice(g, a, 1, 6, 2), w, bias);
}

static mien_ref reparameterise(struct mien_graph *g, mien_ref a, mien_ref b)
{
    mien_ref mean = mien_slice(g, a, 1, 0, 3);
    mien_ref log_variance = mien_slice(g, a, 1, 3, 3);
    mien_ref z = mien_reparameterise(g, mean, log_variance, b);

    return mien_multiply(g, mien_tanh(g, z), mien_normal_divergence(g, mean, log_variance));
}

static const struct op_case cases[] = {
    {"conv same odd", {4, {1, 4, 5, 2}}, {4, {3, 3, 2, 2}}, conv_same_odd, -0.7},
    {"conv same even", {4, {1, 5, 4, 1}}, {4, {4, 2, 1, 2}}, conv_same_even, -0.7},
    {"conv same stride", {4, {1, 6, 5, 2}}, {4, {3, 3, 2, 2}}, conv_same_stride, -0.7},
    {"conv same halving", {4, {1, 6, 6, 2}}, {4, {4, 4, 2, 2}}, conv_same_halving, -0.7},
    {"conv torch even", {4, {1, 5, 4, 1}}, {4, {4, 2, 1, 2}}, conv_torch_even, -0.7},
    {"conv torch stride", {4, {1, 6, 5, 2}}, {4, {3, 3, 2, 2}}, conv_torch_stride, -0.7},
    {"conv groups", {4, {1, 3, 4, 4}}, {4, {3, 3, 2, 4}}, conv_groups, -0.7},
    {"conv depthwise", {4, {2, 3, 3, 3}}, {4, {3, 3, 1, 3}}, conv_depthwise, -0.7},
    {"conv transposed", {4, {1, 3, 3, 2}}, {4, {4, 4, 2, 2}}, conv_transposed, -0.7},
    {"conv weights", {4, {1, 6, 6, 2}}, {4, {1, 3, 3, 2}}, conv_weights, -0.7},
    {"upsample conv", {4, {1, 2, 3, 2}}, {4, {3, 3, 2, 2}}, upsample_conv, -0.7},
    {"upsample", {4, {2, 2, 3, 2}}, {0, {0}}, upsample, -0.7},
    {"average pool", {4, {1, 6, 3, 2}}, {0, {0}}, average_pool, -0.7},
    {"max pool", {4, {2, 4, 4, 2}}, {0, {0}}, max_pool, -0.7},
    {"max pool overlapping", {4, {1, 5, 7, 2}}, {0, {0}}, max_pool_overlapping, -0.7},
    {"group norm", {4, {2, 2, 3, 4}}, {4, {1, 1, 1, 4}}, group_norm, -0.7},
    {"group norm flat", {2, {3, 6}}, {2, {1, 6}}, group_norm_flat, -0.7},
    {"layer norm", {2, {3, 5}}, {2, {1, 5}}, layer_norm, -0.7},
    {"batch norm", {4, {3, 2, 2, 2}}, {4, {1, 1, 1, 2}}, batch_norm, -0.7},
    {"relu", {2, {3, 5}}, {2, {3, 5}}, relu, -0.75},
    {"leaky relu", {2, {3, 5}}, {2, {3, 5}}, leaky_relu, -0.75},
    {"curves", {1, {9}}, {1, {9}}, curves, -0.7},
    {"roots", {1, {9}}, {1, {9}}, roots, 0.5},
    {"dense", {2, {3, 4}}, {2, {4, 2}}, dense, -0.7},
    {"sums", {3, {2, 2, 3}}, {3, {2, 2, 3}}, sums, -0.7},
    {"pieces", {2, {3, 2}}, {2, {3, 3}}, pieces, -0.7},
    {"cross entropy", {2, {3, 4}}, {2, {3, 4}}, cross_entropy, -0.7},
    {"softmax", {2, {3, 4}}, {2, {3, 4}}, softmax, -0.7},
    {"embedding", {2, {4, 3}}, {2, {6, 3}}, embedding, -0.7},
    {"gru cell", {2, {3, 8}}, {2, {3, 6}}, gru_cell, -0.7},
    {"reparameterise", {2, {3, 6}}, {2, {3, 3}}, reparameterise, -0.7},
};

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

/* The parameters of the script: steps of the golden ratio on the circle. */
static void set_params(struct probe *p, double low)
{
    for (size_t i = 0; i < p->n_params; i++) {
        const uint32_t turned = (uint32_t)(i + 1) * UINT32_C(2654435761);

        p->params[i] = low + 1.5 * (double)turned / 4294967296.0;
    }
}

static void begin(struct probe *p, const struct op_case *c)
{
    probe_init(p, c);
    set_params(p, c->low);
    if (mien_graph_n_inputs(p->graph) > 0)
        assert_int_equal(mien_exec_bind(p->exec, 0, indexes), MIEN_OK);
    assert_int_equal(mien_exec_run(p->exec, p->params), MIEN_OK);
}

static void same_numbers(const char *name, const char *what, const double *ours,
                         const double *theirs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(ours[i] - theirs[i]) <= REFERENCE_TOLERANCE * fmax(1.0, fabs(theirs[i]))))
            fail_msg("%s, %s %zu: %.12g, PyTorch has %.12g", name, what, i, ours[i], theirs[i]);
    }
}

static const struct reference *reference_of(const char *name)
{
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        if (strcmp(references[i].name, name) == 0)
            return &references[i];
    }
    fail_msg("no reference for \"%s\": run tests/vectors/ops.py", name);
    return NULL;
}

static void every_op_agrees_with_pytorch(void **state)
{
    (void)state;
    struct probe *p = mien_calloc(1, sizeof(*p));

    assert_non_null(p);
    assert_int_equal(N_CASES, sizeof(references) / sizeof(references[0]));
    for (size_t i = 0; i < N_CASES; i++) {
        const char *name = cases[i].name;
        const struct reference *r = reference_of(name);

        begin(p, &cases[i]);
        assert_int_equal(r->n_y, p->n_y);
        assert_int_equal(r->n_gradient, p->n_a + p->n_b);
        same_numbers(name, "value", mien_exec_output(p->exec, OUT_Y), r->y, r->n_y);
        same_numbers(name, "first gradient of a", mien_exec_output(p->exec, OUT_GA), r->first,
                     p->n_a);
        same_numbers(name, "second gradient of a", mien_exec_output(p->exec, OUT_HA), r->second,
                     p->n_a);
        same_numbers(name, "first gradient of b", mien_exec_output(p->exec, OUT_GB),
                     r->first + p->n_a, p->n_b);
        same_numbers(name, "second gradient of b", mien_exec_output(p->exec, OUT_HB),
                     r->second + p->n_a, p->n_b);
        probe_fini(p);
    }
    mien_free(p);
}

static void every_op_has_its_first_and_second_gradient(void **state)
{
    (void)state;
    struct probe *p = mien_calloc(1, sizeof(*p));

    assert_non_null(p);
    for (size_t i = 0; i < N_CASES; i++) {
        begin(p, &cases[i]);
        probe_check(p, cases[i].name);
        probe_fini(p);
    }
    mien_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_agrees_with_pytorch),
        cmocka_unit_test(every_op_has_its_first_and_second_gradient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
