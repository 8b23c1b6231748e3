// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/wire/identity.h"
#include "server/store/anchor.h"
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

enum mien_status mien_store_new(const char *dir, const uint8_t signing_seed[32],
                                struct mien_store **out, struct mien_err *err)
{
    struct mien_store *store = mien_calloc(1, sizeof(*store));

    if (store == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for the store");
    if (strlen(dir) >= sizeof(store->dir)) {
        mien_free(store);
        return mien_err_set(err, MIEN_ELIMIT, "the path of the state directory is too long");
    }
    memcpy(store->dir, dir, strlen(dir));
    memcpy(store->signing_seed, signing_seed, sizeof(store->signing_seed));
    *out = store;
    return MIEN_OK;
}

void mien_store_close(struct mien_store *store)
{
    if (store == NULL)
        return;
    sqlite3_close(store->db);
    mien_wipe(store, sizeof(*store));
    mien_free(store);
}

enum mien_status mien_store_row_next(sqlite3_stmt *stmt, bool *row, struct mien_store_row *out,
                                     struct mien_err *err)
{
    enum mien_status status = mien_db_next(stmt, row, err);

    if (status != MIEN_OK || !*row)
        return status;
    out->seq = mien_db_column_count(stmt, 0);
    out->bytes.data = sqlite3_column_blob(stmt, 1);
    out->bytes.len = (size_t)sqlite3_column_bytes(stmt, 1);
    if (!mien_db_column_fixed(stmt, 2, out->head, sizeof(out->head)) ||
        !mien_db_column_fixed(stmt, 3, out->signature, sizeof(out->signature)))
        return mien_err_set(err, MIEN_ECORRUPT, "entry %" PRIu64 ": head or signature is damaged",
                            out->seq);
    return MIEN_OK;
}

static enum mien_status take_row(struct mien_chain *chain, const struct mien_store_row *row,
                                 struct mien_err *err)
{
    struct mien_entry entry;
    uint8_t head[32];
    enum mien_status status = mien_entry_decode(row->bytes, &entry, err);

    if (status == MIEN_OK && entry.seq != row->seq)
        status = mien_err_set(err, MIEN_ECORRUPT, "it says that it is entry %" PRIu64, entry.seq);
    if (status == MIEN_OK)
        status = mien_chain_judge(chain, &entry, err);
    if (status == MIEN_OK)
        status = mien_chain_head(chain->mark.head, row->bytes, head);
    if (status == MIEN_OK && memcmp(head, row->head, sizeof(head)) != 0)
        status = mien_err_set(err, MIEN_ECORRUPT, "its head does not match");
    if (status == MIEN_EPARSE || status == MIEN_ESTATE || status == MIEN_EPOLICY)
        status = MIEN_ECORRUPT;
    if (status != MIEN_OK)
        return mien_err_prefix(err, status, "ledger entry %" PRIu64, row->seq);
    mien_chain_apply(chain, &entry, head);
    return MIEN_OK;
}

static enum mien_status check_signer(const struct mien_store *store,
                                     const struct mien_store_row *last, struct mien_err *err)
{
    uint8_t statement[MIEN_CHAIN_STATEMENT_BYTES];
    uint8_t key[32];
    enum mien_status status = mien_identity_public(store->signing_seed, key);

    if (status != MIEN_OK)
        return status;
    if (memcmp(key, store->chain.genesis.signing_key, sizeof(key)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "signing.key is not the key of this ledger");
    mien_chain_statement(store->chain.mark.head, statement);
    status = mien_identity_verify(key, (struct mien_span){statement, sizeof(statement)},
                                  last->signature);
    if (status == MIEN_EAUTH)
        return mien_err_set(err, MIEN_ECORRUPT, "ledger entry %" PRIu64 ": wrong signature",
                            last->seq);
    return status;
}

/* Recomputes every head; `anchor` (may be NULL) must be on the way. */
static enum mien_status walk(struct mien_store *store, const struct mien_store_mark *anchor,
                             bool *anchored, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    struct mien_store_row row = {0};
    bool more = true;
    enum mien_status status =
        mien_db_query(store->db, "SELECT seq, bytes, head, signature FROM entry ORDER BY seq", NULL,
                      0, &stmt, err);

    *anchored = false;
    while (status == MIEN_OK) {
        status = mien_store_row_next(stmt, &more, &row, err);
        if (status != MIEN_OK || !more)
            break;
        status = take_row(&store->chain, &row, err);
        if (anchor != NULL && anchor->seq == row.seq)
            *anchored = anchor->epoch == store->chain.mark.epoch &&
                        memcmp(anchor->head, row.head, sizeof(row.head)) == 0;
    }
    sqlite3_finalize(stmt);
    if (status == MIEN_OK && !store->chain.has_model)
        status = mien_err_set(err, MIEN_ECORRUPT, "the ledger ends before its start model");
    if (status == MIEN_OK)
        status = check_signer(store, &row, err);
    return status;
}

static enum mien_status check_format(struct mien_store *store, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    uint64_t version = 0;
    enum mien_status status =
        mien_db_number(store->db, "PRAGMA user_version", NULL, 0, &version, err);

    if (status != MIEN_OK)
        return status;
    if (version > MIEN_STORE_FORMAT)
        return mien_err_set(err, MIEN_EPOLICY, "the ledger was written by a later version of mien");
    if (version > 0 && version < MIEN_STORE_FORMAT)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the ledger has format %" PRIu64
                            " of an earlier mien, which lacks what this version charges by: use "
                            "the mien that wrote it, or begin a new ledger",
                            version);
    if (version != MIEN_STORE_FORMAT)
        return mien_err_set(err, MIEN_ECORRUPT, "ledger.db is no ledger");
    status = mien_db_query(store->db, "SELECT value FROM secret WHERE name='unit_salt'", NULL, 0,
                           &stmt, err);
    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    if (status == MIEN_OK &&
        (!row || !mien_db_column_fixed(stmt, 0, store->unit_salt, sizeof(store->unit_salt))))
        status = mien_err_set(err, MIEN_ECORRUPT, "the ledger has lost its salt of unit names");
    sqlite3_finalize(stmt);
    return status;
}

enum mien_status mien_store_open_unanchored(const char *dir, const uint8_t signing_seed[32],
                                            struct mien_store_opening *opening,
                                            struct mien_store **out, struct mien_err *err)
{
    struct mien_store *store = NULL;
    char path[PATH_MAX];
    enum mien_status status = mien_store_new(dir, signing_seed, &store, err);

    *opening = (struct mien_store_opening){0};
    opening->anchor_status = mien_anchor_read(dir, &opening->anchor, NULL);
    if (status == MIEN_OK)
        status = mien_path_join(dir, "ledger.db", path, sizeof(path));
    if (status == MIEN_OK)
        status = mien_db_open(path, false, &store->db, err);
    if (status == MIEN_OK)
        status = check_format(store, err);
    if (status == MIEN_OK)
        status = walk(store, opening->anchor_status == MIEN_OK ? &opening->anchor.mark : NULL,
                      &opening->anchored, err);
    if (status != MIEN_OK) {
        mien_store_close(store);
        return status;
    }
    *out = store;
    return MIEN_OK;
}

/* Whether ledger and anchor fit each other. */
static enum mien_status judge_anchor(const struct mien_store *store,
                                     const struct mien_store_opening *opening, struct mien_err *err)
{
    static const char hint[] = "mien restore DIR --accept-loss charges for what is lost";
    const uint64_t end = store->chain.mark.seq;
    const uint64_t anchor = opening->anchor.mark.seq;

    if (opening->anchor_status == MIEN_ENOTFOUND)
        return mien_err_set(err, MIEN_ECORRUPT, "the anchor is missing; %s", hint);
    if (opening->anchor_status == MIEN_ECORRUPT)
        return mien_err_set(err, MIEN_ECORRUPT, "the anchor is damaged; %s", hint);
    if (opening->anchor_status != MIEN_OK)
        return mien_err_set(err, opening->anchor_status, "the anchor cannot be read");
    if (anchor > end)
        return mien_err_set(err, MIEN_ECORRUPT,
                            "the ledger was rolled back: it ends at entry %" PRIu64
                            ", its anchor is at %" PRIu64 "; %s",
                            end, anchor, hint);
    if (!opening->anchored)
        return mien_err_set(err, MIEN_ECORRUPT,
                            "the ledger is not the one that its anchor has seen; %s", hint);
    if (end - anchor > MIEN_STORE_TX_ENTRIES)
        return mien_err_set(err, MIEN_ECORRUPT,
                            "the anchor was rolled back: it is at entry %" PRIu64
                            ", the ledger ends at %" PRIu64 "; %s",
                            anchor, end, hint);
    return MIEN_OK;
}

bool mien_store_in_step(const struct mien_store *store, const struct mien_store_opening *opening)
{
    return judge_anchor(store, opening, NULL) == MIEN_OK;
}

enum mien_status mien_store_open(const char *dir, const uint8_t signing_seed[32],
                                 struct mien_store **out, struct mien_err *err)
{
    struct mien_store *store = NULL;
    struct mien_store_opening opening;
    enum mien_status status = mien_store_open_unanchored(dir, signing_seed, &opening, &store, err);

    if (status == MIEN_OK)
        status = judge_anchor(store, &opening, err);
    if (status != MIEN_OK) {
        mien_store_close(store);
        return status;
    }
    store->anchor_behind = opening.anchor.mark.seq < store->chain.mark.seq;
    *out = store;
    return MIEN_OK;
}

/* ---- what is known without asking the database ---- */

enum mien_status mien_store_last_round(struct mien_store *store, struct mien_store_round *round,
                                       enum mien_store_round_state *state)
{
    enum mien_status status = mien_store_usable(store, NULL);

    if (status != MIEN_OK)
        return status;
    *round = store->chain.round;
    *state = store->chain.state;
    return MIEN_OK;
}

struct mien_store_round mien_store_next_round(const struct mien_store *store)
{
    return mien_chain_next_round(&store->chain);
}

struct mien_store_mark mien_store_mark(const struct mien_store *store)
{
    return store->chain.mark;
}

const struct mien_entry_genesis *mien_store_genesis(const struct mien_store *store)
{
    return &store->chain.genesis;
}

const struct mien_entry_plan *mien_store_plan(const struct mien_store *store)
{
    return &store->chain.plan;
}

struct mien_store_model mien_store_latest(const struct mien_store *store)
{
    return store->chain.latest;
}
