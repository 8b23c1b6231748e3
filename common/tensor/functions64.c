// SPDX-License-Identifier: Apache-2.0
/* Exponentials of doubles, for the numeric checks: libm's. */
#include "common/tensor/elements.h"

#include <math.h>

static void exp_rows(const double *x, uint64_t n, double *out)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = exp(x[i]);
}

static void tanh_rows(const double *x, uint64_t n, double *out)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = tanh(x[i]);
}

static void sigmoid_rows(const double *x, uint64_t n, double *out)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = 1 / (1 + exp(-x[i]));
}

const struct mien_functions MIEN_SET(mien_functions) = {exp_rows, tanh_rows, sigmoid_rows};
