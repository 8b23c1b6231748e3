// SPDX-License-Identifier: Apache-2.0
#include "common/dp/discrete_gaussian.h"

#include "common/base/secret.h"
#include "common/dp/bernoulli.h"

#include <stdbool.h>
#include <string.h>

/* Proposals reach so many times t, and products stay below 2^127 (66^2 2^(2 57) < 2^127). */
#define MAX_FACTOR 64

/* |Y| of the discrete Laplace distribution of scale t, before -0 is refused: algorithm 2. */
static uint64_t propose(struct mien_bernoulli_source *s, uint64_t t)
{
    uint64_t u;
    uint64_t v = 0;

    do {
        u = mien_bernoulli_below(s, t);
    } while (!mien_bernoulli_exp(s, u, t) && s->status == MIEN_OK);
    while (mien_bernoulli_exp_one(s) && s->status == MIEN_OK) {
        if (++v == MAX_FACTOR) {
            s->status = MIEN_ECRYPTO;
            return 0;
        }
    }
    return v * t + u;
}

/* Algorithm 3: accept y with probability exp(-(|y| - sigma^2 / t)^2 / (2 sigma^2)); with
 * sigma^2 = a / b that is exp(-(|y| b t - a)^2 / (2 a b t^2)). */
static int64_t draw_one(const struct mien_discrete_gaussian *noise, struct mien_bernoulli_source *s)
{
    const mien_u128 a = noise->numerator;
    const mien_u128 b_t = (mien_u128)noise->denominator * noise->t;
    const mien_u128 d = 2 * a * b_t * noise->t;

    while (s->status == MIEN_OK) {
        const uint64_t magnitude = propose(s, noise->t);
        const bool minus = (mien_bernoulli_word(s) & 1) != 0;
        const mien_u128 scaled = magnitude * b_t;
        const mien_u128 off = scaled > a ? scaled - a : a - scaled;

        if (minus && magnitude == 0)
            continue;
        if (mien_bernoulli_exp(s, off * off, d))
            return minus ? -(int64_t)magnitude : (int64_t)magnitude;
    }
    return 0;
}

static uint64_t floor_root(uint64_t v)
{
    uint64_t root = 0;

    for (int bit = 31; bit >= 0; bit--) {
        const uint64_t tried = root | UINT64_C(1) << bit;

        if (tried <= v / tried)
            root = tried;
    }
    return root;
}

enum mien_status mien_discrete_gaussian_init(struct mien_discrete_gaussian *out, uint64_t numerator,
                                             uint64_t denominator)
{
    if (numerator == 0 || denominator == 0)
        return MIEN_EINVAL;
    /* floor(sqrt(a / b)) = floor(sqrt(floor(a / b))) */
    const uint64_t t = floor_root(numerator / denominator) + 1;
    if (denominator > MIEN_DISCRETE_GAUSSIAN_MAX / t / t)
        return MIEN_EINVAL;
    *out = (struct mien_discrete_gaussian){numerator, denominator, t};
    return MIEN_OK;
}

enum mien_status mien_discrete_gaussian_draw(const struct mien_discrete_gaussian *noise,
                                             struct mien_rng *rng, int64_t *out, size_t n)
{
    struct mien_bernoulli_source source = {.rng = rng, .status = MIEN_OK};

    for (size_t i = 0; i < n && source.status == MIEN_OK; i++)
        out[i] = draw_one(noise, &source);
    const enum mien_status status = source.status;
    if (status != MIEN_OK && n > 0)
        memset(out, 0, n * sizeof(*out));
    mien_wipe(&source, sizeof(source));
    return status;
}
