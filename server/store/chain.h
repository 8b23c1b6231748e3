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

struct mien_chain {
    bool begun; /* GENESIS is in */
    struct mien_store_mark mark;
    struct mien_entry_genesis genesis;
    bool has_plan;
    struct mien_entry_plan plan; /* in force */
    bool has_model;
    struct mien_store_model latest;
    struct mien_store_round round; /* the last */
    enum mien_store_round_state state;
    bool charged;         /* the last round has its RESERVE, or must not be opened again */
    uint64_t n_sampled;   /* releases charged as the plan samples */
    uint64_t n_unsampled; /* releases charged with q = 1 */
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

/* What has been charged: at most two events; their number. */
size_t mien_chain_events(const struct mien_chain *chain, struct mien_dp_event events[2]);

/* The round to open next (store.h). */
struct mien_store_round mien_chain_next_round(const struct mien_chain *chain);

/* head = SHA-256(previous | bytes).  errors  MIEN_ECRYPTO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_chain_head(const uint8_t previous[32], struct mien_span bytes,
                                            uint8_t head[32]);

/* What is signed: "mien ledger v1" | head. */
#define MIEN_CHAIN_STATEMENT_BYTES (14 + 32)
void mien_chain_statement(const uint8_t head[32], uint8_t out[MIEN_CHAIN_STATEMENT_BYTES]);

#endif
