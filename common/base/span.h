/* A borrowed run of bytes.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_SPAN_H
#define MIEN_BASE_SPAN_H

#include <stddef.h>
#include <stdint.h>

struct mien_span {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;
};

#endif
