// SPDX-License-Identifier: Apache-2.0
/* Power cuts, kills and failing writes at every step of the disk: whatever was promised is there
 * when the store is opened again, and nothing is there by half. */
#include "tests/unit/store/fixture.h"

#include "server/store/store_internal.h"
#include "server/store/verify.h"
#include "tests/support/disk.h"

#include <errno.h>

#define MAX_PROMISES 64
#define N_INPUTS 3

/* What the outside was told: a place of the chain, and what it holds. */
struct promise {
    struct mien_store_mark mark;
    uint64_t version;
    uint64_t n_charged;
};

struct at {
    char dir[64];
    char base[80]; /* as it was when recording began */
    char copy[80];
    struct promise promises[MAX_PROMISES];
    size_t n_promises;
};

static int setup(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));
    struct mien_entry_plan plan = fixture_plan();

    /* Without sampling an account takes no time. */
    plan.mechanism.sampling = MIEN_SAMPLING_NONE;
    plan.mechanism.rate = 1.0;
    assert_non_null(at);
    fixture_path(at->dir);
    (void)snprintf(at->base, sizeof(at->base), "%s-base", at->dir);
    (void)snprintf(at->copy, sizeof(at->copy), "%s-copy", at->dir);
    fixture_create(at->dir, &plan);
    fixture_copy(at->dir, at->base);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    struct at *at = *state;

    disk_fini();
    fixture_remove(at->dir);
    fixture_remove(at->base);
    fixture_remove(at->copy);
    mien_free(at);
    return 0;
}

/* ---- what is done ---- */

static void promise(struct at *at, struct mien_store *store)
{
    struct promise *p = &at->promises[at->n_promises];

    assert_true(at->n_promises < MAX_PROMISES);
    *p = (struct promise){.mark = mien_store_mark(store),
                          .version = mien_store_latest(store).version,
                          .n_charged = mien_chain_n_charged(&store->chain)};
    at->n_promises++;
    disk_promise(at->n_promises);
}

/* One whole round, one abandoned, one reserved and given up; each step is a promise. Stops at the
 * first step that fails. */
static enum mien_status one_round(struct at *at, struct mien_store *store, bool publish)
{
    struct mien_store_round round = mien_store_next_round(store);
    struct mien_store_input inputs[N_INPUTS] = {fixture_input(1), fixture_input(2),
                                                fixture_input(3)};
    uint8_t units[N_INPUTS * 32];
    struct mien_store_release release = {.model_hash = {9}};
    char text[32];
    uint64_t version;
    enum mien_status status = mien_store_round_open(store, round, fixture_coins, NULL);

    for (size_t i = 0; i < N_INPUTS; i++)
        memcpy(units + 32 * i, inputs[i].unit, 32);
    (void)snprintf(text, sizeof(text), "model of round %d", (int)round.round);
    if (status == MIEN_OK)
        promise(at, store);
    if (status == MIEN_OK)
        status = mien_store_put_inputs(store, round, 0, inputs, N_INPUTS, NULL);
    if (status == MIEN_OK)
        status = mien_store_put_survivors(store, round, 0, units, N_INPUTS, NULL);
    if (status == MIEN_OK)
        status = fixture_reserve(store, round);
    if (status == MIEN_OK)
        promise(at, store);
    if (status == MIEN_OK && !publish) {
        status = mien_store_abandon(store, round, "given up", NULL);
    } else if (status == MIEN_OK) {
        release.server_state = (struct mien_span){(const uint8_t *)text, strlen(text)};
        status =
            mien_store_model_write(store, round, release.server_state, release.file_digest, NULL);
        if (status == MIEN_OK)
            status = mien_store_commit(store, round, &release, &version, NULL);
    }
    if (status == MIEN_OK)
        promise(at, store);
    return status;
}

/* After a failure: a store that does not know what is on the disk writes no more, and one that
 * refused before it wrote goes on. */
static void go_on(struct at *at, struct mien_store *store)
{
    const bool broken = store->broken;
    const enum mien_status status = one_round(at, store, true);

    if (broken)
        assert_int_equal(status, MIEN_ESTATE);
}

static enum mien_status live(struct at *at, const char *dir, int n_rounds)
{
    struct mien_store *store = NULL;
    struct mien_store_recovery recovery;
    enum mien_status status = mien_store_open(dir, fixture_seed, &store, NULL);

    /* Often enough that pages go back into the database while rounds run. */
    if (status == MIEN_OK)
        status = mien_db_exec(store->db, "PRAGMA wal_autocheckpoint=9", NULL);
    if (status == MIEN_OK)
        status = mien_store_start(store, &recovery, NULL);
    if (status == MIEN_OK)
        promise(at, store);
    for (int i = 0; i < n_rounds && status == MIEN_OK; i++)
        status = one_round(at, store, i != 1);
    if (status != MIEN_OK && store != NULL)
        go_on(at, store);
    mien_store_close(store);
    return status;
}

/* ---- what is found ---- */

static void assert_whole_rows(struct mien_store *store)
{
    uint64_t n = 0;

    assert_int_equal(mien_db_number(store->db, "SELECT count(*) FROM input", NULL, 0, &n, NULL),
                     MIEN_OK);
    assert_int_equal(n % N_INPUTS, 0);
    assert_int_equal(mien_db_number(store->db, "SELECT count(*) FROM survivor", NULL, 0, &n, NULL),
                     MIEN_OK);
    assert_int_equal(n % N_INPUTS, 0);
}

static void assert_kept(struct mien_store *store, const struct promise *p)
{
    sqlite3_stmt *stmt = NULL;
    uint8_t head[32];
    bool row = false;

    assert_true(mien_store_mark(store).seq >= p->mark.seq);
    assert_true(mien_store_latest(store).version >= p->version);
    assert_true(mien_chain_n_charged(&store->chain) >= p->n_charged);
    assert_int_equal(mien_db_query(store->db, "SELECT head FROM entry WHERE seq=?",
                                   (struct mien_db_value[]){mien_db_int(p->mark.seq)}, 1, &stmt,
                                   NULL),
                     MIEN_OK);
    assert_int_equal(mien_db_next(stmt, &row, NULL), MIEN_OK);
    assert_true(row && mien_db_column_fixed(stmt, 0, head, sizeof(head)));
    assert_memory_equal(head, p->mark.head, sizeof(head));
    sqlite3_finalize(stmt);
}

/* The fixture's models are no safetensors; everything else must be in order. */
static void assert_verifies(const char *dir)
{
    struct mien_verify verify;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/ledger.db", dir);
    assert_int_equal(mien_verify_state(dir, path, NULL, &verify, NULL), MIEN_OK);
    for (size_t i = 0; i < verify.n_problems; i++) {
        if (strncmp(verify.problems[i], "model version", 13) != 0)
            fail_msg("%s", verify.problems[i]);
        assert_null(strstr(verify.problems[i], "the file was changed"));
        assert_null(strstr(verify.problems[i], "cannot open"));
    }
    mien_verify_fini(&verify);
}

/* Opens what a cut has left: no refusal, every promise kept, and rounds go on. */
static void assert_sound(const struct at *at, const char *dir, uint64_t promised, const char *when)
{
    struct mien_store *store = NULL;
    struct mien_store_recovery recovery;
    struct mien_err err = {0};

    if (mien_store_open(dir, fixture_seed, &store, &err) != MIEN_OK)
        fail_msg("%s: %s", when, err.text);
    if (promised > 0)
        assert_kept(store, &at->promises[promised - 1]);
    assert_whole_rows(store);
    if (mien_store_start(store, &recovery, &err) != MIEN_OK)
        fail_msg("%s: %s", when, err.text);
    fixture_round(store);
    mien_store_close(store);
    assert_verifies(dir);
}

static void cut_everywhere(struct at *at, enum disk_cut cut, uint64_t n_seeds)
{
    const size_t n = disk_n_steps();
    char when[96];

    for (size_t k = 0; k <= n; k++) {
        for (uint64_t seed = 0; seed < n_seeds; seed++) {
            fixture_remove(at->copy);
            fixture_copy(at->base, at->copy);
            const uint64_t promised = disk_rebuild(k, cut, seed, at->copy);
            (void)snprintf(when, sizeof(when), "cut %d after step %zu of %zu, seed %d", (int)cut, k,
                           n, (int)seed);
            assert_sound(at, at->copy, promised, when);
        }
    }
}

static void record(struct at *at)
{
    disk_record(at->dir);
    assert_int_equal(live(at, at->dir, 3), MIEN_OK);
    disk_stop();
    assert_true(disk_n_steps() > 100);
    assert_true(at->n_promises > 9);
}

static void a_kill_after_any_step_loses_nothing(void **state)
{
    record(*state);
    cut_everywhere(*state, DISK_KILL, 1);
}

static void a_power_cut_after_any_step_loses_nothing_that_was_promised(void **state)
{
    record(*state);
    cut_everywhere(*state, DISK_LOSE, 1);
    /* What was not synced comes back in parts: no false alarm is possible, every state is one that
     * a disk may leave. */
    cut_everywhere(*state, DISK_RANDOM, 2);
}

static void a_missing_sync_would_be_seen(void **state)
{
    struct at *at = *state;
    struct mien_store *store;
    struct promise *last;

    /* The same model on a store that does not sync: promises must break, or the tests above prove
     * nothing. */
    disk_record(at->dir);
    store = fixture_open(at->dir);
    assert_int_equal(mien_db_exec(store->db, "PRAGMA synchronous=OFF", NULL), MIEN_OK);
    (void)fixture_start(store);
    assert_int_equal(one_round(at, store, true), MIEN_OK);
    last = &at->promises[at->n_promises - 1];
    const size_t n = disk_n_steps();
    disk_stop();
    mien_store_close(store);
    fixture_copy(at->base, at->copy);
    assert_int_equal(disk_rebuild(n, DISK_LOSE, 0, at->copy), at->n_promises);
    store = NULL;
    if (mien_store_open(at->copy, fixture_seed, &store, NULL) == MIEN_OK)
        assert_true(mien_store_mark(store).seq < last->mark.seq);
    mien_store_close(store);
}

static void any_step_that_fails_loses_nothing_that_was_promised(void **state)
{
    static const int errors[] = {EIO, ENOSPC};
    struct at *at = *state;
    char when[96];

    for (size_t e = 0; e < 2; e++) {
        enum mien_status status = MIEN_EIO;

        for (long k = 0; status != MIEN_OK; k++) {
            fixture_remove(at->copy);
            fixture_copy(at->base, at->copy);
            at->n_promises = 0;
            disk_record(at->copy);
            disk_fail_at(k, errors[e]);
            status = live(at, at->copy, 2);
            disk_stop();
            (void)snprintf(when, sizeof(when), "step %ld failed with %d", k, errors[e]);
            assert_sound(at, at->copy, at->n_promises, when);
            /* A failed step that nobody had to be told of (a file that was to be removed, a
             * checkpoint that can wait) is not the end of the steps. */
            if (status == MIEN_OK && k + 1 < (long)disk_n_steps())
                status = MIEN_EIO;
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_kill_after_any_step_loses_nothing),
        TEST(a_power_cut_after_any_step_loses_nothing_that_was_promised),
        TEST(a_missing_sync_would_be_seen),
        TEST(any_step_that_fails_loses_nothing_that_was_promised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
