// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "common/tensor/memory_plan.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

enum { N = 2, H = 5, W = 4, C = 3, K = 3, O = 2, OH = 3, OW = 2 };

/* Output element `at` of [N, OH, OW, O] by the definition: stride 2, one row of padding above. */
static double naive_conv_at(const float *x, const float *weights, int at)
{
    const int o = at % O;
    const int ox = at / O % OW;
    const int oy = at / O / OW % OH;
    const int n = at / O / OW / OH;
    double sum = 0;

    for (int k = 0; k < K * K * C; k++) {
        const int iy = oy * 2 - 1 + k / C / K;
        const int ix = ox * 2 + k / C % K;

        if (iy >= 0 && iy < H && ix >= 0 && ix < W)
            sum += (double)x[((n * H + iy) * W + ix) * C + k % C] * (double)weights[k * O + o];
    }
    return sum;
}

static void a_convolution_is_the_sum_it_says(void **state)
{
    (void)state;
    const struct mien_conv conv = {2, 1, 0, 1, 1};
    static float params[N * H * W * C + K * K * C * O];
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_parameter(g, mien_shape4(N, H, W, C), 0);
    mien_ref w = mien_parameter(g, mien_shape4(K, K, C, O), N * H * W * C);
    mien_ref y = mien_conv2d(g, x, w, &conv);
    struct mien_shape want = mien_shape4(N, OH, OW, O);
    struct mien_shape got = mien_graph_shape(g, y);
    assert_true(mien_shape_equal(&want, &got));
    assert_int_equal(mien_exec_new(g, &y, 1, &exec), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(1, 0, &seeded), MIEN_OK);
    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
        params[i] = mien_rng_seeded_normal(seeded);
    mien_rng_seeded_free(seeded);
    assert_int_equal(mien_exec_run(exec, params), MIEN_OK);
    const float *out = mien_exec_output(exec, 0);
    const float *weights = params + N * H * W * C;

    for (int at = 0; at < N * OH * OW * O; at++) {
        const double want_here = naive_conv_at(params, weights, at);

        assert_true(fabs(want_here - (double)out[at]) < 1e-4);
    }
    mien_exec_free(exec);
    mien_graph_free(g);
}

static void equal_nodes_are_one_node(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_parameter(g, mien_shape1(4), 0);
    assert_int_equal(mien_exp(g, x), mien_exp(g, x));
    assert_int_equal(mien_add(g, x, mien_exp(g, x)), mien_add(g, x, mien_exp(g, x)));
    assert_true(mien_scale(g, x, 2.0) != mien_scale(g, x, 3.0));
    assert_true(mien_input(g, mien_shape1(4)) != mien_input(g, mien_shape1(4)));
    mien_graph_free(g);
}

static void bad_operands_stick_with_a_sentence(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;
    struct mien_err err = {0};

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref a = mien_parameter(g, mien_shape2(3, 4), 0);
    mien_ref bad = mien_matmul(g, a, a, 0);
    assert_int_equal(bad, MIEN_NO_REF);
    assert_int_equal(mien_tanh(g, bad), MIEN_NO_REF);
    assert_int_equal(mien_exp(g, a), MIEN_NO_REF);
    assert_int_equal(mien_graph_status(g, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "matmul"));
    mien_graph_free(g);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    assert_int_equal(mien_input(g, mien_shape4(65536, 65536, 65536, 65536)), MIEN_NO_REF);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_ELIMIT);
    mien_graph_free(g);
}

/* A small critic with a penalty on its gradient: enough nodes to make places change hands. */
static mien_ref critic_loss(struct mien_graph *g, mien_ref out[2])
{
    const struct mien_conv half = {2, 1, 1, 1, 1};
    mien_ref x = mien_input(g, mien_shape4(2, 8, 8, 3));
    mien_ref w1 = mien_parameter(g, mien_shape4(4, 4, 3, 4), 0);
    mien_ref w2 = mien_parameter(g, mien_shape2(64, 1), 192);
    mien_ref h = mien_leaky(g, mien_conv2d(g, x, w1, &half), 0.2);
    mien_ref score = mien_matmul(g, mien_reshape(g, h, mien_shape2(2, 64)), w2, 0);
    mien_ref dx;

    mien_grad(g, mien_sum_all(g, score), &x, 1, &dx);
    mien_ref squares = mien_sum_to(g, mien_multiply(g, dx, dx), mien_shape4(2, 1, 1, 1));
    mien_ref off = mien_shift(g, mien_sqrt(g, mien_shift(g, squares, 1e-10)), -1.0);
    mien_ref loss = mien_add(g, mien_mean_all(g, mien_softplus(g, score)),
                             mien_mean_all(g, mien_multiply(g, off, off)));
    const mien_ref wrt[2] = {w1, w2};
    mien_grad(g, loss, wrt, 2, out);
    return loss;
}

/* Constants lie in a space of their own. */
static bool is_constant(const struct mien_graph *g, mien_ref ref)
{
    return mien_graph_node(g, ref)->op == MIEN_OP_CONSTANT;
}

static void no_two_live_values_share_a_place(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;
    struct mien_memory_plan plan = {0};
    mien_ref outputs[3];

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    outputs[2] = critic_loss(g, outputs);
    assert_int_equal(mien_memory_plan_init(&plan, g, outputs, 3), MIEN_OK);
    for (uint32_t i = 0; i < plan.n_steps; i++) {
        for (uint32_t j = 0; j < i; j++) {
            mien_ref early = plan.order[j];
            mien_ref late = plan.order[i];
            struct mien_shape se = mien_graph_shape(g, early);
            struct mien_shape sl = mien_graph_shape(g, late);
            bool apart = is_constant(g, early) != is_constant(g, late) ||
                         plan.place[early] + mien_shape_count(&se) <= plan.place[late] ||
                         plan.place[late] + mien_shape_count(&sl) <= plan.place[early];
            /* Read in step i at the latest: only an element-wise first operand may be met again. */
            bool handed_over = plan.last_use[early] == i &&
                               plan.root[mien_graph_node(g, late)->in[0]] == early &&
                               plan.place[early] == plan.place[late];
            bool dead = plan.last_use[early] != UINT32_MAX && plan.last_use[early] < i;

            assert_true(apart || dead || handed_over);
        }
    }
    mien_memory_plan_fini(&plan);
    mien_graph_free(g);
}

static void a_step_allocates_nothing_and_repeats_itself(void **state)
{
    (void)state;
    static float x[2 * 8 * 8 * 3];
    static float params[256];
    float first[192];
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    mien_ref outputs[3];

    for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++)
        x[i] = sinf((float)i);
    for (size_t i = 0; i < 256; i++)
        params[i] = 0.3f * cosf((float)i);
    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    outputs[2] = critic_loss(g, outputs);
    assert_int_equal(mien_exec_new(g, outputs, 3, &exec), MIEN_OK);
    assert_int_equal(mien_exec_run(exec, params), MIEN_ESTATE);
    assert_int_equal(mien_exec_bind(exec, 0, x), MIEN_OK);
    assert_int_equal(mien_exec_bind(exec, 1, x), MIEN_EINVAL);
    mien_mem_fail_at(0);
    assert_int_equal(mien_exec_run(exec, params), MIEN_OK);
    memcpy(first, mien_exec_output(exec, 0), sizeof(first));
    assert_int_equal(mien_exec_run(exec, params), MIEN_OK);
    mien_mem_fail_at(-1);
    assert_memory_equal(first, mien_exec_output(exec, 0), sizeof(first));
    assert_null(mien_exec_output(exec, 3));
    mien_exec_free(exec);
    mien_graph_free(g);
}

static void denormals_count_as_zero_in_a_run_and_only_there(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    const float tiny[] = {1e-30f, 1e-39f};
    volatile float denormal = 1e-38f;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_input(g, mien_shape1(2));
    mien_ref y = mien_scale(g, mien_scale(g, mien_shift(g, x, 0.0), 1e-10), 1.0);
    assert_int_equal(mien_exec_new(g, &y, 1, &exec), MIEN_OK);
    assert_int_equal(mien_exec_bind(exec, 0, tiny), MIEN_OK);
    assert_int_equal(mien_exec_run(exec, NULL), MIEN_OK);
    assert_true(mien_exec_output(exec, 0)[0] == 0.0f);
    assert_true(mien_exec_output(exec, 0)[1] == 0.0f);
    denormal = denormal / 16.0f;
    assert_true(denormal > 0.0f);
    mien_exec_free(exec);
    mien_graph_free(g);
}

static void building_and_planning_survive_each_failed_allocation(void **state)
{
    (void)state;
    bool done = false;
    long before = mien_mem_live();

    for (long k = 0; !done; k++) {
        struct mien_graph *g = NULL;
        struct mien_exec *exec = NULL;
        mien_ref outputs[3] = {MIEN_NO_REF, MIEN_NO_REF, MIEN_NO_REF};

        mien_mem_fail_at(k);
        if (mien_graph_new(&g) == MIEN_OK) {
            outputs[2] = critic_loss(g, outputs);
            enum mien_status status = mien_exec_new(g, outputs, 3, &exec);
            assert_true((status == MIEN_OK) == (exec != NULL));
            done = exec != NULL;
        }
        mien_mem_fail_at(-1);
        mien_exec_free(exec);
        mien_graph_free(g);
        assert_int_equal(mien_mem_live(), before);
    }
}

static void the_plan_says_what_is_allocated(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;
    mien_ref outputs[3];
    uint64_t bytes = 0;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    outputs[2] = critic_loss(g, outputs);
    assert_int_equal(mien_exec_bytes(g, outputs, 3, &bytes), MIEN_OK);
    /* At least the input gradient's chain, at most everything without reuse. */
    assert_true(bytes > 2 * 8 * 8 * 3 * sizeof(float));
    assert_true(bytes < 1024 * 1024);
    outputs[0] = MIEN_NO_REF;
    assert_int_equal(mien_exec_bytes(g, outputs, 3, &bytes), MIEN_EINVAL);
    mien_graph_free(g);
}

static const float *run_of(struct mien_exec *exec, const float *x, const float *params)
{
    assert_int_equal(mien_exec_bind(exec, 0, x), MIEN_OK);
    assert_int_equal(mien_exec_run(exec, params), MIEN_OK);
    return mien_exec_output(exec, 0);
}

/* The larger of the two comes second, so the workspace grows under the first. */
static void executions_that_share_a_workspace_compute_as_if_alone(void **state)
{
    (void)state;
    static float x[2 * 8 * 8 * 3];
    static float params[256];
    struct mien_workspace workspace = {0};
    struct mien_graph *g[2] = {NULL, NULL};
    struct mien_exec *alone[2] = {NULL, NULL};
    struct mien_exec *shared[2] = {NULL, NULL};
    uint64_t needed[2];

    for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++)
        x[i] = sinf((float)i);
    for (size_t i = 0; i < 256; i++)
        params[i] = 0.3f * cosf((float)i);
    for (int i = 0; i < 2; i++) {
        struct mien_memory_plan plan = {0};
        mien_ref outputs[3];

        assert_int_equal(mien_graph_new(&g[i]), MIEN_OK);
        outputs[2] =
            i == 0 ? mien_mean_all(g[i], mien_softplus(g[i], mien_input(g[i], mien_shape2(2, 3))))
                   : critic_loss(g[i], outputs);
        const mien_ref *wanted = i == 0 ? outputs + 2 : outputs;
        const size_t n = i == 0 ? 1 : 3;
        assert_int_equal(mien_exec_new(g[i], wanted, n, &alone[i]), MIEN_OK);
        assert_int_equal(mien_exec_new_in(g[i], wanted, n, &workspace, &shared[i]), MIEN_OK);
        assert_int_equal(mien_memory_plan_init(&plan, g[i], wanted, n), MIEN_OK);
        needed[i] = plan.n_elements;
        mien_memory_plan_fini(&plan);
    }
    assert_true(needed[0] < needed[1]);
    assert_int_equal(workspace.n_arena, needed[1]);
    for (int round = 0; round < 4; round++) {
        const int i = round % 2;
        const size_t n = i == 0 ? 1 : 192;
        const float *want = run_of(alone[i], x, params);

        assert_memory_equal(run_of(shared[i], x, params), want, n * sizeof(float));
    }
    for (int i = 0; i < 2; i++) {
        mien_exec_free(alone[i]);
        mien_exec_free(shared[i]);
        mien_graph_free(g[i]);
    }
    mien_workspace_fini(&workspace);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_is_the_sum_it_says),
        cmocka_unit_test(equal_nodes_are_one_node),
        cmocka_unit_test(bad_operands_stick_with_a_sentence),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(no_two_live_values_share_a_place),
        cmocka_unit_test(a_step_allocates_nothing_and_repeats_itself),
        cmocka_unit_test(denormals_count_as_zero_in_a_run_and_only_there),
        cmocka_unit_test(building_and_planning_survive_each_failed_allocation),
        cmocka_unit_test(the_plan_says_what_is_allocated),
        cmocka_unit_test(executions_that_share_a_workspace_compute_as_if_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
