/* A store in a directory of its own, for tests. */
#ifndef MIEN_TESTS_UNIT_STORE_FIXTURE_H
#define MIEN_TESTS_UNIT_STORE_FIXTURE_H

#include "tests/support/test.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/dp/strategy_table.h"
#include "server/store/store.h"

#include <dirent.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t fixture_seed[32] = {7, 1, 9};

/* Every file of a directory, and of its directories one level down. */
static inline void fixture_remove(const char *dir)
{
    char path[4096];
    struct stat about;
    DIR *handle = opendir(dir);

    if (handle == NULL)
        return;
    for (struct dirent *e = readdir(handle); e != NULL; e = readdir(handle)) {
        if (e->d_name[0] == '.')
            continue;
        assert_int_equal(mien_path_join(dir, e->d_name, path, sizeof(path)), MIEN_OK);
        if (lstat(path, &about) == 0 && S_ISDIR(about.st_mode))
            fixture_remove(path);
        else
            (void)unlink(path);
    }
    (void)closedir(handle);
    (void)rmdir(dir);
}

/* A fresh path that does not exist yet. */
static inline void fixture_path(char out[64])
{
    (void)snprintf(out, 64, "/tmp/mien-store-XXXXXX");
    assert_non_null(mkdtemp(out));
}

/* Copies a directory as a crash would find it: byte for byte, while it is in use. */
static inline void fixture_copy(const char *from, const char *to)
{
    char source[4096];
    char target[4096];
    struct stat about;
    DIR *handle = opendir(from);

    assert_non_null(handle);
    assert_int_equal(mien_dir_make(to, 0700, NULL), MIEN_OK);
    for (struct dirent *e = readdir(handle); e != NULL; e = readdir(handle)) {
        struct mien_buf bytes = {0};
        if (e->d_name[0] == '.')
            continue;
        assert_int_equal(mien_path_join(from, e->d_name, source, sizeof(source)), MIEN_OK);
        assert_int_equal(mien_path_join(to, e->d_name, target, sizeof(target)), MIEN_OK);
        if (lstat(source, &about) == 0 && S_ISDIR(about.st_mode)) {
            fixture_copy(source, target);
            continue;
        }
        assert_int_equal(mien_file_read(source, (size_t)1 << 30, &bytes, NULL), MIEN_OK);
        assert_int_equal(mien_file_replace(target, mien_buf_span(&bytes), 0600, NULL), MIEN_OK);
        mien_buf_fini(&bytes);
    }
    (void)closedir(handle);
}

static inline struct mien_entry_plan fixture_plan(void)
{
    return (struct mien_entry_plan){
        .run = 1,
        .plan_hash = {1, 2, 3},
        .mechanism = {.kind = MIEN_MECHANISM_ROUNDED_GAUSSIAN,
                      .relation = MIEN_RELATION_ZERO_OUT,
                      .unit = MIEN_UNIT_TOKEN,
                      .noise_by = MIEN_NOISE_BY_COORDINATOR,
                      .sampling = MIEN_SAMPLING_POISSON,
                      .rate = 0.1,
                      .bound = 1000,
                      .sigma2_num = 4000000,
                      .sigma2_den = 1,
                      .dim = 10,
                      .cohort = 20,
                      .min_reports = 3,
                      .drop_out = 0.1,
                      .separation = 1},
        .rounds = 10,
        .delta = 1e-5,
        .epsilon_cap = INFINITY,
    };
}

/* A run of banded noise whose units take part three times, two rounds apart. */
static inline struct mien_entry_plan fixture_correlated(void)
{
    struct mien_entry_plan plan = fixture_plan();
    struct mien_strategy_table table;

    plan.mechanism.sampling = MIEN_SAMPLING_NONE;
    plan.mechanism.rate = 1.0;
    plan.mechanism.separation = 2;
    plan.mechanism.participations = 3;
    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BANDED, 2, &table), MIEN_OK);
    assert_int_equal(mien_strategy_table_digest(&table, plan.mechanism.strategy), MIEN_OK);
    return plan;
}

static inline void fixture_create(const char *dir, const struct mien_entry_plan *plan)
{
    struct mien_rng rng = mien_rng_system();
    struct mien_err err = {0};
    const struct mien_store_create create = {
        .run_id = {5},
        .ca_fingerprint = {6},
        .plan = *plan,
        .model_hash = {4},
        .model_file = {(const uint8_t *)"a model", 7},
    };

    if (mien_store_create(dir, &create, fixture_seed, &rng, &err) != MIEN_OK)
        fail_msg("%s", err.text);
}

static inline struct mien_store *fixture_open(const char *dir)
{
    struct mien_store *store = NULL;
    struct mien_err err = {0};

    if (mien_store_open(dir, fixture_seed, &store, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    return store;
}

static inline struct mien_store_recovery fixture_start(struct mien_store *store)
{
    struct mien_store_recovery recovery;
    struct mien_err err = {0};

    if (mien_store_start(store, &recovery, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    return recovery;
}

static const uint8_t fixture_coins[32] = {42};

/* An input of unit number `unit`. */
static inline struct mien_store_input fixture_input(uint8_t unit)
{
    return (struct mien_store_input){.unit = {unit}, .digest = {unit, 1}};
}

/* Opens a round and gives it one session whose n units survive. */
static inline struct mien_store_round fixture_collect(struct mien_store *store, uint8_t n)
{
    struct mien_store_round round = mien_store_next_round(store);
    uint8_t units[255 * 32] = {0};
    struct mien_store_input inputs[255];

    for (uint8_t i = 0; i < n; i++) {
        inputs[i] = fixture_input((uint8_t)(i + 1));
        memcpy(units + 32 * i, inputs[i].unit, 32);
    }
    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    assert_int_equal(mien_store_put_inputs(store, round, 0, inputs, n, NULL), MIEN_OK);
    assert_int_equal(mien_store_put_survivors(store, round, 0, units, n, NULL), MIEN_OK);
    return round;
}

static inline enum mien_status fixture_reserve(struct mien_store *store,
                                               struct mien_store_round round)
{
    struct mien_rng rng = mien_rng_system();
    struct mien_budget_answer answer;
    const struct mien_store_charge charge = {mien_store_plan(store)->mechanism.sampling};

    return mien_store_reserve(store, round, &charge, &rng, &answer, NULL);
}

/* Model file and COMMIT of a reserved round; the version. */
static inline uint64_t fixture_release(struct mien_store *store, struct mien_store_round round)
{
    char text[32];
    struct mien_store_release release = {.model_hash = {9}};
    uint64_t version = 0;

    (void)snprintf(text, sizeof(text), "model of round %d", (int)round.round);
    assert_int_equal(mien_store_model_write(store, round,
                                            (struct mien_span){(const uint8_t *)text, strlen(text)},
                                            release.file_digest, NULL),
                     MIEN_OK);
    release.server_state = (struct mien_span){(const uint8_t *)text, strlen(text)};
    assert_int_equal(mien_store_commit(store, round, &release, &version, NULL), MIEN_OK);
    return version;
}

/* A whole round. */
static inline void fixture_round(struct mien_store *store)
{
    struct mien_store_round round = fixture_collect(store, 3);

    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
    (void)fixture_release(store, round);
}

/* Runs SQL on a ledger behind the store's back. */
static inline void fixture_sql(const char *dir, const char *sql)
{
    char path[128];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof(path), "%s/ledger.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#endif
