// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/design.h"

#include <math.h>

/* lgamma is right to some units in its last place; of n! with n = 10^6 (1.3e7 nats) that is below
 * 1e-8 nats. A tail adds six of them and a sum of up to 2^-60 less: this covers all, upwards. */
#define ROUNDING_BITS 1e-6

/* A share of n is no whole number in binary: 0.05 n is meant to be n / 20. */
#define SHARE_SLACK 1e-12

/* What is left of a tail matters no more: 2^-60 of what is there. */
#define NEGLIGIBLE 0x1p-60

uint32_t mien_design_complete_threshold(uint32_t n)
{
    return (uint32_t)(2 * (uint64_t)n / 3 + 1);
}

static uint32_t share_of(double share, uint32_t n)
{
    return (uint32_t)floor((share + SHARE_SLACK) * (double)n);
}

/* ln of the number of ways to choose b of a. */
static double ln_choose(uint32_t a, uint32_t b)
{
    return lgamma((double)a + 1.0) - lgamma((double)b + 1.0) - lgamma((double)(a - b) + 1.0);
}

double mien_design_log2_tail(uint32_t n, uint32_t marked, uint32_t drawn, uint32_t x)
{
    const uint32_t most = marked < drawn ? marked : drawn;
    const uint32_t unmarked = n - marked;
    uint32_t i = x + 1;

    if (drawn > unmarked && i < drawn - unmarked)
        return 0.0; /* so many there are always */
    if (i > most)
        return -HUGE_VAL;
    const double first =
        ln_choose(marked, i) + ln_choose(unmarked, drawn - i) - ln_choose(n, drawn);
    double term = 1.0; /* of the first, P[X = i] */
    double sum = 1.0;
    for (; i < most; i++) {
        const double ratio = (double)(marked - i) * (double)(drawn - i) /
                             ((double)(i + 1) * ((double)unmarked - (double)drawn + i + 1.0));

        term *= ratio;
        sum += term;
        /* From here on each is below the one before it. */
        if (ratio < 1.0 && term * (double)(most - i) < NEGLIGIBLE * sum)
            break;
    }
    const double bits = first / log(2.0) + log2(sum) + ROUNDING_BITS;
    return bits < 0.0 ? bits : 0.0;
}

/* log2 of the union bound over pairs of gaps, each of k / 2 members that collude or left. */
static double log2_cut(const struct mien_design_goal *goal, uint32_t n, uint32_t k)
{
    const uint32_t bad = share_of(goal->corrupt, n) + share_of(goal->drop_out, n);

    if (k > bad)
        return -HUGE_VAL;
    if (bad >= n)
        return 0.0;
    const double pairs = (double)n * (double)(n - k - 1) / 2.0;
    return log2(pairs) + (ln_choose(bad, k) - ln_choose(n, k)) / log(2.0) + ROUNDING_BITS;
}

/* Whether P[more than c colluding neighbours] is a member's part of half of 2^-sigma. */
static bool bounds_corrupt(const struct mien_design_goal *goal, uint32_t n, uint32_t k, uint32_t c)
{
    const double allowed = -(double)goal->sigma - 1.0 - log2((double)n);

    return mien_design_log2_tail(n, share_of(goal->corrupt, n), k, c) <= allowed;
}

/* The most colluding neighbours that t allows: t > c, or 2t > k + c. */
static int64_t allows(const struct mien_design_goal *goal, struct mien_design d)
{
    return goal->trust == MIEN_DESIGN_CURIOUS ? (int64_t)d.t - 1
                                              : 2 * (int64_t)d.t - (int64_t)d.k - 1;
}

bool mien_design_is_private(const struct mien_design_goal *goal, uint32_t n, struct mien_design d)
{
    const int64_t c = allows(goal, d);

    return c >= 0 && log2_cut(goal, n, d.k) <= -(double)goal->sigma - 1.0 &&
           bounds_corrupt(goal, n, d.k, (uint32_t)c);
}

bool mien_design_is_live(const struct mien_design_goal *goal, uint32_t n, struct mien_design d)
{
    const double allowed = -(double)goal->eta - log2((double)n);

    /* Fewer than t of k stay when more than k - t leave. */
    return d.t <= d.k &&
           mien_design_log2_tail(n, share_of(goal->drop_out, n), d.k, d.k - d.t) <= allowed;
}

static uint32_t smallest_threshold(const struct mien_design_goal *goal, uint32_t k, uint32_t c)
{
    const uint32_t t = goal->trust == MIEN_DESIGN_CURIOUS ? c + 1 : (k + c) / 2 + 1;

    return t < 2 ? 2 : t;
}

bool mien_design_ring(const struct mien_design_goal *goal, uint32_t n, struct mien_design *out)
{
    uint32_t c = 0; /* rises with k */

    for (uint32_t k = 2; k + 1 < n; k += 2) {
        if (log2_cut(goal, n, k) > -(double)goal->sigma - 1.0)
            continue;
        while (!bounds_corrupt(goal, n, k, c))
            c++;
        const struct mien_design d = {.k = k, .t = smallest_threshold(goal, k, c)};
        if (mien_design_is_live(goal, n, d)) {
            *out = d;
            return true;
        }
    }
    return false;
}

enum mien_status mien_design_of(const struct mien_design_goal *goal, uint32_t n,
                                struct mien_design *out, struct mien_err *err)
{
    struct mien_design d = {.k = n - 1, .t = mien_design_complete_threshold(n)};

    if (n > MIEN_DESIGN_COMPLETE_MEMBERS)
        (void)mien_design_ring(goal, n, &d);
    if (d.k > MIEN_DESIGN_MAX_DEGREE)
        return mien_err_set(err, MIEN_EPOLICY,
                            "secure_sum.corrupt, drop_out: %g and %g take %u neighbours in a group "
                            "of %u, at most %d are possible",
                            goal->corrupt, goal->drop_out, d.k, n, MIEN_DESIGN_MAX_DEGREE);
    *out = d;
    return MIEN_OK;
}
