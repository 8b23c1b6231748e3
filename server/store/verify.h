/* Checks everything that a state directory or a release claims, from its bytes alone.
 *
 * Threads: any
 */
#ifndef MIEN_STORE_VERIFY_H
#define MIEN_STORE_VERIFY_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/dp/account.h"
#include "server/store/store.h"

#include <stddef.h>
#include <stdint.h>

#define MIEN_VERIFY_MAX_PROBLEMS 100 /* more add nothing for the reader */

struct mien_verify {
    uint64_t n_entries;
    uint64_t n_models;
    uint64_t n_releases; /* charged */
    struct mien_store_mark mark;
    struct mien_entry_plan plan; /* the last */
    struct mien_dp_cost cost;    /* recomputed from the entries alone */
    size_t n_problems;
    char *problems[MIEN_VERIFY_MAX_PROBLEMS]; /* sentences, in the order of the ledger */
};

/* Walks the ledger (heads, signatures, order of entries, private digests), the anchor and the model
 * files of a state directory.
 *
 *   db_path  the ledger or a consistent copy of it; opened read-only
 *   dir      the state directory, for anchor and models
 *   out      given: end it with mien_verify_fini. What is wrong is in `problems`, not a status.
 *   errors   MIEN_ENOTFOUND  no ledger; MIEN_ENOMEM; MIEN_EBUSY
 */
MIEN_CHECK enum mien_status mien_verify_state(const char *dir, const char *db_path,
                                              struct mien_verify *out, struct mien_err *err);

void mien_verify_fini(struct mien_verify *verify);

#endif
