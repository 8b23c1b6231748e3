/* A crew of threads for work that is cut into slices (common/secagg/crew.h).
 *
 * Threads live as long as one call: starting one costs some ten microseconds, slices take
 * milliseconds. The caller takes slices too and returns after all threads have ended, so what a job
 * owns stays the job's alone.
 *
 * Threads: one caller at a time
 */
#ifndef MIEN_SHELL_CREW_H
#define MIEN_SHELL_CREW_H

#include "common/secagg/crew.h"

#include <stdint.h>

#define MIEN_CREW_MAX_THREADS 64

struct mien_crew_threads {
    uint32_t n_threads; /* the caller's included: 1 to MIEN_CREW_MAX_THREADS */
};

/* As many as the machine runs at once. */
struct mien_crew_threads mien_crew_threads_all(void);

/* A crew of these threads, valid as long as `threads`. Where a thread cannot be started, fewer do
 * the work. */
struct mien_crew mien_crew_of_threads(struct mien_crew_threads *threads);

#endif
