// SPDX-License-Identifier: Apache-2.0
/* Forgetting a unit: what the coordinator knows of a person, as far as it can be taken back. */
#include "server/store/enrol.h"
#include "server/store/store_internal.h"

#include <string.h>

static enum mien_status visit_devices(struct mien_store *store, const char *unit,
                                      void (*gone)(void *self, const uint8_t id[16]), void *self,
                                      struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    uint8_t id[16];
    bool row = true;
    enum mien_status status =
        mien_db_query(store->db, "SELECT id FROM device WHERE unit_name=?",
                      (struct mien_db_value[]){mien_db_text(unit)}, 1, &stmt, err);

    while (status == MIEN_OK && gone != NULL) {
        status = mien_db_next(stmt, &row, err);
        if (status != MIEN_OK || !row)
            break;
        if (mien_db_column_fixed(stmt, 0, id, sizeof(id)))
            gone(self, id);
    }
    sqlite3_finalize(stmt);
    return status;
}

static enum mien_status delete_rows(struct mien_store *store, const char *sql,
                                    const struct mien_db_value *values, size_t n, uint64_t *count,
                                    struct mien_err *err)
{
    enum mien_status status = mien_db_run(store->db, sql, values, n, err);

    if (status == MIEN_OK)
        *count = (uint64_t)sqlite3_changes(store->db);
    return status;
}

static bool is_limited(const struct mien_store *store)
{
    const struct mien_mechanism *m = &store->chain.plan.mechanism;

    return m->separation > 1 || m->participations > 0;
}

/* Rows of vectors. Where the plan limits how often a unit takes part they are what is counted: its
 * name may enrol again, and epsilon rests on the count. They stay then, without what they say of a
 * vector. values: unit, and the round and attempt under way. */
static enum mien_status forget_inputs(struct mien_store *store,
                                      const struct mien_db_value values[3], uint64_t *n_kept,
                                      struct mien_err *err)
{
    const bool limited = is_limited(store);
    uint64_t n = 0;
    enum mien_status status =
        delete_rows(store,
                    limited ? "UPDATE input SET digest=zeroblob(32) WHERE unit=?1 AND"
                              " NOT (round=?2 AND attempt=?3)"
                            : "DELETE FROM input WHERE unit=?1 AND NOT (round=?2 AND attempt=?3)",
                    values, 3, &n, err);

    *n_kept = limited ? n : 0;
    return status;
}

/* The lists that name the unit, of all rounds but one under way. Without its row a list cannot be
 * held against its digest any more: an empty salt says that this was done, and by whom. */
static enum mien_status forget_rounds(struct mien_store *store, const uint8_t unit[32],
                                      struct mien_store_forgotten *out, struct mien_err *err)
{
    const struct mien_chain *chain = &store->chain;
    const bool open = chain->state == MIEN_STORE_OPEN || chain->state == MIEN_STORE_RESERVED;
    const struct mien_db_value values[] = {
        mien_db_blob(unit, 32), mien_db_int(open ? chain->round.round : 0),
        mien_db_int(open ? chain->round.attempt : 0),
        mien_db_int(is_limited(store) ? 1 : 0), /* rows that stay are no news the second time */
    };
    uint64_t ignored = 0;
    uint64_t kept = 0;
    enum mien_status status = delete_rows(
        store,
        "UPDATE round SET salt=x'' WHERE salt IS NOT NULL AND NOT (round=?2 AND attempt=?3) AND"
        " EXISTS(SELECT 1 FROM input i WHERE i.round=round.round AND i.attempt=round.attempt"
        " AND i.unit=?1 AND (?4=0 OR i.digest<>zeroblob(32)))",
        values, 4, &out->n_rounds, err);

    if (status == MIEN_OK)
        status = delete_rows(store,
                             "DELETE FROM survivor WHERE unit=?1 AND NOT (round=?2 AND attempt=?3)",
                             values, 3, &ignored, err);
    if (status == MIEN_OK)
        status = forget_inputs(store, values, &out->n_parts_kept, err);
    if (status == MIEN_OK)
        status = mien_db_number(
            store->db, "SELECT count(*) FROM input WHERE unit=?1 AND round=?2 AND attempt=?3",
            values, 3, &kept, err);
    out->in_open_round = kept > 0;
    return status;
}

static enum mien_status forget_in(struct mien_store *store, const char *name,
                                  const uint8_t unit[32], struct mien_store_forgotten *out,
                                  struct mien_err *err)
{
    const struct mien_db_value named[] = {mien_db_text(name)};
    struct mien_store_tx tx;
    enum mien_status status = mien_store_tx_begin(store, &tx, err);

    if (status == MIEN_OK)
        status = delete_rows(store, "DELETE FROM device WHERE unit_name=?", named, 1,
                             &out->n_devices, err);
    if (status == MIEN_OK)
        status = delete_rows(store, "DELETE FROM token WHERE unit_name=?", named, 1, &out->n_tokens,
                             err);
    if (status == MIEN_OK)
        status = forget_rounds(store, unit, out, err);
    if (status == MIEN_OK && out->n_devices + out->n_tokens + out->n_rounds == 0)
        status = mien_err_set(err, MIEN_ENOTFOUND, "there is no unit \"%s\"", name);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

enum mien_status mien_store_forget(struct mien_store *store, const char *unit,
                                   void (*gone)(void *self, const uint8_t id[16]), void *self,
                                   struct mien_store_forgotten *out, struct mien_err *err)
{
    struct mien_store_forgotten forgotten = {0};
    uint8_t digest[32];
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK)
        status = mien_store_unit_digest(store, unit, digest);
    if (status == MIEN_OK)
        status = visit_devices(store, unit, gone, self, err);
    if (status == MIEN_OK)
        status = forget_in(store, unit, digest, &forgotten, err);
    /* The log of the database still holds the rows: what was deleted is overwritten in its pages
     * (secure_delete), and the log is cut. */
    if (status == MIEN_OK)
        status = mien_db_exec(store->db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    if (status == MIEN_OK)
        *out = forgotten;
    return status;
}
