/* The little JSON that a safetensors header needs: strings, natural numbers, punctuation.
 *
 * The reader works in place: strings are unescaped where they stand and end with a NUL.
 *
 * Source:  RFC 8259
 * Threads: one at a time
 */
#ifndef MIEN_NN_SAFETENSORS_JSON_H
#define MIEN_NN_SAFETENSORS_JSON_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct mien_json {
    const char *start; /* for positions in sentences */
    char *at;          /* borrowed text, changed in place */
    const char *end;
    struct mien_err *err; /* may be NULL */
};

/* Notes "header: <sentence> (near byte N)" and returns MIEN_EPARSE. */
enum mien_status mien_json_fail(struct mien_json *json, const char *fmt, ...) MIEN_PRINTF(2, 3);

/* Skips white space; takes the character if it is next. */
bool mien_json_take(struct mien_json *json, char c);

/* The same, where nothing else may stand.  errors  MIEN_EPARSE */
MIEN_CHECK enum mien_status mien_json_expect(struct mien_json *json, char c);

/* A string; it stays in the text. NUL, half surrogates and bare control characters are refused.
 * errors  MIEN_EPARSE */
MIEN_CHECK enum mien_status mien_json_string(struct mien_json *json, const char **out);

/* A number of digits only.  errors  MIEN_EPARSE  anything else, or not below 2^63 */
MIEN_CHECK enum mien_status mien_json_number(struct mien_json *json, uint64_t *out);

/* Whether only white space is left. */
bool mien_json_done(struct mien_json *json);

/* Adds text as a JSON string with its quotes.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_json_append_string(const char *text, struct mien_buf *out);

#endif
