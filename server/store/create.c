// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"
#include "common/wire/identity.h"
#include "server/store/store_internal.h"

#include <limits.h>
#include <string.h>

static const char SCHEMA[] =
    "PRAGMA application_id=1835623790;" /* "mien" */
    "CREATE TABLE secret(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE entry(seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL, head BLOB NOT NULL,"
    " signature BLOB NOT NULL);"
    "CREATE TABLE model(version INTEGER PRIMARY KEY, round INTEGER NOT NULL,"
    " model_hash BLOB NOT NULL, file_digest BLOB NOT NULL);"
    "CREATE TABLE server_state(id INTEGER PRIMARY KEY CHECK(id=1), value BLOB NOT NULL);"
    "CREATE TABLE round(round INTEGER, attempt INTEGER, coins BLOB NOT NULL, salt BLOB,"
    " opened_s INTEGER NOT NULL, reason TEXT, drawn INTEGER, assigned INTEGER, reported INTEGER,"
    " survived INTEGER, seconds REAL, PRIMARY KEY(round, attempt)) WITHOUT ROWID;"
    "CREATE TABLE session(round INTEGER, attempt INTEGER, session INTEGER,"
    " survives INTEGER NOT NULL, PRIMARY KEY(round, attempt, session)) WITHOUT ROWID;"
    "CREATE TABLE input(round INTEGER, attempt INTEGER, session INTEGER, unit BLOB,"
    " digest BLOB NOT NULL, PRIMARY KEY(round, attempt, session, unit)) WITHOUT ROWID;"
    "CREATE INDEX input_of_unit ON input(unit, round);"
    /* A unit survives in at most one session of a round. */
    "CREATE TABLE survivor(round INTEGER, attempt INTEGER, unit BLOB, session INTEGER NOT NULL,"
    " PRIMARY KEY(round, attempt, unit)) WITHOUT ROWID;"
    "CREATE TABLE token(hash BLOB PRIMARY KEY, unit_name TEXT NOT NULL, expires_s INTEGER NOT NULL,"
    " used_by BLOB, csr_digest BLOB) WITHOUT ROWID;"
    "CREATE TABLE device(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, unit BLOB NOT NULL,"
    " unit_name TEXT NOT NULL, public_key BLOB NOT NULL, enrolled_s INTEGER NOT NULL,"
    " not_after_s INTEGER NOT NULL, revoked_s INTEGER, cert BLOB NOT NULL,"
    " credential BLOB NOT NULL);"
    "PRAGMA user_version=2;";

static enum mien_status create_rows(struct mien_store_tx *tx,
                                    const struct mien_store_create *create,
                                    const uint8_t file_digest[32], struct mien_err *err)
{
    struct mien_entry entry = {.kind = MIEN_ENTRY_GENESIS};
    enum mien_status status;

    memcpy(entry.genesis.run_id, create->run_id, sizeof(create->run_id));
    memcpy(entry.genesis.ca_fingerprint, create->ca_fingerprint, sizeof(create->ca_fingerprint));
    status = mien_identity_public(tx->store->signing_seed, entry.genesis.signing_key);
    if (status == MIEN_OK)
        status = mien_store_tx_append(tx, &entry, err);
    if (status != MIEN_OK)
        return status;
    entry = (struct mien_entry){.kind = MIEN_ENTRY_PLAN, .plan = create->plan};
    status = mien_store_tx_append(tx, &entry, err);
    if (status != MIEN_OK)
        return status;
    entry = (struct mien_entry){.kind = MIEN_ENTRY_MODEL};
    memcpy(entry.model.model_hash, create->model_hash, 32);
    memcpy(entry.model.file_digest, file_digest, 32);
    status = mien_store_tx_append(tx, &entry, err);
    if (status == MIEN_OK)
        status = mien_store_model_row(tx, &tx->next.latest, err);
    if (status == MIEN_OK)
        status = mien_store_server_state_put(tx, create->server_state, err);
    return status;
}

static enum mien_status create_in(struct mien_store *store, const struct mien_store_create *create,
                                  struct mien_rng *rng, struct mien_err *err)
{
    struct mien_store_tx tx;
    uint8_t file_digest[32];
    enum mien_status status = mien_rng_fill(rng, store->unit_salt, sizeof(store->unit_salt));

    if (status == MIEN_OK)
        status = mien_store_model_put(store->dir, create->model_file, file_digest, err);
    if (status != MIEN_OK)
        return status;
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = mien_db_exec(store->db, SCHEMA, err);
    if (status == MIEN_OK)
        status = mien_db_run(store->db, "INSERT INTO secret VALUES('unit_salt',?)",
                             (struct mien_db_value[]){mien_db_blob(store->unit_salt, 32)}, 1, err);
    if (status == MIEN_OK)
        status = create_rows(&tx, create, file_digest, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

enum mien_status mien_store_create(const char *dir, const struct mien_store_create *create,
                                   const uint8_t signing_seed[32], struct mien_rng *rng,
                                   struct mien_err *err)
{
    struct mien_store *store = NULL;
    char path[PATH_MAX];
    enum mien_status status = mien_store_new(dir, signing_seed, &store, err);

    if (status == MIEN_OK)
        status = mien_path_join(dir, "models", path, sizeof(path));
    if (status == MIEN_OK)
        status = mien_dir_make(path, 0700, err);
    if (status == MIEN_OK)
        status = mien_path_join(dir, "ledger.db", path, sizeof(path));
    if (status == MIEN_OK)
        status = mien_db_open(path, true, &store->db, err);
    if (status == MIEN_OK)
        status = create_in(store, create, rng, err);
    mien_store_close(store);
    return status;
}

/* ---- another run ---- */

static enum mien_status begin_rows(struct mien_store_tx *tx, const struct mien_store_create *create,
                                   const uint8_t file_digest[32], struct mien_err *err)
{
    struct mien_entry entry = {.kind = MIEN_ENTRY_PLAN, .plan = create->plan};
    const uint64_t version = tx->next.top_version + 1;

    entry.plan.run = tx->next.plan.run + 1;
    enum mien_status status = mien_store_tx_append(tx, &entry, err);
    if (status != MIEN_OK)
        return status;
    entry = (struct mien_entry){.kind = MIEN_ENTRY_MODEL, .model.version = version};
    memcpy(entry.model.model_hash, create->model_hash, 32);
    memcpy(entry.model.file_digest, file_digest, 32);
    status = mien_store_tx_append(tx, &entry, err);
    if (status == MIEN_OK)
        status = mien_store_model_row(tx, &tx->next.latest, err);
    if (status == MIEN_OK)
        status = mien_store_server_state_put(tx, create->server_state, err);
    return status;
}

enum mien_status mien_store_begin_run(struct mien_store *store,
                                      const struct mien_store_create *create, struct mien_err *err)
{
    struct mien_store_tx tx;
    uint8_t file_digest[32];
    enum mien_status status = mien_store_tx_begin(store, &tx, err);

    /* A file that no entry names is removed at the next start. */
    if (status == MIEN_OK)
        status = mien_store_model_put(store->dir, create->model_file, file_digest, err);
    if (status == MIEN_OK)
        status = begin_rows(&tx, create, file_digest, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}
