// SPDX-License-Identifier: Apache-2.0
#include "server/store/store_internal.h"

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

enum mien_status mien_store_start(struct mien_store *store, struct mien_store_recovery *out,
                                  struct mien_err *err)
{
    struct mien_store_tx tx;
    struct mien_entry start = {.kind = MIEN_ENTRY_START};
    struct mien_store_recovery found = {.state = MIEN_STORE_NO_ROUND};
    enum mien_status status;

    if (store->started)
        return mien_err_set(err, MIEN_ESTATE, "the store was started already");
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

/* ---- after a rollback ---- */

/* The most that the lost part can have been charged. A round takes at least three entries (open,
 * reserve, commit or abandon), the first lost one may be a RESERVE, and one more may have been
 * written that the anchor did not see. Where nothing is known about the lost part, it is the rest
 * of the planned rounds. */
static uint64_t worst_case(const struct mien_chain *chain, const struct mien_store_opening *opening)
{
    const struct mien_chain_run *run = mien_chain_run(chain);
    uint64_t charged = run->n_sampled + run->n_unsampled;
    uint64_t rounds = chain->plan.rounds;

    if (opening->anchor_status == MIEN_OK && opening->anchor.seq > chain->mark.seq)
        return (opening->anchor.seq - chain->mark.seq + 2) / 3 + 1;
    return rounds > charged ? rounds - charged : 1;
}

static enum mien_status restore_in(struct mien_store *store,
                                   const struct mien_store_opening *opening, uint64_t *n_charged,
                                   struct mien_err *err)
{
    struct mien_store_tx tx;
    struct mien_entry entry = {.kind = MIEN_ENTRY_RESTORE};
    uint64_t epoch = store->chain.mark.epoch;
    enum mien_status status;

    entry.restore.lost_epoch = opening->anchor.epoch;
    entry.restore.lost_seq = opening->anchor.seq;
    memcpy(entry.restore.lost_head, opening->anchor.head, 32);
    entry.restore.n_charged = worst_case(&store->chain, opening);
    entry.epoch = (opening->anchor.epoch > epoch ? opening->anchor.epoch : epoch) + 1;
    status = mien_chain_mechanism(&store->chain, MIEN_SAMPLING_NONE, &entry.restore.mechanism, err);
    if (status != MIEN_OK)
        return status;
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = mien_store_tx_append(&tx, &entry, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    if (status == MIEN_OK)
        *n_charged = entry.restore.n_charged;
    return status;
}

enum mien_status mien_store_restore(const char *dir, const uint8_t signing_seed[32],
                                    uint64_t *n_charged, struct mien_err *err)
{
    struct mien_store *store = NULL;
    struct mien_store_opening opening;
    enum mien_status status = mien_store_open_unanchored(dir, signing_seed, &opening, &store, err);

    if (status != MIEN_OK)
        return status;
    if (opening.anchor_status == MIEN_OK && opening.anchored)
        status = mien_err_set(err, MIEN_ESTATE, "ledger and anchor agree: there is no loss");
    else if (opening.anchor_status != MIEN_OK && opening.anchor_status != MIEN_ENOTFOUND &&
             opening.anchor_status != MIEN_ECORRUPT)
        status = mien_err_set(err, opening.anchor_status, "the anchor cannot be read");
    else
        status = restore_in(store, &opening, n_charged, err);
    mien_store_close(store);
    return status;
}
