/* A device's state as one file in a directory that one process holds.
 *
 * SDIR/device.state has mode 0600 (it holds the private key) and is replaced whole, SDIR/own.model
 * likewise (the part of a model that stays here, if the plan has one); SDIR/lock is
 * held while the store is open, so that two processes are never the same device.
 *
 * Threads: one at a time
 */
#ifndef MIEN_CLIENT_DEMO_STORE_H
#define MIEN_CLIENT_DEMO_STORE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct mien_store {
    char path[4096];  /* of the state file; "" while closed */
    char model[4096]; /* of the file of the model's own part */
    int lock_fd;
};

/* Opens the directory and takes its lock.
 *
 *   make    make the directory when it is not there
 *   errors  MIEN_ENOTFOUND, MIEN_EBUSY  another process holds it, MIEN_EIO, MIEN_ENOSPC,
 *           MIEN_ELIMIT  the path is too long
 */
MIEN_CHECK enum mien_status mien_store_open(struct mien_store *store, const char *dir, bool make,
                                            struct mien_err *err);

/* Releases the lock; zeroed storage is fine. */
void mien_store_close(struct mien_store *store);

/* Callbacks of struct mien_client_host; self is the store. */
enum mien_status mien_store_load(void *self, void *buf, size_t cap, size_t *len);
enum mien_status mien_store_save(void *self, const void *state, size_t len);
enum mien_status mien_store_load_model(void *self, void *buf, size_t cap, size_t *len);
enum mien_status mien_store_save_model(void *self, const void *model, size_t len);

#endif
