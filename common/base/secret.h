/* Handling of secrets: wiping and comparing. Nobody bypasses these two.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_SECRET_H
#define MIEN_BASE_SECRET_H

#include "common/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

/* Overwrites n bytes with zeros in a way the compiler keeps. NULL with n = 0 is fine. */
void mien_wipe(void *block, size_t n);

/* Whether n bytes are equal, in time that depends on n only. */
MIEN_CHECK bool mien_ct_equal(const void *a, const void *b, size_t n);

#endif
