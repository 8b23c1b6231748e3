/* The rules of the public chain as one pure state: which entry may follow which.
 *
 * Opening a ledger, verifying it and writing to it all go through mien_chain_judge, so that what
 * can be written is what can be read. No storage, no keys.
 *
 * Threads: any; a chain is a value
 */
#ifndef MIEN_STORE_CHAIN_H
#define MIEN_STORE_CHAIN_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/store.h"

/* What a run was charged. */
struct mien_chain_run {
    struct mien_mechanism mechanism;
    double delta;
    uint64_t n_sampled;   /* releases charged as the plan samples */
    uint64_t n_unsampled; /* releases charged with q = 1 */
    double apart;         /* largest of the sampled ones: min_reports and drop_out may change */
    bool restored;        /* a part of it was lost */
};

/* A population that is asked more often is better served by a ledger of its own and new consent. */
#define MIEN_CHAIN_MAX_RUNS 16

struct mien_chain {
    bool begun; /* GENESIS is in */
    struct mien_store_mark mark;
    struct mien_entry_genesis genesis;
    bool has_plan;
    struct mien_entry_plan plan; /* in force */
    bool has_model;
    struct mien_store_model latest; /* that rounds go on from */
    uint64_t run_version;           /* of the present run's start model */
    uint64_t top_version;           /* the highest that names a model; no number is used twice */
    struct mien_store_round round;  /* the last */
    enum mien_store_round_state state;
    bool charged; /* the last round has its RESERVE, or must not be opened again */
    struct mien_chain_run run[MIEN_CHAIN_MAX_RUNS]; /* [plan.run - 1] is the present one */
};

/* Whether the entry may come next.
 * errors  MIEN_ESTATE  out of order; MIEN_EPOLICY  it changes a constant of the run (err says) */
MIEN_CHECK enum mien_status mien_chain_judge(const struct mien_chain *chain,
                                             const struct mien_entry *entry, struct mien_err *err);

/* Takes an entry that was judged; `head` is its head. */
void mien_chain_apply(struct mien_chain *chain, const struct mien_entry *entry,
                      const uint8_t head[32]);

/* The plan's mechanism as one release is charged.  errors  MIEN_EINVAL  another sampling mode */
MIEN_CHECK enum mien_status mien_chain_mechanism(const struct mien_chain *chain,
                                                 enum mien_sampling sampling,
                                                 struct mien_mechanism *out, struct mien_err *err);

/* What a run has been charged: at most two events; their number. */
size_t mien_chain_events(const struct mien_chain_run *run, struct mien_dp_event events[2]);

/* The present run. The chain has a plan. */
const struct mien_chain_run *mien_chain_run(const struct mien_chain *chain);

/* Releases charged, over all runs. */
uint64_t mien_chain_n_charged(const struct mien_chain *chain);

/* What all releases cost together. Within a run the accountant composes. The constants of a later
 * run may have been chosen after looking at an earlier one: for that, sums of epsilon and of delta
 * are proven (basic composition as a filter: Rogers, Roth, Ullman, Vadhan 2016, "Privacy Odometers
 * and Filters"), so runs are added.
 *
 *   cost    out: where several runs were charged, only the reader's and the witness' epsilon hold
 *   delta   out: the sum over the runs that were begun
 *   errors  MIEN_EINVAL, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_chain_cost(const struct mien_chain *chain,
                                            struct mien_dp_cost *cost, double *delta,
                                            struct mien_err *err);

/* Whether n more releases, charged so, fit under the cap of the plan in force, and what was spent
 * (store.h). */
MIEN_CHECK enum mien_status mien_chain_budget(const struct mien_chain *chain,
                                              enum mien_sampling sampling, uint64_t n,
                                              struct mien_budget_answer *out, struct mien_err *err);

/* Charges a run with n more releases. */
void mien_chain_charge(struct mien_chain_run *run, enum mien_sampling sampling, uint64_t n);

/* Releases charged to the present run: the next one is its step of that number, from 0. */
uint64_t mien_chain_step(const struct mien_chain *chain);

/* How many more releases as the plan samples fit under its cap, at most `max`. */
MIEN_CHECK enum mien_status mien_chain_n_fit(const struct mien_chain *chain, uint64_t max,
                                             uint64_t *n, struct mien_err *err);

/* Whether the present run may open rounds (store.h).  errors  MIEN_EPOLICY */
MIEN_CHECK enum mien_status mien_chain_goes_on(const struct mien_chain *chain,
                                               struct mien_err *err);

/* The round to open next (store.h). */
struct mien_store_round mien_chain_next_round(const struct mien_chain *chain);

/* head = SHA-256(previous | bytes).  errors  MIEN_ECRYPTO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_chain_head(const uint8_t previous[32], struct mien_span bytes,
                                            uint8_t head[32]);

/* What is signed: "mien ledger v1" | head. */
#define MIEN_CHAIN_STATEMENT_BYTES (14 + 32)
void mien_chain_statement(const uint8_t head[32], uint8_t out[MIEN_CHAIN_STATEMENT_BYTES]);

#endif
