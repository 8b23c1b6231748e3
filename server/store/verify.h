/* Checks everything that a state directory or a release claims, from its bytes alone.
 *
 * Threads: any
 */
#ifndef MIEN_STORE_VERIFY_H
#define MIEN_STORE_VERIFY_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/anchor.h"
#include "server/store/card.h"
#include "server/store/store.h"

#include <stddef.h>
#include <stdint.h>

#define MIEN_VERIFY_MAX_PROBLEMS 100 /* more add nothing for the reader */

struct mien_verify {
    uint64_t n_entries;
    uint64_t n_models;
    uint64_t n_forgotten;     /* charges whose private list was erased on somebody's demand */
    struct mien_card card;    /* what is charged under which constants; of a state the latest's */
    struct mien_dp_cost cost; /* recomputed from the events alone */
    double delta;             /* that it holds at */
    size_t n_problems;
    char *problems[MIEN_VERIFY_MAX_PROBLEMS]; /* sentences, in the order of the ledger */
};

/* Walks the ledger (heads, signatures, order of entries, private digests), the anchor and the model
 * files (their digests, H(model), the plan inside) of a state directory.
 *
 *   db_path  the ledger, under the directory's lock, or a copy of it
 *   anchor   as read before the copy was made; NULL to read DIR/anchor, which then must not be more
 *            than one transaction behind
 *   out      given: end it with mien_verify_fini. What is wrong is in `problems`, not a status.
 *   errors   MIEN_ENOTFOUND  no ledger; MIEN_ENOMEM; MIEN_EBUSY
 */
MIEN_CHECK enum mien_status mien_verify_state(const char *dir, const char *db_path,
                                              const struct mien_anchor *anchor,
                                              struct mien_verify *out, struct mien_err *err);

/* Checks a release: the ledger's signature and the set's, the ledger beside it (every head,
 * signature and order), that the card says what that ledger says, the epsilons it claims from the
 * ledger's events, metadata.jsonl, every picture that it lists, and the signature inside each.
 *
 *   dir     of the set, with release.json
 *   out     as above
 *   errors  MIEN_ENOTFOUND  no release.json; MIEN_ENOMEM, MIEN_EIO
 */
MIEN_CHECK enum mien_status mien_verify_release(const char *dir, struct mien_verify *out,
                                                struct mien_err *err);

/* Checks one picture: its card, both signatures, and the epsilons from the card's events.
 *
 *   errors  MIEN_ENOTFOUND  no such file; MIEN_ENOMEM, MIEN_EIO
 */
MIEN_CHECK enum mien_status mien_verify_picture(const char *path, struct mien_verify *out,
                                                struct mien_err *err);

/* Adds a problem.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_verify_problem(struct mien_verify *verify, const char *fmt, ...)
    MIEN_PRINTF(2, 3);

void mien_verify_fini(struct mien_verify *verify);

#endif
