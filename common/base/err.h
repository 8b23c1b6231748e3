/* One sentence about what went wrong, naming the culprit.
 *
 * For functions that judge something from outside (a file, a message, a config). `err` may be
 * NULL everywhere. The sentence holds no secret and ends without a newline or full stop.
 *
 * Threads: an error belongs to one thread at a time
 */
#ifndef MIEN_BASE_ERR_H
#define MIEN_BASE_ERR_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#define MIEN_ERR_BYTES 512

struct mien_err {
    enum mien_status status;
    char text[MIEN_ERR_BYTES]; /* ends with NUL; cut when longer; "" when nothing was set */
};

/* Writes the sentence and returns `status`, so that a caller can `return mien_err_set(...)`. */
enum mien_status mien_err_set(struct mien_err *err, enum mien_status status, const char *fmt, ...)
    MIEN_PRINTF(3, 4);

/* Puts "context: " before the sentence and returns `status` unchanged.
 * With no sentence yet, the status' own text becomes it. */
enum mien_status mien_err_prefix(struct mien_err *err, enum mien_status status, const char *fmt,
                                 ...) MIEN_PRINTF(3, 4);

/* The sentence, or the status' text where none was set. Borrowed from `err`. */
const char *mien_err_text(const struct mien_err *err, enum mien_status status);

#endif
