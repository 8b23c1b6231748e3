/* A progress line on stderr for what takes over two seconds; nothing when stderr is no terminal.
 *
 * Threads: one at a time
 */
#ifndef MIEN_BASE_PROGRESS_H
#define MIEN_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct mien_progress {
    const char *what; /* lent for the life of the line */
    uint64_t started_ms;
    uint64_t drawn_ms;
    bool on;
};

/* Starts a line; it shows only once two seconds have passed. */
void mien_progress_init(struct mien_progress *progress, const char *what);

/* Says how far it is; draws at most ten times a second. */
void mien_progress_set(struct mien_progress *progress, uint64_t done, uint64_t total);

/* Clears the line. */
void mien_progress_fini(struct mien_progress *progress);

#endif
