// SPDX-License-Identifier: Apache-2.0
/* Loops over elements; compiled once for each instruction set (meson.build gives MIEN_SET).
 *
 * tgmath.h: the same source takes the float functions for float and the double ones for double.
 */
#include "common/tensor/elements.h"

#include "common/base/compiler.h"

#include <tgmath.h>

/* Partial sums: enough for four registers of the widest set. */
#define PARTS 64

extern const struct mien_functions MIEN_SET(mien_functions);

#define BINARY(name, expression)                                                                   \
    static void name##_rows(const mien_real *a, const mien_real *b, uint64_t n, mien_real *out)    \
    {                                                                                              \
        MIEN_INDEPENDENT                                                                           \
        for (uint64_t i = 0; i < n; i++) {                                                         \
            const mien_real x = a[i];                                                              \
            const mien_real y = b[i];                                                              \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }                                                                                              \
    static void name##_number(const mien_real *a, mien_real y, uint64_t n, mien_real *out)         \
    {                                                                                              \
        MIEN_INDEPENDENT                                                                           \
        for (uint64_t i = 0; i < n; i++) {                                                         \
            const mien_real x = a[i];                                                              \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }

#define UNARY(name, expression)                                                                    \
    static void name(const mien_real *from, uint64_t n, mien_real number, mien_real *out)          \
    {                                                                                              \
        (void)number;                                                                              \
        MIEN_INDEPENDENT                                                                           \
        for (uint64_t i = 0; i < n; i++) {                                                         \
            const mien_real x = from[i];                                                           \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }

BINARY(add, x + y)
BINARY(subtract, x - y)
BINARY(multiply, x *y)
BINARY(divide, x / y)

UNARY(scale, number *x)
UNARY(shift, x + number)
UNARY(leaky, x > 0 ? x : number * x)
UNARY(square_root, sqrt(x > 0 ? x : 0))
UNARY(logarithm, log(x))
/* log(1 + e^x) without overflow. */
UNARY(softplus, (x > 0 ? x : 0) + log1p(exp(x > 0 ? -x : x)))

static void unary(enum mien_op op, const mien_real *x, uint64_t n, mien_real number, mien_real *out)
{
    switch (op) {
    case MIEN_OP_SCALE:
        scale(x, n, number, out);
        break;
    case MIEN_OP_SHIFT:
        shift(x, n, number, out);
        break;
    case MIEN_OP_SQRT:
        square_root(x, n, number, out);
        break;
    case MIEN_OP_LEAKY:
        leaky(x, n, number, out);
        break;
    case MIEN_OP_EXP:
        MIEN_SET(mien_functions).exps(x, n, out);
        break;
    case MIEN_OP_TANH:
        MIEN_SET(mien_functions).tanhs(x, n, out);
        break;
    case MIEN_OP_SIGMOID:
        MIEN_SET(mien_functions).sigmoids(x, n, out);
        break;
    case MIEN_OP_LOG:
        logarithm(x, n, number, out);
        break;
    default:
        softplus(x, n, number, out);
    }
}

static void rows(enum mien_op op, const mien_real *a, const mien_real *b, uint64_t n,
                 mien_real *out)
{
    if (op == MIEN_OP_ADD)
        add_rows(a, b, n, out);
    else if (op == MIEN_OP_SUBTRACT)
        subtract_rows(a, b, n, out);
    else if (op == MIEN_OP_MULTIPLY)
        multiply_rows(a, b, n, out);
    else
        divide_rows(a, b, n, out);
}

static void number(enum mien_op op, const mien_real *a, mien_real y, uint64_t n, mien_real *out)
{
    if (op == MIEN_OP_ADD)
        add_number(a, y, n, out);
    else if (op == MIEN_OP_SUBTRACT)
        subtract_number(a, y, n, out);
    else if (op == MIEN_OP_MULTIPLY)
        multiply_number(a, y, n, out);
    else
        divide_number(a, y, n, out);
}

static void gate(const mien_real *a, const mien_real *b, uint64_t n, mien_real slope,
                 mien_real *out)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++) {
        const mien_real x = a[i];

        out[i] = b[i] > 0 ? x : slope * x;
    }
}

/* Many short chains for the processor, and better rounding than one long one. */
static mien_real sum(const mien_real *x, uint64_t n)
{
    mien_real part[PARTS] = {0};
    mien_real rest = 0;
    uint64_t i = 0;

    for (; i + PARTS <= n; i += PARTS) {
        for (uint64_t j = 0; j < PARTS; j++)
            part[j] += x[i + j];
    }
    for (; i < n; i++)
        rest += x[i];
    for (uint64_t width = PARTS / 2; width > 0; width /= 2) {
        for (uint64_t j = 0; j < width; j++)
            part[j] += part[j + width];
    }
    return part[0] + rest;
}

static void adam(const struct mien_adam_terms *terms, const mien_real *gradient, uint64_t n,
                 mien_real *value, mien_real *first, mien_real *second)
{
    const struct mien_adam_terms t = *terms;

    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++) {
        const mien_real g = gradient[i];
        const mien_real m = t.beta_1 * first[i] + (1 - t.beta_1) * g;
        const mien_real v = t.beta_2 * second[i] + (1 - t.beta_2) * g * g;

        first[i] = m;
        second[i] = v;
        value[i] -= t.rate * m / (sqrt(v) + t.epsilon);
    }
}

const struct mien_elements MIEN_SET(mien_elements) = {
    .functions = &MIEN_SET(mien_functions),
    .unary = unary,
    .rows = rows,
    .number = number,
    .gate = gate,
    .sum = sum,
    .adam = adam,
};
