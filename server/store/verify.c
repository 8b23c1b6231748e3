// SPDX-License-Identifier: Apache-2.0
#include "server/store/verify.h"

#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/nn/model_file.h"
#include "common/wire/identity.h"
#include "common/wire/plan_codec.h"
#include "server/store/anchor.h"
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum mien_status mien_verify_problem(struct mien_verify *verify, const char *fmt, ...)
{
    char text[MIEN_ERR_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (verify->n_problems == MIEN_VERIFY_MAX_PROBLEMS)
        return MIEN_OK;
    verify->problems[verify->n_problems] = mien_strdup(text);
    if (verify->problems[verify->n_problems] == NULL)
        return MIEN_ENOMEM;
    verify->n_problems++;
    return MIEN_OK;
}

void mien_verify_fini(struct mien_verify *verify)
{
    for (size_t i = 0; i < verify->n_problems; i++)
        mien_free(verify->problems[i]);
    memset(verify, 0, sizeof(*verify));
}

#define MAX_RESTORED 64 /* after more, files that were given up are problems again */

/* One walk over a ledger. */
struct walk {
    const char *dir;
    sqlite3 *db;
    struct mien_chain chain;
    struct mien_verify *out;
    const struct mien_anchor *anchor; /* NULL: none to compare */
    bool anchor_is_older;             /* it was read before the copy was made */
    bool anchored;
    struct {
        uint64_t seq;
        uint64_t version;
    } restored[MAX_RESTORED]; /* RESTORE entries, and the model that each goes on from */
    size_t n_restored;
};

/* A failed check is a problem; a failed machine is a status. */
static enum mien_status judged(struct walk *walk, uint64_t seq, enum mien_status status,
                               const struct mien_err *err)
{
    if (status == MIEN_OK || status == MIEN_ENOMEM)
        return status;
    return mien_verify_problem(walk->out, "ledger entry %" PRIu64 ": %s", seq,
                               mien_err_text(err, status));
}

/* ---- model files ---- */

static enum mien_status read_plan(const struct mien_safetensors *file, struct mien_plan *plan,
                                  struct mien_err *err)
{
    const char *text = mien_safetensors_metadata(file, MIEN_MODEL_FILE_PLAN);
    struct mien_buf bytes = {0};
    enum mien_status status;

    if (text == NULL)
        return mien_err_set(err, MIEN_EPARSE, "it holds no plan");
    status = mien_unbase64url(text, strlen(text), &bytes);
    if (status == MIEN_OK)
        status = mien_plan_decode(mien_buf_span(&bytes), plan, err);
    mien_buf_fini(&bytes);
    return status;
}

static enum mien_status check_values(const struct mien_safetensors *file,
                                     const struct mien_layout *layout,
                                     const struct mien_entry_model *model, struct mien_err *err)
{
    float *values = mien_calloc(layout->n_values, sizeof(*values));
    uint8_t hash[32];
    enum mien_status status;

    if (values == NULL)
        return MIEN_ENOMEM;
    status = mien_model_file_read(file, layout, values, NULL, err);
    if (status == MIEN_OK)
        status = mien_model_digest(values, layout->n_values, hash);
    if (status == MIEN_OK && memcmp(hash, model->model_hash, sizeof(hash)) != 0)
        status = mien_err_set(err, MIEN_ECORRUPT, "its values are not those of the ledger");
    mien_free(values);
    return status;
}

/* Plan and layout are too large for the stack of a thread. */
struct contents {
    struct mien_plan plan;
    struct mien_layout layout;
};

static enum mien_status check_contents(struct mien_span bytes, const struct mien_chain *chain,
                                       const struct mien_entry_model *model, struct mien_err *err)
{
    struct contents *contents = mien_calloc(1, sizeof(*contents));
    struct mien_safetensors *file = NULL;
    uint8_t hash[32];
    enum mien_status status = contents == NULL ? MIEN_ENOMEM : MIEN_OK;

    if (status == MIEN_OK)
        status = mien_safetensors_open(bytes, &file, err);
    if (status == MIEN_OK)
        status = read_plan(file, &contents->plan, err);
    if (status == MIEN_OK)
        status = mien_plan_fingerprint(&contents->plan, hash);
    if (status == MIEN_OK && memcmp(hash, chain->plan.plan_hash, sizeof(hash)) != 0)
        status = mien_err_set(err, MIEN_ECORRUPT, "its plan is not the one in force");
    if (status == MIEN_OK)
        status = mien_layout_init(&contents->layout, &contents->plan, err);
    if (status == MIEN_OK)
        status = check_values(file, &contents->layout, model, err);
    mien_safetensors_free(file);
    mien_free(contents);
    return status;
}

/* Whether a later RESTORE has given the file up. */
static bool given_up(const struct walk *walk, uint64_t seq, uint64_t version)
{
    for (size_t i = 0; i < walk->n_restored; i++) {
        if (walk->restored[i].seq > seq && walk->restored[i].version < version)
            return true;
    }
    return false;
}

static enum mien_status check_model(struct walk *walk, const struct mien_entry_model *model)
{
    char path[PATH_MAX];
    struct mien_buf bytes = {0};
    struct mien_err err = {0};
    uint8_t digest[32];
    enum mien_status status =
        mien_store_model_path(walk->dir, model->file_digest, path, sizeof(path));

    walk->out->n_models++;
    if (status == MIEN_OK)
        status = mien_file_read(path, MIEN_MODEL_FILE_MAX_BYTES, &bytes, &err);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&bytes), digest);
    if (status == MIEN_OK && memcmp(digest, model->file_digest, sizeof(digest)) != 0)
        status = mien_err_set(&err, MIEN_ECORRUPT, "the file was changed");
    if (status == MIEN_OK)
        status = check_contents(mien_buf_span(&bytes), &walk->chain, model, &err);
    mien_buf_fini(&bytes);
    if (status == MIEN_OK || status == MIEN_ENOMEM)
        return status;
    return mien_verify_problem(walk->out, "model version %" PRIu64 ": %s", model->version,
                               mien_err_text(&err, status));
}

/* ---- the private table ---- */

static enum mien_status check_private(struct walk *walk, const struct mien_entry_reserve *reserve,
                                      struct mien_err *err)
{
    struct mien_store_round round = {reserve->round, reserve->attempt};
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    uint8_t salt[32];
    uint8_t digest[32];
    enum mien_status status =
        mien_db_query(walk->db, "SELECT salt FROM round WHERE round=? AND attempt=?",
                      (struct mien_db_value[]){
                          mien_db_int(round.round),
                          mien_db_int(round.attempt),
                      },
                      2, &stmt, err);

    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    const bool forgotten = status == MIEN_OK && row &&
                           sqlite3_column_type(stmt, 0) == SQLITE_BLOB &&
                           sqlite3_column_bytes(stmt, 0) == 0;
    if (status == MIEN_OK && !forgotten &&
        (!row || !mien_db_column_fixed(stmt, 0, salt, sizeof(salt))))
        status = mien_err_set(err, MIEN_ECORRUPT, "its private list is missing");
    sqlite3_finalize(stmt);
    if (forgotten) {
        walk->out->n_forgotten++;
        return status;
    }
    if (status == MIEN_OK)
        status = mien_store_private_digest(walk->db, round, salt, digest, err);
    if (status == MIEN_OK && memcmp(digest, reserve->private_digest, sizeof(digest)) != 0)
        status = mien_err_set(err, MIEN_ECORRUPT,
                              "inputs, survivors or draw were changed after the charge");
    return status;
}

/* ---- the chain ---- */

static enum mien_status check_signature(const struct mien_chain *chain,
                                        const struct mien_store_row *row, struct mien_err *err)
{
    uint8_t statement[MIEN_CHAIN_STATEMENT_BYTES];
    enum mien_status status;

    mien_chain_statement(row->head, statement);
    status = mien_identity_verify(chain->genesis.signing_key,
                                  (struct mien_span){statement, sizeof(statement)}, row->signature);
    return status == MIEN_EAUTH ? mien_err_set(err, status, "its signature does not hold") : status;
}

static enum mien_status check_what_it_names(struct walk *walk, const struct mien_entry *entry)
{
    struct mien_err err = {0};
    enum mien_status status = MIEN_OK;

    if (entry->kind == MIEN_ENTRY_MODEL || entry->kind == MIEN_ENTRY_COMMIT)
        return given_up(walk, entry->seq, entry->model.version) ? MIEN_OK
                                                                : check_model(walk, &entry->model);
    if (entry->kind == MIEN_ENTRY_RESERVE)
        status = check_private(walk, &entry->reserve, &err);
    return judged(walk, entry->seq, status, &err);
}

/* One entry. What makes the rest of the chain meaningless ends the walk: *broken. */
static enum mien_status check_row(struct walk *walk, const struct mien_store_row *row, bool *broken)
{
    struct mien_entry entry;
    struct mien_err err = {0};
    uint8_t head[32];
    enum mien_status status = mien_entry_decode(row->bytes, &entry, &err);

    if (status == MIEN_OK && entry.seq != row->seq)
        status = mien_err_set(&err, MIEN_ECORRUPT, "it says that it is entry %" PRIu64, entry.seq);
    if (status == MIEN_OK)
        status = mien_chain_judge(&walk->chain, &entry, &err);
    if (status == MIEN_OK)
        status = mien_chain_head(walk->chain.mark.head, row->bytes, head);
    if (status == MIEN_OK && memcmp(head, row->head, sizeof(head)) != 0)
        status = mien_err_set(&err, MIEN_ECORRUPT, "its head does not match");
    *broken = status != MIEN_OK;
    if (*broken)
        return judged(walk, row->seq, status, &err);
    mien_chain_apply(&walk->chain, &entry, head);
    walk->out->n_entries++;
    if (walk->anchor != NULL && walk->anchor->mark.seq == row->seq)
        walk->anchored = walk->anchor->mark.epoch == entry.epoch &&
                         memcmp(walk->anchor->mark.head, head, sizeof(head)) == 0 &&
                         walk->anchor->n_charged == mien_chain_n_charged(&walk->chain);
    status = judged(walk, row->seq, check_signature(&walk->chain, row, &err), &err);
    return status == MIEN_OK ? check_what_it_names(walk, &entry) : status;
}

/* RESTORE entries are known before the walk: they excuse what comes before them. */
static enum mien_status find_restored(struct walk *walk, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    struct mien_store_row row;
    struct mien_entry entry;
    bool more = true;
    enum mien_status status =
        mien_db_query(walk->db,
                      "SELECT seq, bytes, head, signature FROM entry WHERE substr(bytes,5,1)=x'09'"
                      " ORDER BY seq",
                      NULL, 0, &stmt, err);

    while (status == MIEN_OK && walk->n_restored < MAX_RESTORED) {
        status = mien_store_row_next(stmt, &more, &row, err);
        if (status != MIEN_OK || !more)
            break;
        if (mien_entry_decode(row.bytes, &entry, NULL) != MIEN_OK)
            continue; /* the walk says what is wrong with it */
        walk->restored[walk->n_restored].seq = row.seq;
        walk->restored[walk->n_restored++].version = entry.restore.version;
    }
    sqlite3_finalize(stmt);
    return status == MIEN_ECORRUPT ? MIEN_OK : status;
}

static enum mien_status check_rows(struct walk *walk)
{
    sqlite3_stmt *stmt = NULL;
    struct mien_store_row row = {0};
    struct mien_err err = {0};
    bool more = true;
    bool broken = false;
    enum mien_status status =
        mien_db_query(walk->db, "SELECT seq, bytes, head, signature FROM entry ORDER BY seq", NULL,
                      0, &stmt, &err);

    while (status == MIEN_OK && !broken) {
        status = mien_store_row_next(stmt, &more, &row, &err);
        if (status != MIEN_OK || !more)
            break;
        status = check_row(walk, &row, &broken);
    }
    sqlite3_finalize(stmt);
    if (status != MIEN_OK && status != MIEN_ENOMEM)
        return mien_verify_problem(walk->out, "%s", mien_err_text(&err, status));
    if (status == MIEN_OK && broken)
        return mien_verify_problem(walk->out, "what follows entry %" PRIu64 " was not checked",
                                   row.seq);
    return status;
}

static enum mien_status check_anchor(struct walk *walk)
{
    const struct mien_anchor *anchor = walk->anchor;
    const uint64_t end = walk->chain.mark.seq;

    if (anchor == NULL)
        return mien_verify_problem(walk->out, "the anchor is missing or damaged");
    if (anchor->mark.seq > end)
        return mien_verify_problem(walk->out,
                                   "the ledger was rolled back: it ends at entry %" PRIu64
                                   ", its anchor is at %" PRIu64,
                                   end, anchor->mark.seq);
    if (!walk->anchored)
        return mien_verify_problem(walk->out, "the ledger is not the one its anchor has seen");
    if (!walk->anchor_is_older && end - anchor->mark.seq > MIEN_STORE_TX_ENTRIES)
        return mien_verify_problem(walk->out,
                                   "the anchor was rolled back: it is at entry %" PRIu64
                                   ", the ledger ends at %" PRIu64,
                                   anchor->mark.seq, end);
    return MIEN_OK;
}

static enum mien_status take_cost(struct walk *walk, struct mien_err *err)
{
    struct mien_verify *out = walk->out;
    enum mien_status status;

    if (!walk->chain.has_model)
        return mien_verify_problem(out, "the ledger ends before its start model");
    status = mien_card_of_chain(&walk->chain, &walk->chain.latest, &out->card, err);
    return status == MIEN_OK ? mien_chain_cost(&walk->chain, &out->cost, &out->delta, err) : status;
}

enum mien_status mien_verify_state(const char *dir, const char *db_path,
                                   const struct mien_anchor *anchor, struct mien_verify *out,
                                   struct mien_err *err)
{
    struct mien_verify verify = {0};
    struct mien_anchor read = {0};
    struct walk walk = {
        .dir = dir, .out = &verify, .anchor = anchor, .anchor_is_older = anchor != NULL};
    enum mien_status status;

    if (anchor == NULL && mien_anchor_read(dir, &read, NULL) == MIEN_OK)
        walk.anchor = &read;
    status = mien_db_open(db_path, false, &walk.db, err);
    if (status == MIEN_ECORRUPT) {
        status = mien_verify_problem(&verify, "%s", mien_err_text(err, MIEN_ECORRUPT));
    } else {
        if (status == MIEN_OK)
            status = find_restored(&walk, err);
        if (status == MIEN_OK)
            status = check_rows(&walk);
        if (status == MIEN_OK)
            status = check_anchor(&walk);
        if (status == MIEN_OK)
            status = take_cost(&walk, err);
    }
    sqlite3_close(walk.db);
    if (status != MIEN_OK) {
        mien_verify_fini(&verify);
        return status;
    }
    *out = verify;
    return MIEN_OK;
}
