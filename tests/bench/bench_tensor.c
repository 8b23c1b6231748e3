// SPDX-License-Identifier: Apache-2.0
/* CPU time of training steps on one thread: medians, beside torch_peer.py's (engine.sh runs both).
 *
 * Usage: bench_tensor [CASE]   all cases, or those whose name begins with CASE
 *
 * CPU time is free of other programs' preemption, not of their cache and memory traffic:
 * differences below a tenth mean nothing unless the machine is quiet. A step draws its latents,
 * computes loss and gradients and applies Adam, as the peer's does; `grad` applies nothing.
 *
 * The peak is the rate of the tile on operands that stay in the first-level cache, in the same run:
 * its 24 independent sums keep the multiplying units busy. %peak divides the arithmetic of the
 * formulas (common/tensor/cost.h) by time and peak. A node's own cost is that of a chain of nodes
 * on one number each.
 */
#include "common/base/clock.h"
#include "common/tensor/tile.h"
#include "tests/bench/bench.h"
#include "tests/bench/steps.h"

#include <string.h>

#define N_WINDOWS 9
#define WINDOW_SECONDS 0.1
#define CHAIN 1000

/* Floating-point operations a second of one thread: the best of some windows. */
static double peak_flops(void)
{
    static float numbers[MIEN_TILE_GROUPS * MIEN_TILE_GROUP * MIEN_TILE_COLUMNS];
    static const ptrdiff_t run = 0;
    const uint32_t k = 4096;
    const uint32_t n = 2000;
    struct mien_tile tile = {.run = &run,
                             .n_runs = 1,
                             .run_len = k,
                             .b = numbers,
                             .n_groups = MIEN_TILE_GROUPS,
                             .n_columns = MIEN_TILE_COLUMNS,
                             .c_row = MIEN_TILE_COLUMNS};
    double best = 0.0;

    for (uint32_t g = 0; g < MIEN_TILE_GROUPS; g++) {
        tile.a[g] = numbers;
        tile.c[g] = numbers + g * MIEN_TILE_GROUP * MIEN_TILE_COLUMNS;
        tile.end[g] = MIEN_TILE_GROUP;
    }
    for (int window = 0; window < 5; window++) {
        const double start = mien_clock_thread_seconds();

        for (uint32_t i = 0; i < n; i++)
            mien_tile_native()->run(&tile);
        const double spent = mien_clock_thread_seconds() - start;
        const double flops =
            2.0 * MIEN_TILE_GROUPS * MIEN_TILE_GROUP * MIEN_TILE_COLUMNS * k * n / spent;
        best = flops > best ? flops : best;
    }
    return best;
}

/* Nanoseconds of a node beside its numbers: sums that no two nodes share. */
static double node_ns(void)
{
    const float number = 1.0f;
    struct mien_graph *g = NULL;
    struct mien_exec *exec = NULL;
    double best = 1e9;

    need(mien_graph_new(&g), "a graph");
    mien_ref x = mien_input(g, mien_shape1(1));
    mien_ref y = x;
    for (int i = 0; i < CHAIN; i++)
        y = mien_matmul(g, mien_reshape(g, y, mien_shape2(1, 1)),
                        mien_reshape(g, x, mien_shape2(1, 1)), 0);
    need(mien_exec_new(g, &y, 1, &exec), "a plan");
    need(mien_exec_bind(exec, 0, &number), "an input");
    for (int window = 0; window < 200; window++) {
        const double start = mien_clock_thread_seconds();

        need(mien_exec_run(exec, NULL), "a run");
        const double ns = 1e9 * (mien_clock_thread_seconds() - start) / CHAIN;
        best = ns < best ? ns : best;
    }
    mien_exec_free(exec);
    mien_graph_free(g);
    return best;
}

/* What is measured as one: a step, or those of a round. */
struct job {
    struct bench_trained step[2];
    uint32_t n_times[2];
    uint32_t n_kinds;
};

static void do_once(struct job *job)
{
    for (uint32_t k = 0; k < job->n_kinds; k++) {
        for (uint32_t i = 0; i < job->n_times[k]; i++)
            need(bench_train_once(&job->step[k]), job->step[k].what->name);
    }
}

/* Milliseconds of one job, per window. */
static void measure(struct job *job, double ms[N_WINDOWS])
{
    do_once(job); /* memory is touched, caches are warm */
    for (int i = 0; i < N_WINDOWS; i++) {
        const double start = mien_clock_thread_seconds();
        double spent = 0.0;
        uint32_t n = 0;

        for (; spent < WINDOW_SECONDS; n++) {
            do_once(job);
            spent = mien_clock_thread_seconds() - start;
        }
        ms[i] = 1e3 * spent / n;
    }
}

static void run_job(const char *name, struct job *job, double peak)
{
    double ms[N_WINDOWS] = {0};
    double flops = 0.0;
    uint64_t bytes = 0;
    uint32_t n_steps = 0;
    uint32_t n_fused = 0;

    measure(job, ms);
    const double median = median_ms(ms, N_WINDOWS);

    for (uint32_t k = 0; k < job->n_kinds; k++) {
        const struct bench_trained *t = &job->step[k];

        flops += (double)t->cost.flops * job->n_times[k];
        bytes += t->step_bytes;
        n_steps += t->cost.n_steps * job->n_times[k];
        n_fused += t->cost.n_fused * job->n_times[k];
    }
    printf("%-14s %8.2f %8.2f %8.2f %6.1f %6u %5u %7.2f %6.1f %5.0f\n", name, median, ms[0],
           ms[N_WINDOWS - 1], (double)bytes / (1024.0 * 1024.0), n_steps, n_fused, 1e-9 * flops,
           1e-6 * flops / median, 1e5 * flops / median / peak);
}

static void run_case(const struct bench_step *what, double peak)
{
    static struct job job;

    job = (struct job){.n_times = {1}, .n_kinds = 1};
    need(bench_trained_init(&job.step[0], what), what->name);
    run_job(what->name, &job, peak);
    bench_trained_fini(&job.step[0]);
}

static const struct bench_step *step_named(const char *name)
{
    const struct bench_step *what = bench_steps;

    while (strcmp(what->name, name) != 0)
        what++;
    return what;
}

/* A round of the paper's kind: 8 steps of the discriminator, one of the generator. */
static void run_round(const char *name, const char *d, const char *g, double peak)
{
    static struct job job;

    job = (struct job){.n_times = {8, 1}, .n_kinds = 2};
    need(bench_trained_init(&job.step[0], step_named(d)), name);
    need(bench_trained_init(&job.step[1], step_named(g)), name);
    run_job(name, &job, peak);
    bench_trained_fini(&job.step[0]);
    bench_trained_fini(&job.step[1]);
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "";
    const double peak = peak_flops();

    printf("one thread, %s: peak %.1f GFLOP/s, a node %.0f ns\n", mien_tile_native()->name,
           1e-9 * peak, node_ns());
    printf("%-14s %8s %8s %8s %6s %6s %5s %7s %6s %5s\n", "case", "med ms", "min ms", "max ms",
           "MiB", "nodes", "fused", "GFLOP", "GF/s", "%peak");
    for (const struct bench_step *what = bench_steps; what->name != NULL; what++) {
        if (strncmp(what->name, wanted, strlen(wanted)) == 0)
            run_case(what, peak);
    }
    if (strncmp("gan32-round-16", wanted, strlen(wanted)) == 0)
        run_round("gan32-round-16", "gan32-d-16", "gan32-g-16", peak);
    if (strncmp("gan32-round-32", wanted, strlen(wanted)) == 0)
        run_round("gan32-round-32", "gan32-d-32", "gan32-g-32", peak);
    return 0;
}
