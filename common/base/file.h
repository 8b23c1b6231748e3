/* Files: whole reads with a cap, and writes that are either there in full or not at all.
 *
 * For programs and tools; the client library does no I/O of its own.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_FILE_H
#define MIEN_BASE_FILE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Appends the whole file to out.
 *
 *   errors  MIEN_ENOTFOUND, MIEN_EIO, MIEN_ELIMIT  longer than max_bytes, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_file_read(const char *path, size_t max_bytes, struct mien_buf *out,
                                           struct mien_err *err);

/* Puts the bytes at `path`, durable when it returns: a temporary file beside it is written, synced
 * and renamed over it, and the directory synced. On error the old file stands.
 *
 *   mode    permission bits, not reduced by the umask
 *   errors  MIEN_ENOSPC, MIEN_EIO
 */
MIEN_CHECK enum mien_status mien_file_replace(const char *path, struct mien_span data, mode_t mode,
                                              struct mien_err *err);

/* "dir/name" into out of n bytes.  errors  MIEN_ELIMIT  it does not fit */
MIEN_CHECK enum mien_status mien_path_join(const char *dir, const char *name, char *out, size_t n);

/* Makes one directory (the parent exists); one that is there already is fine.
 * errors  MIEN_EIO, MIEN_ENOSPC, MIEN_EEXIST  something else has that name */
MIEN_CHECK enum mien_status mien_dir_make(const char *path, mode_t mode, struct mien_err *err);

/* Whether something exists at `path`. */
bool mien_path_exists(const char *path);

/* The status of an errno, MIEN_ENOSPC for a full disk or quota. */
enum mien_status mien_status_of_errno(int error);

#endif
