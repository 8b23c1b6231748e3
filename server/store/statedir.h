/* A coordinator's state directory: made once, held by one process at a time.
 *
 *   DIR/mien.conf  ca.pem ca.key server.pem server.key signing.key  ledger.db  models/  anchor
 *   DIR/lock       the holder's process id; locked while held
 *   DIR/control.sock  the daemon's, while it runs
 *
 * Threads: one at a time
 */
#ifndef MIEN_STORE_STATEDIR_H
#define MIEN_STORE_STATEDIR_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/base/span.h"
#include "server/store/config.h"
#include "server/store/pki.h"
#include "server/store/run_key.h"
#include "server/store/store.h"

/* Makes a state directory: configuration, keys, start model, ledger. All or nothing: on error what
 * was made is removed again.
 *
 *   dir     does not exist, or is an empty directory
 *   config  plan.init_from is read if set: its tensors must fit the plan
 *   errors  MIEN_EEXIST  there is something already; MIEN_EINVAL  the plan; MIEN_EPARSE  init_from;
 *           MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_statedir_create(const char *dir, const struct mien_config *config,
                                                 struct mien_rng *rng, struct mien_err *err);

/* Makes the secret key of a run that begins, for whoever begins it: noise.key_file of `config`, for
 * the state directory `dir`. Nothing to do for a plan with independent noise.
 * errors  those of run_key.h */
MIEN_CHECK enum mien_status mien_statedir_begin_noise(const char *dir,
                                                      const struct mien_config *config,
                                                      const struct mien_run_key_id *id,
                                                      struct mien_rng *rng, struct mien_err *err);

struct mien_statedir {
    char path[MIEN_CONFIG_PATH_BYTES];
    int lock_fd; /* -1 when not held */
    struct mien_config config;
    struct mien_pki pki;
    struct mien_store *store;
};

/* Takes the lock, reads configuration and keys, opens the store (mien_store_start is the daemon's
 * to call).
 *
 *   out     given: end it with mien_statedir_close. Large: not for a small stack.
 *   errors  MIEN_ENOTFOUND  no state directory
 *           MIEN_EBUSY      in use, and still so after two seconds (err names the process)
 *           MIEN_EPOLICY    on a network file system, where locks do not hold
 *           and those of config.h, pki.h and mien_store_open
 */
MIEN_CHECK enum mien_status mien_statedir_open(const char *dir, struct mien_statedir *out,
                                               struct mien_err *err);

/* Opens the key of the present run, for the daemon; a plan with independent noise has none: closed.
 *
 *   out     given: end it with mien_run_key_close
 *   errors  those of run_key.h
 */
MIEN_CHECK enum mien_status mien_statedir_open_noise(const struct mien_statedir *state,
                                                     struct mien_run_key *out,
                                                     struct mien_err *err);

/* Closes the store, wipes the keys, gives the lock back; zeroed storage is NOT fine, one that
 * mien_statedir_open failed on is. */
void mien_statedir_close(struct mien_statedir *state);

/* Begins another run on the ledger, with the plan of `state->config`: a start model, mien.conf if
 * `write` (else it is as read), PLAN and MODEL. A round that was cut off is abandoned first.
 *
 *   errors  MIEN_EINVAL, MIEN_EPARSE  the plan, init_from; those of mien_store_start and
 *           mien_store_begin_run
 */
MIEN_CHECK enum mien_status mien_statedir_begin_run(struct mien_statedir *state, bool write,
                                                    struct mien_rng *rng, struct mien_err *err);

/* Only the lock, for acts that open nothing else (mien restore).
 *
 *   lock_fd  out: close it with mien_statedir_unlock
 *   errors   MIEN_ENOTFOUND, MIEN_EBUSY, MIEN_EPOLICY, MIEN_EIO
 */
MIEN_CHECK enum mien_status mien_statedir_lock(const char *dir, int *lock_fd, struct mien_err *err);
void mien_statedir_unlock(int lock_fd);

#endif
