// SPDX-License-Identifier: Apache-2.0
/* Samples of noise a second and core, beside what the generator alone gives.
 *
 * Usage: bench_noise [MILLIONS [RUNS]]   2 million samples a run and the median of 5 runs unless
 * said. Sigma 8764 is that of 300,003 coordinates (B / z of 16 sqrt(d)), 10^5 and more are those of
 * larger vectors or multipliers. CPU time of this process; the last column is how many bytes of the
 * generator a second, in the same run, so that a busy machine shows in both.
 */
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/secret.h"
#include "common/dp/discrete_gaussian.h"
#include "common/dp/noise.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_RUNS 15

static void need(enum mien_status status, const char *what)
{
    if (status == MIEN_OK)
        return;
    fprintf(stderr, "bench_noise: %s: %s\n", what, mien_status_text(status));
    exit(1);
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(values[0]), by_size);
    return values[n / 2];
}

static double generator_gb(struct mien_rng *rng, int64_t *out, size_t n)
{
    const double start = cpu_s();

    need(mien_rng_fill(rng, out, n * sizeof(*out)), "random");
    return (double)(n * sizeof(*out)) / (cpu_s() - start) * 1e-9;
}

static void bench_rounded(uint64_t sigma, int64_t *out, size_t n, int runs)
{
    struct mien_rng rng = mien_rng_system();
    struct mien_noise *noise = NULL;
    double rate[MAX_RUNS];
    double bytes[MAX_RUNS];
    double start = cpu_s();

    need(mien_noise_new(sigma, &noise), "table");
    const double made = cpu_s() - start;
    for (int r = 0; r < runs; r++) {
        start = cpu_s();
        need(mien_noise_draw(noise, &rng, out, n), "draw");
        rate[r] = (double)n / (cpu_s() - start) * 1e-6;
        bytes[r] = generator_gb(&rng, out, n);
    }
    printf("rounded   sigma %10" PRIu64 "  table %4.1f ms  %6.1f M samples/s  (generator %.2f "
           "GB/s)\n",
           sigma, made * 1e3, median(rate, runs), median(bytes, runs));
    mien_noise_free(noise);
}

static void bench_discrete(uint64_t sigma, int64_t *out, size_t n, int runs)
{
    struct mien_rng rng = mien_rng_system();
    struct mien_discrete_gaussian noise;
    double rate[MAX_RUNS];
    double bytes[MAX_RUNS];

    need(mien_discrete_gaussian_init(&noise, sigma * sigma, 1), "sigma");
    for (int r = 0; r < runs; r++) {
        const double start = cpu_s();

        need(mien_discrete_gaussian_draw(&noise, &rng, out, n), "draw");
        rate[r] = (double)n / (cpu_s() - start) * 1e-6;
        bytes[r] = generator_gb(&rng, out, n);
    }
    printf("discrete  sigma %10" PRIu64 "                 %6.1f M samples/s  (generator %.2f "
           "GB/s)\n",
           sigma, median(rate, runs), median(bytes, runs));
}

int main(int argc, char **argv)
{
    static const uint64_t sigmas[] = {16, 100, 1000, 8764, 100000, 1000000, UINT64_C(1) << 30};
    const long millions = argc > 1 ? strtol(argv[1], NULL, 10) : 2;
    const long runs = argc > 2 ? strtol(argv[2], NULL, 10) : 5;

    if (millions < 1 || millions > 100 || runs < 1 || runs > MAX_RUNS) {
        fprintf(stderr, "usage: bench_noise [MILLIONS (1 to 100) [RUNS (1 to %d)]]\n", MAX_RUNS);
        return 2;
    }
    const size_t n = (size_t)millions * 1000000;
    int64_t *out = mien_calloc(n, sizeof(*out));
    need(out == NULL ? MIEN_ENOMEM : MIEN_OK, "memory");
    for (size_t i = 0; i < sizeof(sigmas) / sizeof(sigmas[0]); i++)
        bench_rounded(sigmas[i], out, n, (int)runs);
    for (size_t i = 0; i + 2 < sizeof(sigmas) / sizeof(sigmas[0]); i++)
        bench_discrete(sigmas[i], out, n / 4, (int)runs);
    mien_wipe(out, n * sizeof(*out));
    mien_free(out);
    return 0;
}
