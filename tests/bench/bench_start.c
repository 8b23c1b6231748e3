// SPDX-License-Identifier: Apache-2.0
/* From the start of a process to its first training step: what a device does in between, faces and
 * model in memory.
 *
 * Usage: bench_start [PRESET]   faces32-large unless told
 *
 * The program runs itself N_RUNS times. Each run is a fresh process that links what mien-device
 * does, checks the plan's need as the guard does, makes the memory of training, takes the model,
 * looks at 12 faces and trains one step; before and after that step it writes how much CPU time it
 * has used. Printed: medians of that, and of the milliseconds from before the fork to each word.
 */
#include "client/train.h"
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/nn/model.h"
#include "common/plan/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N_RUNS = 15, N_FACES = 12, N_FIGURES = 4 };

static size_t count(void *self)
{
    (void)self;
    return N_FACES;
}

static enum mien_status pixels(void *self, size_t index, unsigned size, unsigned channels,
                               float *out)
{
    (void)self;
    for (size_t i = 0; i < (size_t)size * size * channels; i++)
        out[i] = (float)((i * (index + 1)) % 255) / 127.5F - 1.0F;
    return MIEN_OK;
}

static double clock_ms(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static enum mien_status say_cpu(void)
{
    const double ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID);

    return write(STDOUT_FILENO, &ms, sizeof(ms)) == sizeof(ms) ? MIEN_OK : MIEN_EIO;
}

/* Slices until the scan is over are told from the step by the number of faces looked at. */
static enum mien_status first_step(struct mien_client_train *train)
{
    bool done = false;
    enum mien_status status = MIEN_OK;

    for (size_t seen = 0; seen < N_FACES && status == MIEN_OK; seen += 8)
        status = mien_client_train_step(train, &done);
    if (status == MIEN_OK)
        status = say_cpu();
    if (status == MIEN_OK)
        status = mien_client_train_step(train, &done);
    return status == MIEN_OK ? say_cpu() : status;
}

static enum mien_status start(const char *preset)
{
    struct mien_plan plan;
    struct mien_client_train *train = NULL;
    struct mien_rng_seeded *seeded = NULL;
    const struct mien_client_examples examples = {.count = count, .pixels = pixels};
    uint8_t *model = NULL;
    uint64_t need = 0;
    enum mien_status status = mien_plan_preset(preset, &plan, NULL);

    if (status != MIEN_OK)
        return status;
    const size_t bytes = 4 * (size_t)mien_plan_n_parameters(&plan);
    model = mien_calloc(bytes, 1);
    status = model == NULL ? MIEN_ENOMEM : mien_client_train_need(&plan, &need);
    if (status == MIEN_OK)
        status = mien_client_train_new(&plan, &train);
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(1, 0, &seeded);
    if (status == MIEN_OK) {
        struct mien_rng rng = mien_rng_seeded_handle(seeded);

        status = mien_client_train_start(train, (struct mien_span){model, bytes},
                                         (struct mien_span){NULL, 0}, &examples, &rng);
    }
    if (status == MIEN_OK)
        status = first_step(train);
    mien_rng_seeded_free(seeded);
    mien_client_train_free(train);
    mien_free(model);
    return status;
}

/* One fresh process: CPU milliseconds and milliseconds to each word. */
static enum mien_status run_once(const char *self, const char *preset, double ms[N_FIGURES])
{
    int pipe_ends[2];
    int ended = 1;
    bool heard = true;

    if (pipe(pipe_ends) != 0)
        return MIEN_EIO;
    const double began = clock_ms(CLOCK_MONOTONIC);
    const pid_t child = fork();
    if (child == 0) {
        (void)dup2(pipe_ends[1], STDOUT_FILENO);
        (void)close(pipe_ends[0]);
        (void)close(pipe_ends[1]);
        (void)execl(self, self, preset, "once", (char *)NULL);
        _exit(127);
    }
    (void)close(pipe_ends[1]);
    for (int i = 0; i < N_FIGURES && child > 0 && heard; i += 2) {
        heard = read(pipe_ends[0], &ms[i], sizeof(ms[i])) == sizeof(ms[i]);
        ms[i + 1] = clock_ms(CLOCK_MONOTONIC) - began;
    }
    (void)close(pipe_ends[0]);
    if (child < 0 || waitpid(child, &ended, 0) != child)
        return MIEN_EIO;
    return heard && ended == 0 ? MIEN_OK : MIEN_EIO;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const char *preset = argc > 1 ? argv[1] : "faces32-large";
    double ms[N_FIGURES][N_RUNS];

    if (argc > 2)
        return start(preset) == MIEN_OK ? 0 : 1;
    for (int i = 0; i < N_RUNS; i++) {
        double one[N_FIGURES] = {0};

        if (run_once("/proc/self/exe", preset, one) != MIEN_OK) {
            (void)fprintf(stderr, "bench_start: a run of %s failed\n", preset);
            return 1;
        }
        for (int k = 0; k < N_FIGURES; k++)
            ms[k][i] = one[k];
    }
    for (int k = 0; k < N_FIGURES; k++)
        qsort(ms[k], N_RUNS, sizeof(double), by_size);
    printf("%-14s ready for its first step: %.1f ms of CPU, %.1f after the start (fastest %.1f); "
           "step done: %.1f, %.1f\n",
           preset, ms[0][N_RUNS / 2], ms[1][N_RUNS / 2], ms[1][0], ms[2][N_RUNS / 2],
           ms[3][N_RUNS / 2]);
    return 0;
}
