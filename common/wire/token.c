// SPDX-License-Identifier: Apache-2.0
#include "common/wire/token.h"

#include "common/base/buf.h"
#include "common/base/bytes.h"
#include "common/base/digest.h"
#include "common/base/secret.h"
#include "common/base/text.h"

#include <string.h>

static const char prefix[] = "mien1.";

enum {
    N_PREFIX = sizeof(prefix) - 1,
    N_CHECK = 4,
    N_FIXED = N_CHECK + 2 + 32 + MIEN_TOKEN_SECRET_BYTES
};

bool mien_token_host_valid(const char *host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-:_";
    size_t n = strnlen(host, MIEN_TOKEN_HOST_BYTES + 1);

    return n >= 1 && n <= MIEN_TOKEN_HOST_BYTES && strspn(host, allowed) == n;
}

/* The first bytes of SHA-256 over what follows them. */
static enum mien_status checksum(struct mien_span bytes, uint8_t out[N_CHECK])
{
    uint8_t digest[MIEN_DIGEST_BYTES];
    enum mien_status status =
        mien_digest((struct mien_span){bytes.data + N_CHECK, bytes.len - N_CHECK}, digest);

    memcpy(out, digest, N_CHECK);
    mien_wipe(digest, sizeof(digest));
    return status;
}

enum mien_status mien_token_encode(const struct mien_token *token, char out[MIEN_TOKEN_TEXT_BYTES])
{
    uint8_t bytes[N_FIXED + MIEN_TOKEN_HOST_BYTES];
    struct mien_buf text = {0};

    if (!mien_token_host_valid(token->host) || token->port == 0)
        return MIEN_EINVAL;

    size_t n_host = strlen(token->host);
    struct mien_span span = {bytes, N_FIXED + n_host};

    mien_store_be16(bytes + N_CHECK, token->port);
    memcpy(bytes + N_CHECK + 2, token->ca_fingerprint, 32);
    memcpy(bytes + N_CHECK + 34, token->secret, MIEN_TOKEN_SECRET_BYTES);
    memcpy(bytes + N_FIXED, token->host, n_host);

    enum mien_status status = checksum(span, bytes);

    if (status == MIEN_OK)
        status = mien_buf_reserve(&text, MIEN_TOKEN_TEXT_BYTES);
    if (status == MIEN_OK)
        status = mien_base64url(span, &text);
    if (status == MIEN_OK) {
        memcpy(out, prefix, N_PREFIX);
        memcpy(out + N_PREFIX, text.data, text.len);
        out[N_PREFIX + text.len] = 0;
    }
    mien_buf_wipe(&text);
    mien_wipe(bytes, sizeof(bytes));
    return status;
}

/* The parts of bytes whose checksum holds. */
static enum mien_status take_parts(struct mien_span bytes, struct mien_token *out,
                                   struct mien_err *err)
{
    struct mien_token token = {.port = mien_load_be16(bytes.data + N_CHECK)};
    size_t n_host = bytes.len - N_FIXED;

    memcpy(token.ca_fingerprint, bytes.data + N_CHECK + 2, 32);
    memcpy(token.secret, bytes.data + N_CHECK + 34, MIEN_TOKEN_SECRET_BYTES);
    memcpy(token.host, bytes.data + N_FIXED, n_host);
    if (token.port == 0 || strlen(token.host) != n_host || !mien_token_host_valid(token.host)) {
        mien_wipe(&token, sizeof(token));
        return mien_err_set(err, MIEN_EPARSE, "the token names no host and port");
    }
    *out = token;
    mien_wipe(&token, sizeof(token));
    return MIEN_OK;
}

static enum mien_status take_bytes(struct mien_span bytes, struct mien_token *out,
                                   struct mien_err *err)
{
    uint8_t check[N_CHECK];

    if (bytes.len <= N_FIXED || bytes.len > N_FIXED + MIEN_TOKEN_HOST_BYTES)
        return mien_err_set(err, MIEN_EPARSE, "the token is cut off or too long");
    if (checksum(bytes, check) != MIEN_OK)
        return MIEN_ECRYPTO;
    if (!mien_ct_equal(check, bytes.data, N_CHECK))
        return mien_err_set(err, MIEN_EPARSE, "the token is mistyped: its checksum does not match");
    return take_parts(bytes, out, err);
}

enum mien_status mien_token_decode(const char *text, struct mien_token *out, struct mien_err *err)
{
    struct mien_buf bytes = {0};
    size_t n = strnlen(text, MIEN_TOKEN_TEXT_BYTES);

    if (n < N_PREFIX || strncmp(text, "mien", 4) != 0)
        return mien_err_set(err, MIEN_EPARSE, "that is no token: it does not begin with \"%s\"",
                            prefix);
    if (strncmp(text, prefix, N_PREFIX) != 0)
        return mien_err_set(err, MIEN_EPARSE, "the token is of another version than \"%s\"",
                            prefix);
    if (n == MIEN_TOKEN_TEXT_BYTES)
        return mien_err_set(err, MIEN_EPARSE, "the token is too long");
    if (mien_buf_reserve(&bytes, n) != MIEN_OK)
        return MIEN_ENOMEM;

    enum mien_status status = mien_unbase64url(text + N_PREFIX, n - N_PREFIX, &bytes);

    if (status == MIEN_OK)
        status = take_bytes(mien_buf_span(&bytes), out, err);
    else if (status == MIEN_EPARSE)
        status =
            mien_err_set(err, MIEN_EPARSE,
                         "the token is mistyped: it is no base64url text after \"%s\"", prefix);
    mien_buf_wipe(&bytes);
    return status;
}
