// SPDX-License-Identifier: Apache-2.0
#include "common/base/text.h"
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <string.h>

static const char CUT_OFF[] = "the coordinator stopped in the middle of the round";

static enum mien_status abandon_cut_off(struct mien_store_tx *tx, struct mien_store_recovery *found,
                                        struct mien_err *err)
{
    struct mien_entry entry = {.kind = MIEN_ENTRY_ABANDON};

    if (tx->next.state != MIEN_STORE_OPEN && tx->next.state != MIEN_STORE_RESERVED)
        return MIEN_OK;
    found->round = tx->next.round;
    found->state = tx->next.state;
    entry.abandon.round = tx->next.round.round;
    entry.abandon.attempt = tx->next.round.attempt;
    entry.abandon.charged = tx->next.charged;
    enum mien_status status = mien_store_tx_append(tx, &entry, err);
    if (status == MIEN_OK)
        status = mien_db_run(tx->store->db, "UPDATE round SET reason=? WHERE round=? AND attempt=?",
                             (struct mien_db_value[]){
                                 mien_db_text(CUT_OFF),
                                 mien_db_int(found->round.round),
                                 mien_db_int(found->round.attempt),
                             },
                             3, err);
    return status;
}

/* Models that were put back from an older copy are noticed before anything is served. */
static enum mien_status need_model(struct mien_store *store, struct mien_err *err)
{
    const struct mien_store_model *latest = &store->chain.latest;
    struct mien_buf file = {0};
    char digest[65];
    enum mien_status status = mien_store_model_read(store, latest, &file, err);

    mien_buf_fini(&file);
    if (status != MIEN_ENOTFOUND && status != MIEN_ECORRUPT && status != MIEN_ELIMIT)
        return status;
    mien_hex(latest->file_digest, sizeof(latest->file_digest), digest);
    return mien_err_set(
        err, MIEN_ECORRUPT,
        "model version %" PRIu64 " is missing or was changed: put "
        "models/%s.safetensors back, or mien restore DIR --accept-loss goes on from "
        "the newest version that is whole",
        latest->version, digest);
}

enum mien_status mien_store_start(struct mien_store *store, struct mien_store_recovery *out,
                                  struct mien_err *err)
{
    struct mien_store_tx tx;
    struct mien_entry start = {.kind = MIEN_ENTRY_START};
    struct mien_store_recovery found = {.state = MIEN_STORE_NO_ROUND};
    enum mien_status status;

    if (store->started)
        return mien_err_set(err, MIEN_ESTATE, "the store was started already");
    status = need_model(store, err);
    if (status != MIEN_OK)
        return status;
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = mien_store_tx_append(&tx, &start, err);
    if (status == MIEN_OK)
        status = abandon_cut_off(&tx, &found, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    if (status == MIEN_OK)
        status = mien_store_sweep(store, &found.n_files_removed, err);
    if (status != MIEN_OK)
        return status;
    store->started = true;
    *out = found;
    return MIEN_OK;
}
