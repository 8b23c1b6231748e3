// SPDX-License-Identifier: Apache-2.0
/* Loops over elements: every set gives the bits of the plain one, and exponentials are exact to a
 * few units of the last place. */
#include "common/tensor/elements.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/tile.h"
#include "tests/support/test.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define N 1000

static float a[N];
static float b[N];

static int make_numbers(void **state)
{
    struct mien_rng_seeded *seeded = NULL;

    (void)state;
    if (mien_rng_seeded_new(4, 0, &seeded) != MIEN_OK)
        return -1;
    for (size_t i = 0; i < N; i++) {
        a[i] = 4.0f * mien_rng_seeded_normal(seeded);
        b[i] = mien_rng_seeded_normal(seeded);
    }
    mien_rng_seeded_free(seeded);
    return 0;
}

/* All that a set can do with a and b, one result after the other. */
#define N_RESULTS 18

static void run_all(const struct mien_elements *set, uint64_t n, float out[N_RESULTS][N])
{
    static const enum mien_op ops[] = {MIEN_OP_SCALE, MIEN_OP_SHIFT,   MIEN_OP_SQRT, MIEN_OP_LEAKY,
                                       MIEN_OP_EXP,   MIEN_OP_SIGMOID, MIEN_OP_TANH};
    const struct mien_adam_terms terms = {1e-3f, 1e-8f, 0.5f, 0.99f};
    size_t at = 0;

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        set->unary(ops[i], a, n, 0.2f, out[at++]);
    for (enum mien_op op = MIEN_OP_ADD; op <= MIEN_OP_DIVIDE; op++) {
        set->rows(op, a, b, n, out[at++]);
        if (op != MIEN_OP_SUBTRACT)
            set->number(op, a, b[0], n, out[at++]);
    }
    set->gate(a, b, n, 0.3f, out[at++]);
    memcpy(out[at], a, n * sizeof(float));
    set->adam(&terms, b, n, out[at], out[at + 1], out[at + 2]);
    out[at + 2][N - 1] = set->sum(a, n);
    assert_int_equal(at + 2, N_RESULTS - 1);
}

static void every_set_gives_the_bits_of_the_plain_one(void **state)
{
    static const uint64_t lengths[] = {1, 7, 16, 63, 64, 65, 200, N};

    (void)state;
    for (const struct mien_tile_set *const *set = mien_tile_sets(); *set != NULL; set++) {
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            static float want[N_RESULTS][N];
            static float got[N_RESULTS][N];

            memset(want, 0, sizeof(want));
            memset(got, 0, sizeof(got));
            run_all(&mien_elements_plain, lengths[i], want);
            run_all((*set)->elements, lengths[i], got);
            assert_memory_equal(got, want, sizeof(got));
        }
    }
}

/* Units of the last place between `got` and what is right. */
static double error_of(float got, double right)
{
    const double unit = ldexp(1.0, ilogb(right) - 23);

    return fabs((double)got - right) / fmax(unit, (double)FLT_MIN);
}

static void exponentials_are_right_to_a_few_units(void **state)
{
    (void)state;
    for (double x = -87.0; x < 88.7; x += 0.00137) {
        const float at = (float)x;
        float y = 0.0f;

        mien_elements_plain.unary(MIEN_OP_EXP, &at, 1, 0.0f, &y);
        assert_true(error_of(y, exp((double)at)) <= 2.0);
        mien_elements_plain.unary(MIEN_OP_TANH, &at, 1, 0.0f, &y);
        assert_true(at == 0.0f || error_of(y, tanh((double)at)) <= 4.0);
        mien_elements_plain.unary(MIEN_OP_SIGMOID, &at, 1, 0.0f, &y);
        assert_true(error_of(y, 1.0 / (1.0 + exp(-(double)at))) <= 4.0);
    }
}

static void exponentials_know_the_ends(void **state)
{
    static const struct {
        enum mien_op op;
        float x;
        float y;
    } known[] = {
        {MIEN_OP_EXP, 0.0f, 1.0f},       {MIEN_OP_EXP, -1000.0f, 0.0f},
        {MIEN_OP_TANH, 0.0f, 0.0f},      {MIEN_OP_TANH, 1e30f, 1.0f},
        {MIEN_OP_TANH, -1e30f, -1.0f},   {MIEN_OP_TANH, 1e-20f, 1e-20f},
        {MIEN_OP_SIGMOID, 0.0f, 0.5f},   {MIEN_OP_SIGMOID, 1e30f, 1.0f},
        {MIEN_OP_SIGMOID, -1e30f, 0.0f}, {MIEN_OP_SQRT, -1.0f, 0.0f},
    };
    static const enum mien_op through[] = {MIEN_OP_EXP, MIEN_OP_TANH, MIEN_OP_SIGMOID};
    float y = 0.0f;

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        mien_elements_plain.unary(known[i].op, &known[i].x, 1, 0.0f, &y);
        assert_true(fabsf(y - known[i].y) <= 1e-37f);
    }
    /* A number that is none stays one: an update that went wrong must be seen. */
    for (size_t i = 0; i < sizeof(through) / sizeof(through[0]); i++) {
        const float none = NAN;

        mien_elements_plain.unary(through[i], &none, 1, 0.0f, &y);
        assert_true(isnan(y));
    }
}

static void a_gate_lets_through_where_it_is_open(void **state)
{
    const float from[] = {2.0f, 2.0f, 2.0f, -2.0f};
    const float by[] = {1.0f, 0.0f, -1.0f, 3.0f};
    const float want[] = {2.0f, 0.5f, 0.5f, -2.0f};
    float out[4];

    (void)state;
    mien_elements_plain.gate(from, by, 4, 0.25f, out);
    assert_memory_equal(out, want, sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_gives_the_bits_of_the_plain_one),
        cmocka_unit_test(exponentials_are_right_to_a_few_units),
        cmocka_unit_test(exponentials_know_the_ends),
        cmocka_unit_test(a_gate_lets_through_where_it_is_open),
    };

    return cmocka_run_group_tests(tests, make_numbers, NULL);
}
