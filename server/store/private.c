// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest.h"
#include "server/store/store_internal.h"

#include <math.h>
#include <string.h>

/* ---- the list that RESERVE binds ---- */

static enum mien_status add_round(sqlite3 *db, struct mien_store_round round, struct mien_buf *list,
                                  struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    uint8_t coins[32];
    enum mien_status status =
        mien_db_query(db, "SELECT coins FROM round WHERE round=? AND attempt=?",
                      (struct mien_db_value[]){
                          mien_db_int(round.round),
                          mien_db_int(round.attempt),
                      },
                      2, &stmt, err);

    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    if (status == MIEN_OK && (!row || !mien_db_column_fixed(stmt, 0, coins, sizeof(coins))))
        status = mien_err_set(err, MIEN_ECORRUPT, "the draw of the round is missing");
    sqlite3_finalize(stmt);
    if (status == MIEN_OK)
        status = mien_buf_append_be64(list, round.round);
    if (status == MIEN_OK)
        status = mien_buf_append_be32(list, round.attempt);
    if (status == MIEN_OK)
        status = mien_buf_append(list, coins, sizeof(coins));
    return status;
}

/* Adds rows of (session, blobs of 32 bytes): a letter, the session, the blobs. */
static enum mien_status add_rows(sqlite3 *db, const char *sql, struct mien_store_round round,
                                 uint8_t letter, struct mien_buf *list, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    enum mien_status status = mien_db_query(db, sql,
                                            (struct mien_db_value[]){
                                                mien_db_int(round.round),
                                                mien_db_int(round.attempt),
                                            },
                                            2, &stmt, err);

    while (status == MIEN_OK) {
        status = mien_db_next(stmt, &row, err);
        if (status != MIEN_OK || !row)
            break;
        status = mien_buf_append_u8(list, letter);
        if (status == MIEN_OK)
            status = mien_buf_append_be32(list, (uint32_t)mien_db_column_count(stmt, 0));
        for (int c = 1; status == MIEN_OK && c < sqlite3_column_count(stmt); c++) {
            uint8_t blob[32];
            status = mien_db_column_fixed(stmt, c, blob, sizeof(blob))
                         ? mien_buf_append(list, blob, sizeof(blob))
                         : mien_err_set(err, MIEN_ECORRUPT, "a private row is damaged");
        }
    }
    sqlite3_finalize(stmt);
    return status;
}

enum mien_status mien_store_private_digest(sqlite3 *db, struct mien_store_round round,
                                           const uint8_t salt[32], uint8_t out[32],
                                           struct mien_err *err)
{
    struct mien_buf list = {0};
    enum mien_status status = mien_buf_append(&list, salt, 32);

    if (status == MIEN_OK)
        status = add_round(db, round, &list, err);
    if (status == MIEN_OK)
        status = add_rows(db,
                          "SELECT session, unit, digest FROM input WHERE round=? AND attempt=?"
                          " ORDER BY session, unit",
                          round, 'I', &list, err);
    if (status == MIEN_OK)
        status = add_rows(db,
                          "SELECT session, unit FROM survivor WHERE round=? AND attempt=?"
                          " ORDER BY session, unit",
                          round, 'S', &list, err);
    if (status == MIEN_OK)
        status = add_rows(db,
                          "SELECT session FROM session WHERE round=? AND attempt=? AND survives=0"
                          " ORDER BY session",
                          round, 'D', &list, err);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&list), out);
    mien_buf_wipe(&list);
    return status;
}

/* ---- the operator's counts ---- */

enum mien_status mien_store_put_counts(struct mien_store *store, struct mien_store_round round,
                                       const struct mien_store_counts *counts, struct mien_err *err)
{
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK)
        status = mien_db_run(store->db,
                             "UPDATE round SET drawn=?, assigned=?, reported=?, survived=?,"
                             " seconds=? WHERE round=? AND attempt=?",
                             (struct mien_db_value[]){
                                 mien_db_int(counts->drawn),
                                 mien_db_int(counts->assigned),
                                 mien_db_int(counts->reported),
                                 mien_db_int(counts->survived),
                                 mien_db_real(counts->seconds),
                                 mien_db_int(round.round),
                                 mien_db_int(round.attempt),
                             },
                             7, err);
    if (status == MIEN_OK && sqlite3_changes(store->db) == 0)
        return mien_err_set(err, MIEN_ENOTFOUND, "there was no such round");
    return status;
}

enum mien_status mien_store_last_counts(struct mien_store *store, struct mien_store_round *round,
                                        struct mien_store_counts *counts)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum mien_status status =
        mien_db_query(store->db,
                      "SELECT round, attempt, drawn, assigned, reported, survived, seconds"
                      " FROM round WHERE drawn IS NOT NULL ORDER BY round DESC, attempt DESC"
                      " LIMIT 1",
                      NULL, 0, &stmt, NULL);

    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, NULL);
    if (status == MIEN_OK && !row)
        status = MIEN_ENOTFOUND;
    if (status == MIEN_OK) {
        round->round = mien_db_column_count(stmt, 0);
        round->attempt = (uint32_t)mien_db_column_count(stmt, 1);
        counts->drawn = (uint32_t)mien_db_column_count(stmt, 2);
        counts->assigned = (uint32_t)mien_db_column_count(stmt, 3);
        counts->reported = (uint32_t)mien_db_column_count(stmt, 4);
        counts->survived = (uint32_t)mien_db_column_count(stmt, 5);
        counts->seconds = sqlite3_column_double(stmt, 6);
    }
    sqlite3_finalize(stmt);
    return status;
}
