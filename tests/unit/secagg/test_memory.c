// SPDX-License-Identifier: Apache-2.0
/* Memory that runs out, and what is left in memory when secrets have served. */
#include "common/base/secret.h"
#include "common/secagg/coordinator_internal.h"
#include "common/secagg/device_internal.h"
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

/* A world whose device `i` draws from the system, and what it drew; the seeded generator keeps what
 * it gave. */
static void plant(struct world *w, uint32_t i, struct remembering *r)
{
    static struct mien_rng system;
    struct mien_rng rng = {.fill = fill_and_remember, .self = r};
    const struct mien_secagg_device_config config = world_config(w, i);

    system = mien_rng_system();
    *r = (struct remembering){.rng = &system};
    mien_secagg_device_free(w->device[i]);
    assert_int_equal(mien_secagg_device_new(&config, &rng, &w->device[i], NULL), MIEN_OK);
}

/* Skips where the scan cannot see what was planted: under other allocators than the system's, which
 * have no [heap]. Sanitizers, which bring one, also keep registers on the stack. */
static void skip_if_blind(struct world *w, const struct remembering *r)
{
    if (count_in_memory(r->given[0]) > 0)
        return;
    world_fini(w);
    skip();
}

/* Seeds and the channel's key are in memory while they are needed, and nowhere once the vector has
 * left. */
static void secrets_are_gone_when_they_have_served(void **state)
{
    (void)state;
    struct world w;
    struct remembering r;
    uint32_t masked[DIM] = {0};

    world_init(&w, 3, 28);
    plant(&w, 1, &r);
    skip_if_blind(&w, &r);
    for (int i = 0; i < 3; i++)
        assert_true(count_in_memory(r.given[i]) > 0);
    assert_true(run_keys(&w) && run_shares(&w));
    deliver_to(&w, 1);
    assert_int_equal(mien_secagg_device_mask(w.device[1], masked), MIEN_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(count_in_memory(r.given[i]), 0);
    world_fini(&w);
}

/* Inverted: two limbs of a share as they stand in memory. */
static void remember_share(const struct mien_share *share, uint8_t inverse[16])
{
    uint8_t bytes[sizeof(*share)];

    memcpy(bytes, share, sizeof(bytes));
    for (int i = 0; i < 16; i++)
        inverse[i] = (uint8_t)~bytes[i];
    mien_wipe(bytes, sizeof(bytes));
}

/* Of a neighbour's two shares the one that may not be revealed is gone once the survivors are
 * signed, the other one when the device is freed. */
static void a_share_that_may_not_be_revealed_is_gone(void **state)
{
    (void)state;
    struct world w;
    struct remembering r;
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    uint8_t key[4][16];
    uint8_t self_mask[4][16];

    world_init(&w, 4, 29);
    w.leaves[3] = BEFORE_INPUT;
    plant(&w, 1, &r);
    skip_if_blind(&w, &r);
    assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root));
    for (uint32_t i = 0; i < 4; i++) {
        const struct mien_device_peer *peer = mien_device_find(w.device[1], i);

        remember_share(&peer->theirs.key, key[i]);
        remember_share(&peer->theirs.self_mask, self_mask[i]);
        assert_true(count_in_memory(key[i]) > 0);
        assert_true(count_in_memory(self_mask[i]) > 0);
    }
    confirm_from(&w, 1, bitmap, root);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(count_in_memory(i == 3 ? self_mask[i] : key[i]), 0);
        assert_true(count_in_memory(i == 3 ? key[i] : self_mask[i]) > 0);
    }
    mien_secagg_device_free(w.device[1]);
    w.device[1] = NULL;
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(count_in_memory(i == 3 ? key[i] : self_mask[i]), 0);
    world_fini(&w);
}

/* What the coordinator rebuilds and expands: members 0 to 2 survive, member 3 leaves. Inverted. */
struct rebuilt {
    uint8_t seed[4][16];      /* the self-mask seed of a survivor, the key seed of the leaver */
    uint8_t mask[4][16];      /* the cipher key of a survivor's own mask */
    uint8_t pair_mask[4][16]; /* and of that between a survivor and the leaver */
    uint8_t mask_sk[16];      /* the leaver's private key */
    uint8_t share[4][16];     /* one that was revealed of each member's secret */
    int n_runs;
};

static void invert(const uint8_t *in, uint8_t out[16])
{
    for (int i = 0; i < 16; i++)
        out[i] = (uint8_t)~in[i];
}

static void expand(struct rebuilt *r, const struct world *w, const struct remembering *given)
{
    struct mien_credential who;
    struct mien_credential leaver;
    uint8_t seed[16];
    uint8_t key[32];
    uint8_t mask_sk[32];
    uint8_t shared[32];

    mien_credential_read(w->credential[3], &leaver);
    invert(given[3].given[0], seed);
    memcpy(r->seed[3], given[3].given[0], 16);
    assert_int_equal(
        mien_session_mask_sk(seed, mien_secagg_sum_session_id(w->sum), leaver.device_id, mask_sk),
        MIEN_OK);
    invert(mask_sk, r->mask_sk);
    for (uint32_t i = 0; i < 3; i++) {
        mien_credential_read(w->credential[i], &who);
        invert(given[i].given[1], seed);
        memcpy(r->seed[i], given[i].given[1], 16);
        assert_int_equal(
            mien_session_self_mask(seed, mien_secagg_sum_session_id(w->sum), who.device_id, key),
            MIEN_OK);
        invert(key, r->mask[i]);
        assert_int_equal(
            mien_x25519_shared(mask_sk, mien_secagg_sum_roster(w->sum, i)->mask_pk, shared),
            MIEN_OK);
        assert_int_equal(mien_session_pair_mask(shared, mien_secagg_sum_session_id(w->sum),
                                                (struct mien_session_member){3, leaver.device_id},
                                                (struct mien_session_member){i, who.device_id},
                                                key),
                         MIEN_OK);
        invert(key, r->pair_mask[i]);
    }
    mien_wipe(seed, sizeof(seed));
    mien_wipe(key, sizeof(key));
    mien_wipe(mask_sk, sizeof(mask_sk));
    mien_wipe(shared, sizeof(shared));
}

static int count_masks(const struct rebuilt *r)
{
    int n = 0;

    for (uint32_t i = 0; i < 3; i++)
        n += count_in_memory(r->mask[i]) > 0;
    for (uint32_t i = 0; i < 3; i++)
        n += count_in_memory(r->pair_mask[i]) > 0;
    return n;
}

/* The first work of the crew rebuilds secrets, the second takes masks off: all keys are there. */
static enum mien_status run_and_look(void *self, mien_crew_slice slice, void *task, uint32_t n)
{
    struct rebuilt *r = self;
    enum mien_status status = MIEN_OK;

    if (++r->n_runs == 2)
        assert_int_equal(count_masks(r), 6);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        status = slice(task, i);
    return status;
}

static void the_coordinator_keeps_nothing_that_it_rebuilt(void **state)
{
    (void)state;
    struct world w;
    struct remembering given[4];
    struct rebuilt r = {0};
    const struct mien_crew crew = {.run = run_and_look, .self = &r};
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    int64_t total[DIM] = {0};
    struct mien_secagg_blame blame;

    world_init(&w, 4, 30);
    w.leaves[3] = BEFORE_INPUT;
    for (uint32_t i = 0; i < 4; i++)
        plant(&w, i, &given[i]);
    skip_if_blind(&w, &given[0]);
    assert_true(run_keys(&w));
    expand(&r, &w, given);
    assert_true(run_shares(&w) && run_inputs(&w, bitmap, root) && run_confirms(&w, bitmap, root));
    run_reveals(&w);
    for (uint32_t i = 0; i < 4; i++) {
        mien_secagg_device_free(w.device[i]);
        w.device[i] = NULL;
        assert_true(w.sum->member[i].has[1]);
        remember_share(&w.sum->member[i].shares[1], r.share[i]);
        assert_true(count_in_memory(r.share[i]) > 0);
        assert_int_equal(count_in_memory(r.seed[i]), 0);
    }
    assert_int_equal(count_masks(&r), 0);
    assert_int_equal(mien_secagg_sum_unmask(w.sum, &crew, total, &blame), MIEN_OK);
    assert_int_equal(r.n_runs, 2);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(count_in_memory(r.seed[i]), 0);
        assert_int_equal(count_in_memory(r.share[i]), 0);
    }
    assert_int_equal(count_masks(&r), 0);
    assert_int_equal(count_in_memory(r.mask_sk), 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_survives_each_failed_allocation),
        cmocka_unit_test(a_vector_does_not_leave_when_memory_fails),
        cmocka_unit_test(no_total_changes_when_memory_fails),
        cmocka_unit_test(secrets_are_gone_when_they_have_served),
        cmocka_unit_test(a_share_that_may_not_be_revealed_is_gone),
        cmocka_unit_test(the_coordinator_keeps_nothing_that_it_rebuilt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
