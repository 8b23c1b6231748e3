// SPDX-License-Identifier: Apache-2.0
#include "common/nn/safetensors_json.h"

#include "common/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum mien_status mien_json_fail(struct mien_json *json, const char *fmt, ...)
{
    char sentence[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    return mien_err_set(json->err, MIEN_EPARSE, "header: %s (near byte %td)", sentence,
                        json->at - json->start);
}

static void skip_space(struct mien_json *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
        json->at++;
}

bool mien_json_take(struct mien_json *json, char c)
{
    skip_space(json);
    if (json->at == json->end || *json->at != c)
        return false;
    json->at++;
    return true;
}

enum mien_status mien_json_expect(struct mien_json *json, char c)
{
    if (mien_json_take(json, c))
        return MIEN_OK;
    return mien_json_fail(json, "expected '%c'", c);
}

static size_t put_utf8(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

/* What follows a backslash, written at `to`: never longer than the escape. Characters beyond the
 * basic plane stand unescaped in UTF-8, or not at all: no name of ours needs surrogates. */
static enum mien_status unescape(struct mien_json *json, char **to)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meaning[] = "\"\\/\b\f\n\r\t";

    if (json->at == json->end)
        return mien_json_fail(json, "a string without end");
    const char *found = memchr(escapes, *json->at, sizeof(escapes) - 1);
    if (found != NULL) {
        *(*to)++ = meaning[found - escapes];
        json->at++;
        return MIEN_OK;
    }
    uint8_t bytes[2];
    char digits[5] = "";
    if (*json->at != 'u' || json->end - json->at < 5)
        return mien_json_fail(json, "no such escape");
    memcpy(digits, json->at + 1, 4);
    if (mien_unhex(digits, sizeof(bytes), bytes) != MIEN_OK)
        return mien_json_fail(json, "no such escape");
    const uint32_t code = (uint32_t)bytes[0] << 8 | bytes[1];
    if (code == 0 || (code >= 0xd800 && code < 0xe000))
        return mien_json_fail(json, "an escaped NUL or surrogate");
    json->at += 5;
    *to += put_utf8(code, *to);
    return MIEN_OK;
}

enum mien_status mien_json_string(struct mien_json *json, const char **out)
{
    enum mien_status status = mien_json_expect(json, '"');
    char *to = json->at;
    const char *const first = json->at;

    while (status == MIEN_OK) {
        if (json->at == json->end)
            return mien_json_fail(json, "a string without end");
        const char c = *json->at;
        if ((unsigned char)c < 0x20)
            return mien_json_fail(json, "a control character in a string");
        json->at++;
        if (c == '"')
            break;
        if (c == '\\')
            status = unescape(json, &to);
        else
            *to++ = c;
    }
    if (status != MIEN_OK)
        return status;
    *to = '\0'; /* at the closing quote or before it */
    *out = first;
    return MIEN_OK;
}

enum mien_status mien_json_number(struct mien_json *json, uint64_t *out)
{
    uint64_t value = 0;

    skip_space(json);
    const char *const first = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9') {
        if (value > (UINT64_C(1) << 63) / 10 - 1)
            return mien_json_fail(json, "a number beyond all sizes");
        value = value * 10 + (uint64_t)(*json->at++ - '0');
    }
    if (json->at == first || (*first == '0' && json->at - first > 1))
        return mien_json_fail(json, "expected a natural number");
    *out = value;
    return MIEN_OK;
}

bool mien_json_done(struct mien_json *json)
{
    skip_space(json);
    return json->at == json->end;
}

enum mien_status mien_json_append_string(const char *text, struct mien_buf *out)
{
    enum mien_status status = mien_buf_append(out, "\"", 1);

    for (; *text != '\0' && status == MIEN_OK; text++) {
        const unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            status = mien_buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            status = mien_buf_printf(out, "\\u%04x", c);
        else
            status = mien_buf_append(out, text, 1);
    }
    return status == MIEN_OK ? mien_buf_append(out, "\"", 1) : status;
}
