// SPDX-License-Identifier: Apache-2.0
/* Kernels against loops over indexes, on shapes that take each of their paths. */
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/elements.h"
#include "common/tensor/kernels.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define MAX_ELEMENTS 40000

static mien_real *a;
static mien_real *b;
static mien_real *out;

static int make_arrays(void **state)
{
    struct mien_rng_seeded *seeded = NULL;

    (void)state;
    a = mien_calloc(MAX_ELEMENTS, sizeof(*a));
    b = mien_calloc(MAX_ELEMENTS, sizeof(*b));
    out = mien_calloc(MAX_ELEMENTS, sizeof(*out));
    if (a == NULL || b == NULL || out == NULL || mien_rng_seeded_new(5, 0, &seeded) != MIEN_OK)
        return -1;
    for (size_t i = 0; i < MAX_ELEMENTS; i++) {
        a[i] = mien_rng_seeded_normal(seeded);
        b[i] = 0.5f + mien_rng_seeded_uniform(seeded);
    }
    mien_rng_seeded_free(seeded);
    return 0;
}

static int free_arrays(void **state)
{
    (void)state;
    mien_free(a);
    mien_free(b);
    mien_free(out);
    return 0;
}

struct pair {
    struct mien_shape full;
    struct mien_shape small;
};

/* Each order of repeated and kept axes; patterns shorter and longer than a tile, and a last tile
 * that is not full. */
static const struct pair pairs[] = {
    {{1, {1}}, {1, {1}}},
    {{1, {777}}, {1, {777}}},
    {{4, {2, 3, 5, 7}}, {1, {1}}},
    {{2, {37, 3}}, {2, {1, 3}}},
    {{2, {5, 2000}}, {2, {1, 2000}}},
    {{2, {3, 1500}}, {2, {3, 1}}},
    {{4, {3, 9, 9, 3}}, {4, {1, 1, 1, 3}}},
    {{4, {3, 9, 9, 16}}, {4, {3, 1, 1, 16}}},
    {{4, {3, 100, 8, 4}}, {4, {3, 1, 8, 1}}},
    {{4, {2, 3, 8, 400}}, {4, {2, 1, 8, 1}}},
    {{4, {3, 40, 5, 7}}, {4, {1, 40, 1, 7}}},
    {{4, {3, 40, 5, 7}}, {4, {1, 40, 1, 1}}},
    {{4, {3, 4, 5, 7}}, {4, {3, 1, 5, 1}}},
    {{4, {3, 4, 5, 7}}, {4, {3, 4, 1, 1}}},
    {{4, {1, 4, 1, 7}}, {4, {1, 1, 1, 7}}},
    {{4, {300, 1, 1, 9}}, {4, {1, 1, 1, 9}}},
};

#define N_PAIRS (sizeof(pairs) / sizeof(pairs[0]))

/* Where element `at` of the full tensor falls in the small one. */
static uint64_t under(const struct pair *p, uint64_t at)
{
    uint64_t place = 0;
    uint64_t stride = 1;

    if (mien_shape_count(&p->small) == 1)
        return 0;
    for (uint32_t i = p->full.n_axes; i > 0; i--) {
        if (p->small.dim[i - 1] != 1)
            place += at % p->full.dim[i - 1] * stride;
        at /= p->full.dim[i - 1];
        stride *= p->small.dim[i - 1];
    }
    return place;
}

static mien_real binary(enum mien_op op, mien_real x, mien_real y)
{
    if (op == MIEN_OP_ADD)
        return x + y;
    if (op == MIEN_OP_SUBTRACT)
        return x - y;
    return op == MIEN_OP_MULTIPLY ? x * y : x / y;
}

static void a_second_operand_is_met_where_its_shape_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PAIRS; i++) {
        const struct pair *p = &pairs[i];
        const uint64_t n = mien_shape_count(&p->full);

        assert_true(n <= MAX_ELEMENTS);
        for (int op = MIEN_OP_ADD; op <= MIEN_OP_DIVIDE; op++) {
            mien_kernel_binary((enum mien_op)op, a, &p->full, b, &p->small, out);
            for (uint64_t at = 0; at < n; at++)
                assert_true(out[at] == binary((enum mien_op)op, a[at], b[under(p, at)]));
        }
        memcpy(out, a, n * sizeof(*out)); /* over its first operand */
        mien_kernel_binary(MIEN_OP_SUBTRACT, out, &p->full, b, &p->small, out);
        for (uint64_t at = 0; at < n; at++)
            assert_true(out[at] == a[at] - b[under(p, at)]);
    }
}

static void a_repeat_takes_each_element_from_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PAIRS; i++) {
        const struct pair *p = &pairs[i];

        mien_kernel_broadcast(b, &p->small, &p->full, out);
        for (uint64_t at = 0; at < mien_shape_count(&p->full); at++)
            assert_true(out[at] == b[under(p, at)]);
    }
}

static void a_sum_adds_what_falls_on_one_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PAIRS; i++) {
        const struct pair *p = &pairs[i];
        const uint64_t n_small = mien_shape_count(&p->small);
        double *want = mien_calloc(n_small, sizeof(*want));

        assert_non_null(want);
        for (uint64_t at = 0; at < mien_shape_count(&p->full); at++)
            want[under(p, at)] += (double)a[at];
        mien_kernel_sum(a, &p->full, &p->small, out);
        for (uint64_t k = 0; k < n_small; k++)
            assert_true(fabs((double)out[k] - want[k]) < 1e-3);
        mien_free(want);
    }
}

static void one_operand_functions_are_what_libm_says(void **state)
{
    (void)state;
    static const struct {
        enum mien_op op;
        double x;
        double y;
    } known[] = {
        {MIEN_OP_SCALE, -3.0, -0.75},
        {MIEN_OP_SHIFT, -3.0, -2.75},
        {MIEN_OP_SQRT, 2.25, 1.5},
        {MIEN_OP_SQRT, 0.0, 0.0},
        {MIEN_OP_SQRT, -1.0, 0.0},
        {MIEN_OP_EXP, 1.0, 2.718281828459045},
        {MIEN_OP_LOG, 2.0, 0.6931471805599453},
        {MIEN_OP_TANH, 0.5, 0.46211715726000975},
        {MIEN_OP_TANH, -50.0, -1.0},
        {MIEN_OP_SIGMOID, 0.0, 0.5},
        {MIEN_OP_SIGMOID, 2.0, 0.8807970779778823},
        {MIEN_OP_SIGMOID, -200.0, 0.0},
        {MIEN_OP_SOFTPLUS, 0.0, 0.6931471805599453},
        {MIEN_OP_SOFTPLUS, 100.0, 100.0},
        {MIEN_OP_SOFTPLUS, -3.0, 0.048587351573742},
        {MIEN_OP_SOFTPLUS, -200.0, 0.0},
        {MIEN_OP_LEAKY, 2.0, 2.0},
        {MIEN_OP_LEAKY, -2.0, -0.5},
        {MIEN_OP_LEAKY, 0.0, 0.0},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const mien_real x = (mien_real)known[i].x;
        mien_real y = 99;

        mien_elements_native()->unary(known[i].op, &x, 1, (mien_real)0.25, &y);
        assert_true(fabs((double)y - known[i].y) <= 3e-7 * fmax(1.0, fabs(known[i].y)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_operand_is_met_where_its_shape_says),
        cmocka_unit_test(a_repeat_takes_each_element_from_its_place),
        cmocka_unit_test(a_sum_adds_what_falls_on_one_place),
        cmocka_unit_test(one_operand_functions_are_what_libm_says),
    };

    return cmocka_run_group_tests(tests, make_arrays, free_arrays);
}
