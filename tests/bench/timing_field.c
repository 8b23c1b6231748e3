// SPDX-License-Identifier: Apache-2.0
/* Whether the field of the shares takes the same time whatever the secret: Welch's t-test.
 *
 * Usage: timing_field [MEASUREMENTS]   300000 unless said; exit status 1 when times tell
 *
 * Two classes of inputs, fixed (the seed and its shares of zeros, or all ones) and random, are
 * drawn and made ahead, measured in random order, and the slowest tenth of the times is dropped:
 * that is the machine's interruptions. |t| above 10 in three runs after one another is a leak; up
 * to 4.5 is what equal times give. Not a test of CI: a busy machine makes noise.
 *
 * Source:  Reparaz, Balasch, Verbauwhede 2017, "Dude, is my code constant time?"
 */
#include "common/base/rng_seeded.h"
#include "common/secagg/share.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <string.h>

enum {
    N = 78,
    T = 52,
    POOL = 256, /* inputs of a class */
    BATCH = 8,  /* calls that one time is of: above the clock's grain */
    RUNS = 3,
};

#define LIMIT 10.0

struct input {
    uint8_t seed[MIEN_SEED_BYTES];
    struct mien_share share[T];
};

struct timing {
    struct mien_rng_seeded *seeded;
    struct mien_rng rng;
    uint32_t index[N];
    uint64_t weight[T];
    struct input *input[2]; /* [POOL] fixed, random */
    double *ns[2];
    size_t n[2];
};

/* Coefficients of which the time does not depend on a generator: always the same bytes. */
static enum mien_status fill_fixed(void *self, void *out, size_t n)
{
    memset(out, *(const uint8_t *)self, n);
    return MIEN_OK;
}

static void run_split(struct timing *t, const struct input *input)
{
    static uint8_t byte = 0x5a;
    struct mien_rng fixed = {.fill = fill_fixed, .self = &byte};
    struct mien_share share[N];

    for (int i = 0; i < BATCH; i++)
        need(mien_share_split(input->seed, t->index, N, T, &fixed, share), "split");
}

static void run_join(struct timing *t, const struct input *input)
{
    uint8_t seed[MIEN_SEED_BYTES];

    for (int i = 0; i < BATCH; i++)
        need(mien_share_join(t->weight, input->share, T, seed), "join");
}

static void set_up(struct timing *t, size_t n_measurements, uint8_t fixed)
{
    struct mien_share share[N];

    for (int class = 0; class < 2; class ++) {
        for (int i = 0; i < POOL; i++) {
            struct input *input = &t->input[class][i];

            memset(input->seed, fixed, sizeof(input->seed));
            if (class == 1)
                need(mien_rng_fill(&t->rng, input->seed, sizeof(input->seed)), "random");
            need(mien_share_split(input->seed, t->index, N, T, &t->rng, share), "split");
            memcpy(input->share, share, sizeof(input->share));
        }
        t->n[class] = 0;
        memset(t->ns[class], 0, n_measurements * sizeof(double));
    }
}

static void measure(struct timing *t, size_t n_measurements,
                    void (*run)(struct timing *, const struct input *))
{
    for (size_t i = 0; i < n_measurements; i++) {
        const size_t class = mien_rng_seeded_below(t->seeded, 2);
        const struct input *input = &t->input[class][mien_rng_seeded_below(t->seeded, POOL)];
        const double start = wall_ms();

        run(t, input);
        t->ns[class][t->n[class]++] = (wall_ms() - start) * 1e6;
    }
}

/* Of the times at most `limit`. */
static void moments(const double *x, size_t n, double limit, double out[3])
{
    double sum = 0.0;
    double square = 0.0;
    double count = 0.0;

    for (size_t i = 0; i < n; i++) {
        if (x[i] > limit)
            continue;
        sum += x[i];
        square += x[i] * x[i];
        count += 1.0;
    }
    out[0] = sum / count;
    out[1] = square / count - out[0] * out[0];
    out[2] = count;
}

static double welch(const struct timing *t)
{
    double *all = block(t->n[0] + t->n[1], sizeof(double));
    double a[3];
    double b[3];

    memcpy(all, t->ns[0], t->n[0] * sizeof(double));
    memcpy(all + t->n[0], t->ns[1], t->n[1] * sizeof(double));
    qsort(all, t->n[0] + t->n[1], sizeof(double), compare_ms);
    const double limit = all[(t->n[0] + t->n[1]) * 9 / 10];
    mien_free(all);
    moments(t->ns[0], t->n[0], limit, a);
    moments(t->ns[1], t->n[1], limit, b);
    printf("  fixed %.1f ns, random %.1f ns a call", a[0] / BATCH, b[0] / BATCH);
    return (a[0] - b[0]) / sqrt(a[1] / a[2] + b[1] / b[2]);
}

/* Whether three runs in a row tell the classes apart. */
static bool tells(struct timing *t, size_t n, const char *name,
                  void (*run)(struct timing *, const struct input *))
{
    bool told = false;

    for (int fixed = 0; fixed < 2; fixed++) {
        int n_above = 0;

        printf("%s, fixed seed of %s\n", name, fixed == 0 ? "zeros" : "ones");
        for (int i = 0; i < RUNS; i++) {
            set_up(t, n, fixed == 0 ? 0x00 : 0xff);
            measure(t, n, run);
            const double value = welch(t);

            printf(", t = %.2f\n", value);
            n_above += fabs(value) > LIMIT;
        }
        told = told || n_above == RUNS;
    }
    return told;
}

int main(int argc, char **argv)
{
    const size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 300000;
    struct timing t = {0};

    if (n < 1000)
        return 2;
    need(mien_rng_seeded_new(1, 0, &t.seeded), "random");
    t.rng = mien_rng_seeded_handle(t.seeded);
    for (uint32_t i = 0; i < N; i++)
        t.index[i] = 13 * i + 5;
    need(mien_share_weights(t.index, T, t.weight), "weights");
    for (int class = 0; class < 2; class ++) {
        t.input[class] = block(POOL, sizeof(struct input));
        t.ns[class] = block(n, sizeof(double));
    }
    const bool split = tells(&t, n, "split", run_split);
    const bool join = tells(&t, n, "join", run_join);
    for (int class = 0; class < 2; class ++) {
        mien_free(t.input[class]);
        mien_free(t.ns[class]);
    }
    mien_rng_seeded_free(t.seeded);
    puts(split || join ? "times tell the secret" : "times do not tell the secret");
    return split || join ? 1 : 0;
}
