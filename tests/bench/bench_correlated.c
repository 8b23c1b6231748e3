// SPDX-License-Identifier: Apache-2.0
/* Correlated noise: how much of it is in what rounds add up to, and what a step takes.
 *
 * Usage: bench_correlated [EPSILON]   epsilon 8 at delta 1e-6 unless said
 *
 * First table: the root mean square, over the rounds of a run, of the noise in the sum of the
 * rounds so far, a coordinate, in units of a unit's bound B, where the whole run costs a unit
 * EPSILON. By the matrix; beside it the same from 2048 coordinates drawn under one key. The first
 * row of each group, independent noise, is what the others are held against: same fleet, same
 * limits, same epsilon. Second table: CPU time of one step for 2^18 coordinates, beside that of
 * independent noise in the same run.
 */
#include "common/base/mem.h"
#include "common/dp/correlated.h"
#include "common/dp/noise.h"
#include "common/dp/strategy.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DELTA 1e-6
#define WIDE 2048
#define DIM ((size_t)1 << 18)

static const uint8_t key[32] = {'b', 'e', 'n', 'c', 'h'};

static void need(enum mien_status status, const char *what)
{
    if (status == MIEN_OK)
        return;
    fprintf(stderr, "bench_correlated: %s: %s\n", what, mien_status_text(status));
    exit(1);
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The multiplier with which `event` (its noise for a multiplier of 1) costs epsilon: one Gaussian
 * of mu = sqrt(count) / noise, found by halving. */
static double multiplier(const struct mien_dp_event *event, double epsilon)
{
    double low = 1e-3;
    double high = 1e4;

    for (int i = 0; i < 100; i++) {
        const double middle = sqrt(low * high);
        const double mu = sqrt((double)event->count) / (event->noise * middle);

        if (mien_dp_gaussian_epsilon(mu, DELTA) <= epsilon)
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* Mean over t of the variance of the noise in the sum of the first t rounds, sigma being 1. */
static double mean_variance(const struct mien_strategy_table *table, uint32_t n)
{
    double *inverse = mien_calloc(n, sizeof(*inverse));
    double prefix = 0.0;
    double variance = 0.0;
    double total = 0.0;

    need(inverse == NULL ? MIEN_ENOMEM : MIEN_OK, "memory");
    for (uint32_t t = 0; t < n; t++) {
        uint32_t bits = 0;

        inverse[t] = t == 0 ? 1.0 : 0.0;
        for (uint32_t j = 1; j <= t && j < table->n; j++)
            inverse[t] -= (double)table->c[j] * 0x1p-16 * inverse[t - j];
        prefix += inverse[t];
        variance += table->kind == MIEN_STRATEGY_INDEPENDENT ? 1.0 : prefix * prefix;
        for (uint32_t left = t + 1; left > 0; left >>= 1)
            bits += left & 1;
        total += table->kind == MIEN_STRATEGY_TREE ? bits : variance;
    }
    mien_free(inverse);
    return total / n;
}

/* The same, drawn, sigma being 1000. */
static double drawn_variance(const struct mien_strategy_table *table, uint32_t n)
{
    struct mien_correlated *noise = NULL;
    int64_t sum[WIDE] = {0};
    int64_t w[WIDE];
    double square = 0.0;

    need(mien_correlated_new(table, 1000, key, &noise), "noise");
    for (uint32_t t = 0; t < n; t++) {
        need(mien_correlated_draw(noise, t, w, WIDE), "draw");
        for (int i = 0; i < WIDE; i++) {
            sum[i] += w[i];
            square += (double)sum[i] * (double)sum[i];
        }
    }
    mien_correlated_free(noise);
    return square / WIDE / n * 1e-6;
}

static void compare(const struct mien_strategy_limits *limits, double epsilon)
{
    const uint32_t n = (uint32_t)limits->rounds;
    double independent = 0.0;

    printf("%" PRIu32 " rounds, %" PRIu64 " apart, %" PRIu64 " times\n", n, limits->separation,
           limits->participations);
    for (int kind = MIEN_STRATEGY_INDEPENDENT; kind <= MIEN_STRATEGY_BLT; kind++) {
        struct mien_strategy_table table;

        need(mien_strategy_table_make((enum mien_strategy_kind)kind, limits->separation, &table),
             "table");
        const struct mien_dp_event event = mien_strategy_event(limits, &table, 1.0);
        const double z = multiplier(&event, epsilon);
        const double noise = z * sqrt(mean_variance(&table, n));
        if (kind == MIEN_STRATEGY_INDEPENDENT)
            independent = noise;
        printf("  %-12s z %8.3f   noise of prefix sums %9.2f B   1 / %.2f",
               mien_strategy_name((enum mien_strategy_kind)kind), z, noise, independent / noise);
        if (kind != MIEN_STRATEGY_INDEPENDENT && n <= 256)
            printf("   drawn %9.2f", z * sqrt(drawn_variance(&table, n)));
        printf("\n");
    }
}

static double time_of_independent(int64_t *out)
{
    struct mien_rng rng = mien_rng_system();
    struct mien_noise *noise = NULL;

    need(mien_noise_new(10000, &noise), "noise");
    const double start = cpu_s();
    need(mien_noise_draw(noise, &rng, out, DIM), "draw");
    const double took = cpu_s() - start;
    mien_noise_free(noise);
    return took;
}

static void time_of(enum mien_strategy_kind kind, uint64_t separation, uint64_t step, int64_t *out)
{
    struct mien_strategy_table table;
    struct mien_correlated *noise = NULL;

    need(mien_strategy_table_make(kind, separation, &table), "table");
    need(mien_correlated_new(&table, 10000, key, &noise), "noise");
    const double start = cpu_s();
    need(mien_correlated_draw(noise, step, out, DIM), "draw");
    const double took = cpu_s() - start;
    const double alone = time_of_independent(out);
    printf("  %-8s %3" PRIu32 " coefficients, step %4" PRIu64
           ": %8.3f s, %7.0f times independent\n",
           mien_strategy_name(kind), table.n, step, took, took / alone);
    mien_correlated_free(noise);
}

int main(int argc, char **argv)
{
    static const struct mien_strategy_limits runs[] = {
        {256, 16, 16}, {512, 32, 16}, {1024, 64, 16}, {1024, 64, 4}, {2048, 341, 6}};
    static const uint64_t steps[] = {10, 100, 1000};
    const double epsilon = argc > 1 ? strtod(argv[1], NULL) : 8.0;
    int64_t *out = mien_calloc(DIM, sizeof(*out));

    need(out == NULL ? MIEN_ENOMEM : MIEN_OK, "memory");
    printf("epsilon %g at delta %g\n", epsilon, DELTA);
    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
        compare(&runs[i], epsilon);
    printf("one step of %zu coordinates, CPU\n", DIM);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        time_of(MIEN_STRATEGY_TREE, 1, steps[i], out);
        time_of(MIEN_STRATEGY_BANDED, 16, steps[i], out);
        time_of(MIEN_STRATEGY_BANDED, 64, steps[i], out);
        time_of(MIEN_STRATEGY_BLT, 64, steps[i], out);
    }
    mien_free(out);
    return 0;
}
