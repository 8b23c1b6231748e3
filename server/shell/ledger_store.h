/* The core's ledger, kept by server/store.
 *
 * Threads: as core/ledger.h
 */
#ifndef MIEN_SHELL_LEDGER_STORE_H
#define MIEN_SHELL_LEDGER_STORE_H

#include "server/core/ledger.h"
#include "server/store/run_key.h"
#include "server/store/store.h"

/* What the table stands on; lent as long as the table is in use. */
struct mien_ledger_store {
    struct mien_store *store;
    struct mien_rng rng; /* salts of private lists */
    enum mien_sampling sampling;
    struct mien_run_key run_key; /* of correlated noise; closed (fd -1) without */
};

struct mien_ledger mien_ledger_of_store(struct mien_ledger_store *self);

#endif
