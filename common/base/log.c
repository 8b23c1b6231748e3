// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES 1024

static enum mien_log_level max_level = MIEN_INFO;
static void (*line_sink)(void *self, enum mien_log_level level, const char *line);
static void *line_sink_self;

void mien_log_set_level(enum mien_log_level level)
{
    max_level = level;
}

void mien_log_set_sink(void (*sink)(void *self, enum mien_log_level level, const char *line),
                       void *self)
{
    line_sink = sink;
    line_sink_self = self;
}

static void to_stderr(enum mien_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct timespec now;
    struct tm utc;
    char stamp[32];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc) == NULL ||
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
        stamp[0] = '\0';
    (void)fprintf(stderr, "%s.%03ldZ %s %s\n", stamp, now.tv_nsec / 1000000, names[level], line);
}

void mien_log(enum mien_log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list args;

    if (level > max_level)
        return;
    int n = snprintf(line, sizeof(line), "%s ", event);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(line)) {
        va_start(args, fmt);
        (void)vsnprintf(line + used, sizeof(line) - used, fmt, args);
        va_end(args);
    }
    for (char *at = line; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    }
    if (line_sink != NULL)
        line_sink(line_sink_self, level, line);
    else
        to_stderr(level, line);
}
