// SPDX-License-Identifier: Apache-2.0
#include "common/dp/strategy.h"

#include "common/base/mem.h"
#include "common/dp/strategy_tree.h"

#include <inttypes.h>
#include <math.h>

#define MAX_ROUNDS ((uint64_t)1 << 20)

/* Sums of at most 2^20 products of non-negative numbers. */
#define ROUND_UP 1e-12

static enum mien_status check_limits(const struct mien_strategy_limits *limits,
                                     struct mien_err *err)
{
    if (limits->rounds == 0 || limits->rounds > MAX_ROUNDS)
        return mien_err_set(err, MIEN_EINVAL, "%" PRIu64 " rounds are not 1 to %" PRIu64,
                            limits->rounds, MAX_ROUNDS);
    if (limits->separation == 0)
        return mien_err_set(err, MIEN_EINVAL, "a separation of 0: every round is 1");
    if (limits->participations == 0)
        return mien_err_set(err, MIEN_EINVAL, "a unit that never takes part");
    return MIEN_OK;
}

/* Participations that fit. */
static uint64_t most(const struct mien_strategy_limits *limits)
{
    uint64_t fit = (limits->rounds - 1) / limits->separation + 1;

    return fit < limits->participations ? fit : limits->participations;
}

double mien_strategy_independent(const struct mien_strategy_limits *limits)
{
    return (double)most(limits);
}

enum mien_status mien_strategy_tree(const struct mien_strategy_limits *limits, double *squared,
                                    struct mien_err *err)
{
    enum mien_status status = check_limits(limits, err);

    if (status != MIEN_OK)
        return status;
    struct mien_strategy_limits exact = *limits;
    exact.participations = most(limits);
    if (exact.separation > exact.rounds)
        exact.separation = exact.rounds;
    return mien_strategy_tree_search(&exact, squared, err);
}

static double depth(uint64_t n)
{
    double levels = 0.0;

    for (; n > 0; n /= 2)
        levels += 1.0;
    return levels;
}

enum mien_status mien_strategy_tree_restarted(const struct mien_strategy_limits *limits,
                                              uint64_t restart, double *squared,
                                              struct mien_err *err)
{
    enum mien_status status = check_limits(limits, err);

    if (status != MIEN_OK)
        return status;
    if (restart == 0)
        return mien_err_set(err, MIEN_EINVAL, "a tree of 0 rounds");
    uint64_t whole = limits->rounds / restart;
    uint64_t rest = limits->rounds % restart;
    uint64_t longest = whole > 0 ? restart : rest;
    if (limits->separation < longest && limits->participations > 1)
        return mien_err_set(err, MIEN_EINVAL,
                            "a separation of %" PRIu64 " lets a unit into a tree of %" PRIu64
                            " rounds twice",
                            limits->separation, longest);
    uint64_t in_trees = most(limits);
    uint64_t trees = whole < in_trees ? whole : in_trees;
    *squared = (double)trees * depth(restart);
    if (trees < in_trees)
        *squared += depth(rest);
    return MIEN_OK;
}

enum mien_status mien_strategy_toeplitz(const struct mien_strategy_limits *limits, const double *c,
                                        size_t n, double *squared, struct mien_err *err)
{
    enum mien_status status = check_limits(limits, err);

    if (status != MIEN_OK)
        return status;
    for (size_t i = 0; i < n; i++) {
        if (!(c[i] >= 0.0) || !isfinite(c[i]) || (i > 0 && c[i] > c[i - 1]))
            return mien_err_set(err, MIEN_EINVAL,
                                "coefficient %zu (%g) is negative or above the one before it", i,
                                c[i]);
    }
    double *sum = mien_calloc((size_t)limits->rounds, sizeof(double));
    if (sum == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for %" PRIu64 " rounds", limits->rounds);
    double total = 0.0;
    for (uint64_t j = 0; j < most(limits); j++) {
        uint64_t start = j * limits->separation;

        for (uint64_t i = start; i < limits->rounds && i - start < n; i++)
            sum[i] += c[i - start];
    }
    for (uint64_t i = 0; i < limits->rounds; i++)
        total += sum[i] * sum[i];
    mien_free(sum);
    *squared = total * (1.0 + ROUND_UP);
    return MIEN_OK;
}

/* Terms are below 2^36 (2^20 rounds of at most 2^16), their squares below 2^72, 2^20 of them below
 * 2^92: nothing overflows. */
static double exact_sum(const struct mien_strategy_limits *limits,
                        const struct mien_strategy_table *table, uint64_t *sum)
{
    mien_u128 total = 0;

    for (uint64_t j = 0; j < most(limits); j++) {
        const uint64_t start = j * limits->separation;

        for (uint64_t i = 0; i < table->n && start + i < limits->rounds; i++)
            sum[start + i] += table->c[i];
    }
    for (uint64_t i = 0; i < limits->rounds; i++)
        total += (mien_u128)sum[i] * sum[i];
    /* The conversion rounds to the nearest, the scaling is exact. */
    return nextafter(ldexp((double)total, -2 * MIEN_STRATEGY_ONE_BITS), INFINITY);
}

enum mien_status mien_strategy_of_table(const struct mien_strategy_limits *limits,
                                        const struct mien_strategy_table *table, double *squared,
                                        struct mien_err *err)
{
    enum mien_status status = check_limits(limits, err);

    if (status != MIEN_OK)
        return status;
    if (table->kind == MIEN_STRATEGY_TREE)
        return mien_strategy_tree(limits, squared, err);
    if (table->kind == MIEN_STRATEGY_INDEPENDENT) {
        *squared = mien_strategy_independent(limits);
        return MIEN_OK;
    }
    for (uint32_t i = 1; i < table->n; i++) {
        if (table->c[i] > table->c[i - 1])
            return mien_err_set(err, MIEN_EINVAL, "coefficient %u is above the one before it", i);
    }
    uint64_t *sum = mien_calloc((size_t)limits->rounds, sizeof(*sum));
    if (sum == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for %" PRIu64 " rounds", limits->rounds);
    *squared = exact_sum(limits, table, sum);
    mien_free(sum);
    return MIEN_OK;
}

struct mien_dp_event mien_strategy_event(const struct mien_strategy_limits *limits,
                                         const struct mien_strategy_table *table, double noise)
{
    struct mien_dp_event event = {.sampling = MIEN_SAMPLING_NONE, .rate = 1.0, .noise = noise};
    double squared = 0.0;

    if (limits->rounds == 0)
        return event;
    event.count = table->kind == MIEN_STRATEGY_INDEPENDENT ? most(limits) : 1;
    if (table->kind == MIEN_STRATEGY_INDEPENDENT)
        return event;
    if (mien_strategy_of_table(limits, table, &squared, NULL) != MIEN_OK)
        event.noise = 0.0;
    else
        event.noise = nextafter(nextafter(noise / sqrt(squared), 0.0), 0.0);
    return event;
}

void mien_strategy_square_root(double *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        c[i] = i == 0 ? 1.0 : c[i - 1] * (2.0 * (double)i - 1.0) / (2.0 * (double)i);
}

void mien_strategy_blt(const double *theta, const double *omega, size_t n_buffers, double *c,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        c[i] = i == 0 ? 1.0 : 0.0;
        for (size_t j = 0; i > 0 && j < n_buffers; j++)
            c[i] += omega[j] * pow(theta[j], (double)i - 1.0);
    }
}
