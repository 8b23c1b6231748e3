// SPDX-License-Identifier: Apache-2.0
/* Late outputs against the same outputs stored: bit by bit. */
#include "common/tensor/late.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/cost.h"
#include "common/tensor/exec.h"
#include "common/tensor/tile.h"
#include "tests/support/test.h"

#include <string.h>

enum { BATCH = 16, IN = 701, OUT = 530, N_INPUTS = 4 };

/* The gradient of a dense layer's weights, of one pass or of three. */
static mien_ref build(struct mien_graph *g, bool three)
{
    mien_ref x = mien_input(g, mien_shape2(BATCH, IN));
    mien_ref dy = mien_tanh(g, mien_input(g, mien_shape2(BATCH, OUT)));
    mien_ref x2 = mien_exp(g, mien_input(g, mien_shape2(2 * BATCH, IN)));
    mien_ref dy2 = mien_input(g, mien_shape2(2 * BATCH, OUT));
    mien_ref one = mien_matmul(g, x, dy, MIEN_TRANSPOSE_LEFT);

    if (!three)
        return one;
    mien_ref more = mien_matmul(g, x2, dy2, MIEN_TRANSPOSE_LEFT);
    mien_ref last = mien_matmul(g, mien_scale(g, x, 0.5), dy, MIEN_TRANSPOSE_LEFT);
    return mien_add(g, mien_add(g, one, more), last);
}

static struct mien_cost cost_of(const struct mien_graph *g, const mien_ref *outputs, size_t n)
{
    struct mien_cost cost;

    assert_int_equal(mien_cost_of(g, outputs, n, &cost), MIEN_OK);
    return cost;
}

struct copy {
    float *values;
    uint64_t next;
};

static void append(void *self, uint64_t at, const float *values, uint64_t n)
{
    struct copy *copy = self;

    assert_int_equal(at, copy->next);
    memcpy(copy->values + at, values, n * sizeof(*values));
    copy->next += n;
}

/* All of the output of a graph, by visits. */
static float *visited(const struct mien_graph *g, mien_ref y, bool stored)
{
    static const uint64_t sizes[N_INPUTS] = {BATCH * IN, BATCH * OUT, 2 * BATCH * IN,
                                             2 * BATCH * OUT};
    struct mien_rng_seeded *rng = NULL;
    struct mien_exec *exec = NULL;
    float *inputs[N_INPUTS];
    struct copy copy = {mien_calloc((size_t)IN * OUT, sizeof(float)), 0};

    assert_non_null(copy.values);
    assert_int_equal(mien_rng_seeded_new(7, 0, &rng), MIEN_OK);
    assert_int_equal(mien_exec_new(g, &y, 1, &exec), MIEN_OK);
    for (uint32_t i = 0; i < N_INPUTS; i++) {
        inputs[i] = mien_calloc(sizes[i], sizeof(float));
        assert_non_null(inputs[i]);
        for (uint64_t k = 0; k < sizes[i]; k++)
            inputs[i][k] = mien_rng_seeded_normal(rng);
        assert_int_equal(mien_exec_bind(exec, i, inputs[i]), MIEN_OK);
    }
    assert_int_equal(mien_exec_run(exec, NULL), MIEN_OK);
    assert_int_equal(mien_exec_output(exec, 0) != NULL, stored);
    mien_exec_visit(exec, 0, append, &copy);
    assert_int_equal(copy.next, IN * OUT);
    for (uint32_t i = 0; i < N_INPUTS; i++)
        mien_free(inputs[i]);
    mien_rng_seeded_free(rng);
    mien_exec_free(exec);
    return copy.values;
}

static void check_bits(bool three)
{
    struct mien_graph *g = NULL;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref y = build(g, three);
    const struct mien_cost stored_cost = cost_of(g, &y, 1);
    float *stored = visited(g, y, true);
    mien_graph_late(g, y);
    const struct mien_cost late_cost = cost_of(g, &y, 1);
    float *late = visited(g, y, false);
    assert_memory_equal(late, stored, sizeof(float) * IN * OUT);
    assert_true(late_cost.arena_bytes + sizeof(float) * IN * OUT <= stored_cost.arena_bytes);
    assert_int_equal(late_cost.flops, stored_cost.flops);
    assert_int_equal(late_cost.n_steps, stored_cost.n_steps);
    mien_free(stored);
    mien_free(late);
    mien_graph_free(g);
}

static void a_late_output_has_the_bits_of_a_stored_one(void **state)
{
    (void)state;
    for (const struct mien_tile_set *const *set = mien_tile_sets(); *set != NULL; set++) {
        mien_tile_force(*set);
        check_bits(false);
        check_bits(true);
    }
    mien_tile_force(NULL);
}

/* Whether an output is stored although it may be late. */
static bool is_stored(struct mien_graph *g, const mien_ref *outputs, size_t n)
{
    mien_graph_late(g, outputs[0]);
    return cost_of(g, outputs, n).arena_bytes >= sizeof(float) * 512 * 512;
}

static void what_cannot_be_late_is_stored(void **state)
{
    struct mien_graph *g = NULL;

    (void)state;
    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    mien_ref x = mien_input(g, mien_shape2(16, 512));
    mien_ref y = mien_input(g, mien_shape2(16, 513));
    mien_ref z = mien_input(g, mien_shape2(16, 514));
    mien_ref w = mien_parameter(g, mien_shape2(16, 515), 0);
    mien_ref long_x = mien_input(g, mien_shape2(100, 512));
    mien_ref good = mien_matmul(g, x, y, MIEN_TRANSPOSE_LEFT);
    assert_false(is_stored(g, &good, 1));
    mien_ref read[] = {mien_matmul(g, x, z, MIEN_TRANSPOSE_LEFT), MIEN_NO_REF};
    read[1] = mien_sum_all(g, read[0]);
    assert_true(is_stored(g, read, 2));
    mien_ref twice[] = {mien_matmul(g, y, x, MIEN_TRANSPOSE_LEFT), MIEN_NO_REF};
    twice[1] = twice[0];
    assert_true(is_stored(g, twice, 2));
    mien_ref of_weights = mien_matmul(g, x, w, MIEN_TRANSPOSE_LEFT);
    assert_true(is_stored(g, &of_weights, 1));
    mien_ref of_many = mien_matmul(g, long_x, long_x, MIEN_TRANSPOSE_LEFT);
    assert_true(is_stored(g, &of_many, 1));
    mien_ref unary = mien_exp(g, mien_matmul(g, z, y, MIEN_TRANSPOSE_LEFT));
    assert_true(is_stored(g, &unary, 1));
    mien_ref p = mien_matmul(g, x, x, MIEN_TRANSPOSE_LEFT);
    mien_ref q = mien_matmul(g, mien_exp(g, x), x, MIEN_TRANSPOSE_LEFT);
    mien_ref r = mien_matmul(g, mien_tanh(g, x), x, MIEN_TRANSPOSE_LEFT);
    mien_ref other_order = mien_add(g, p, mien_add(g, q, r));
    assert_true(is_stored(g, &other_order, 1));
    mien_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_output_has_the_bits_of_a_stored_one),
        cmocka_unit_test(what_cannot_be_late_is_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
