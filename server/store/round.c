// SPDX-License-Identifier: Apache-2.0
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/secret.h"
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

static enum mien_status need_started(const struct mien_store *store, struct mien_err *err)
{
    return store->started ? MIEN_OK : mien_err_set(err, MIEN_ESTATE, "the store was not started");
}

static enum mien_status need_state(const struct mien_store *store, struct mien_store_round round,
                                   enum mien_store_round_state state, struct mien_err *err)
{
    const struct mien_chain *chain = &store->chain;

    if (store->started && chain->state == state && chain->round.round == round.round &&
        chain->round.attempt == round.attempt)
        return MIEN_OK;
    return mien_err_set(err, MIEN_ESTATE, "round %" PRIu64 " attempt %u is not %s", round.round,
                        round.attempt, state == MIEN_STORE_OPEN ? "open" : "reserved");
}

enum mien_status mien_store_round_open(struct mien_store *store, struct mien_store_round round,
                                       const uint8_t coins[32], struct mien_err *err)
{
    struct mien_store_tx tx = {0};
    struct mien_entry entry = {.kind = MIEN_ENTRY_ROUND_OPEN};
    enum mien_status status = need_started(store, err);

    if (status != MIEN_OK)
        return status;
    entry.round_open.round = round.round;
    entry.round_open.attempt = round.attempt;
    entry.round_open.model_version = store->chain.latest.version;
    memcpy(entry.round_open.model_hash, store->chain.latest.model_hash, 32);
    memcpy(entry.round_open.plan_hash, store->chain.plan.plan_hash, 32);
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = mien_store_tx_append(&tx, &entry, err);
    if (status == MIEN_OK)
        status = mien_db_run(store->db,
                             "INSERT INTO round(round, attempt, coins, opened_s) VALUES(?,?,?,?)",
                             (struct mien_db_value[]){
                                 mien_db_int(round.round),
                                 mien_db_int(round.attempt),
                                 mien_db_blob(coins, 32),
                                 mien_db_int((uint64_t)mien_clock_unix_s()),
                             },
                             4, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

/* ---- the private table ---- */

enum decided { UNDECIDED, SURVIVES, DROPPED };

static enum mien_status session_decided(struct mien_store *store, struct mien_store_round round,
                                        uint32_t session, enum decided *out, struct mien_err *err)
{
    uint64_t found = 0;
    enum mien_status status = mien_db_number(
        store->db, "SELECT 2 - survives FROM session WHERE round=? AND attempt=? AND session=?",
        (struct mien_db_value[]){
            mien_db_int(round.round),
            mien_db_int(round.attempt),
            mien_db_int(session),
        },
        3, &found, err);

    *out = (enum decided)found;
    return status;
}

static enum mien_status insert_input(struct mien_store *store, struct mien_store_round round,
                                     uint32_t session, const struct mien_store_input *input,
                                     struct mien_err *err)
{
    enum mien_status status = mien_store_check_part(store, round, input->unit, err);

    if (status == MIEN_OK)
        status = mien_db_run(store->db, "INSERT INTO input VALUES(?,?,?,?,?)",
                             (struct mien_db_value[]){
                                 mien_db_int(round.round),
                                 mien_db_int(round.attempt),
                                 mien_db_int(session),
                                 mien_db_blob(input->unit, 32),
                                 mien_db_blob(input->digest, 32),
                             },
                             5, err);

    if (status == MIEN_EEXIST)
        return mien_err_set(err, MIEN_EEXIST, "a unit has an input in session %u already", session);
    return status;
}

enum mien_status mien_store_put_inputs(struct mien_store *store, struct mien_store_round round,
                                       uint32_t session, const struct mien_store_input *inputs,
                                       size_t n_inputs, struct mien_err *err)
{
    struct mien_store_tx tx = {0};
    enum decided decided = UNDECIDED;
    enum mien_status status = need_state(store, round, MIEN_STORE_OPEN, err);

    if (status != MIEN_OK)
        return status;
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = session_decided(store, round, session, &decided, err);
    if (status == MIEN_OK && decided != UNDECIDED)
        status = mien_err_set(err, MIEN_ESTATE, "session %u takes no more inputs", session);
    for (size_t i = 0; status == MIEN_OK && i < n_inputs; i++)
        status = insert_input(store, round, session, &inputs[i], err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

/* One row a session, for good. */
static enum mien_status decide(struct mien_store *store, struct mien_store_round round,
                               uint32_t session, bool survives, struct mien_err *err)
{
    enum decided decided = UNDECIDED;
    enum mien_status status = session_decided(store, round, session, &decided, err);

    if (status != MIEN_OK)
        return status;
    if (decided == DROPPED)
        return mien_err_set(err, survives ? MIEN_ESTATE : MIEN_EEXIST, "session %u was dropped",
                            session);
    if (decided == SURVIVES)
        return mien_err_set(err, MIEN_EEXIST, "session %u has its survivors already", session);
    return mien_db_run(store->db, "INSERT INTO session VALUES(?,?,?,?)",
                       (struct mien_db_value[]){
                           mien_db_int(round.round),
                           mien_db_int(round.attempt),
                           mien_db_int(session),
                           mien_db_int(survives ? 1 : 0),
                       },
                       4, err);
}

static enum mien_status insert_survivor(struct mien_store *store, struct mien_store_round round,
                                        uint32_t session, const uint8_t unit[32],
                                        struct mien_err *err)
{
    const struct mien_db_value values[] = {
        mien_db_int(round.round),
        mien_db_int(round.attempt),
        mien_db_blob(unit, 32),
        mien_db_int(session),
    };
    uint64_t n = 0;
    enum mien_status status = mien_db_number(
        store->db,
        "SELECT count(*) FROM input WHERE round=?1 AND attempt=?2 AND unit=?3 AND session=?4",
        values, 4, &n, err);

    if (status == MIEN_OK && n == 0)
        return mien_err_set(err, MIEN_ENOTFOUND, "a survivor of session %u without an input",
                            session);
    if (status == MIEN_OK)
        status = mien_db_run(store->db, "INSERT INTO survivor VALUES(?,?,?,?)", values, 4, err);
    if (status == MIEN_EEXIST)
        return mien_err_set(err, MIEN_EEXIST, "a unit survives twice in round %" PRIu64,
                            round.round);
    return status;
}

enum mien_status mien_store_put_survivors(struct mien_store *store, struct mien_store_round round,
                                          uint32_t session, const uint8_t *units, size_t n_units,
                                          struct mien_err *err)
{
    struct mien_store_tx tx = {0};
    enum mien_status status = need_state(store, round, MIEN_STORE_OPEN, err);

    if (status != MIEN_OK)
        return status;
    if (n_units == 0)
        return mien_err_set(err, MIEN_EINVAL, "a session without survivors is dropped");
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = decide(store, round, session, true, err);
    for (size_t i = 0; status == MIEN_OK && i < n_units; i++)
        status = insert_survivor(store, round, session, units + 32 * i, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

enum mien_status mien_store_drop_session(struct mien_store *store, struct mien_store_round round,
                                         uint32_t session, struct mien_err *err)
{
    struct mien_store_tx tx = {0};
    enum mien_status status = need_state(store, round, MIEN_STORE_OPEN, err);

    if (status != MIEN_OK)
        return status;
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = decide(store, round, session, false, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

/* ---- the charge ---- */

static enum mien_status all_decided(struct mien_store *store, struct mien_store_round round,
                                    struct mien_err *err)
{
    const struct mien_db_value at[] = {mien_db_int(round.round), mien_db_int(round.attempt)};
    uint64_t undecided = 0;
    uint64_t survivors = 0;
    enum mien_status status =
        mien_db_number(store->db,
                       "SELECT count(*) FROM input i WHERE round=? AND attempt=? AND NOT EXISTS"
                       "(SELECT 1 FROM session s WHERE s.round=i.round AND s.attempt=i.attempt"
                       " AND s.session=i.session)",
                       at, 2, &undecided, err);

    if (status == MIEN_OK)
        status =
            mien_db_number(store->db, "SELECT count(*) FROM survivor WHERE round=? AND attempt=?",
                           at, 2, &survivors, err);
    if (status != MIEN_OK)
        return status;
    if (undecided > 0)
        return mien_err_set(err, MIEN_ESTATE,
                            "a session has inputs, and neither survivors nor was it dropped");
    if (survivors == 0)
        return mien_err_set(err, MIEN_ESTATE, "no session has survivors: nothing to charge for");
    return MIEN_OK;
}

/* The salt stays private; its hash with the list goes into the chain. */
static enum mien_status bind_private(struct mien_store *store, struct mien_store_round round,
                                     struct mien_rng *rng, uint8_t digest[32], struct mien_err *err)
{
    uint8_t salt[32];
    enum mien_status status = mien_rng_fill(rng, salt, sizeof(salt));

    if (status == MIEN_OK)
        status = mien_store_private_digest(store->db, round, salt, digest, err);
    if (status == MIEN_OK)
        status = mien_db_run(store->db, "UPDATE round SET salt=? WHERE round=? AND attempt=?",
                             (struct mien_db_value[]){
                                 mien_db_blob(salt, sizeof(salt)),
                                 mien_db_int(round.round),
                                 mien_db_int(round.attempt),
                             },
                             3, err);
    mien_wipe(salt, sizeof(salt));
    return status;
}

enum mien_status mien_store_reserve(struct mien_store *store, struct mien_store_round round,
                                    const struct mien_store_charge *charge, struct mien_rng *rng,
                                    struct mien_budget_answer *answer, struct mien_err *err)
{
    struct mien_store_tx tx = {0};
    struct mien_entry entry = {.kind = MIEN_ENTRY_RESERVE};
    enum mien_status status = need_state(store, round, MIEN_STORE_OPEN, err);

    if (status == MIEN_OK)
        status =
            mien_chain_mechanism(&store->chain, charge->sampling, &entry.reserve.mechanism, err);
    if (status != MIEN_OK)
        return status;
    entry.reserve.round = round.round;
    entry.reserve.attempt = round.attempt;
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = all_decided(store, round, err);
    if (status == MIEN_OK)
        status = mien_store_budget(store, charge, answer, err);
    if (status == MIEN_OK && !answer->allowed)
        status = mien_store_refuse(store, answer, err);
    if (status == MIEN_OK)
        status = bind_private(store, round, rng, entry.reserve.private_digest, err);
    if (status == MIEN_OK)
        status = mien_store_tx_append(&tx, &entry, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

/* ---- the end ---- */

enum mien_status mien_store_model_write(struct mien_store *store, struct mien_store_round round,
                                        struct mien_span file, uint8_t digest[32],
                                        struct mien_err *err)
{
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK)
        status = need_state(store, round, MIEN_STORE_RESERVED, err);
    if (status == MIEN_OK)
        status = mien_store_model_put(store->dir, file, digest, err);
    return status;
}

static enum mien_status need_file(const struct mien_store *store, const uint8_t digest[32],
                                  struct mien_err *err)
{
    char path[PATH_MAX];
    enum mien_status status = mien_store_model_path(store->dir, digest, path, sizeof(path));

    if (status == MIEN_OK && !mien_path_exists(path))
        return mien_err_set(err, MIEN_ENOTFOUND, "there is no model file %s", path);
    return status;
}

enum mien_status mien_store_commit(struct mien_store *store, struct mien_store_round round,
                                   const struct mien_store_release *release, uint64_t *version,
                                   struct mien_err *err)
{
    struct mien_store_tx tx = {0};
    struct mien_entry entry = {.kind = MIEN_ENTRY_COMMIT};
    enum mien_status status = need_state(store, round, MIEN_STORE_RESERVED, err);

    if (status == MIEN_OK)
        status = need_file(store, release->file_digest, err);
    if (status != MIEN_OK)
        return status;
    entry.model.round = round.round;
    entry.model.attempt = round.attempt;
    entry.model.version = store->chain.top_version + 1;
    memcpy(entry.model.model_hash, release->model_hash, 32);
    memcpy(entry.model.file_digest, release->file_digest, 32);
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = mien_store_tx_append(&tx, &entry, err);
    if (status == MIEN_OK)
        status = mien_store_model_row(&tx, &tx.next.latest, err);
    if (status == MIEN_OK)
        status = mien_store_server_state_put(&tx, release->server_state, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    if (status == MIEN_OK)
        *version = entry.model.version;
    return status;
}

enum mien_status mien_store_abandon(struct mien_store *store, struct mien_store_round round,
                                    const char *reason, struct mien_err *err)
{
    struct mien_store_tx tx = {0};
    struct mien_entry entry = {.kind = MIEN_ENTRY_ABANDON};
    enum mien_status status = need_started(store, err);

    if (status != MIEN_OK)
        return status;
    entry.abandon.round = round.round;
    entry.abandon.attempt = round.attempt;
    entry.abandon.charged = store->chain.state == MIEN_STORE_RESERVED;
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = mien_store_tx_append(&tx, &entry, err);
    if (status == MIEN_OK)
        status = mien_db_run(store->db, "UPDATE round SET reason=? WHERE round=? AND attempt=?",
                             (struct mien_db_value[]){
                                 mien_db_text(reason),
                                 mien_db_int(round.round),
                                 mien_db_int(round.attempt),
                             },
                             3, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}
