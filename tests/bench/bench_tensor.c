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

/* Milliseconds of one step, per window. */
static void measure(struct bench_trained *t, double ms[N_WINDOWS])
{
    need(bench_train_once(t), t->what->name); /* memory is touched, caches are warm */
    for (int i = 0; i < N_WINDOWS; i++) {
        const double start = mien_clock_thread_seconds();
        double spent = 0.0;
        uint32_t n = 0;

        for (; spent < WINDOW_SECONDS; n++) {
            need(bench_train_once(t), t->what->name);
            spent = mien_clock_thread_seconds() - start;
        }
        ms[i] = 1e3 * spent / n;
    }
}

static void run_case(const struct bench_step *what, double peak)
{
    struct bench_trained t;
    double ms[N_WINDOWS] = {0};

    need(bench_trained_init(&t, what), what->name);
    measure(&t, ms);
    const double median = median_ms(ms, N_WINDOWS);
    const double flops = (double)t.cost.flops;

    printf("%-13s %8.2f %8.2f %8.2f %6.1f %6u %5u %7.2f %6.1f %5.0f\n", what->name, median, ms[0],
           ms[N_WINDOWS - 1], (double)t.step_bytes / (1024.0 * 1024.0), t.cost.n_steps,
           t.cost.n_fused, 1e-9 * flops, 1e-6 * flops / median, 1e5 * flops / median / peak);
    bench_trained_fini(&t);
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "";
    const double peak = peak_flops();

    printf("one thread, %s: peak %.1f GFLOP/s, a node %.0f ns\n", mien_tile_native()->name,
           1e-9 * peak, node_ns());
    printf("%-13s %8s %8s %8s %6s %6s %5s %7s %6s %5s\n", "case", "med ms", "min ms", "max ms",
           "MiB", "nodes", "fused", "GFLOP", "GF/s", "%peak");
    for (const struct bench_step *what = bench_steps; what->name != NULL; what++) {
        if (strncmp(what->name, wanted, strlen(wanted)) == 0)
            run_case(what, peak);
    }
    return 0;
}
