// SPDX-License-Identifier: Apache-2.0
/* Exponentials of floats as polynomials, which a compiler turns into vector code.
 *
 * Within 2 units of the last place of exp, 3 of tanh and the sigmoid; the same bits on every
 * processor, which no libm promises.
 *
 * Source:  Cody, Waite 1980, "Software Manual for the Elementary Functions" (reduction); the
 *          coefficients of e^r are those of its Taylor series: |r| <= ln 2 / 2 leaves 2e-9
 */
#include "common/tensor/elements.h"

#include "common/base/compiler.h"

#include <stdbool.h>
#include <string.h>

/* Beyond these e^x is no normal float: 0 below, 3.4e38 above. */
#define LOWEST (-87.3f)
#define HIGHEST 88.7f

/* ln 2 in two parts, the first with few enough bits that n times it is exact. */
#define LN2_HIGH 0.693359375f
#define LN2_LOW (-2.12194440e-4f)
#define PER_LN2 1.44269504f

/* Adding and taking away 1.5 2^23 rounds to the nearest whole number. */
#define ROUNDER 12582912.0f

/* 2^n for a whole number n, -126 <= n <= 127, from the bits of a float. */
MIEN_INLINE float power_of_two(float n)
{
    const int32_t bits = ((int32_t)n + 127) * (1 << 23);
    float out;

    memcpy(&out, &bits, sizeof(out));
    return out;
}

MIEN_INLINE float exp_of(float x)
{
    /* No number cannot become an int: LOWEST goes through, and x comes out. */
    const bool is_number = x == x;
    const float above = is_number && x > LOWEST ? x : LOWEST;
    const float bounded = above > HIGHEST ? HIGHEST : above;
    const float n = (bounded * PER_LN2 + ROUNDER) - ROUNDER;
    const float r = (bounded - n * LN2_HIGH) - n * LN2_LOW;
    const float tail =
        (((r * (1.0f / 5040.0f) + 1.0f / 720.0f) * r + 1.0f / 120.0f) * r + 1.0f / 24.0f) * r +
        1.0f / 6.0f;
    const float e = ((tail * r + 0.5f) * r) * r + r + 1.0f;
    /* n reaches 128 just below the top: in two steps. */
    const float half = n > 0.0f ? 1.0f : 0.0f;
    const float y = (e * power_of_two(n - half)) * (1.0f + half);

    const float bounded_y = x < LOWEST ? 0.0f : y;

    return is_number ? bounded_y : x;
}

/* x - x^3 / 3 + ... near 0, where 1 - 2 / (e^2x + 1) would lose its digits. */
MIEN_INLINE float tanh_of(float x)
{
    const float s = x * x;
    const float near =
        (((((s * (-1382.0f / 155925.0f) + 62.0f / 2835.0f) * s - 17.0f / 315.0f) * s +
           2.0f / 15.0f) *
              s -
          1.0f / 3.0f) *
         s) *
            x +
        x;
    const float magnitude = x < 0.0f ? -x : x;
    const float far = 1.0f - 2.0f / (exp_of(2.0f * magnitude) + 1.0f);
    const float signed_far = x < 0.0f ? -far : far;

    return magnitude < 0.3f ? near : signed_far;
}

static void exp_rows(const float *x, uint64_t n, float *out)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        out[i] = exp_of(x[i]);
}

static void tanh_rows(const float *x, uint64_t n, float *out)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        out[i] = tanh_of(x[i]);
}

static void sigmoid_rows(const float *x, uint64_t n, float *out)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        out[i] = 1.0f / (1.0f + exp_of(-x[i]));
}

const struct mien_functions MIEN_SET(mien_functions) = {exp_rows, tanh_rows, sigmoid_rows};
