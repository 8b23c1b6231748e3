// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/kernels.h"

#include <math.h>
#include <string.h>

/* Shapes as four axes, with the strides of an operand that is repeated where its stride is 0. */
struct walk {
    uint64_t dim[4];
    uint64_t stride[4];
};

static struct walk walk_of(const struct mien_shape *full, const struct mien_shape *part)
{
    struct walk walk = {.dim = {1, 1, 1, 1}};
    uint32_t skip = 4 - full->n_axes;
    uint64_t stride = 1;

    for (uint32_t i = 0; i < full->n_axes; i++)
        walk.dim[skip + i] = full->dim[i];
    if (mien_shape_count(part) == 1)
        return walk;
    for (uint32_t i = part->n_axes; i > 0; i--) {
        walk.stride[skip + i - 1] = part->dim[i - 1] == 1 ? 0 : stride;
        stride *= part->dim[i - 1];
    }
    return walk;
}

#define BINARY_ROWS(name, expression)                                                              \
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

BINARY_ROWS(add, x + y)
BINARY_ROWS(subtract, x - y)
BINARY_ROWS(multiply, x *y)
BINARY_ROWS(divide, x / y)

struct binary_kernel {
    void (*rows)(const mien_real *a, const mien_real *b, uint64_t n, mien_real *out);
    void (*number)(const mien_real *a, mien_real y, uint64_t n, mien_real *out);
};

static struct binary_kernel binary_kernel(enum mien_op op)
{
    if (op == MIEN_OP_ADD)
        return (struct binary_kernel){add_rows, add_number};
    if (op == MIEN_OP_SUBTRACT)
        return (struct binary_kernel){subtract_rows, subtract_number};
    if (op == MIEN_OP_MULTIPLY)
        return (struct binary_kernel){multiply_rows, multiply_number};
    return (struct binary_kernel){divide_rows, divide_number};
}

static void binary_walk(const struct binary_kernel *kernel, const struct walk *walk,
                        const mien_real *a, const mien_real *b, mien_real *out)
{
    const uint64_t n = walk->dim[3];
    uint64_t at = 0;

    for (uint64_t i = 0; i < walk->dim[0]; i++) {
        for (uint64_t jk = 0; jk < walk->dim[1] * walk->dim[2]; jk++, at += n) {
            const mien_real *row = b + i * walk->stride[0] + jk / walk->dim[2] * walk->stride[1] +
                                   jk % walk->dim[2] * walk->stride[2];

            if (walk->stride[3] == 0)
                kernel->number(a + at, *row, n, out + at);
            else
                kernel->rows(a + at, row, n, out + at);
        }
    }
}

void mien_kernel_binary(enum mien_op op, const mien_real *a, const struct mien_shape *shape_a,
                        const mien_real *b, const struct mien_shape *shape_b, mien_real *out)
{
    const struct binary_kernel kernel = binary_kernel(op);
    const uint64_t n = mien_shape_count(shape_a);
    const uint64_t n_b = mien_shape_count(shape_b);

    if (n_b == n) {
        kernel.rows(a, b, n, out);
    } else if (n_b == 1) {
        kernel.number(a, *b, n, out);
    } else {
        const struct walk walk = walk_of(shape_a, shape_b);

        binary_walk(&kernel, &walk, a, b, out);
    }
}

/* log(1 + e^x) without overflow. */
static mien_real softplus(mien_real x)
{
    const double v = (double)x;

    return (mien_real)(v > 0.0 ? v + log1p(exp(-v)) : log1p(exp(v)));
}

static mien_real sigmoid(mien_real x)
{
    const double v = (double)x;

    return (mien_real)(1.0 / (1.0 + exp(-v)));
}

static void transcendental(enum mien_op op, const mien_real *x, uint64_t n, mien_real *out)
{
    for (uint64_t i = 0; i < n; i++) {
        if (op == MIEN_OP_EXP)
            out[i] = (mien_real)exp((double)x[i]);
        else if (op == MIEN_OP_LOG)
            out[i] = (mien_real)log((double)x[i]);
        else if (op == MIEN_OP_TANH)
            out[i] = (mien_real)tanh((double)x[i]);
        else if (op == MIEN_OP_SIGMOID)
            out[i] = sigmoid(x[i]);
        else
            out[i] = softplus(x[i]);
    }
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
        out[i] = x[i] > 0 ? (mien_real)sqrt((double)x[i]) : 0;
}

void mien_kernel_unary(enum mien_op op, const mien_real *x, uint64_t n, mien_real number,
                       mien_real *out)
{
    switch (op) {
    case MIEN_OP_SCALE:
        multiply_number(x, number, n, out);
        break;
    case MIEN_OP_SHIFT:
        add_number(x, number, n, out);
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

/* Eight partial sums: short chains for the processor, and better rounding than one. */
static mien_real sum_row(const mien_real *x, uint64_t n)
{
    mien_real part[8] = {0};
    mien_real sum = 0;
    uint64_t i = 0;

    for (; i + 8 <= n; i += 8) {
        for (int j = 0; j < 8; j++)
            part[j] += x[i + (uint64_t)j];
    }
    for (; i < n; i++)
        sum += x[i];
    for (int j = 0; j < 8; j++)
        sum += part[j];
    return sum;
}

void mien_kernel_sum(const mien_real *x, const struct mien_shape *from, const struct mien_shape *to,
                     mien_real *out)
{
    const struct walk walk = walk_of(from, to);
    const uint64_t n = walk.dim[3];

    memset(out, 0, mien_shape_count(to) * sizeof(*out));
    for (uint64_t i = 0; i < walk.dim[0]; i++) {
        for (uint64_t jk = 0; jk < walk.dim[1] * walk.dim[2]; jk++, x += n) {
            mien_real *row = out + i * walk.stride[0] + jk / walk.dim[2] * walk.stride[1] +
                             jk % walk.dim[2] * walk.stride[2];

            if (walk.stride[3] == 0)
                *row += sum_row(x, n);
            else
                add_rows(row, x, n, row);
        }
    }
}

void mien_kernel_broadcast(const mien_real *x, const struct mien_shape *from,
                           const struct mien_shape *to, mien_real *out)
{
    const struct walk walk = walk_of(to, from);
    const uint64_t n = walk.dim[3];

    for (uint64_t i = 0; i < walk.dim[0]; i++) {
        for (uint64_t jk = 0; jk < walk.dim[1] * walk.dim[2]; jk++, out += n) {
            const mien_real *row = x + i * walk.stride[0] + jk / walk.dim[2] * walk.stride[1] +
                                   jk % walk.dim[2] * walk.stride[2];

            if (walk.stride[3] != 0) {
                memcpy(out, row, n * sizeof(*out));
                continue;
            }
            for (uint64_t k = 0; k < n; k++)
                out[k] = *row;
        }
    }
}
