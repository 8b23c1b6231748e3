// SPDX-License-Identifier: Apache-2.0
/* Memory that runs out, and what is left in memory when secrets have served. */
#include "tests/unit/secagg/world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void new_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct world w;
    struct mien_secagg_device *device = NULL;
    struct mien_secagg_sum *sum = NULL;

    world_init(&w, 4, 27);
    const struct mien_secagg_device_config config = {.session = w.session, .min_members = 2};
    for (long k = 0; device == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_secagg_device_new(&config, &w.rng, &device, NULL);
        assert_int_equal(status, device == NULL ? MIEN_ENOMEM : MIEN_OK);
    }
    for (long k = 0; sum == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_secagg_sum_new(&w.session, w.tags, &sum);
        assert_int_equal(status, sum == NULL ? MIEN_ENOMEM : MIEN_OK);
    }
    mien_mem_fail_at(-1);
    mien_secagg_device_free(device);
    mien_secagg_sum_free(sum);
    world_fini(&w);
    assert_int_equal(mien_mem_live(), 0);
}

static void a_vector_does_not_leave_when_memory_fails(void **state)
{
    (void)state;
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status == MIEN_ENOMEM; k++) {
        struct world w;
        uint32_t vector[DIM] = {1, 2, 3};
        const uint32_t zeros[DIM] = {0};

        world_init(&w, 4, 27);
        assert_true(run_keys(&w) && run_shares(&w));
        deliver_to(&w, 3);
        mien_mem_fail_at(k);
        status = mien_secagg_device_mask(w.device[3], vector);
        mien_mem_fail_at(-1);
        assert_true((memcmp(vector, zeros, sizeof(zeros)) == 0) == (status != MIEN_OK));
        assert_int_equal(mien_secagg_device_mask(w.device[3], vector), MIEN_ESTATE);
        world_fini(&w);
    }
    assert_int_equal(status, MIEN_OK);
    assert_int_equal(mien_mem_live(), 0);
}

static void no_total_changes_when_memory_fails(void **state)
{
    (void)state;
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status == MIEN_ENOMEM; k++) {
        struct world w;
        uint8_t bitmap[MIEN_BITMAP_BYTES];
        uint8_t root[32];
        int64_t total[DIM] = {0};
        const int64_t zeros[DIM] = {0};
        struct mien_secagg_blame blame;

        world_init(&w, 4, 27);
        w.leaves[3] = BEFORE_INPUT;
        assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root) &&
                    run_confirms(&w, bitmap, root));
        run_reveals(&w);
        mien_mem_fail_at(k);
        status = mien_secagg_sum_unmask(w.sum, NULL, total, &blame);
        mien_mem_fail_at(-1);
        assert_true((memcmp(total, zeros, sizeof(zeros)) == 0) == (status != MIEN_OK));
        world_fini(&w);
    }
    assert_int_equal(status, MIEN_OK);
    assert_int_equal(mien_mem_live(), 0);
}

/* Randomness that remembers, disguised, what it gave. */
struct remembering {
    struct mien_rng *rng;
    uint8_t given[3][16]; /* inverted: the scan must not find this copy */
    int n;
};

static enum mien_status fill_and_remember(void *self, void *out, size_t n)
{
    struct remembering *r = self;
    enum mien_status status = mien_rng_fill(r->rng, out, n);

    for (int i = 0; i < 16 && r->n < 3; i++)
        r->given[r->n][i] = (uint8_t) ~((const uint8_t *)out)[i];
    r->n++;
    return status;
}

/* How often the inverse of 16 bytes occurs in a part of this process's memory. */
static int count_in(int mem, unsigned long from, unsigned long to, const uint8_t inverse[16])
{
    static uint8_t page[4096 + 15];
    int found = 0;

    for (unsigned long at = from; at < to; at += 4096) {
        const ssize_t n = pread(mem, page, sizeof(page), (off_t)at);

        for (ssize_t i = 0; i + 16 <= n; i++) {
            int same = 0;

            while (same < 16 && (page[i + same] ^ inverse[same]) == 0xff)
                same++;
            found += same == 16;
        }
    }
    memset(page, 0, sizeof(page));
    return found;
}

static int count_in_memory(const uint8_t inverse[16])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    const int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char line[512];
    int found = 0;

    assert_non_null(maps);
    assert_true(mem >= 0);
    while (fgets(line, sizeof(line), maps) != NULL) {
        char *end = NULL;
        const unsigned long from = strtoul(line, &end, 16);
        const unsigned long to = strtoul(end + 1, NULL, 16);

        if (strstr(line, "[heap]") != NULL || strstr(line, "[stack]") != NULL)
            found += count_in(mem, from, to, inverse);
    }
    fclose(maps);
    close(mem);
    return found;
}

/* Seeds and the channel's key are in memory while they are needed, and nowhere once the vector has
 * left. (Other allocators than the system's have no [heap]; the scan then finds nothing.) */
static void secrets_are_gone_when_they_have_served(void **state)
{
    (void)state;
    struct world w;
    struct remembering r = {0};
    struct mien_rng rng = {.fill = fill_and_remember, .self = &r};
    uint32_t masked[DIM] = {0};

    world_init(&w, 3, 28);
    const struct mien_secagg_device_config config = world_config(&w, 1);
    mien_secagg_device_free(w.device[1]);
    /* The seeded generator keeps what it gave. */
    struct mien_rng system = mien_rng_system();
    r.rng = &system;
    assert_int_equal(mien_secagg_device_new(&config, &rng, &w.device[1], NULL), MIEN_OK);
    const bool can_see = count_in_memory(r.given[0]) > 0;
    for (int i = 0; i < 3 && can_see; i++)
        assert_true(count_in_memory(r.given[i]) > 0);
    assert_true(run_keys(&w) && run_shares(&w));
    deliver_to(&w, 1);
    assert_int_equal(mien_secagg_device_mask(w.device[1], masked), MIEN_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(count_in_memory(r.given[i]), 0);
    world_fini(&w);
    if (!can_see)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_survives_each_failed_allocation),
        cmocka_unit_test(a_vector_does_not_leave_when_memory_fails),
        cmocka_unit_test(no_total_changes_when_memory_fails),
        cmocka_unit_test(secrets_are_gone_when_they_have_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
