// SPDX-License-Identifier: Apache-2.0
#include "common/base/progress.h"

#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define SHOW_AFTER_MS 2000
#define DRAW_EVERY_MS 100

void mien_progress_init(struct mien_progress *progress, const char *what)
{
    *progress = (struct mien_progress){
        .what = what,
        .started_ms = mien_clock_ms(),
        .on = isatty(STDERR_FILENO) == 1,
    };
}

void mien_progress_set(struct mien_progress *progress, uint64_t done, uint64_t total)
{
    uint64_t now = mien_clock_ms();

    if (!progress->on || now - progress->started_ms < SHOW_AFTER_MS)
        return;
    if (now - progress->drawn_ms < DRAW_EVERY_MS)
        return;
    progress->drawn_ms = now;
    (void)fprintf(stderr, "\r\033[K%s %" PRIu64 "/%" PRIu64 ", %" PRIu64 " s", progress->what, done,
                  total, (now - progress->started_ms) / 1000);
    (void)fflush(stderr);
}

void mien_progress_fini(struct mien_progress *progress)
{
    if (progress->drawn_ms != 0)
        (void)fprintf(stderr, "\r\033[K");
    progress->drawn_ms = 0;
}
