/* What a coordinator must never lose: ledger, private table, enrolments, models.
 *
 * One SQLite database (DIR/ledger.db: WAL, synchronous FULL, EXCLUSIVE, one connection), model
 * files beside it (DIR/models/), and the anchor (DIR/anchor: the highest place of the chain,
 * outside the database). A function that changes something returns only when the change is
 * durable; on error nothing has changed. Where that is not known (a commit failed, or the anchor
 * after it) the store refuses everything (MIEN_ESTATE) until it is opened again.
 *
 * The order of a round is enforced here, whatever the caller does:
 *
 *   round_open -> put_inputs -> put_survivors | drop_session -> reserve -> model_write -> commit
 *   and abandon at any point after round_open
 *
 * After reserve the charge stays, also when the round is abandoned or the process dies; a round
 * that has been reserved is never opened again. Before reserve a round may be abandoned and opened
 * again as its next attempt.
 *
 * The public chain (entry.h) says nothing about who or how many; INPUT, SURVIVORS and coins are in
 * the private table, which RESERVE binds by a salted hash.
 *
 * Source:  design, section 4 "Order"
 * Threads: a store belongs to one thread at a time; every call may block on the disk
 */
#ifndef MIEN_STORE_STORE_H
#define MIEN_STORE_STORE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/base/span.h"
#include "common/dp/budget.h"
#include "server/store/entry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mien_store;

/* ---- life ---- */

struct mien_store_create {
    uint8_t run_id[16];
    uint8_t ca_fingerprint[32];
    struct mien_entry_plan plan;
    uint8_t model_hash[32];        /* of the start model */
    struct mien_span model_file;   /* its safetensors bytes */
    struct mien_span server_state; /* of the coordinator's optimisers; may be empty */
};

/* Makes ledger.db, models/ and anchor in an existing directory: GENESIS, PLAN, MODEL.
 *
 *   signing_seed  [32] secret; its public key goes into GENESIS
 *   rng           for the salt of unit names
 *   errors  MIEN_EEXIST  there is a ledger already; MIEN_EINVAL; MIEN_ENOSPC, MIEN_EIO,
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_store_create(const char *dir,
                                              const struct mien_store_create *create,
                                              const uint8_t signing_seed[32], struct mien_rng *rng,
                                              struct mien_err *err);

/* Begins another run of the same population: a PLAN with the next number and a MODEL with the next
 * version, together. What earlier runs were charged stays; the cap of the new plan is held against
 * the sum (chain.h). `run_id` and `ca_fingerprint` are not used.
 *
 *   errors  MIEN_ESTATE  a round is open (mien_store_start abandons one that was cut off)
 *           MIEN_EPOLICY  no more runs fit into a ledger; MIEN_EINVAL; MIEN_ENOSPC, MIEN_EIO,
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_store_begin_run(struct mien_store *store,
                                                 const struct mien_store_create *create,
                                                 struct mien_err *err);

/* Opens a store: recomputes the head of every entry, checks the last signature and the anchor.
 * The caller holds the state directory's lock (statedir.h).
 *
 *   out     given: end it with mien_store_close
 *   errors  MIEN_ENOTFOUND  no ledger
 *           MIEN_ECORRUPT   a head does not match, the database is damaged, or the ledger was
 * rolled back against the anchor (err says which, and about mien restore) MIEN_EAUTH      the
 * signing key is not this ledger's MIEN_EPOLICY    written by a later version of mien MIEN_EBUSY
 * another process has the database open MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_store_open(const char *dir, const uint8_t signing_seed[32],
                                            struct mien_store **out, struct mien_err *err);

/* Wipes and frees; NULL is fine. Nothing needs saving. */
void mien_store_close(struct mien_store *store);

/* How far the last round had come. */
enum mien_store_round_state {
    MIEN_STORE_NO_ROUND, /* none yet */
    MIEN_STORE_OPEN,
    MIEN_STORE_RESERVED,
    MIEN_STORE_COMMITTED,
    MIEN_STORE_ABANDONED,
};

/* One attempt at one round; rounds count from 1, attempts from 1. */
struct mien_store_round {
    uint64_t round;
    uint32_t attempt;
};

/* The last round and its state.  errors  MIEN_ESTATE */
MIEN_CHECK enum mien_status mien_store_last_round(struct mien_store *store,
                                                  struct mien_store_round *round,
                                                  enum mien_store_round_state *state);

/* The round to open next: 1, 1 at first; the same round's next attempt after an uncharged
 * abandonment; else the next round. */
struct mien_store_round mien_store_next_round(const struct mien_store *store);

/* What a start found. */
struct mien_store_recovery {
    struct mien_store_round round;     /* that was cut off; 0, 0 for none */
    enum mien_store_round_state state; /* in which it was: OPEN or RESERVED; else NO_ROUND */
    uint32_t n_files_removed;          /* model files that no COMMIT names */
};

/* A coordinator takes over: the epoch rises by one (START), a round that was cut off is abandoned,
 * model files that nothing names are removed. Tools that only read or enrol do not call this.
 *
 *   errors  MIEN_ECORRUPT  the file of the latest model is missing or was changed (err: which)
 *           MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM, MIEN_ECRYPTO, MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_store_start(struct mien_store *store,
                                             struct mien_store_recovery *out, struct mien_err *err);

/* ---- the chain ---- */

struct mien_store_mark {
    uint64_t epoch;
    uint64_t seq;
    uint8_t head[32];
};

/* The place of the chain's last entry: goes with everything that is served. */
struct mien_store_mark mien_store_mark(const struct mien_store *store);

/* Who signs, of which run. Borrowed until the store is closed. */
const struct mien_entry_genesis *mien_store_genesis(const struct mien_store *store);

/* The plan entry in force. Borrowed until the next mien_store_set_plan or close. */
const struct mien_entry_plan *mien_store_plan(const struct mien_store *store);

/* Puts a changed plan of the present run in force (PLAN; `plan->run` is ignored); the same one
 * again does nothing. What decides privacy is fixed for a run: mechanism, rounds and delta must be
 * those of the run's first PLAN; the cap may change.
 *
 *   errors  MIEN_EPOLICY  another mechanism, rounds or delta: a new run (err names which)
 *           MIEN_ESTATE   a round is open
 */
MIEN_CHECK enum mien_status mien_store_set_plan(struct mien_store *store,
                                                const struct mien_entry_plan *plan,
                                                struct mien_err *err);

/* What has been charged, run by run, equal charges of a run counted together, for common/dp.
 *
 *   events  given: mien_free
 */
MIEN_CHECK enum mien_status mien_store_events(struct mien_store *store,
                                              struct mien_dp_event **events, size_t *n_events);

/* What everything so far costs: chain.h, mien_chain_cost. */
MIEN_CHECK enum mien_status mien_store_cost(const struct mien_store *store,
                                            struct mien_dp_cost *cost, double *delta,
                                            struct mien_err *err);

/* What is left under the cap, for a run that goes on as planned. */
struct mien_store_room {
    uint64_t n_charged; /* releases of the present run */
    uint64_t n_fit;     /* more of them under the cap, at most the planned number */
    double next;        /* the reader's epsilon with one more */
};

/* Computed once after each charge, in some tens of milliseconds.
 *
 *   errors  MIEN_EINVAL, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_store_room(struct mien_store *store, struct mien_store_room *out,
                                            struct mien_err *err);

/* How the next release would be charged. */
struct mien_store_charge {
    enum mien_sampling
        sampling; /* the plan's, or MIEN_SAMPLING_NONE for a round charged with q = 1 */
};

/* Whether one more release fits under the cap of the plan in force, and what was spent.
 *
 *   errors  MIEN_EINVAL  a sampling mode that is neither; MIEN_ENOMEM, MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_store_budget(struct mien_store *store,
                                              const struct mien_store_charge *charge,
                                              struct mien_budget_answer *out, struct mien_err *err);

/* ---- a round, in its order ---- */

/* ROUND_OPEN from the latest model under the plan in force.
 *
 *   round   mien_store_next_round, or a later one
 *   coins   [32] digest of the round's draw, decided by now; private, bound by RESERVE
 *   errors  MIEN_ESTATE   another round is open, or this one was opened or reserved already
 */
MIEN_CHECK enum mien_status mien_store_round_open(struct mien_store *store,
                                                  struct mien_store_round round,
                                                  const uint8_t coins[32], struct mien_err *err);

/* One complete masked vector of a session. */
struct mien_store_input {
    uint8_t unit[32];   /* unit digest, as in the device's credential */
    uint8_t digest[32]; /* SHA-256 of the vector's packed bytes */
};

/* INPUT rows, all or none: before the vectors enter an accumulator. Under limits of taking part
 * (mechanism's separation, participations) each row is a part of its unit, whatever becomes of the
 * round.
 *
 *   errors  MIEN_EEXIST  a unit has an input in this session already
 *           MIEN_EPOLICY a unit would take part too early or too often
 *           MIEN_ESTATE  this round is not open, or the session has its survivors or was dropped
 */
MIEN_CHECK enum mien_status mien_store_put_inputs(struct mien_store *store,
                                                  struct mien_store_round round, uint32_t session,
                                                  const struct mien_store_input *inputs,
                                                  size_t n_inputs, struct mien_err *err);

/* What a unit has taken part in, over all runs: its INPUT rows. */
struct mien_store_part {
    uint8_t unit[32];
    uint64_t n;          /* vectors that it gave */
    uint64_t last_round; /* of the last one */
};

/* All units with such rows, by digest, rising.
 *
 *   parts   given: mien_free
 *   errors  MIEN_EIO, MIEN_ENOMEM, MIEN_ECORRUPT, MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_store_parts(struct mien_store *store,
                                             struct mien_store_part **parts, size_t *n,
                                             struct mien_err *err);

/* Releases charged to the present run: its noise has so many steps, the last RESERVE's being this
 * less one. */
uint64_t mien_store_n_steps(const struct mien_store *store);

/* Whether the present run may open rounds: a restore ends one whose units keep limits of taking
 * part, the list of who took part having gaps then.  errors  MIEN_EPOLICY */
MIEN_CHECK enum mien_status mien_store_goes_on(const struct mien_store *store,
                                               struct mien_err *err);

/* SURVIVORS of a session, once: before any of its unmask requests.
 *
 *   units   [n_units * 32] unit digests, each with an INPUT row in this session; n_units > 0
 *   errors  MIEN_EEXIST    the session has its survivors already, or a unit survives in another
 *                          session of this round
 *           MIEN_ENOTFOUND a unit without an INPUT row
 *           MIEN_ESTATE    this round is not open, or the session was dropped
 */
MIEN_CHECK enum mien_status mien_store_put_survivors(struct mien_store *store,
                                                     struct mien_store_round round,
                                                     uint32_t session, const uint8_t *units,
                                                     size_t n_units, struct mien_err *err);

/* The session is left out for good.
 *
 *   errors  MIEN_EEXIST  it has survivors or was dropped already
 *           MIEN_ESTATE  this round is not open
 */
MIEN_CHECK enum mien_status mien_store_drop_session(struct mien_store *store,
                                                    struct mien_store_round round, uint32_t session,
                                                    struct mien_err *err);

/* RESERVE, with the cap check in the same transaction: before the first unmask request of any
 * session. Every session with INPUT rows must have survivors or be dropped.
 *
 *   rng     draws the 32 bytes under the private list's hash
 *   answer  out, also on MIEN_EPOLICY: what was spent and would be
 *   errors  MIEN_EPOLICY  the cap refuses (err says what would fit); the round stays open
 *           MIEN_ESTATE   this round is not open, no session has survivors, a session is undecided
 *           MIEN_EINVAL   the charge
 */
MIEN_CHECK enum mien_status mien_store_reserve(
    struct mien_store *store, struct mien_store_round round, const struct mien_store_charge *charge,
    struct mien_rng *rng, struct mien_budget_answer *answer, struct mien_err *err);

/* The model file: written, synced, renamed to its digest, its directory synced.
 *
 *   file    safetensors bytes
 *   digest  out: SHA-256 of the bytes, its name
 *   errors  MIEN_ESTATE  this round is not reserved
 */
MIEN_CHECK enum mien_status mien_store_model_write(struct mien_store *store,
                                                   struct mien_store_round round,
                                                   struct mien_span file, uint8_t digest[32],
                                                   struct mien_err *err);

struct mien_store_release {
    uint8_t model_hash[32];
    uint8_t file_digest[32];       /* of mien_store_model_write */
    struct mien_span server_state; /* replaces the one before, in the same transaction */
};

/* COMMIT: from here on the version may be served.
 *
 *   version  out: the new version
 *   errors   MIEN_ESTATE     this round is not reserved
 *            MIEN_ENOTFOUND  there is no such model file
 */
MIEN_CHECK enum mien_status mien_store_commit(struct mien_store *store,
                                              struct mien_store_round round,
                                              const struct mien_store_release *release,
                                              uint64_t *version, struct mien_err *err);

/* ABANDON. A charge stays.
 *
 *   reason  for the operator, private: "too few reports: 17 of 20"
 *   errors  MIEN_ESTATE  this round is neither open nor reserved
 */
MIEN_CHECK enum mien_status mien_store_abandon(struct mien_store *store,
                                               struct mien_store_round round, const char *reason,
                                               struct mien_err *err);

/* The operator's counts of a round: private, for status and metrics. */
struct mien_store_counts {
    uint32_t drawn;
    uint32_t assigned;
    uint32_t reported;
    uint32_t survived;
    double seconds;
};

/* Keeps a round's counts, any time after round_open.  errors  MIEN_ENOTFOUND  no such round */
MIEN_CHECK enum mien_status mien_store_put_counts(struct mien_store *store,
                                                  struct mien_store_round round,
                                                  const struct mien_store_counts *counts,
                                                  struct mien_err *err);

/* The last round that has counts.  errors  MIEN_ENOTFOUND  none */
MIEN_CHECK enum mien_status mien_store_last_counts(struct mien_store *store,
                                                   struct mien_store_round *round,
                                                   struct mien_store_counts *counts);

/* ---- models ---- */

struct mien_store_model {
    uint64_t version;
    uint64_t round; /* 0 for version 0 */
    uint8_t model_hash[32];
    uint8_t file_digest[32];
};

/* The latest version. */
struct mien_store_model mien_store_latest(const struct mien_store *store);

/* Any version.  errors  MIEN_ENOTFOUND */
MIEN_CHECK enum mien_status mien_store_model(struct mien_store *store, uint64_t version,
                                             struct mien_store_model *out, struct mien_err *err);

/* Appends a version's file to out, its digest checked.
 * errors  MIEN_ENOTFOUND, MIEN_ECORRUPT, MIEN_EIO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_store_model_read(struct mien_store *store,
                                                  const struct mien_store_model *model,
                                                  struct mien_buf *out, struct mien_err *err);

/* Appends the state of the coordinator's optimisers as of the latest version (maybe nothing). */
MIEN_CHECK enum mien_status mien_store_server_state(struct mien_store *store, struct mien_buf *out,
                                                    struct mien_err *err);

/* ---- copies ---- */

/* Writes a consistent copy of the database (VACUUM INTO, synced) to a path that does not exist yet.
 * errors  MIEN_EEXIST, MIEN_ENOSPC, MIEN_EIO */
MIEN_CHECK enum mien_status mien_store_backup(struct mien_store *store, const char *path,
                                              struct mien_err *err);

/* What the operator says of a loss. */
struct mien_store_loss {
    uint64_t n_releases; /* that may have been made in it, when the operator knows of more than the
                          * directory tells; else 0 */
    uint64_t epoch;      /* the highest that a device says it has seen; else 0 */
};

/* What a restore did. */
struct mien_store_restored {
    uint64_t n_charged; /* releases */
    uint64_t version;   /* of the model that rounds go on from */
};

/* An operator's act after ledger, anchor or models were put back from an older copy: accepts what
 * is there, charges the most that the lost part can have spent, raises the epoch above the anchor's
 * and the operator's, goes on from the newest model whose file is whole, and puts the anchor in
 * step. The store is opened and closed by this call.
 *
 * The most is: where the anchor is ahead, what it counts more than the ledger, and one release that
 * may have been reserved after it was written; where there is no anchor, or an older one, or that
 * of another ledger, nothing bounds the loss but the plan: the planned rounds that are left, at
 * least one. `loss->n_releases` raises either. Each is charged unsampled.
 *
 *   errors  MIEN_ESTATE   nothing is lost and the operator names no loss
 *           MIEN_EPOLICY  the lost part began another run, whose constants are not known
 *           MIEN_ECORRUPT no model is whole
 *           MIEN_EINVAL   the loss is out of range
 *           else as mien_store_open
 */
MIEN_CHECK enum mien_status mien_store_restore(const char *dir, const uint8_t signing_seed[32],
                                               const struct mien_store_loss *loss,
                                               struct mien_store_restored *out,
                                               struct mien_err *err);

#endif
