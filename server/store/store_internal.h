/* The store's inside, shared by store.c, round.c, models.c and enrol.c.
 *
 * Threads: as store.h
 */
#ifndef MIEN_STORE_STORE_INTERNAL_H
#define MIEN_STORE_STORE_INTERNAL_H

#include "server/store/anchor.h"
#include "server/store/chain.h"
#include "server/store/config.h"
#include "server/store/db.h"

#define MIEN_STORE_FORMAT 2 /* PRAGMA user_version */

struct mien_store {
    char dir[MIEN_CONFIG_PATH_BYTES];
    sqlite3 *db;
    struct mien_chain chain;
    uint8_t signing_seed[32]; /* secret */
    uint8_t unit_salt[32];    /* secret: hides unit names from who can guess them */
    bool started;
    bool anchor_behind; /* by the last transaction, which a crash cut off before it was anchored */
    struct mien_store_room room; /* computed when n_charged of it is the chain's */
    uint64_t room_charged;
    uint32_t room_run; /* 0: not computed */
    double room_cap;
    bool broken; /* the outcome of a write is unknown: refuse everything */
};

/* A store with its directory and key, nothing open; given: mien_store_close. */
MIEN_CHECK enum mien_status mien_store_new(const char *dir, const uint8_t signing_seed[32],
                                           struct mien_store **out, struct mien_err *err);

/* Entries that one transaction adds at most (START and ABANDON, PLAN and MODEL). */
#define MIEN_STORE_TX_ENTRIES 2

/* What opening found at the anchor. */
struct mien_store_opening {
    enum mien_status anchor_status; /* of reading it */
    struct mien_anchor anchor;
    bool anchored; /* its place is in the chain */
};

/* mien_store_open without judging the anchor. */
MIEN_CHECK enum mien_status mien_store_open_unanchored(const char *dir,
                                                       const uint8_t signing_seed[32],
                                                       struct mien_store_opening *opening,
                                                       struct mien_store **out,
                                                       struct mien_err *err);

/* MIEN_EPOLICY with what would fit under the cap: how many more releases as the plan samples, which
 * cap, which noise for all planned rounds. */
MIEN_CHECK enum mien_status mien_store_refuse(const struct mien_store *store,
                                              const struct mien_budget_answer *answer,
                                              struct mien_err *err);

/* Whether ledger and anchor fit each other, as mien_store_open demands. */
bool mien_store_in_step(const struct mien_store *store, const struct mien_store_opening *opening);

/* One transaction. `next` is the chain as it will be. */
struct mien_store_tx {
    struct mien_store *store;
    struct mien_chain next;
    bool open;
};

/* Starts one; end it with mien_store_tx_end on every path.  errors  MIEN_ESTATE  store broken */
MIEN_CHECK enum mien_status mien_store_tx_begin(struct mien_store *store, struct mien_store_tx *tx,
                                                struct mien_err *err);

/* Judges, numbers, signs and inserts an entry; kind and fields are given, the rest is filled in. */
MIEN_CHECK enum mien_status mien_store_tx_append(struct mien_store_tx *tx, struct mien_entry *entry,
                                                 struct mien_err *err);

/* Durable when it returns MIEN_OK, the anchor too if the chain grew. */
MIEN_CHECK enum mien_status mien_store_tx_commit(struct mien_store_tx *tx, struct mien_err *err);

/* Rolls back unless committed. */
void mien_store_tx_end(struct mien_store_tx *tx);

/* MIEN_ESTATE when the store is broken. */
MIEN_CHECK enum mien_status mien_store_usable(const struct mien_store *store, struct mien_err *err);

/* Whether a unit's limits let it take part in a round; MIEN_OK without limits.
 * errors  MIEN_EPOLICY  too early or too often (err says) */
MIEN_CHECK enum mien_status mien_store_check_part(struct mien_store *store,
                                                  struct mien_store_round round,
                                                  const uint8_t unit[32], struct mien_err *err);

/* "DIR/models/<hex>.safetensors" into out. */
MIEN_CHECK enum mien_status mien_store_model_path(const char *dir, const uint8_t digest[32],
                                                  char *out, size_t n);

/* Writes model bytes under their digest, durable. */
MIEN_CHECK enum mien_status mien_store_model_put(const char *dir, struct mien_span file,
                                                 uint8_t digest[32], struct mien_err *err);

/* Remembers a version for mien_store_model. */
MIEN_CHECK enum mien_status mien_store_model_row(struct mien_store_tx *tx,
                                                 const struct mien_store_model *model,
                                                 struct mien_err *err);

/* Replaces the optimisers' state. */
MIEN_CHECK enum mien_status mien_store_server_state_put(struct mien_store_tx *tx,
                                                        struct mien_span server_state,
                                                        struct mien_err *err);

/* Removes model files that no version names. */
MIEN_CHECK enum mien_status mien_store_sweep(struct mien_store *store, uint32_t *n_removed,
                                             struct mien_err *err);

/* SHA-256 of `salt`, the round, its coins, INPUT rows, survivors and dropped sessions
 * (docs/file-formats.md). */
MIEN_CHECK enum mien_status mien_store_private_digest(sqlite3 *db, struct mien_store_round round,
                                                      const uint8_t salt[32], uint8_t out[32],
                                                      struct mien_err *err);

/* SHA-256("mien unit v1" | unit_salt | name). */
MIEN_CHECK enum mien_status mien_store_unit_digest(const struct mien_store *store, const char *name,
                                                   uint8_t out[32]);

/* Reads the next row of "SELECT seq, bytes, head, signature FROM entry ORDER BY seq". */
struct mien_store_row {
    uint64_t seq;
    struct mien_span bytes; /* borrowed until the next row */
    uint8_t head[32];
    uint8_t signature[64];
};
MIEN_CHECK enum mien_status mien_store_row_next(sqlite3_stmt *stmt, bool *row,
                                                struct mien_store_row *out, struct mien_err *err);

#endif
