/* Asking a state directory: its daemon through DIR/control.sock, or else the directory itself.
 *
 * Threads: one
 */
#ifndef MIEN_TOOLS_ASK_H
#define MIEN_TOOLS_ASK_H

#include "common/base/compiler.h"
#include "common/base/err.h"

#include <cjson/cJSON.h>

/* Sends one request (docs/file-formats.md) and gives the reply.
 *
 *   request  taken, also on error
 *   reply    given: cJSON_Delete; its "ok" is true
 *   errors   those that the reply names; MIEN_ENET  the daemon hung up; MIEN_ENOMEM; those of
 *            opening the directory
 */
MIEN_CHECK enum mien_status mien_ask(const char *dir, cJSON *request, cJSON **reply,
                                     struct mien_err *err);

/* {"cmd": cmd}, or NULL without memory. */
cJSON *mien_ask_request(const char *cmd);

/* Prints JSON to stdout as one line.  errors  MIEN_ENOMEM, MIEN_EIO */
MIEN_CHECK enum mien_status mien_ask_print(const cJSON *json);

/* A number of the reply, 0 where there is none. */
double mien_ask_number(const cJSON *reply, const char *name);

/* A text of the reply, "" where there is none. */
const char *mien_ask_text(const cJSON *reply, const char *name);

#endif
