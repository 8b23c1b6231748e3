/* Log lines: an event and key=value pairs, to one sink.
 *
 * The only global of the programs; the client library logs to its host's callback and does not
 * use this. Never log a key, token, share or update value.
 *
 * Threads: mien_log from any; the sink is set once, before other threads start
 */
#ifndef MIEN_BASE_LOG_H
#define MIEN_BASE_LOG_H

#include "common/base/compiler.h"

enum mien_log_level { MIEN_ERROR, MIEN_WARN, MIEN_INFO, MIEN_DEBUG };

/* Lines above this level are dropped; MIEN_INFO at first. */
void mien_log_set_level(enum mien_log_level level);

/* Where lines go; NULL for stderr with a UTC time stamp. `line` has no newline. */
void mien_log_set_sink(void (*sink)(void *self, enum mien_log_level level, const char *line),
                       void *self);

/* Writes "event key=value ..."; control characters are replaced by '?'. */
void mien_log(enum mien_log_level level, const char *event, const char *fmt, ...) MIEN_PRINTF(3, 4);

#endif
