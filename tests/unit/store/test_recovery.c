// SPDX-License-Identifier: Apache-2.0
/* Crashes and rollbacks: the directory is copied byte for byte at each step, as SIGKILL leaves it,
 * and opened again. */
#include "tests/unit/store/fixture.h"

#include "common/base/text.h"
#include "server/store/store_internal.h"
#include "server/store/verify.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static const struct mien_store_loss no_more = {0};

struct at {
    char dir[64];
    char copy[80];
    struct mien_store *store;
};

static int setup(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));
    const struct mien_entry_plan plan = fixture_plan();

    assert_non_null(at);
    fixture_path(at->dir);
    (void)snprintf(at->copy, sizeof(at->copy), "%s-copy", at->dir);
    fixture_create(at->dir, &plan);
    at->store = fixture_open(at->dir);
    (void)fixture_start(at->store);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    struct at *at = *state;

    mien_store_close(at->store);
    fixture_remove(at->dir);
    fixture_remove(at->copy);
    mien_free(at);
    return 0;
}

/* A round that is charged and waits for its model. */
static struct mien_store_round reserved(struct mien_store *store)
{
    struct mien_store_round round = fixture_collect(store, 3);

    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
    return round;
}

/* What a restart finds now. */
static struct mien_store_recovery crash(const struct at *at, struct mien_store_round *next,
                                        size_t *n_charged, uint64_t *version)
{
    struct mien_store *store;
    struct mien_store_recovery recovery;
    struct mien_dp_event *events = NULL;
    size_t n = 0;

    fixture_remove(at->copy);
    fixture_copy(at->dir, at->copy);
    store = fixture_open(at->copy);
    recovery = fixture_start(store);
    assert_int_equal(mien_store_events(store, &events, &n), MIEN_OK);
    *n_charged = n == 0 ? 0 : (size_t)events[0].count;
    *next = mien_store_next_round(store);
    *version = mien_store_latest(store).version;
    assert_int_equal(mien_store_mark(store).epoch, mien_store_mark(at->store).epoch + 1);
    mien_free(events);
    mien_store_close(store);
    return recovery;
}

static void a_crash_at_each_step_abandons_or_keeps_the_charge(void **state)
{
    struct at *at = *state;
    struct mien_store_round round = mien_store_next_round(at->store);
    struct mien_store_round next;
    struct mien_store_input input = fixture_input(1);
    struct mien_store_release release = {.model_hash = {1}};
    uint64_t version;
    size_t charged;

    assert_int_equal(crash(at, &next, &charged, &version).state, MIEN_STORE_NO_ROUND);
    assert_int_equal(mien_store_round_open(at->store, round, fixture_coins, NULL), MIEN_OK);
    assert_int_equal(crash(at, &next, &charged, &version).state, MIEN_STORE_OPEN);
    assert_int_equal(next.attempt, 2);
    assert_int_equal(mien_store_put_inputs(at->store, round, 0, &input, 1, NULL), MIEN_OK);
    assert_int_equal(crash(at, &next, &charged, &version).state, MIEN_STORE_OPEN);
    assert_int_equal(mien_store_put_survivors(at->store, round, 0, input.unit, 1, NULL), MIEN_OK);
    assert_int_equal(crash(at, &next, &charged, &version).state, MIEN_STORE_OPEN);
    assert_int_equal(charged, 0);

    assert_int_equal(fixture_reserve(at->store, round), MIEN_OK);
    assert_int_equal(crash(at, &next, &charged, &version).state, MIEN_STORE_RESERVED);
    assert_int_equal(charged, 1);
    assert_int_equal(next.round, 2);
    assert_int_equal(next.attempt, 1);
    assert_int_equal(mien_store_model_write(at->store, round,
                                            (struct mien_span){(const uint8_t *)"m", 1},
                                            release.file_digest, NULL),
                     MIEN_OK);
    struct mien_store_recovery recovery = crash(at, &next, &charged, &version);
    assert_int_equal(recovery.state, MIEN_STORE_RESERVED);
    assert_int_equal(recovery.n_files_removed, 1); /* a model that was never released */
    assert_int_equal(version, 0);

    assert_int_equal(mien_store_commit(at->store, round, &release, &version, NULL), MIEN_OK);
    recovery = crash(at, &next, &charged, &version);
    assert_int_equal(recovery.state, MIEN_STORE_NO_ROUND);
    assert_int_equal(recovery.n_files_removed, 0);
    assert_int_equal(version, 1);
    assert_int_equal(charged, 1);
}

/* A process that releases round after round and says each version once it is committed. */
static void release_for_ever(const char *dir, int to)
{
    struct mien_store *store = fixture_open(dir);

    (void)fixture_start(store);
    for (;;) {
        fixture_round(store);
        uint8_t byte = (uint8_t)mien_store_latest(store).version;
        if (write(to, &byte, 1) != 1)
            _exit(1);
    }
}

static void nothing_acknowledged_is_lost_to_sigkill(void **state)
{
    struct at *at = *state;

    mien_store_close(at->store);
    at->store = NULL;
    /* A child makes rounds and says each version through a pipe after its commit; it is killed
     * after a while that differs from run to run. Seeds do not matter: no kill may lose one. */
    for (int run = 0; run < 20; run++) {
        int ends[2];
        uint8_t acknowledged = 0;
        uint8_t byte;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            release_for_ever(at->dir, ends[1]);
        assert_true(child > 0);
        (void)close(ends[1]);
        (void)nanosleep(&(struct timespec){.tv_nsec = 3000000 + 1700000L * run}, NULL);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        while (read(ends[0], &byte, 1) == 1)
            acknowledged = byte;
        (void)close(ends[0]);
        struct mien_store *store = fixture_open(at->dir);
        if (acknowledged > 0)
            assert_true((uint8_t)mien_store_latest(store).version >= acknowledged);
        mien_store_close(store);
    }
    at->store = fixture_open(at->dir);
}

static void a_rolled_back_ledger_is_refused_until_the_loss_is_charged(void **state)
{
    struct at *at = *state;
    char path[128];
    struct mien_store *store = NULL;
    struct mien_err err = {0};
    struct mien_store_restored restored;
    struct mien_dp_event *events = NULL;
    size_t n = 0;
    struct mien_buf anchor = {0};

    fixture_round(at->store);
    fixture_copy(at->dir, at->copy); /* yesterday's backup */
    fixture_round(at->store);
    fixture_round(at->store);
    uint64_t lost_epoch = mien_store_mark(at->store).epoch;
    (void)snprintf(path, sizeof(path), "%s/anchor", at->dir);
    assert_int_equal(mien_file_read(path, 4096, &anchor, NULL), MIEN_OK);
    (void)snprintf(path, sizeof(path), "%s/anchor", at->copy);
    assert_int_equal(mien_file_replace(path, mien_buf_span(&anchor), 0600, NULL), MIEN_OK);
    mien_buf_fini(&anchor);

    assert_int_equal(mien_store_open(at->copy, fixture_seed, &store, &err), MIEN_ECORRUPT);
    assert_non_null(strstr(err.text, "rolled back"));
    assert_int_equal(mien_store_restore(at->copy, fixture_seed, &no_more, &restored, NULL),
                     MIEN_OK);
    assert_int_equal(restored.n_charged, 3); /* two were made, and one may have been reserved */
    assert_int_equal(restored.version, 1);
    store = fixture_open(at->copy);
    assert_true(mien_store_mark(store).epoch > lost_epoch);
    assert_int_equal(mien_store_events(store, &events, &n), MIEN_OK);
    assert_int_equal(n, 2);
    assert_int_equal(events[1].count, 3);
    assert_true(mien_store_next_round(store).round > 3); /* numbers that devices have seen */
    mien_free(events);
    (void)fixture_start(store);
    fixture_round(store);
    mien_store_close(store);
    assert_int_equal(mien_store_restore(at->copy, fixture_seed, &no_more, &restored, NULL),
                     MIEN_ESTATE);
}

static void a_loss_that_only_the_operator_knows_of_is_charged_too(void **state)
{
    struct at *at = *state;
    const struct mien_store_loss loss = {.n_releases = 7, .epoch = 40};
    struct mien_store_restored restored;
    struct mien_dp_event *events = NULL;
    size_t n = 0;

    /* Everything was put back together: ledger and anchor agree, devices have seen epoch 40. */
    fixture_round(at->store);
    mien_store_close(at->store);
    assert_int_equal(mien_store_restore(at->dir, fixture_seed, &loss, &restored, NULL), MIEN_OK);
    assert_int_equal(restored.n_charged, 7);
    at->store = fixture_open(at->dir);
    assert_int_equal(mien_store_mark(at->store).epoch, 41);
    assert_int_equal(mien_store_next_round(at->store).round, 9);
    assert_int_equal(mien_store_events(at->store, &events, &n), MIEN_OK);
    assert_int_equal(events[1].sampling, MIEN_SAMPLING_NONE);
    assert_int_equal(events[1].count, 7);
    mien_free(events);
}

static void an_anchor_that_was_put_back_is_refused(void **state)
{
    struct at *at = *state;
    char path[128];
    struct mien_buf anchor = {0};
    struct mien_store *store = NULL;
    struct mien_err err = {0};
    struct mien_store_restored restored;

    (void)snprintf(path, sizeof(path), "%s/anchor", at->dir);
    assert_int_equal(mien_file_read(path, 4096, &anchor, NULL), MIEN_OK);
    fixture_round(at->store);
    mien_store_close(at->store);
    at->store = NULL;
    assert_int_equal(mien_file_replace(path, mien_buf_span(&anchor), 0600, NULL), MIEN_OK);
    mien_buf_fini(&anchor);
    assert_int_equal(mien_store_open(at->dir, fixture_seed, &store, &err), MIEN_ECORRUPT);
    assert_non_null(strstr(err.text, "the anchor was rolled back"));
    assert_int_equal(mien_store_restore(at->dir, fixture_seed, &no_more, &restored, NULL), MIEN_OK);
    assert_int_equal(restored.n_charged, 9); /* of ten planned, one is on the ledger */
    at->store = fixture_open(at->dir);
}

static void remove_model(const struct at *at, uint64_t version)
{
    char path[256];
    char hex[65];
    struct mien_store *store = fixture_open(at->dir);
    struct mien_store_model model;

    assert_int_equal(mien_store_model(store, version, &model, NULL), MIEN_OK);
    mien_store_close(store);
    mien_hex(model.file_digest, 32, hex);
    (void)snprintf(path, sizeof(path), "%s/models/%s.safetensors", at->dir, hex);
    assert_int_equal(unlink(path), 0);
}

static void models_that_were_put_back_are_refused_until_the_loss_is_accepted(void **state)
{
    struct at *at = *state;
    struct mien_store_recovery recovery;
    struct mien_store_restored restored;
    struct mien_err err = {0};
    struct mien_buf optimiser = {0};
    char path[128];

    for (int i = 0; i < 3; i++)
        fixture_round(at->store);
    mien_store_close(at->store);
    remove_model(at, 2);
    remove_model(at, 3);
    at->store = fixture_open(at->dir);
    assert_int_equal(mien_store_start(at->store, &recovery, &err), MIEN_ECORRUPT);
    assert_non_null(strstr(err.text, "model version 3 is missing"));
    mien_store_close(at->store);
    assert_int_equal(mien_store_restore(at->dir, fixture_seed, &no_more, &restored, NULL), MIEN_OK);
    assert_int_equal(restored.version, 1);
    assert_int_equal(restored.n_charged, 0); /* what the models cost is on the ledger */

    /* The numbers of the lost versions name their bytes for ever. */
    at->store = fixture_open(at->dir);
    (void)fixture_start(at->store);
    assert_int_equal(mien_store_latest(at->store).version, 1);
    assert_int_equal(mien_store_server_state(at->store, &optimiser, NULL), MIEN_OK);
    assert_int_equal(optimiser.len, 0);
    assert_int_equal(fixture_release(at->store, reserved(at->store)), 4);
    mien_store_close(at->store);
    at->store = NULL;
    struct mien_verify verify;
    (void)snprintf(path, sizeof(path), "%s/ledger.db", at->dir);
    assert_int_equal(mien_verify_state(at->dir, path, NULL, &verify, NULL), MIEN_OK);
    for (size_t i = 0; i < verify.n_problems; i++) {
        /* The fixture's models are no safetensors; what is gone is no problem any more. */
        assert_null(strstr(verify.problems[i], "version 2"));
        assert_null(strstr(verify.problems[i], "version 3"));
    }
    mien_verify_fini(&verify);
    at->store = fixture_open(at->dir);
}

static void a_lost_run_cannot_be_charged_for(void **state)
{
    struct at *at = *state;
    struct mien_anchor anchor;
    struct mien_store_restored restored;
    struct mien_err err = {0};

    mien_store_close(at->store);
    assert_int_equal(mien_anchor_read(at->dir, &anchor, NULL), MIEN_OK);
    assert_int_equal(anchor.run, 1);
    anchor.run = 2;
    anchor.mark.seq += 20;
    assert_int_equal(mien_anchor_write(at->dir, &anchor, NULL), MIEN_OK);
    assert_int_equal(mien_store_restore(at->dir, fixture_seed, &no_more, &restored, &err),
                     MIEN_EPOLICY);
    assert_non_null(strstr(err.text, "run 2"));
    anchor.run = 1;
    anchor.n_charged = 3;
    assert_int_equal(mien_anchor_write(at->dir, &anchor, NULL), MIEN_OK);
    assert_int_equal(mien_store_restore(at->dir, fixture_seed, &no_more, &restored, NULL), MIEN_OK);
    assert_int_equal(restored.n_charged, 4);
    at->store = fixture_open(at->dir);
}

static void a_missing_or_damaged_anchor_is_refused(void **state)
{
    struct at *at = *state;
    char path[128];
    struct mien_store *store = NULL;
    struct mien_store_restored restored;

    mien_store_close(at->store);
    (void)snprintf(path, sizeof(path), "%s/anchor", at->dir);
    assert_int_equal(
        mien_file_replace(path, (struct mien_span){(const uint8_t *)"mien", 4}, 0600, NULL),
        MIEN_OK);
    assert_int_equal(mien_store_open(at->dir, fixture_seed, &store, NULL), MIEN_ECORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mien_store_open(at->dir, fixture_seed, &store, NULL), MIEN_ECORRUPT);
    assert_int_equal(mien_store_restore(at->dir, fixture_seed, &no_more, &restored, NULL), MIEN_OK);
    assert_int_equal(restored.n_charged, 10); /* nothing is known: all that was planned */
    at->store = fixture_open(at->dir);
}

static void a_crash_between_ledger_and_anchor_is_no_rollback(void **state)
{
    struct at *at = *state;
    char path[128];
    struct mien_buf anchor = {0};

    (void)snprintf(path, sizeof(path), "%s/anchor", at->dir);
    assert_int_equal(mien_file_read(path, 4096, &anchor, NULL), MIEN_OK);
    (void)fixture_collect(at->store, 2);
    mien_store_close(at->store);
    assert_int_equal(mien_file_replace(path, mien_buf_span(&anchor), 0600, NULL), MIEN_OK);
    mien_buf_fini(&anchor);
    at->store = fixture_open(at->dir);
    assert_int_equal(fixture_start(at->store).state, MIEN_STORE_OPEN);
}

static void ledgers_of_other_formats_are_refused_with_a_sentence(void **state)
{
    struct at *at = *state;
    struct mien_store *store = NULL;
    struct mien_err err = {0};

    mien_store_close(at->store);
    fixture_sql(at->dir, "PRAGMA user_version=1");
    assert_int_equal(mien_store_open(at->dir, fixture_seed, &store, &err), MIEN_EPOLICY);
    assert_non_null(strstr(err.text, "an earlier mien"));
    fixture_sql(at->dir, "PRAGMA user_version=3");
    assert_int_equal(mien_store_open(at->dir, fixture_seed, &store, &err), MIEN_EPOLICY);
    assert_non_null(strstr(err.text, "a later version"));
    fixture_sql(at->dir, "PRAGMA user_version=2");
    at->store = fixture_open(at->dir);
}

static void a_second_process_is_kept_out(void **state)
{
    struct at *at = *state;
    struct mien_store *second = NULL;

    assert_int_equal(mien_store_open(at->dir, fixture_seed, &second, NULL), MIEN_EBUSY);
    assert_null(second);
}

static void a_full_disk_refuses_and_loses_nothing(void **state)
{
    struct at *at = *state;
    struct mien_store_round round = mien_store_next_round(at->store);
    struct mien_store_mark mark;
    enum mien_status status = MIEN_OK;
    size_t n = 0;

    assert_int_equal(mien_store_round_open(at->store, round, fixture_coins, NULL), MIEN_OK);
    mark = mien_store_mark(at->store);
    /* SQLite's own limit answers like the file system's. */
    assert_int_equal(mien_db_exec(at->store->db, "PRAGMA max_page_count=1", NULL), MIEN_OK);
    while (status == MIEN_OK && n < 10000) {
        struct mien_store_input input = {.unit = {(uint8_t)n, (uint8_t)(n >> 8)}};
        status = mien_store_put_inputs(at->store, round, 0, &input, 1, NULL);
        n += status == MIEN_OK;
    }
    assert_int_equal(status, MIEN_ENOSPC);
    assert_int_equal(mien_db_exec(at->store->db, "PRAGMA max_page_count=1000000", NULL), MIEN_OK);
    uint64_t rows = 0;
    assert_int_equal(
        mien_db_number(at->store->db, "SELECT count(*) FROM input", NULL, 0, &rows, NULL), MIEN_OK);
    assert_int_equal(rows, n);
    assert_int_equal(mien_store_mark(at->store).seq, mark.seq);
    assert_int_equal(mien_store_abandon(at->store, round, "disk", NULL), MIEN_OK);
    fixture_round(at->store);
}

static void a_backup_is_whole_and_never_overwrites(void **state)
{
    struct at *at = *state;
    char path[128];

    fixture_round(at->store);
    assert_int_equal(mien_dir_make(at->copy, 0700, NULL), MIEN_OK);
    (void)snprintf(path, sizeof(path), "%s/ledger.db", at->copy);
    assert_int_equal(mien_store_backup(at->store, path, NULL), MIEN_OK);
    assert_int_equal(mien_store_backup(at->store, path, NULL), MIEN_EEXIST);
    struct mien_verify verify;
    assert_int_equal(mien_verify_state(at->dir, path, NULL, &verify, NULL), MIEN_OK);
    assert_int_equal(verify.n_entries, mien_store_mark(at->store).seq + 1);
    mien_verify_fini(&verify);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_crash_at_each_step_abandons_or_keeps_the_charge),
        TEST(nothing_acknowledged_is_lost_to_sigkill),
        TEST(a_rolled_back_ledger_is_refused_until_the_loss_is_charged),
        TEST(a_loss_that_only_the_operator_knows_of_is_charged_too),
        TEST(an_anchor_that_was_put_back_is_refused),
        TEST(models_that_were_put_back_are_refused_until_the_loss_is_accepted),
        TEST(a_lost_run_cannot_be_charged_for),
        TEST(a_missing_or_damaged_anchor_is_refused),
        TEST(a_crash_between_ledger_and_anchor_is_no_rollback),
        TEST(ledgers_of_other_formats_are_refused_with_a_sentence),
        TEST(a_second_process_is_kept_out),
        TEST(a_full_disk_refuses_and_loses_nothing),
        TEST(a_backup_is_whole_and_never_overwrites),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
