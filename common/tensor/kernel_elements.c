// SPDX-License-Identifier: Apache-2.0
/* Ops of one operand, element by element.
 *
 * tgmath.h: the same source takes the float functions for float and the double ones for double.
 */
#include "common/tensor/kernels.h"

#include <tgmath.h>

/* log(1 + e^x) without overflow. */
static mien_real softplus(mien_real x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void transcendental(enum mien_op op, const mien_real *x, uint64_t n, mien_real *out)
{
    for (uint64_t i = 0; i < n; i++) {
        if (op == MIEN_OP_EXP)
            out[i] = exp(x[i]);
        else if (op == MIEN_OP_LOG)
            out[i] = log(x[i]);
        else if (op == MIEN_OP_TANH)
            out[i] = tanh(x[i]);
        else if (op == MIEN_OP_SIGMOID)
            out[i] = 1 / (1 + exp(-x[i]));
        else
            out[i] = softplus(x[i]);
    }
}

static void scale(const mien_real *x, uint64_t n, mien_real number, mien_real *out)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        out[i] = number * x[i];
}

static void shift(const mien_real *x, uint64_t n, mien_real number, mien_real *out)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        out[i] = x[i] + number;
}

static void leaky(const mien_real *x, uint64_t n, mien_real slope, mien_real *out)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++) {
        const mien_real v = x[i];

        out[i] = v > 0 ? v : slope * v;
    }
}

static void leaky_slope(const mien_real *x, uint64_t n, mien_real slope, mien_real *out)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        out[i] = x[i] > 0 ? (mien_real)1 : slope;
}

static void square_root(const mien_real *x, uint64_t n, mien_real *out)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = x[i] > 0 ? sqrt(x[i]) : 0;
}

void mien_kernel_unary(enum mien_op op, const mien_real *x, uint64_t n, mien_real number,
                       mien_real *out)
{
    switch (op) {
    case MIEN_OP_SCALE:
        scale(x, n, number, out);
        break;
    case MIEN_OP_SHIFT:
        shift(x, n, number, out);
        break;
    case MIEN_OP_SQRT:
        square_root(x, n, out);
        break;
    case MIEN_OP_LEAKY:
        leaky(x, n, number, out);
        break;
    case MIEN_OP_SLOPE:
        leaky_slope(x, n, number, out);
        break;
    default:
        transcendental(op, x, n, out);
    }
}
