/* Writing one of many files: no sync, no rename.
 *
 * For sets of pictures, which are finished only by a file that is written last and in full.
 *
 * Threads: any
 */
#ifndef MIEN_TOOLS_PLAIN_FILE_H
#define MIEN_TOOLS_PLAIN_FILE_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/span.h"

/* Writes the bytes.  errors  MIEN_ENOSPC, MIEN_EIO (err names the path) */
MIEN_CHECK enum mien_status mien_tool_write_plain(const char *path, struct mien_span data,
                                                  struct mien_err *err);

#endif
