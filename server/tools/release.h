/* release.json for the commands: through the daemon while it runs, else from the directory.
 *
 * Threads: one
 */
#ifndef MIEN_TOOLS_RELEASE_H
#define MIEN_TOOLS_RELEASE_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/release.h"

#include <stdbool.h>

/* The path of the latest model's file of a state directory into out of n bytes.
 * errors  MIEN_ENOTFOUND  no state directory; MIEN_EBUSY; those of opening it */
MIEN_CHECK enum mien_status mien_release_latest(const char *dir, char *out, size_t n,
                                                struct mien_err *err);

/* The path of the model that an argument DIR|MODEL names: the latest of a state directory, or the
 * argument itself.
 *
 *   directory  out: it is a state directory
 *   errors     as mien_release_latest; MIEN_ELIMIT  it does not fit
 */
MIEN_CHECK enum mien_status mien_release_model(const char *from, char *out, size_t n,
                                               bool *directory, struct mien_err *err);

/* Writes OUT/release.json for a set from a model of a state directory.
 *
 *   out_dir  of the set
 *   errors   MIEN_ENOTFOUND  the ledger names no such model; MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_release_write(const char *dir, const struct mien_release_set *set,
                                               const char *out_dir, struct mien_err *err);

/* Writes OUT/release.json for a set from a model file that stands alone. */
MIEN_CHECK enum mien_status mien_release_write_alone(const struct mien_release_set *set,
                                                     const char *out_dir, struct mien_err *err);

#endif
