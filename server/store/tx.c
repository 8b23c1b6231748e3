// SPDX-License-Identifier: Apache-2.0
#include "common/wire/identity.h"
#include "server/store/anchor.h"
#include "server/store/store_internal.h"
#include "server/store/version.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum mien_status mien_store_usable(const struct mien_store *store, struct mien_err *err)
{
    if (store->broken)
        return mien_err_set(err, MIEN_ESTATE,
                            "an earlier write failed and its outcome is unknown: start again");
    return MIEN_OK;
}

enum mien_status mien_store_tx_begin(struct mien_store *store, struct mien_store_tx *tx,
                                     struct mien_err *err)
{
    enum mien_status status = mien_store_usable(store, err);

    *tx = (struct mien_store_tx){.store = store, .next = store->chain};
    if (status == MIEN_OK)
        status = mien_db_exec(store->db, "BEGIN IMMEDIATE", err);
    tx->open = status == MIEN_OK;
    return status;
}

static enum mien_status write_anchor(const struct mien_store *store, struct mien_err *err)
{
    const struct mien_anchor anchor = {store->chain.mark, store->chain.plan.run,
                                       mien_chain_n_charged(&store->chain)};

    return mien_anchor_write(store->dir, &anchor, err);
}

/* A crash can leave the anchor one transaction behind, and never two: before the chain grows again
 * it is brought into step. */
static enum mien_status catch_up(struct mien_store *store, struct mien_err *err)
{
    enum mien_status status = store->anchor_behind ? write_anchor(store, err) : MIEN_OK;

    if (status == MIEN_OK)
        store->anchor_behind = false;
    return status;
}

enum mien_status mien_store_tx_append(struct mien_store_tx *tx, struct mien_entry *entry,
                                      struct mien_err *err)
{
    struct mien_buf bytes = {0};
    uint8_t head[32];
    uint8_t statement[MIEN_CHAIN_STATEMENT_BYTES];
    uint8_t signature[64];
    enum mien_status status = catch_up(tx->store, err);

    if (status != MIEN_OK)
        return status;
    entry->seq = tx->next.begun ? tx->next.mark.seq + 1 : 0;
    if (entry->kind == MIEN_ENTRY_START)
        entry->epoch = tx->next.mark.epoch + 1;
    else if (entry->kind != MIEN_ENTRY_RESTORE)
        entry->epoch = tx->next.mark.epoch;
    mien_version_text(entry->software);
    status = mien_chain_judge(&tx->next, entry, err);
    if (status == MIEN_OK)
        status = mien_entry_encode(entry, &bytes);
    if (status == MIEN_OK)
        status = mien_chain_head(tx->next.mark.head, mien_buf_span(&bytes), head);
    if (status == MIEN_OK) {
        mien_chain_statement(head, statement);
        status = mien_identity_sign(tx->store->signing_seed,
                                    (struct mien_span){statement, sizeof(statement)}, signature);
    }
    if (status == MIEN_OK)
        status = mien_db_run(tx->store->db, "INSERT INTO entry VALUES(?,?,?,?)",
                             (struct mien_db_value[]){
                                 mien_db_int(entry->seq),
                                 mien_db_blob(bytes.data, bytes.len),
                                 mien_db_blob(head, sizeof(head)),
                                 mien_db_blob(signature, sizeof(signature)),
                             },
                             4, err);
    if (status == MIEN_OK)
        mien_chain_apply(&tx->next, entry, head);
    assert(!tx->store->chain.begun ||
           tx->next.mark.seq - tx->store->chain.mark.seq <= MIEN_STORE_TX_ENTRIES);
    mien_buf_fini(&bytes);
    return status;
}

enum mien_status mien_store_tx_commit(struct mien_store_tx *tx, struct mien_err *err)
{
    struct mien_store *store = tx->store;
    bool grew = !store->chain.begun || tx->next.mark.seq != store->chain.mark.seq;
    enum mien_status status = mien_db_exec(store->db, "COMMIT", err);

    if (status != MIEN_OK) {
        /* A full disk leaves the transaction as it was; after anything else, what a restart will
         * find is not known. */
        store->broken = status != MIEN_ENOSPC && status != MIEN_ENOMEM;
        return status;
    }
    tx->open = false;
    store->chain = tx->next;
    if (!grew)
        return MIEN_OK;
    status = write_anchor(store, err);
    store->broken = status != MIEN_OK;
    return status;
}

void mien_store_tx_end(struct mien_store_tx *tx)
{
    if (tx->open && mien_db_exec(tx->store->db, "ROLLBACK", NULL) != MIEN_OK)
        tx->store->broken = sqlite3_get_autocommit(tx->store->db) == 0;
    tx->open = false;
}
