/* A picture of what a run costs after each of its rounds. Threads: one */
#ifndef MIEN_TOOLS_ACCOUNT_CURVE_H
#define MIEN_TOOLS_ACCOUNT_CURVE_H

#include "server/tools/account_run.h"

/* Writes an SVG of epsilon over rounds, one line for each accountant that is valid.
 *
 *   errors  MIEN_EIO, MIEN_ENOSPC (err names the path); MIEN_ENOMEM; MIEN_EINVAL  no finite cost
 */
MIEN_CHECK enum mien_status mien_account_curve(const struct mien_account_ask *ask,
                                               const struct mien_account_run *run, const char *path,
                                               struct mien_err *err);

#endif
