/* DIR/anchor: the highest place of the chain and what was charged by then, outside the database.
 *
 * A ledger that was copied back from yesterday is behind its anchor, and is refused; so is one far
 * ahead of it, for then the anchor is yesterday's. Who rolls back both is noticed by devices only,
 * which remember the highest place that they have seen.
 *
 * Threads: one at a time
 */
#ifndef MIEN_STORE_ANCHOR_H
#define MIEN_STORE_ANCHOR_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/store.h"

struct mien_anchor {
    struct mien_store_mark mark;
    uint32_t run;       /* present then */
    uint64_t n_charged; /* releases charged by then, over all runs */
};

/* Reads DIR/anchor.  errors  MIEN_ENOTFOUND; MIEN_ECORRUPT  it is no anchor; MIEN_EIO */
MIEN_CHECK enum mien_status mien_anchor_read(const char *dir, struct mien_anchor *out,
                                             struct mien_err *err);

/* Replaces it, durable.  errors  MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_anchor_write(const char *dir, const struct mien_anchor *anchor,
                                              struct mien_err *err);

#endif
