// SPDX-License-Identifier: Apache-2.0
/* CPU time of training steps on one thread: medians, to compare with torch_gan_bench.py's.
 *
 * Usage: bench_tensor [CASE]   all cases, or those whose name begins with CASE
 *
 * CPU time is free of other programs' preemption, not of their cache and memory traffic:
 * differences below a tenth mean nothing unless the machine is quiet. A step draws its latents,
 * computes loss and gradients and applies Adam, as the peer's does.
 */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/nn/step.h"
#include "common/plan/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_WINDOWS 9
#define WINDOW_SECONDS 0.1

struct bench_case {
    const char *name;
    const char *preset;
    enum mien_loss loss;
    enum mien_step_kind kind;
    uint32_t batch;
};

static const struct bench_case cases[] = {
    {"large D+penalty b16", "faces32-large", MIEN_LOSS_WASSERSTEIN, MIEN_STEP_DISCRIMINATOR, 16},
    {"large G b16", "faces32-large", MIEN_LOSS_WASSERSTEIN, MIEN_STEP_GENERATOR, 16},
    {"large D+penalty b32", "faces32-large", MIEN_LOSS_WASSERSTEIN, MIEN_STEP_DISCRIMINATOR, 32},
    {"large G b32", "faces32-large", MIEN_LOSS_WASSERSTEIN, MIEN_STEP_GENERATOR, 32},
    {"small D+penalty b5", "faces32", MIEN_LOSS_WASSERSTEIN, MIEN_STEP_DISCRIMINATOR, 5},
    {"small D b5", "faces32", MIEN_LOSS_NON_SATURATING, MIEN_STEP_DISCRIMINATOR, 5},
    {"small G b5", "faces32", MIEN_LOSS_NON_SATURATING, MIEN_STEP_GENERATOR, 5},
    {"digits D+penalty b16", "digits28", MIEN_LOSS_WASSERSTEIN, MIEN_STEP_DISCRIMINATOR, 16},
    {"digits G b16", "digits28", MIEN_LOSS_WASSERSTEIN, MIEN_STEP_GENERATOR, 16},
};

/* One case's step and what it trains. */
struct trained {
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_step *step;
    struct mien_rng_seeded *rng;
    float *values;
    struct mien_moments moments;
    uint64_t step_bytes;
};

static void trained_fini(struct trained *t)
{
    mien_step_free(t->step);
    mien_rng_seeded_free(t->rng);
    mien_free(t->values);
    mien_free(t->moments.first);
    mien_free(t->moments.second);
}

static enum mien_status trained_init(struct trained *t, const struct bench_case *c)
{
    enum mien_status status = mien_plan_preset(c->preset, &t->plan, NULL);

    if (status != MIEN_OK)
        return status;
    t->plan.loss = c->loss;
    t->plan.r1_gamma = 0.0;
    t->plan.n_attributes = 0;
    status = mien_layout_init(&t->layout, &t->plan, NULL);
    if (status == MIEN_OK)
        status = mien_step_bytes(&t->plan, &t->layout, c->kind, c->batch, &t->step_bytes);
    if (status == MIEN_OK)
        status = mien_step_new(&t->plan, &t->layout, c->kind, c->batch, &t->step);
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(1, 0, &t->rng);
    if (status != MIEN_OK)
        return status;
    t->values = mien_calloc(t->layout.n_values, sizeof(float));
    t->moments.first = mien_calloc(t->layout.n_values, sizeof(float));
    t->moments.second = mien_calloc(t->layout.n_values, sizeof(float));
    if (t->values == NULL || t->moments.first == NULL || t->moments.second == NULL)
        return MIEN_ENOMEM;
    float *pictures = mien_step_examples(t->step);
    const size_t n = (size_t)c->batch * t->plan.size * t->plan.size * t->plan.channels;
    for (size_t i = 0; pictures != NULL && i < n; i++)
        pictures[i] = 2.0f * mien_rng_seeded_uniform(t->rng) - 1.0f;
    return mien_model_start(&t->layout, t->rng, t->values);
}

static enum mien_status train_once(struct trained *t)
{
    enum mien_status status = mien_step_run(t->step, t->values, t->rng);

    if (status != MIEN_OK)
        return status;
    t->moments.t++;
    mien_step_apply(t->step, t->values, 2e-4, &t->moments);
    return MIEN_OK;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Milliseconds of one step, per window. */
static enum mien_status measure(struct trained *t, double ms[N_WINDOWS])
{
    enum mien_status status = train_once(t); /* memory is touched, caches are warm */

    for (int i = 0; status == MIEN_OK && i < N_WINDOWS; i++) {
        const double start = mien_clock_thread_seconds();
        double spent = 0.0;
        uint32_t n = 0;

        for (; status == MIEN_OK && spent < WINDOW_SECONDS; n++) {
            status = train_once(t);
            spent = mien_clock_thread_seconds() - start;
        }
        ms[i] = 1e3 * spent / n;
    }
    return status;
}

static enum mien_status run_case(const struct bench_case *c)
{
    struct trained t = {.values = NULL};
    double ms[N_WINDOWS] = {0};
    enum mien_status status = trained_init(&t, c);

    if (status == MIEN_OK)
        status = measure(&t, ms);
    if (status == MIEN_OK) {
        qsort(ms, N_WINDOWS, sizeof(ms[0]), by_size);
        printf("%-22s %8.2f %8.2f %8.2f %8.1f\n", c->name, ms[N_WINDOWS / 2], ms[0],
               ms[N_WINDOWS - 1], (double)t.step_bytes / (1024.0 * 1024.0));
    }
    trained_fini(&t);
    return status;
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "";

    printf("%-22s %8s %8s %8s %8s\n", "case", "med ms", "min ms", "max ms", "MiB");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strncmp(cases[i].name, wanted, strlen(wanted)) != 0)
            continue;
        enum mien_status status = run_case(&cases[i]);

        if (status != MIEN_OK) {
            (void)fprintf(stderr, "%s: %s\n", cases[i].name, mien_status_text(status));
            return 1;
        }
    }
    return 0;
}
