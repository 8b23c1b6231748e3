// SPDX-License-Identifier: Apache-2.0
#include "server/store/public_chain.h"

#include "common/wire/identity.h"
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <string.h>

static const char MAGIC[] = "mien-chain 1\n";

static enum mien_status add_row(const struct mien_store_row *row, struct mien_buf *out)
{
    enum mien_status status = mien_buf_append_be32(out, (uint32_t)row->bytes.len);

    if (status == MIEN_OK)
        status = mien_buf_append(out, row->bytes.data, row->bytes.len);
    if (status == MIEN_OK)
        status = mien_buf_append(out, row->signature, sizeof(row->signature));
    return status;
}

enum mien_status mien_public_chain_write(struct mien_store *store, struct mien_buf *out,
                                         struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    struct mien_store_row row;
    bool more = true;
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK)
        status = mien_buf_append(out, MAGIC, sizeof(MAGIC) - 1);
    if (status == MIEN_OK)
        status =
            mien_db_query(store->db, "SELECT seq, bytes, head, signature FROM entry ORDER BY seq",
                          NULL, 0, &stmt, err);
    while (status == MIEN_OK) {
        status = mien_store_row_next(stmt, &more, &row, err);
        if (status != MIEN_OK || !more)
            break;
        status = add_row(&row, out);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- reading ---- */

static void find_model(struct mien_public_chain *at, const struct mien_entry *entry,
                       const uint8_t file_digest[32])
{
    if (entry->kind != MIEN_ENTRY_MODEL && entry->kind != MIEN_ENTRY_COMMIT)
        return;
    if (memcmp(entry->model.file_digest, file_digest, 32) != 0)
        return;
    at->has_model = true;
    at->model = at->chain.latest;
}

static enum mien_status check_signature(const struct mien_chain *chain, const uint8_t head[32],
                                        const uint8_t signature[64], struct mien_err *err)
{
    uint8_t statement[MIEN_CHAIN_STATEMENT_BYTES];
    enum mien_status status;

    mien_chain_statement(head, statement);
    status = mien_identity_verify(chain->genesis.signing_key,
                                  (struct mien_span){statement, sizeof(statement)}, signature);
    return status == MIEN_EAUTH ? mien_err_set(err, MIEN_ECORRUPT, "its signature does not hold")
                                : status;
}

static enum mien_status take_entry(struct mien_public_chain *at, struct mien_reader *file,
                                   const uint8_t file_digest[32], struct mien_err *err)
{
    const struct mien_span bytes = mien_read_bytes(file, mien_read_be32(file));
    struct mien_entry entry;
    uint8_t signature[64];
    uint8_t head[32];
    enum mien_status status;

    mien_read_into(file, signature, sizeof(signature));
    if (file->failed)
        return mien_err_set(err, MIEN_EPARSE, "it is cut");
    status = mien_entry_decode(bytes, &entry, err);
    if (status == MIEN_OK)
        status = mien_chain_judge(&at->chain, &entry, err);
    if (status == MIEN_OK)
        status = mien_chain_head(at->chain.mark.head, bytes, head);
    if (status == MIEN_ESTATE || status == MIEN_EPOLICY)
        status = MIEN_ECORRUPT;
    if (status != MIEN_OK)
        return status;
    mien_chain_apply(&at->chain, &entry, head);
    find_model(at, &entry, file_digest);
    return check_signature(&at->chain, head, signature, err);
}

enum mien_status mien_public_chain_read(struct mien_span file, const uint8_t file_digest[32],
                                        struct mien_public_chain *out, struct mien_err *err)
{
    struct mien_reader reader = {.rest = file};
    struct mien_public_chain at = {0};
    char magic[sizeof(MAGIC) - 1];
    enum mien_status status = MIEN_OK;

    mien_read_into(&reader, magic, sizeof(magic));
    if (memcmp(magic, MAGIC, sizeof(magic)) != 0)
        return mien_err_set(err, MIEN_EPARSE, "no chain that this version of mien reads");
    while (status == MIEN_OK && !mien_reader_done(&reader)) {
        status = take_entry(&at, &reader, file_digest, err);
        if (status != MIEN_OK)
            (void)mien_err_prefix(err, status, "entry %" PRIu64, at.n_entries);
        at.n_entries++;
    }
    if (status == MIEN_OK && !at.chain.has_model)
        status = mien_err_set(err, MIEN_ECORRUPT, "it ends before its start model");
    if (status == MIEN_OK)
        *out = at;
    return status;
}
