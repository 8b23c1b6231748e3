/* A growing run of bytes, and a reader over a borrowed one.
 *
 * Threads: one at a time
 */
#ifndef MIEN_BASE_BUF_H
#define MIEN_BASE_BUF_H

#include "common/base/compiler.h"
#include "common/base/span.h"
#include "common/base/status.h"

#include <stdbool.h>

struct mien_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

/* Frees the bytes and leaves an empty buffer; NULL and zeroed storage are fine. */
void mien_buf_fini(struct mien_buf *buf);

/* The same, after wiping every byte that was ever allocated at the end. For secrets, reserve the
 * whole size first: growing copies, and the old block is wiped only from here on. */
void mien_buf_wipe(struct mien_buf *buf);

/* Room for `more` bytes after len.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_buf_reserve(struct mien_buf *buf, size_t more);

/* Adds bytes at the end.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_buf_append(struct mien_buf *buf, const void *data, size_t n);

/* Adds an integer, big-endian.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_buf_append_u8(struct mien_buf *buf, uint8_t v);
MIEN_CHECK enum mien_status mien_buf_append_be32(struct mien_buf *buf, uint32_t v);
MIEN_CHECK enum mien_status mien_buf_append_be64(struct mien_buf *buf, uint64_t v);

/* Adds formatted text without the NUL.  errors  MIEN_ENOMEM, MIEN_EINVAL for a bad format */
MIEN_CHECK enum mien_status mien_buf_printf(struct mien_buf *buf, const char *fmt, ...)
    MIEN_PRINTF(2, 3);

/* Drops the first n bytes (n <= len). */
void mien_buf_consume(struct mien_buf *buf, size_t n);

/* The bytes, borrowed until the next change. */
static inline struct mien_span mien_buf_span(const struct mien_buf *buf)
{
    return (struct mien_span){buf->data, buf->len};
}

/* Reads from the front of a span; a short read sets `failed` and gives zeros from then on, so
 * that a decoder checks once at its end. */
struct mien_reader {
    struct mien_span rest;
    bool failed;
};

uint8_t mien_read_u8(struct mien_reader *reader);
uint32_t mien_read_be32(struct mien_reader *reader);
uint64_t mien_read_be64(struct mien_reader *reader);

/* The next n bytes, borrowed from the span; empty and `failed` when there are fewer. */
struct mien_span mien_read_bytes(struct mien_reader *reader, size_t n);

/* Copies the next n bytes to out; zeros and `failed` when there are fewer. */
void mien_read_into(struct mien_reader *reader, void *out, size_t n);

/* Everything was read, and nothing failed. */
bool mien_reader_done(const struct mien_reader *reader);

#endif
