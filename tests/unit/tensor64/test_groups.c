// SPDX-License-Identifier: Apache-2.0
/* Gradients of each group of a batch against those of as many graphs that see one group each: every
 * op through which weights reach a loss, a penalty on a gradient among them. In double precision.
 */
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/compose.h"
#include "common/tensor/cost.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "common/tensor/select.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

enum { EACH = 2, GROUPS = 3, SIDE = 4, N_WRT = 11 };

static const struct mien_conv same3 = {1, 1, 1, 1, 1};
static const struct mien_conv half4 = {2, 1, 1, 1, 1};

/* A parameter behind those before it. */
static mien_ref parameter(struct mien_graph *g, struct mien_shape shape)
{
    return mien_parameter(g, shape, mien_graph_n_params(g));
}

static mien_ref across(struct mien_graph *g, mien_ref v)
{
    return mien_reshape(g, v, mien_shape4(1, 1, 1, mien_graph_shape(g, v).dim[0]));
}

/* The mean of each group: [groups, 1]. */
static mien_ref means(struct mien_graph *g, mien_ref x, uint32_t groups)
{
    const struct mien_shape s = mien_graph_shape(g, x);
    const uint32_t each = (uint32_t)(mien_shape_count(&s) / groups);
    mien_ref rows = mien_reshape(g, x, mien_shape2(groups, each));

    return mien_scale(g, mien_sum_to(g, rows, mien_shape2(groups, 1)), 1.0 / each);
}

/* Scores of pictures x [n, 4, 4, 2]; w gets the parameters. */
static mien_ref scores_of(struct mien_graph *g, mien_ref x, mien_ref *w)
{
    const uint32_t n = mien_graph_shape(g, x).dim[0];

    x = mien_conv2d(g, mien_upsample(g, x), w[0], &same3); /* [n, 8, 8, 3] */
    x = mien_multiply(g, mien_group_norm(g, x, 3, 1e-5), across(g, w[1]));
    x = mien_leaky(g, mien_add(g, x, across(g, w[2])), 0.2);
    x = mien_tanh(g, mien_conv2d(g, x, w[3], &half4)); /* [n, 4, 4, 5] */
    x = mien_subtract(g, x, mien_scale(g, across(g, w[4]), 0.5));
    x = mien_conv2d_input_grad(g, x, w[5], mien_shape4(n, 8, 8, 2), &half4);
    x = mien_divide(g, mien_max_pool(g, x, 2, 2), w[6]); /* [n, 4, 4, 2] by one number */
    x = mien_reshape(g, x, mien_shape2(n, 32));
    x = mien_softplus(g, mien_matmul(g, x, w[7], 0));
    return mien_add(g, mien_matmul(g, x, w[8], MIEN_TRANSPOSE_RIGHT), w[9]);
}

static void make_parameters(struct mien_graph *g, mien_ref w[N_WRT])
{
    const struct mien_shape shapes[N_WRT] = {mien_shape4(3, 3, 2, 3),
                                             mien_shape1(3),
                                             mien_shape1(3),
                                             mien_shape4(4, 4, 3, 5),
                                             mien_shape1(5),
                                             {4, {4, 4, 2, 5}},
                                             mien_shape1(1),
                                             mien_shape2(32, 6),
                                             mien_shape2(1, 6),
                                             mien_shape2(1, 1),
                                             mien_shape2(7, 2 * SIDE * SIDE)};

    for (int i = 0; i < N_WRT; i++)
        w[i] = parameter(g, shapes[i]);
}

/* A loss a group of pictures that a table gives, with a penalty on the slope at them. */
static mien_ref build(struct mien_graph *g, uint32_t groups, mien_ref w[N_WRT])
{
    const uint32_t n = EACH * groups;
    mien_ref slope;

    make_parameters(g, w);
    mien_ref index = mien_input(g, mien_shape2(n, 1));
    mien_ref own = mien_input(g, mien_shape4(n, SIDE, SIDE, 2));
    mien_ref rows = mien_gather(g, w[10], index);
    mien_ref x = mien_add(g, mien_reshape(g, rows, mien_shape4(n, SIDE, SIDE, 2)), own);
    mien_ref scores = scores_of(g, x, w);
    mien_grad(g, mien_sum_all(g, scores), &x, 1, &slope);
    mien_ref squares = mien_sum_to(g, mien_multiply(g, slope, slope), mien_shape4(n, 1, 1, 1));
    mien_ref off = mien_shift(g, mien_sqrt(g, squares), -1.0);
    return mien_add(g, means(g, mien_softplus(g, scores), groups),
                    mien_scale(g, means(g, mien_multiply(g, off, off), groups), 0.3));
}

static double *numbers(uint64_t n, uint64_t seed)
{
    struct mien_rng_seeded *rng = NULL;
    double *out = mien_calloc(n, sizeof(*out));

    assert_non_null(out);
    assert_int_equal(mien_rng_seeded_new(seed, 0, &rng), MIEN_OK);
    for (uint64_t i = 0; i < n; i++)
        out[i] = 0.5 * (double)mien_rng_seeded_normal(rng);
    mien_rng_seeded_free(rng);
    return out;
}

/* A graph that runs: outputs 0 .. N_WRT - 1 are gradients, the last the losses. */
struct built {
    struct mien_graph *g;
    struct mien_exec *exec;
    mien_ref out[N_WRT + 1];
};

static void built_init(struct built *b, uint32_t groups)
{
    mien_ref w[N_WRT];

    assert_int_equal(mien_graph_new(&b->g), MIEN_OK);
    b->out[N_WRT] = build(b->g, groups, w);
    if (groups == 1)
        mien_grad(b->g, b->out[N_WRT], w, N_WRT, b->out);
    else
        mien_grad_groups(b->g, b->out[N_WRT], groups, w, N_WRT, b->out);
    struct mien_err err = {0};
    if (mien_graph_status(b->g, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mien_exec_new(b->g, b->out, N_WRT + 1, &b->exec), MIEN_OK);
}

static void built_run(struct built *b, const double *index, const double *own, const double *params)
{
    assert_int_equal(mien_exec_bind(b->exec, 0, index), MIEN_OK);
    assert_int_equal(mien_exec_bind(b->exec, 1, own), MIEN_OK);
    assert_int_equal(mien_exec_run(b->exec, params), MIEN_OK);
}

static void built_fini(struct built *b)
{
    mien_exec_free(b->exec);
    mien_graph_free(b->g);
}

static void assert_close(const double *got, const double *want, uint64_t n)
{
    for (uint64_t k = 0; k < n; k++) {
        if (!(fabs(got[k] - want[k]) <= 1e-12 * (1.0 + fabs(want[k]))))
            fail_msg("number %zu is %.17g, alone %.17g", (size_t)k, got[k], want[k]);
    }
}

static void each_group_has_the_gradient_it_would_have_alone(void **state)
{
    (void)state;
    const double index[EACH * GROUPS] = {0, 3, 3, 3, 6, 1};
    const uint64_t n_own = EACH * SIDE * SIDE * 2;
    struct built all;
    struct built one;

    built_init(&all, GROUPS);
    built_init(&one, 1);
    double *own = numbers(n_own * GROUPS, 4);
    double *params = numbers(mien_graph_n_params(one.g), 5);
    built_run(&all, index, own, params);
    for (uint32_t group = 0; group < GROUPS; group++) {
        built_run(&one, index + group * EACH, own + group * n_own, params);
        for (size_t i = 0; i <= N_WRT; i++) {
            const struct mien_shape shape = mien_graph_shape(one.g, one.out[i]);
            const uint64_t n = mien_shape_count(&shape);
            const double *want = mien_exec_output(one.exec, i);
            const double *got = mien_exec_output(all.exec, i) + group * n;

            assert_close(got, want, n);
        }
    }
    mien_free(own);
    mien_free(params);
    built_fini(&all);
    built_fini(&one);
}

static void groups_are_no_more_arithmetic(void **state)
{
    (void)state;
    struct built all;
    struct built one;
    struct mien_cost cost_all;
    struct mien_cost cost_one;

    built_init(&all, GROUPS);
    built_init(&one, 1);
    assert_int_equal(mien_cost_of(all.g, all.out, N_WRT + 1, &cost_all), MIEN_OK);
    assert_int_equal(mien_cost_of(one.g, one.out, N_WRT + 1, &cost_one), MIEN_OK);
    assert_true(cost_all.flops > 0);
    assert_true(cost_all.flops <= GROUPS * cost_one.flops);
    built_fini(&all);
    built_fini(&one);
}

/* Asks for gradients by groups of what `make` builds and expects a refusal that says `why`. */
static void refuses(mien_ref (*make)(struct mien_graph *, mien_ref *), const char *why)
{
    struct mien_graph *g = NULL;
    struct mien_err err = {0};
    mien_ref w = MIEN_NO_REF;
    mien_ref out = 0;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const mien_ref losses = make(g, &w);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    mien_grad_groups(g, losses, 2, &w, 1, &out);
    assert_int_equal(mien_graph_status(g, &err), MIEN_EINVAL);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    mien_graph_free(g);
}

static mien_ref rows_input(struct mien_graph *g)
{
    return mien_input(g, mien_shape2(4, 3));
}

static mien_ref with_batch_norm(struct mien_graph *g, mien_ref *w)
{
    *w = parameter(g, mien_shape2(3, 2));
    return means(g, mien_batch_norm(g, mien_matmul(g, rows_input(g), *w, 0), 1e-5), 2);
}

static mien_ref of_three(struct mien_graph *g, mien_ref *w)
{
    *w = parameter(g, mien_shape2(3, 2));
    return means(g, mien_matmul(g, rows_input(g), *w, 0), 4);
}

static mien_ref in_an_input(struct mien_graph *g, mien_ref *w)
{
    *w = rows_input(g);
    return means(g, mien_multiply(g, *w, *w), 2);
}

static mien_ref of_weights_times_weights(struct mien_graph *g, mien_ref *w)
{
    *w = parameter(g, mien_shape2(3, 3));
    return means(g, mien_matmul(g, rows_input(g), mien_matmul(g, *w, *w, 0), 0), 2);
}

static mien_ref of_weights_along_rows(struct mien_graph *g, mien_ref *w)
{
    *w = parameter(g, mien_shape2(1, 3));
    mien_ref x = mien_input(g, mien_shape3(4, 3, 3));
    return means(g, mien_multiply(g, x, mien_reshape(g, *w, mien_shape3(1, 3, 1))), 2);
}

static mien_ref of_odd_inputs(struct mien_graph *g, mien_ref *w)
{
    *w = parameter(g, mien_shape2(3, 2));
    mien_ref x = mien_reshape(g, mien_input(g, mien_shape2(1, 12)), mien_shape2(4, 3));
    return means(g, mien_matmul(g, x, *w, 0), 2);
}

static void what_mixes_groups_is_refused(void **state)
{
    (void)state;
    refuses(with_batch_norm, "more than one group");
    refuses(of_odd_inputs, "more than one group");
    refuses(of_three, "a loss a group");
    refuses(in_an_input, "no parameter");
    refuses(of_weights_times_weights, "no rule");
    refuses(of_weights_along_rows, "last axis");
}

static void a_gradient_by_groups_is_not_differentiated_again(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;
    mien_ref again = 0;
    mien_ref slope = 0;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const mien_ref w = parameter(g, mien_shape2(3, 2));
    const mien_ref y = mien_softplus(g, mien_matmul(g, rows_input(g), w, 0));
    mien_grad_groups(g, means(g, y, 2), 2, &w, 1, &slope);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    mien_grad(g, mien_sum_all(g, mien_multiply(g, slope, slope)), &w, 1, &again);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_EINVAL);
    assert_int_equal(again, MIEN_NO_REF);
    mien_graph_free(g);
}

static void what_a_loss_does_not_use_has_zeros_for_each_group(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;
    mien_ref out[2] = {0};

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const mien_ref w[2] = {parameter(g, mien_shape2(3, 2)), parameter(g, mien_shape1(5))};
    mien_grad_groups(g, means(g, mien_matmul(g, rows_input(g), w[0], 0), 2), 2, w, 2, out);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    assert_int_equal(mien_graph_node(g, out[1])->op, MIEN_OP_CONSTANT);
    assert_int_equal(mien_graph_shape(g, out[0]).dim[0], 6);
    assert_int_equal(mien_graph_shape(g, out[1]).dim[0], 10);
    mien_graph_free(g);
}

static void it_survives_each_failed_allocation(void **state)
{
    (void)state;
    bool done = false;

    for (long k = 0; !done; k++) {
        struct mien_graph *g = NULL;
        mien_ref w[N_WRT];
        mien_ref out[N_WRT];

        assert_int_equal(mien_graph_new(&g), MIEN_OK);
        const mien_ref losses = build(g, 2, w);
        mien_mem_fail_at(k);
        mien_grad_groups(g, losses, 2, w, N_WRT, out);
        mien_mem_fail_at(-1);
        done = mien_graph_status(g, NULL) == MIEN_OK;
        assert_true(done || mien_graph_status(g, NULL) == MIEN_ENOMEM);
        assert_true(done == (out[0] != MIEN_NO_REF));
        mien_graph_free(g);
    }
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_group_has_the_gradient_it_would_have_alone),
        cmocka_unit_test(groups_are_no_more_arithmetic),
        cmocka_unit_test(what_mixes_groups_is_refused),
        cmocka_unit_test(a_gradient_by_groups_is_not_differentiated_again),
        cmocka_unit_test(what_a_loss_does_not_use_has_zeros_for_each_group),
        cmocka_unit_test(it_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
