/* Who runs work that has been cut into slices: the caller alone, or threads that a shell lends.
 *
 * Nothing here starts a thread. Heavy steps (mask.h, the coordinator's unmasking) take a crew; its
 * maker decides how many run at once.
 *
 * Threads: a crew serves one caller at a time
 */
#ifndef MIEN_SECAGG_CREW_H
#define MIEN_SECAGG_CREW_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stdint.h>

/* Work on slice i. Any thread, any order, several at once: slices share no memory they write to. */
typedef enum mien_status (*mien_crew_slice)(void *task, uint32_t i);

struct mien_crew {
    /* Runs slices 0 .. n - 1, each once unless one failed, and returns when none runs any more.
     * errors  one of those that slices gave */
    enum mien_status (*run)(void *self, mien_crew_slice slice, void *task, uint32_t n);
    void *self;
};

/* Runs the slices by `crew`, or one after the other in the calling thread when it is NULL.
 *
 *   task    handed to every slice
 *   errors  those of the slices
 */
MIEN_CHECK enum mien_status mien_crew_run(const struct mien_crew *crew, mien_crew_slice slice,
                                          void *task, uint32_t n);

#endif
