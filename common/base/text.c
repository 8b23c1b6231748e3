// SPDX-License-Identifier: Apache-2.0
#include "common/base/text.h"

#include "common/base/num.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 64

void mien_hex(const void *data, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum mien_status mien_unhex(const char *text, size_t n, void *out)
{
    uint8_t *bytes = out;

    if (strlen(text) != 2 * n)
        return MIEN_EPARSE;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return MIEN_EPARSE;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return MIEN_OK;
}

static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum mien_status mien_base64url(struct mien_span data, struct mien_buf *out)
{
    enum mien_status status = mien_buf_reserve(out, data.len / 3 * 4 + 4);
    uint32_t acc = 0;
    unsigned n_bits = 0;

    if (status != MIEN_OK)
        return status;
    for (size_t i = 0; i < data.len; i++) {
        acc = acc << 8 | data.data[i];
        n_bits += 8;
        for (; n_bits >= 6; n_bits -= 6)
            out->data[out->len++] = (uint8_t)base64url_digits[acc >> (n_bits - 6) & 63];
    }
    if (n_bits > 0)
        out->data[out->len++] = (uint8_t)base64url_digits[acc << (6 - n_bits) & 63];
    return MIEN_OK;
}

enum mien_status mien_unbase64url(const char *text, size_t len, struct mien_buf *out)
{
    enum mien_status status = mien_buf_reserve(out, len / 4 * 3 + 3);
    uint32_t acc = 0;
    unsigned n_bits = 0;

    if (status != MIEN_OK)
        return status;
    if (len % 4 == 1)
        return MIEN_EPARSE;
    size_t start = out->len;
    for (size_t i = 0; i < len; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(base64url_digits, text[i]);

        if (digit == NULL) {
            out->len = start;
            return MIEN_EPARSE;
        }
        acc = acc << 6 | (uint32_t)(digit - base64url_digits);
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out->data[out->len++] = (uint8_t)(acc >> n_bits);
        }
    }
    if ((acc & ((1u << n_bits) - 1)) != 0) {
        out->len = start;
        return MIEN_EPARSE;
    }
    return MIEN_OK;
}

enum mien_status mien_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (*text == '\0')
        return MIEN_EPARSE;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return MIEN_EPARSE;
        uint64_t digit = (uint64_t)(*at - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return MIEN_ELIMIT;
        v = v * 10 + digit;
    }
    if (v < min || v > max)
        return MIEN_ELIMIT;
    *out = v;
    return MIEN_OK;
}

enum mien_status mien_parse_double(const char *text, double *out)
{
    char *end = NULL;

    /* Only digits, sign, point and exponent: no hexadecimal, "inf", "nan" or white space. */
    if (*text == '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
        return MIEN_EPARSE;
    locale_t c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0)
        return MIEN_EPARSE;
    locale_t old = uselocale(c_locale);
    double v = strtod(text, &end);
    (void)uselocale(old);
    freelocale(c_locale);
    if (*end != '\0' || end == text || !isfinite(v))
        return MIEN_EPARSE;
    *out = v;
    return MIEN_OK;
}

enum mien_status mien_parse_seconds(const char *text, uint64_t *out)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char digits[24];
    size_t n = strlen(text);
    uint64_t scale = 1;

    if (n == 0 || n >= sizeof(digits))
        return MIEN_EPARSE;
    memcpy(digits, text, n + 1);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (digits[n - 1] == units[i].unit) {
            scale = units[i].seconds;
            digits[n - 1] = '\0';
            break;
        }
    }
    uint64_t v;
    enum mien_status status = mien_parse_u64(digits, 0, UINT64_MAX / 86400, &v);
    if (status == MIEN_OK)
        *out = v * scale;
    return status;
}

/* Levenshtein distance of two short strings; long ones count as far. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1];
    size_t n_a = strlen(a);
    size_t n_b = strlen(b);

    if (n_a > NAME_MAX_LEN || n_b > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = mien_min_size(change, mien_min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[n_b];
}

const char *mien_nearest_name(const char *text, const char *const *names, size_t n_names)
{
    const char *best = NULL;
    size_t least = strlen(text) / 3 + 2;

    for (size_t i = 0; i < n_names; i++) {
        size_t distance = edit_distance(text, names[i]);

        if (distance < least) {
            least = distance;
            best = names[i];
        }
    }
    return best;
}

/* Bytes of the UTF-8 sequence at text, 0 when it is none (Unicode 15, table 3-7). */
static size_t utf8_sequence(const unsigned char *t, size_t n)
{
    if (t[0] < 0x80)
        return t[0] < 0x20 || t[0] == 0x7f ? 0 : 1;
    if (t[0] >= 0xc2 && t[0] <= 0xdf)
        return n >= 2 && t[1] >> 6 == 2 && !(t[0] == 0xc2 && t[1] < 0xa0) ? 2 : 0;
    if (t[0] >= 0xe0 && t[0] <= 0xef) {
        if (n < 3 || t[1] >> 6 != 2 || t[2] >> 6 != 2)
            return 0;
        bool overlong = t[0] == 0xe0 && t[1] < 0xa0;
        bool surrogate = t[0] == 0xed && t[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (t[0] >= 0xf0 && t[0] <= 0xf4) {
        if (n < 4 || t[1] >> 6 != 2 || t[2] >> 6 != 2 || t[3] >> 6 != 2)
            return 0;
        bool overlong = t[0] == 0xf0 && t[1] < 0x90;
        bool too_large = t[0] == 0xf4 && t[1] >= 0x90;
        return overlong || too_large ? 0 : 4;
    }
    return 0;
}

bool mien_utf8_printable(const char *text, size_t n)
{
    const unsigned char *at = (const unsigned char *)text;

    while (n > 0) {
        size_t step = utf8_sequence(at, n);

        if (step == 0)
            return false;
        at += step;
        n -= step;
    }
    return true;
}
