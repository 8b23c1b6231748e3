/* Text in and out: hexadecimal, base64url, strict numbers, the nearest name.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_TEXT_H
#define MIEN_BASE_TEXT_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stdbool.h>

/* Lower-case hexadecimal of n bytes: 2n characters and a NUL into out. */
void mien_hex(const void *data, size_t n, char *out);

/* The bytes of exactly 2n hexadecimal digits.  errors  MIEN_EPARSE */
MIEN_CHECK enum mien_status mien_unhex(const char *text, size_t n, void *out);

/* Adds base64url (RFC 4648 section 5) without padding.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_base64url(struct mien_span data, struct mien_buf *out);

/* Adds the bytes of base64url text; refuses padding, other characters and loose last bits.
 * errors  MIEN_EPARSE, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_unbase64url(const char *text, size_t len, struct mien_buf *out);

/* A whole decimal number in [min, max], nothing around it.
 * errors  MIEN_EPARSE  no number; MIEN_ELIMIT  out of range */
MIEN_CHECK enum mien_status mien_parse_u64(const char *text, uint64_t min, uint64_t max,
                                           uint64_t *out);

/* A finite decimal number, "." as the decimal point in every locale, nothing around it.
 * errors  MIEN_EPARSE */
MIEN_CHECK enum mien_status mien_parse_double(const char *text, double *out);

/* Seconds of "90", "90s", "15m", "24h" or "7d".  errors  MIEN_EPARSE, MIEN_ELIMIT */
MIEN_CHECK enum mien_status mien_parse_seconds(const char *text, uint64_t *out);

/* The name that differs least from `text` (edit distance), or NULL when none is near. */
const char *mien_nearest_name(const char *text, const char *const *names, size_t n_names);

/* Whether n bytes are valid UTF-8 without control characters. */
bool mien_utf8_printable(const char *text, size_t n);

#endif
