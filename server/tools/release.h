/* A set on its way out: the card before the first picture, release.json after the last.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_RELEASE_H
#define MIEN_TOOLS_RELEASE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/data/image.h"
#include "server/store/release.h"

#include <stdbool.h>

/* Where a model came from. */
struct mien_release_origin {
    char path[4096];
    bool directory; /* a state directory; else a model file that stands alone */
    struct mien_buf file;
};

/* Reads the model that an argument DIR|MODEL names: the latest of a state directory, or the file
 * itself.
 *
 *   origin  zeroed; given: end it with mien_release_origin_fini, also on error
 *   errors  MIEN_ENOTFOUND  no state directory; MIEN_EBUSY; MIEN_ELIMIT  a path is too long
 *           those of mien_file_read
 */
MIEN_CHECK enum mien_status mien_release_origin_open(const char *from,
                                                     struct mien_release_origin *origin,
                                                     struct mien_err *err);
void mien_release_origin_fini(struct mien_release_origin *origin);

/* Asks for the card and key of a set.
 *
 *   dir     a state directory, whose ledger then signs; NULL for a model file alone
 *   out     given: end it with mien_release_fini
 *   errors  MIEN_ENOTFOUND  the ledger names no such model; MIEN_ENOMEM, MIEN_ECRYPTO, ...
 */
MIEN_CHECK enum mien_status mien_tool_release_begin(const char *dir,
                                                    const struct mien_release_request *request,
                                                    struct mien_release *out, struct mien_err *err);

/* Writes OUT/ledger.chain (with a ledger) and OUT/release.json.
 * errors  MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_tool_release_end(const struct mien_release *release,
                                                  const struct mien_release_set *set,
                                                  const char *out_dir, struct mien_err *err);

/* Adds a picture as PNG with card and signature; `release` is a struct mien_release (grid.h). */
MIEN_CHECK enum mien_status mien_tool_release_picture(const void *release,
                                                      const struct mien_image *image,
                                                      struct mien_buf *png);

#endif
