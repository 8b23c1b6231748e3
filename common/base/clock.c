// SPDX-License-Identifier: Apache-2.0
#include "common/base/clock.h"

#include <time.h>

static struct timespec read_clock(clockid_t id)
{
    struct timespec now = {0};

    (void)clock_gettime(id, &now);
    return now;
}

uint64_t mien_clock_ms(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);

    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

double mien_clock_thread_seconds(void)
{
    struct timespec now = read_clock(CLOCK_THREAD_CPUTIME_ID);

    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int64_t mien_clock_unix_s(void)
{
    return (int64_t)read_clock(CLOCK_REALTIME).tv_sec;
}
