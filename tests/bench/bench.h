/* What the benches share: CPU time, medians of interleaved runs, giving up with a sentence.
 *
 * Threads: one
 */
#ifndef MIEN_TESTS_BENCH_BENCH_H
#define MIEN_TESTS_BENCH_BENCH_H

#include "common/base/mem.h"
#include "common/base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void need(enum mien_status status, const char *what)
{
    if (status == MIEN_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, mien_status_text(status));
    exit(1);
}

static inline void *block(size_t n, size_t size)
{
    void *p = mien_calloc(n, size);

    need(p == NULL ? MIEN_ENOMEM : MIEN_OK, "memory");
    return p;
}

static inline double clock_ms(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Of all threads of this process. */
static inline double cpu_ms(void)
{
    return clock_ms(CLOCK_PROCESS_CPUTIME_ID);
}

static inline double wall_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

static inline int compare_ms(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts them. */
static inline double median_ms(double *ms, size_t n)
{
    qsort(ms, n, sizeof(ms[0]), compare_ms);
    return ms[n / 2];
}

#endif
