// SPDX-License-Identifier: Apache-2.0
/* Products and convolutions against their definitions, on blocks of exactly their size (so that a
 * sanitizer sees a read outside), with every set of tiles that this processor has. */
#include "common/tensor/convolution.h"

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/tensor/minimal.h"
#include "common/tensor/product.h"
#include "common/tensor/tile.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static struct mien_rng_seeded *rng;

static int make_rng(void **state)
{
    (void)state;
    return mien_rng_seeded_new(3, 0, &rng) == MIEN_OK ? 0 : -1;
}

static int free_rng(void **state)
{
    (void)state;
    mien_rng_seeded_free(rng);
    return 0;
}

static float *drawn(uint64_t n)
{
    float *x = mien_calloc(n, sizeof(*x));

    assert_non_null(x);
    for (uint64_t i = 0; i < n; i++)
        x[i] = mien_rng_seeded_normal(rng);
    return x;
}

static double product_at(const struct mien_matrices *s, const float *a, const float *b, uint64_t i,
                         uint64_t j)
{
    double sum = 0.0;

    for (uint64_t k = 0; k < s->k; k++)
        sum += (double)a[s->left ? k * s->m + i : i * s->k + k] *
               (double)b[s->right ? j * s->k + k : k * s->n + j];
    return sum;
}

static void check_matrices(const struct mien_matrices *s)
{
    float *a = drawn(s->m * s->k);
    float *b = drawn(s->k * s->n);
    float *c = drawn(s->m * s->n);
    float *begun = mien_memdup(c, s->m * s->n * sizeof(*c));

    assert_non_null(begun);
    mien_product_matrices(s, a, b, c);
    for (uint64_t i = 0; i < s->m * s->n; i++) {
        const double want =
            product_at(s, a, b, i / s->n, i % s->n) + (s->add ? (double)begun[i] : 0.0);

        assert_true(fabs((double)c[i] - want) < 1e-5 * (double)(s->k + 10));
    }
    mien_free(a);
    mien_free(b);
    mien_free(c);
    mien_free(begun);
}

/* Rows below and above a group, few and many; columns below and above half a panel; sums within a
 * block and beyond; each path of product.c. */
static const uint64_t sizes[][3] = {
    {1, 1, 1},    {2, 3, 5},    {4, 16, 7},   {5, 17, 129},  {13, 32, 64},  {16, 33, 300},
    {50, 64, 16}, {130, 70, 9}, {3, 150, 40}, {16, 250, 20}, {61, 20, 257}, {200, 1, 30},
};

static void a_product_of_matrices_is_its_definition(void **state)
{
    (void)state;
    for (const struct mien_tile_set *const *set = mien_tile_sets(); *set != NULL; set++) {
        mien_tile_force(*set);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            for (int how = 0; how < 8; how++) {
                const struct mien_matrices s = {.m = sizes[i][0],
                                                .n = sizes[i][1],
                                                .k = sizes[i][2],
                                                .left = (how & 1) != 0,
                                                .right = (how & 2) != 0,
                                                .add = (how & 4) != 0};

                check_matrices(&s);
            }
        }
    }
    mien_tile_force(NULL);
}

static uint64_t weight_at(const struct mien_convolution *s, uint64_t tap, uint64_t c, uint64_t o)
{
    return tap * s->c * s->o + (s->swapped ? o * s->c + c : c * s->o + o);
}

struct tensors {
    float *x;
    float *w;
    float *y;
};

/* Adds the three convolutions, term by term, to three zeroed arrays. */
static void define(const struct mien_convolution *s, const struct tensors *from, double *x,
                   double *w, double *y)
{
    const uint64_t n_terms = s->n * s->oh * s->ow * s->kh * s->kw * s->c * s->o;

    for (uint64_t term = 0; term < n_terms; term++) {
        const uint64_t o = term % s->o;
        const uint64_t c = term / s->o % s->c;
        const uint64_t tap = term / (s->o * s->c) % (s->kh * s->kw);
        const uint64_t place = term / (s->o * s->c * s->kh * s->kw);
        const uint64_t row = place / s->ow % s->oh * s->stride + tap / s->kw;
        const uint64_t column = place % s->ow * s->stride + tap % s->kw;

        if (row < s->top || row - s->top >= s->h || column < s->left || column - s->left >= s->w)
            continue;
        const uint64_t picture = place / (s->oh * s->ow);
        const uint64_t at = ((picture * s->h + row - s->top) * s->w + column - s->left) * s->c + c;
        const uint64_t weight = weight_at(s, tap, c, o);

        y[place * s->o + o] += (double)from->x[at] * (double)from->w[weight];
        x[at] += (double)from->y[place * s->o + o] * (double)from->w[weight];
        w[weight] += (double)from->x[at] * (double)from->y[place * s->o + o];
    }
}

static void assert_near(const float *got, const double *want, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        assert_true(fabs((double)got[i] - want[i]) < 1e-3);
}

static void check_convolution(const struct mien_convolution *s)
{
    const uint64_t n_x = s->n * s->h * s->w * s->c;
    const uint64_t n_w = s->kh * s->kw * s->c * s->o;
    const uint64_t n_y = s->n * s->oh * s->ow * s->o;
    const struct tensors in = {drawn(n_x), drawn(n_w), drawn(n_y)};
    const struct tensors out = {drawn(n_x), drawn(n_w), drawn(n_y)};
    float *scratch = drawn(mien_convolution_scratch(s));
    double *x = mien_calloc(n_x, sizeof(*x));
    double *w = mien_calloc(n_w, sizeof(*w));
    double *y = mien_calloc(n_y, sizeof(*y));

    assert_true(x != NULL && w != NULL && y != NULL);
    define(s, &in, x, w, y);
    mien_convolution_run(s, in.x, in.w, out.y, scratch);
    assert_near(out.y, y, n_y);
    mien_convolution_input_grad(s, in.y, in.w, out.x, scratch);
    assert_near(out.x, x, n_x);
    mien_convolution_weight_grad(s, in.x, in.y, out.w, scratch);
    assert_near(out.w, w, n_w);
    void *const blocks[] = {in.x, in.w, in.y, out.x, out.w, out.y, scratch, x, w, y};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        mien_free(blocks[i]);
}

/* The sizes of y follow. */
static struct mien_convolution geometry(struct mien_convolution s, uint64_t bottom, uint64_t right)
{
    s.oh = (s.h + s.top + bottom - s.kh) / s.stride + 1;
    s.ow = (s.w + s.left + right - s.kw) / s.stride + 1;
    return s;
}

static void a_convolution_is_its_definition_in_three_directions(void **state)
{
    (void)state;
    for (int i = 0; i < 120; i++) {
        struct mien_convolution s = {
            .n = 1 + mien_rng_seeded_below(rng, 3),
            .c = 1 + mien_rng_seeded_below(rng, i % 3 == 0 ? 40 : 6),
            .o = 1 + mien_rng_seeded_below(rng, i % 4 == 0 ? 40 : 6),
            .kh = 1 + mien_rng_seeded_below(rng, 5),
            .kw = 1 + mien_rng_seeded_below(rng, 5),
            .stride = 1 + mien_rng_seeded_below(rng, 3),
            .top = mien_rng_seeded_below(rng, 4),
            .left = mien_rng_seeded_below(rng, 4),
            .swapped = i % 5 == 0,
        };

        s.h = s.kh + mien_rng_seeded_below(rng, 9);
        s.w = s.kw + mien_rng_seeded_below(rng, 9);
        s = geometry(s, mien_rng_seeded_below(rng, 4), mien_rng_seeded_below(rng, 4));
        check_convolution(&s);
    }
}

/* The networks' own: halving, halving swapped, "same" with few results, 1 x 1. */
static void the_networks_convolutions_are_their_definition(void **state)
{
    static const struct mien_convolution known[] = {
        {2, 8, 8, 3, 4, 4, 16, 4, 4, 2, 1, 1, false},
        {2, 8, 8, 16, 4, 4, 20, 4, 4, 2, 1, 1, true},
        {2, 9, 9, 32, 9, 9, 3, 3, 3, 1, 1, 1, false},
        {2, 7, 7, 18, 7, 7, 1, 4, 4, 1, 1, 1, false},
        {1, 6, 6, 8, 6, 6, 5, 1, 1, 1, 0, 0, false},
        {3, 14, 14, 33, 7, 7, 34, 4, 4, 2, 1, 1, false},
    };

    (void)state;
    for (const struct mien_tile_set *const *set = mien_tile_sets(); *set != NULL; set++) {
        mien_tile_force(*set);
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            check_convolution(&known[i]);
    }
    mien_tile_force(NULL);
}

/* Those of fewer multiplications: odd and even sizes, every padding. */
static const struct mien_convolution halvings[] = {
    {3, 8, 8, 32, 4, 4, 32, 4, 4, 2, 1, 1, false},  {2, 14, 14, 33, 7, 7, 40, 4, 4, 2, 1, 1, true},
    {2, 9, 12, 32, 4, 6, 35, 4, 4, 2, 1, 2, false}, {1, 10, 7, 40, 6, 4, 32, 4, 4, 2, 3, 2, true},
    {2, 6, 10, 32, 2, 4, 32, 4, 4, 2, 0, 0, false}, {1, 11, 9, 36, 6, 5, 33, 4, 4, 2, 2, 3, true},
};

#define N_HALVINGS (sizeof(halvings) / sizeof(halvings[0]))

static void halvings_with_fewer_multiplications_are_their_definition(void **state)
{
    (void)state;
    for (const struct mien_tile_set *const *set = mien_tile_sets(); *set != NULL; set++) {
        mien_tile_force(*set);
        for (size_t i = 0; i < N_HALVINGS; i++) {
            assert_true(mien_minimal_fits(&halvings[i]));
            check_convolution(&halvings[i]);
        }
    }
    mien_tile_force(NULL);
}

/* More pictures than are framed, and more tiles than are multiplied, at a time. */
static void large_halvings_go_in_pieces(void **state)
{
    const struct mien_convolution large = {9, 32, 32, 64, 16, 16, 32, 4, 4, 2, 1, 1, false};

    (void)state;
    assert_true(mien_minimal_fits(&large));
    check_convolution(&large);
}

/* Sets that fuse multiply and add sum in one order, so they give the same bits. */
static void halvings_are_the_same_bits_on_every_set_that_fuses(void **state)
{
    const struct mien_convolution *s = &halvings[1];
    const uint64_t n_x = s->n * s->h * s->w * s->c;
    const uint64_t n_w = 16 * s->c * s->o;
    const uint64_t n_y = s->n * s->oh * s->ow * s->o;
    float *x = drawn(n_x);
    float *w = drawn(n_w);
    float *y = drawn(n_y);
    float *first = mien_calloc(n_x + n_w + n_y, sizeof(float));
    float *again = mien_calloc(n_x + n_w + n_y, sizeof(float));
    float *scratch = mien_calloc(mien_convolution_scratch(s), sizeof(float));

    (void)state;
    assert_true(first != NULL && again != NULL && scratch != NULL);
    for (size_t i = 1; mien_tile_sets()[i] != NULL; i++) {
        float *to = i == 1 ? first : again;

        mien_tile_force(mien_tile_sets()[i]);
        mien_convolution_input_grad(s, y, w, to, scratch);
        mien_convolution_weight_grad(s, x, y, to + n_x, scratch);
        mien_convolution_run(s, x, w, to + n_x + n_w, scratch);
        if (to == again)
            assert_memory_equal(first, again, (n_x + n_w + n_y) * sizeof(float));
    }
    mien_tile_force(NULL);
    void *const blocks[] = {x, w, y, first, again, scratch};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        mien_free(blocks[i]);
}

/* Sums and differences in front of the products cost half a bit of a float's 24: 3.5e-7
 * against 2.2e-7 of a convolution that is multiplied as it stands, both of 2048 terms. */
static void fewer_multiplications_lose_less_than_a_bit(void **state)
{
    const struct mien_convolution s = {4, 8, 8, 128, 4, 4, 32, 4, 4, 2, 1, 1, false};
    const uint64_t n_x = s.n * s.h * s.w * s.c;
    const uint64_t n_w = 16 * s.c * s.o;
    const uint64_t n_y = s.n * s.oh * s.ow * s.o;
    const struct tensors in = {drawn(n_x), drawn(n_w), drawn(n_y)};
    float *got = drawn(n_y);
    float *scratch = drawn(mien_convolution_scratch(&s));
    double *x = mien_calloc(n_x, sizeof(*x));
    double *w = mien_calloc(n_w, sizeof(*w));
    double *y = mien_calloc(n_y, sizeof(*y));
    double squares = 0.0;
    double error = 0.0;

    (void)state;
    assert_true(x != NULL && w != NULL && y != NULL && mien_minimal_fits(&s));
    define(&s, &in, x, w, y);
    mien_convolution_run(&s, in.x, in.w, got, scratch);
    for (uint64_t i = 0; i < n_y; i++) {
        squares += y[i] * y[i];
        error += ((double)got[i] - y[i]) * ((double)got[i] - y[i]);
    }
    assert_true(sqrt(error / squares) < 4.4e-7);
    void *const blocks[] = {in.x, in.w, in.y, got, scratch, x, w, y};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        mien_free(blocks[i]);
}

static void other_convolutions_are_multiplied_as_they_stand(void **state)
{
    static const struct mien_convolution others[] = {
        {3, 8, 8, 31, 4, 4, 32, 4, 4, 2, 1, 1, false},
        {3, 8, 8, 32, 4, 4, 31, 4, 4, 2, 1, 1, false},
        {3, 8, 8, 32, 4, 4, 32, 3, 3, 2, 1, 1, false},
        {3, 8, 8, 32, 7, 7, 32, 4, 4, 1, 1, 1, false},
        {3, 2, 2, 32, 1, 1, 32, 4, 4, 2, 1, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(mien_minimal_fits(&others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_of_matrices_is_its_definition),
        cmocka_unit_test(a_convolution_is_its_definition_in_three_directions),
        cmocka_unit_test(the_networks_convolutions_are_their_definition),
        cmocka_unit_test(halvings_with_fewer_multiplications_are_their_definition),
        cmocka_unit_test(large_halvings_go_in_pieces),
        cmocka_unit_test(halvings_are_the_same_bits_on_every_set_that_fuses),
        cmocka_unit_test(fewer_multiplications_lose_less_than_a_bit),
        cmocka_unit_test(other_convolutions_are_multiplied_as_they_stand),
    };

    return cmocka_run_group_tests(tests, make_rng, free_rng);
}
