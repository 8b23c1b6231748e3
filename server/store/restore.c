// SPDX-License-Identifier: Apache-2.0
/* After a rollback: what is there is accepted, and the most that is lost is charged. */
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <string.h>

static enum mien_status most(const struct mien_chain *chain,
                             const struct mien_store_opening *opening, uint64_t *n,
                             struct mien_err *err)
{
    const struct mien_chain_run *run = mien_chain_run(chain);
    const uint64_t charged = run->n_sampled + run->n_unsampled;
    const uint64_t all = mien_chain_n_charged(chain);
    const struct mien_anchor *anchor = &opening->anchor;
    const bool known = opening->anchor_status == MIEN_OK;

    if (known && anchor->run > chain->plan.run)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the lost part began run %" PRIu32 ", whose constants are not known: "
                            "put a copy back that has it",
                            anchor->run);
    if (known && anchor->mark.seq > chain->mark.seq && anchor->n_charged >= all)
        *n = anchor->n_charged - all + 1;
    else
        *n = chain->plan.rounds > charged ? chain->plan.rounds - charged : 1;
    return MIEN_OK;
}

/* The newest version whose file is whole; not of an earlier run, whose networks are others. */
static enum mien_status newest_whole(struct mien_store *store, struct mien_store_model *out,
                                     struct mien_err *err)
{
    for (uint64_t v = store->chain.latest.version + 1; v-- > store->chain.run_version;) {
        struct mien_buf file = {0};
        enum mien_status status = mien_store_model(store, v, out, err);

        if (status == MIEN_OK)
            status = mien_store_model_read(store, out, &file, err);
        mien_buf_fini(&file);
        if (status == MIEN_OK || status == MIEN_ENOMEM || status == MIEN_EIO)
            return status;
    }
    return mien_err_set(err, MIEN_ECORRUPT, "no model of this run is whole: put its files back");
}

static enum mien_status append(struct mien_store *store, struct mien_entry *entry,
                               struct mien_err *err)
{
    struct mien_store_tx tx;
    /* The optimisers' state is that of the latest version only. */
    const bool older = entry->restore.version < store->chain.latest.version;
    enum mien_status status = mien_store_tx_begin(store, &tx, err);

    if (status == MIEN_OK)
        status = mien_store_tx_append(&tx, entry, err);
    if (status == MIEN_OK && older)
        status = mien_store_server_state_put(&tx, (struct mien_span){0}, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

static enum mien_status restore_in(struct mien_store *store,
                                   const struct mien_store_opening *opening,
                                   const struct mien_store_loss *loss,
                                   struct mien_store_restored *out, struct mien_err *err)
{
    const bool in_step = mien_store_in_step(store, opening);
    const struct mien_anchor *anchor = &opening->anchor;
    struct mien_entry entry = {.kind = MIEN_ENTRY_RESTORE};
    struct mien_entry_restore *restore = &entry.restore;
    struct mien_store_model model;
    enum mien_status status = newest_whole(store, &model, err);

    if (status == MIEN_OK && !in_step)
        status = most(&store->chain, opening, &restore->n_charged, err);
    if (status != MIEN_OK)
        return status;
    if (in_step && loss->n_releases == 0 && model.version == store->chain.latest.version)
        return mien_err_set(err, MIEN_ESTATE,
                            "ledger, anchor and latest model agree: there is no loss (if all were "
                            "put back together, say how many releases are lost: --releases)");
    if (loss->n_releases > restore->n_charged)
        restore->n_charged = loss->n_releases;
    restore->lost_epoch = anchor->mark.epoch > loss->epoch ? anchor->mark.epoch : loss->epoch;
    restore->lost_seq = anchor->mark.seq;
    memcpy(restore->lost_head, anchor->mark.head, 32);
    restore->version = model.version;
    memcpy(restore->model_hash, model.model_hash, 32);
    memcpy(restore->file_digest, model.file_digest, 32);
    const uint64_t epoch = store->chain.mark.epoch;
    entry.epoch = (restore->lost_epoch > epoch ? restore->lost_epoch : epoch) + 1;
    status = mien_chain_mechanism(&store->chain, MIEN_SAMPLING_NONE, &restore->mechanism, err);
    if (status == MIEN_OK)
        status = append(store, &entry, err);
    if (status == MIEN_OK)
        *out = (struct mien_store_restored){restore->n_charged, restore->version};
    return status;
}

enum mien_status mien_store_restore(const char *dir, const uint8_t signing_seed[32],
                                    const struct mien_store_loss *loss,
                                    struct mien_store_restored *out, struct mien_err *err)
{
    struct mien_store *store = NULL;
    struct mien_store_opening opening;
    enum mien_status status = mien_store_open_unanchored(dir, signing_seed, &opening, &store, err);

    if (status != MIEN_OK)
        return status;
    if (opening.anchor_status != MIEN_OK && opening.anchor_status != MIEN_ENOTFOUND &&
        opening.anchor_status != MIEN_ECORRUPT)
        status = mien_err_set(err, opening.anchor_status, "the anchor cannot be read");
    else if (loss->n_releases > UINT32_MAX || loss->epoch > UINT32_MAX)
        status = mien_err_set(err, MIEN_EINVAL, "a loss of more than 2^32 - 1 releases or epochs");
    else
        status = restore_in(store, &opening, loss, out, err);
    mien_store_close(store);
    return status;
}
