/* Arithmetic that says when it does not fit.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_NUM_H
#define MIEN_BASE_NUM_H

#include "common/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a + b into *out; false (and *out untouched) when it does not fit. */
MIEN_CHECK static inline bool mien_add_size(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

/* a * b into *out; false (and *out untouched) when it does not fit. */
MIEN_CHECK static inline bool mien_mul_size(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

static inline size_t mien_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t mien_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
