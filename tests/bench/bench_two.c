// SPDX-License-Identifier: Apache-2.0
/* Two devices at once: steps a second of two processes side by side, against one alone.
 *
 * Usage: bench_two [CASE]   a case of steps.c, gan32-d-16 unless said
 *
 * One and two run in turn, a second each. The ratio of CPU times is what they take from each other
 * (caches, memory, clock), whatever else the machine does; the ratio of wall times says something
 * only when two cores are free.
 */
#include "tests/bench/bench.h"
#include "tests/bench/steps.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_TURNS 7
#define TURN_MS 1000.0

/* Of some steps. */
struct taken {
    double n_steps;
    double cpu_ms;
    double wall_ms;
};

static const struct bench_step *find(const char *name)
{
    const struct bench_step *what = bench_steps;

    while (what->name != NULL && strcmp(what->name, name) != 0)
        what++;
    return what;
}

static struct taken train(const struct bench_step *what)
{
    struct bench_trained t;
    struct taken taken = {0};

    need(bench_trained_init(&t, what), what->name);
    need(bench_train_once(&t), what->name); /* memory is touched, caches are warm */
    const double cpu = cpu_ms();
    const double wall = wall_ms();
    for (; taken.wall_ms < TURN_MS; taken.n_steps++) {
        need(bench_train_once(&t), what->name);
        taken.wall_ms = wall_ms() - wall;
    }
    taken.cpu_ms = cpu_ms() - cpu;
    bench_trained_fini(&t);
    return taken;
}

/* A process that trains and writes what it took; the end to read from. */
static int start(const struct bench_step *what)
{
    int ends[2];

    need(pipe(ends) == 0 ? MIEN_OK : MIEN_EIO, "a pipe");
    const pid_t child = fork();
    need(child >= 0 ? MIEN_OK : MIEN_EIO, "a process");
    if (child == 0) {
        const struct taken taken = train(what);

        _exit(write(ends[1], &taken, sizeof(taken)) == (ssize_t)sizeof(taken) ? 0 : 1);
    }
    close(ends[1]);
    return ends[0];
}

static struct taken finish(int from)
{
    struct taken taken;
    const ssize_t n = read(from, &taken, sizeof(taken));

    need(n == (ssize_t)sizeof(taken) ? MIEN_OK : MIEN_EIO, "a process's figures");
    close(from);
    (void)wait(NULL);
    return taken;
}

/* Steps a millisecond of `n` processes at once, by CPU and by wall. */
static struct taken rate_of(const struct bench_step *what, int n)
{
    int from[2];
    struct taken rate = {0};

    for (int i = 0; i < n; i++)
        from[i] = start(what);
    for (int i = 0; i < n; i++) {
        const struct taken taken = finish(from[i]);

        rate.cpu_ms += taken.n_steps / taken.cpu_ms;
        rate.wall_ms += taken.n_steps / taken.wall_ms;
    }
    return rate;
}

int main(int argc, char **argv)
{
    const struct bench_step *what = find(argc > 1 ? argv[1] : "gan32-d-16");
    double by_cpu[N_TURNS];
    double by_wall[N_TURNS];

    if (what->name == NULL) {
        (void)fprintf(stderr, "bench_two: no case \"%s\"\n", argv[1]);
        return 2;
    }
    for (int i = 0; i < N_TURNS; i++) {
        const struct taken one = rate_of(what, 1);
        const struct taken two = rate_of(what, 2);

        by_cpu[i] = two.cpu_ms / one.cpu_ms;
        by_wall[i] = two.wall_ms / one.wall_ms;
    }
    const double cpu = median_ms(by_cpu, N_TURNS);
    const double wall = median_ms(by_wall, N_TURNS);
    printf("%s, two at once: %.2f of one by CPU time (%.2f to %.2f), %.2f by wall (%.2f to %.2f)\n",
           what->name, cpu, by_cpu[0], by_cpu[N_TURNS - 1], wall, by_wall[0], by_wall[N_TURNS - 1]);
    return 0;
}
