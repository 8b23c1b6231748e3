// SPDX-License-Identifier: Apache-2.0
#include "server/shell/crew.h"

#include "common/base/num.h"

#include <stdatomic.h>
#include <uv.h>

struct run {
    mien_crew_slice slice;
    void *task;
    uint32_t n;
    atomic_uint_fast64_t next; /* slice that nobody has taken: 64 bits never come round */
    atomic_int failed;         /* the first error */
};

static void take_slices(void *self) /* any thread of the crew */
{
    struct run *run = self;

    for (;;) {
        const uint64_t i = atomic_fetch_add(&run->next, 1);

        if (i >= run->n || atomic_load(&run->failed) != MIEN_OK)
            return;
        int expected = MIEN_OK;
        const enum mien_status status = run->slice(run->task, (uint32_t)i);

        if (status != MIEN_OK)
            (void)atomic_compare_exchange_strong(&run->failed, &expected, (int)status);
    }
}

static enum mien_status run_slices(void *self, mien_crew_slice slice, void *task, uint32_t n)
{
    const struct mien_crew_threads *threads = self;
    struct run run = {.slice = slice, .task = task, .n = n};
    uv_thread_t helper[MIEN_CREW_MAX_THREADS];
    const size_t n_wanted =
        mien_min_size(mien_min_size(threads->n_threads, n), MIEN_CREW_MAX_THREADS);
    size_t n_helpers = 0;

    while (n_helpers + 1 < n_wanted && uv_thread_create(&helper[n_helpers], take_slices, &run) == 0)
        n_helpers++;
    take_slices(&run);
    for (size_t i = 0; i < n_helpers; i++)
        (void)uv_thread_join(&helper[i]); /* fails only for what is no thread */
    return (enum mien_status)atomic_load(&run.failed);
}

struct mien_crew_threads mien_crew_threads_all(void)
{
    return (struct mien_crew_threads){
        .n_threads = (uint32_t)mien_min_size(uv_available_parallelism(), MIEN_CREW_MAX_THREADS)};
}

struct mien_crew mien_crew_of_threads(struct mien_crew_threads *threads)
{
    return (struct mien_crew){.run = run_slices, .self = threads};
}
