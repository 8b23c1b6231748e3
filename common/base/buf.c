// SPDX-License-Identifier: Apache-2.0
#include "common/base/buf.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mien_buf_fini(struct mien_buf *buf)
{
    if (buf == NULL)
        return;
    mien_free(buf->data);
    *buf = (struct mien_buf){0};
}

void mien_buf_wipe(struct mien_buf *buf)
{
    if (buf == NULL)
        return;
    if (buf->data != NULL)
        mien_wipe(buf->data, buf->cap);
    mien_buf_fini(buf);
}

enum mien_status mien_buf_reserve(struct mien_buf *buf, size_t more)
{
    size_t need;

    if (!mien_add_size(buf->len, more, &need))
        return MIEN_ENOMEM;
    if (need <= buf->cap)
        return MIEN_OK;
    size_t cap = mien_max_size(need, mien_min_size(buf->cap, SIZE_MAX / 2) * 2);
    cap = mien_max_size(cap, 64);
    uint8_t *grown = mien_calloc(cap, 1);
    if (grown == NULL)
        return MIEN_ENOMEM;
    if (buf->len > 0)
        memcpy(grown, buf->data, buf->len);
    if (buf->data != NULL)
        mien_wipe(buf->data, buf->len);
    mien_free(buf->data);
    buf->data = grown;
    buf->cap = cap;
    return MIEN_OK;
}

enum mien_status mien_buf_append(struct mien_buf *buf, const void *data, size_t n)
{
    enum mien_status status = mien_buf_reserve(buf, n);

    if (status != MIEN_OK)
        return status;
    if (n > 0)
        memcpy(buf->data + buf->len, data, n);
    buf->len += n;
    return MIEN_OK;
}

enum mien_status mien_buf_append_u8(struct mien_buf *buf, uint8_t v)
{
    return mien_buf_append(buf, &v, 1);
}

enum mien_status mien_buf_append_be32(struct mien_buf *buf, uint32_t v)
{
    uint8_t bytes[4];

    mien_store_be32(bytes, v);
    return mien_buf_append(buf, bytes, sizeof(bytes));
}

enum mien_status mien_buf_append_be64(struct mien_buf *buf, uint64_t v)
{
    uint8_t bytes[8];

    mien_store_be64(bytes, v);
    return mien_buf_append(buf, bytes, sizeof(bytes));
}

enum mien_status mien_buf_printf(struct mien_buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return MIEN_EINVAL;
    enum mien_status status = mien_buf_reserve(buf, (size_t)n + 1);
    if (status != MIEN_OK)
        return status;
    va_start(args, fmt);
    (void)vsnprintf((char *)buf->data + buf->len, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)n;
    return MIEN_OK;
}

void mien_buf_consume(struct mien_buf *buf, size_t n)
{
    if (n > buf->len)
        n = buf->len;
    buf->len -= n;
    if (buf->len > 0)
        memmove(buf->data, buf->data + n, buf->len);
}

struct mien_span mien_read_bytes(struct mien_reader *reader, size_t n)
{
    if (reader->failed || n > reader->rest.len) {
        reader->failed = true;
        return (struct mien_span){NULL, 0};
    }
    struct mien_span taken = {reader->rest.data, n};
    reader->rest.data = n > 0 ? reader->rest.data + n : reader->rest.data;
    reader->rest.len -= n;
    return taken;
}

void mien_read_into(struct mien_reader *reader, void *out, size_t n)
{
    struct mien_span taken = mien_read_bytes(reader, n);

    if (reader->failed)
        memset(out, 0, n);
    else if (n > 0)
        memcpy(out, taken.data, n);
}

uint8_t mien_read_u8(struct mien_reader *reader)
{
    uint8_t v;

    mien_read_into(reader, &v, 1);
    return v;
}

uint32_t mien_read_be32(struct mien_reader *reader)
{
    uint8_t bytes[4];

    mien_read_into(reader, bytes, sizeof(bytes));
    return mien_load_be32(bytes);
}

uint64_t mien_read_be64(struct mien_reader *reader)
{
    uint8_t bytes[8];

    mien_read_into(reader, bytes, sizeof(bytes));
    return mien_load_be64(bytes);
}

bool mien_reader_done(const struct mien_reader *reader)
{
    return !reader->failed && reader->rest.len == 0;
}
