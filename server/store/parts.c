// SPDX-License-Identifier: Apache-2.0
/* What units take part in: counted from INPUT rows, which a restart finds again. */
#include "common/base/mem.h"
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <string.h>

/* ---- one unit, before its row ---- */

enum mien_status mien_store_check_part(struct mien_store *store, struct mien_store_round round,
                                       const uint8_t unit[32], struct mien_err *err)
{
    const struct mien_mechanism *m = &store->chain.plan.mechanism;
    const struct mien_db_value who = mien_db_blob(unit, 32);
    uint64_t n = 0;
    uint64_t last = 0;
    enum mien_status status;

    if (m->separation <= 1 && m->participations == 0)
        return MIEN_OK;
    status = mien_db_number(store->db, "SELECT count(*) FROM input WHERE unit=?", &who, 1, &n, err);
    if (status == MIEN_OK)
        status = mien_db_number(store->db, "SELECT ifnull(max(round),0) FROM input WHERE unit=?",
                                &who, 1, &last, err);
    if (status != MIEN_OK)
        return status;
    if (m->participations > 0 && n >= m->participations)
        return mien_err_set(err, MIEN_EPOLICY,
                            "a unit has given %" PRIu64 " vectors, as many as it may", n);
    /* Another attempt at one round is the same step: at most one of them is released. */
    if (n > 0 && round.round != last && round.round - last < m->separation)
        return mien_err_set(err, MIEN_EPOLICY,
                            "a unit took part in round %" PRIu64
                            " and sits out until round %" PRIu64,
                            last, last + m->separation);
    return MIEN_OK;
}

/* ---- all units ---- */

static enum mien_status read_part(sqlite3_stmt *stmt, struct mien_store_part *out,
                                  struct mien_err *err)
{
    if (!mien_db_column_fixed(stmt, 0, out->unit, sizeof(out->unit)))
        return mien_err_set(err, MIEN_ECORRUPT, "a private row is damaged");
    out->n = mien_db_column_count(stmt, 1);
    out->last_round = mien_db_column_count(stmt, 2);
    return MIEN_OK;
}

enum mien_status mien_store_parts(struct mien_store *store, struct mien_store_part **parts,
                                  size_t *n, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    struct mien_store_part *list = NULL;
    size_t n_listed = 0;
    uint64_t n_units = 0;
    bool row = true;
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK)
        status = mien_db_number(store->db, "SELECT count(DISTINCT unit) FROM input", NULL, 0,
                                &n_units, err);
    if (status == MIEN_OK) {
        list = mien_calloc((size_t)n_units + 1, sizeof(*list));
        status = list == NULL ? mien_err_set(err, MIEN_ENOMEM, "no memory for the units") : MIEN_OK;
    }
    if (status == MIEN_OK)
        status = mien_db_query(
            store->db, "SELECT unit, count(*), max(round) FROM input GROUP BY unit ORDER BY unit",
            NULL, 0, &stmt, err);
    while (status == MIEN_OK && n_listed <= n_units) {
        status = mien_db_next(stmt, &row, err);
        if (status != MIEN_OK || !row)
            break;
        status = read_part(stmt, &list[n_listed++], err);
    }
    sqlite3_finalize(stmt);
    if (status == MIEN_OK) {
        *parts = list;
        *n = n_listed;
        list = NULL;
    }
    mien_free(list);
    return status;
}

uint64_t mien_store_n_steps(const struct mien_store *store)
{
    return mien_chain_step(&store->chain);
}

enum mien_status mien_store_goes_on(const struct mien_store *store, struct mien_err *err)
{
    return mien_chain_goes_on(&store->chain, err);
}
