// SPDX-License-Identifier: Apache-2.0
/* Threads that share out slices: what a run under a thread sanitizer looks at. */
#include "server/shell/crew.h"

#include "common/base/mem.h"
#include "common/secagg/mask.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define N_SLICES 1000

/* The first slices last so long that every thread gets one. */
#define N_LONG 100
#define LONG_NS 100000

struct tally {
    uint32_t taken[N_SLICES]; /* slice i touches entry i only, without a lock */
    pthread_t home;
    atomic_uint n_abroad; /* slices that other threads than `home` took */
    uint32_t fails_at;
};

static enum mien_status take(void *task, uint32_t i)
{
    struct tally *tally = task;
    const struct timespec pause = {.tv_nsec = LONG_NS};

    tally->taken[i]++;
    if (!pthread_equal(pthread_self(), tally->home))
        atomic_fetch_add(&tally->n_abroad, 1);
    if (i < N_LONG)
        (void)nanosleep(&pause, NULL);
    return i == tally->fails_at ? MIEN_ECORRUPT : MIEN_OK;
}

static void every_slice_is_taken_once_whoever_takes_it(void **state)
{
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 8; n_threads++) {
        struct mien_crew_threads threads = {.n_threads = n_threads};
        const struct mien_crew crew = mien_crew_of_threads(&threads);
        struct tally tally = {.home = pthread_self(), .fails_at = UINT32_MAX};

        assert_int_equal(mien_crew_run(&crew, take, &tally, N_SLICES), MIEN_OK);
        for (uint32_t i = 0; i < N_SLICES; i++)
            assert_int_equal(tally.taken[i], 1);
        assert_true((atomic_load(&tally.n_abroad) > 0) == (n_threads > 1));
    }
}

static void a_slice_that_fails_ends_the_run_with_its_error(void **state)
{
    (void)state;
    struct mien_crew_threads threads = {.n_threads = 4};
    const struct mien_crew crew = mien_crew_of_threads(&threads);
    struct tally tally = {.home = pthread_self(), .fails_at = 3};

    assert_int_equal(mien_crew_run(&crew, take, &tally, N_SLICES), MIEN_ECORRUPT);
    assert_int_equal(tally.taken[3], 1);
    /* None is taken after the failure was seen, none twice. */
    for (uint32_t i = 0; i < N_SLICES; i++)
        assert_true(tally.taken[i] <= 1);
}

/* Tiles lie beside each other in one vector: threads must not touch the same words. */
static void masks_by_many_threads_are_those_of_one(void **state)
{
    (void)state;
    enum { N = 300007, N_MASKS = 6 };
    static uint32_t alone[N];
    static uint32_t shared[N];
    struct mien_mask masks[N_MASKS];

    memset(alone, 0, sizeof(alone));
    memset(shared, 0, sizeof(shared));
    for (uint32_t i = 0; i < N_MASKS; i++) {
        memset(masks[i].key, (int)i + 1, sizeof(masks[i].key));
        masks[i].subtract = i % 2 == 1;
    }
    assert_int_equal(mien_mask_apply(NULL, masks, N_MASKS, alone, N), MIEN_OK);
    struct mien_crew_threads threads = {.n_threads = 8};
    const struct mien_crew crew = mien_crew_of_threads(&threads);
    assert_int_equal(mien_mask_apply(&crew, masks, N_MASKS, shared, N), MIEN_OK);
    assert_memory_equal(alone, shared, sizeof(alone));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slice_is_taken_once_whoever_takes_it),
        cmocka_unit_test(a_slice_that_fails_ends_the_run_with_its_error),
        cmocka_unit_test(masks_by_many_threads_are_those_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
