// SPDX-License-Identifier: Apache-2.0
#include "common/wire/tls.h"

#include "common/base/buf.h"
#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/wire/identity_internal.h"
#include "common/wire/tls_internal.h"

#include <string.h>

#include <openssl/err.h>

enum {
    RECORD_HEAD_BYTES = 5,
    RECORD_BYTES = 16384,   /* plain bytes of the largest record */
    HELLO_BYTES_MIN = 64,   /* no TLS 1.3 ClientHello is shorter */
    HELLO_BYTES_MAX = 4096, /* post-quantum key shares fit */
    OUT_BYTES_HARD = MIEN_TLS_OUT_BYTES + 2 * RECORD_BYTES
};

struct mien_tls {
    const struct mien_tls_context *context;
    SSL *ssl;           /* NULL on a listener until the first record is in */
    struct mien_buf in; /* from the network, from in_at on not yet taken by OpenSSL */
    size_t in_at;
    struct mien_buf out; /* to the network, from out_at on not yet sent */
    size_t out_at;
    bool established;
    bool peer_closed;
    bool closed;
    bool failed;
    bool no_memory; /* a buffer could not grow */
};

/* Drops what was used of a buffer; an empty one holds no memory. */
static void compact(struct mien_buf *buf, size_t *at)
{
    if (*at == buf->len)
        mien_buf_fini(buf);
    else if (*at >= RECORD_BYTES)
        mien_buf_consume(buf, *at);
    else
        return;
    *at = 0;
}

static int bio_read(BIO *bio, char *out, int cap)
{
    struct mien_tls *tls = BIO_get_data(bio);
    size_t n = mien_min_size(tls->in.len - tls->in_at, cap > 0 ? (size_t)cap : 0);

    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, tls->in.data + tls->in_at, n);
    tls->in_at += n;
    return (int)n;
}

/* The hard bound is for what OpenSSL writes on its own: a peer that asks for new keys without end
 * and reads no answer is cut off there. */
static int bio_write(BIO *bio, const char *data, int n)
{
    struct mien_tls *tls = BIO_get_data(bio);

    size_t pending = tls->out.len - tls->out_at;

    BIO_clear_retry_flags(bio);
    if (n <= 0 || pending > OUT_BYTES_HARD || (size_t)n > OUT_BYTES_HARD - pending)
        return -1;
    compact(&tls->out, &tls->out_at);
    if (mien_buf_append(&tls->out, data, (size_t)n) != MIEN_OK) {
        tls->no_memory = true;
        return -1;
    }
    return n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *mien_tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "mien");

    if (method != NULL &&
        (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
         BIO_meth_set_ctrl(method, bio_ctrl) != 1 ||
         BIO_meth_set_create(method, bio_create) != 1)) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

/* What the peer's alert says about us. */
static enum mien_status judge_alert(int alert, struct mien_err *err)
{
    switch (alert) {
    case SSL_AD_CERTIFICATE_EXPIRED:
        return mien_err_set(err, MIEN_EEXPIRED,
                            "the peer says that our certificate is not valid now");
    case SSL_AD_CERTIFICATE_REQUIRED:
        return mien_err_set(err, MIEN_EAUTH, "the peer requires a certificate of ours");
    case SSL_AD_UNKNOWN_CA:
        return mien_err_set(err, MIEN_EAUTH, "the peer does not trust our certificate's authority");
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_CERTIFICATE_REVOKED:
        return mien_err_set(err, MIEN_EAUTH, "the peer does not accept our certificate");
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return mien_err_set(err, MIEN_EPARSE, "the peer does not speak our protocol on this port");
    case SSL_AD_PROTOCOL_VERSION:
        return mien_err_set(err, MIEN_EPARSE, "the peer does not speak TLS 1.3");
    default:
        return mien_err_set(err, MIEN_EPARSE, "the peer ended TLS: %s",
                            SSL_alert_desc_string_long(alert));
    }
}

static enum mien_status judge_reason(const struct mien_tls *tls, unsigned long code,
                                     struct mien_err *err)
{
    int reason = ERR_GET_REASON(code);

    if (reason == ERR_R_MALLOC_FAILURE)
        return MIEN_ENOMEM;
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return mien_err_set(err, MIEN_EPARSE, "the peer's TLS is broken");
    if (reason > SSL_AD_REASON_OFFSET)
        return judge_alert(reason - SSL_AD_REASON_OFFSET, err);
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return mien_identity_judge(SSL_get_verify_result(tls->ssl), err);
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return mien_err_set(err, MIEN_EAUTH, "the peer shows no certificate");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_WRONG_SSL_VERSION:
        return mien_err_set(err, MIEN_EPARSE, "the peer does not speak TLS 1.3");
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return mien_err_set(err, MIEN_EPARSE, "the peer asks for another protocol than %s",
                            (const char *)mien_tls_alpn(tls->context->role).data + 1);
    default:
        return mien_err_set(err, MIEN_EPARSE, "the peer's TLS is broken: %s",
                            ERR_reason_error_string(code));
    }
}

/* After an OpenSSL call that did not succeed: MIEN_OK when it only waits for input. */
static enum mien_status judge(struct mien_tls *tls, int result, struct mien_err *err)
{
    int error = SSL_get_error(tls->ssl, result);
    enum mien_status status;

    if (error == SSL_ERROR_WANT_READ)
        return MIEN_OK;
    if (error == SSL_ERROR_ZERO_RETURN) {
        tls->peer_closed = true;
        return MIEN_OK;
    }
    tls->failed = true;
    if (tls->no_memory)
        status = MIEN_ENOMEM;
    else if (error == SSL_ERROR_SYSCALL)
        status = mien_err_set(err, MIEN_ELIMIT, "the peer makes TLS answer and reads no answer");
    else
        status = judge_reason(tls, ERR_peek_error(), err);
    ERR_clear_error();
    return status;
}

static enum mien_status fail(struct mien_tls *tls, enum mien_status status, struct mien_err *err,
                             const char *sentence)
{
    tls->failed = true;
    return mien_err_set(err, status, "%s", sentence);
}

static enum mien_status make_ssl(struct mien_tls *tls)
{
    SSL *ssl = SSL_new(tls->context->ssl_ctx);
    BIO *bio = BIO_new(tls->context->bio_method);

    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        ERR_clear_error();
        return MIEN_ENOMEM;
    }
    BIO_set_data(bio, tls);
    SSL_set_bio(ssl, bio, bio); /* taken */
    if (mien_tls_is_server(tls->context->role))
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    tls->ssl = ssl;
    return MIEN_OK;
}

/* A listener's first record: whether it is all there, or can be none of a ClientHello. */
static enum mien_status first_record(struct mien_tls *tls, bool *whole, struct mien_err *err)
{
    const uint8_t *at = tls->in.data;
    size_t n = tls->in.len;

    *whole = false;
    if ((n > 0 && at[0] != 0x16) || (n > 1 && at[1] != 3) || (n > 2 && at[2] != 1 && at[2] != 3))
        return fail(tls, MIEN_EPARSE, err, "the peer does not speak TLS");
    if (n < RECORD_HEAD_BYTES)
        return MIEN_OK;

    size_t len = mien_load_be16(at + 3);

    if (len < HELLO_BYTES_MIN || len > HELLO_BYTES_MAX)
        return fail(tls, MIEN_EPARSE, err, "the peer's first TLS record has no plausible length");
    *whole = n >= RECORD_HEAD_BYTES + len;
    return MIEN_OK;
}

/* An offer of no protocol at all does not reach the selection; nothing was exchanged yet. */
static enum mien_status check_alpn(struct mien_tls *tls, struct mien_err *err)
{
    struct mien_span own = mien_tls_alpn(tls->context->role);
    const unsigned char *chosen = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(tls->ssl, &chosen, &n);
    if (n != own.data[0] || memcmp(chosen, own.data + 1, n) != 0)
        return fail(tls, MIEN_EPARSE, err, "the peer agreed on no application protocol");
    tls->established = true;
    return MIEN_OK;
}

static enum mien_status shake_hands(struct mien_tls *tls, struct mien_err *err)
{
    ERR_clear_error();

    int result = SSL_do_handshake(tls->ssl);
    enum mien_status status = result == 1 ? check_alpn(tls, err) : judge(tls, result, err);

    compact(&tls->in, &tls->in_at);
    if (status == MIEN_OK && tls->peer_closed && !tls->established)
        return fail(tls, MIEN_EPARSE, err, "the peer closed during the handshake");
    return status;
}

enum mien_status mien_tls_new(struct mien_tls_context *context, struct mien_tls **out)
{
    enum mien_status status = MIEN_OK;
    struct mien_tls *tls = mien_calloc(1, sizeof(*tls));

    if (tls == NULL)
        return MIEN_ENOMEM;
    tls->context = context;
    if (!mien_tls_is_server(context->role)) {
        status = make_ssl(tls);
        if (status == MIEN_OK)
            status = shake_hands(tls, NULL);
    }
    if (status != MIEN_OK) {
        mien_tls_free(tls);
        return status;
    }
    *out = tls;
    return MIEN_OK;
}

void mien_tls_free(struct mien_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    mien_buf_fini(&tls->in);
    mien_buf_fini(&tls->out);
    mien_free(tls);
}

enum mien_status mien_tls_feed(struct mien_tls *tls, struct mien_span data, struct mien_err *err)
{
    enum mien_status status;

    if (tls->failed)
        return mien_err_set(err, MIEN_ESTATE, "the connection has failed already");
    if (data.len > MIEN_TLS_IN_BYTES - (tls->in.len - tls->in_at))
        return fail(tls, MIEN_ELIMIT, err, "too much input waits to be read");
    compact(&tls->in, &tls->in_at);
    if (mien_buf_append(&tls->in, data.data, data.len) != MIEN_OK) {
        tls->failed = true;
        return MIEN_ENOMEM;
    }
    if (tls->established)
        return MIEN_OK;
    if (tls->ssl == NULL) {
        bool whole = false;

        status = first_record(tls, &whole, err);
        if (status != MIEN_OK || !whole)
            return status;
        status = make_ssl(tls);
        tls->failed = status != MIEN_OK;
        if (status != MIEN_OK)
            return status;
    }
    return shake_hands(tls, err);
}

bool mien_tls_established(const struct mien_tls *tls)
{
    return tls->established && !tls->failed;
}

enum mien_status mien_tls_read(struct mien_tls *tls, void *out, size_t cap, size_t *n,
                               struct mien_err *err)
{
    enum mien_status status = MIEN_OK;

    *n = 0;
    if (tls->failed)
        return mien_err_set(err, MIEN_ESTATE, "the connection has failed already");
    if (!tls->established || tls->peer_closed)
        return MIEN_OK;
    ERR_clear_error();

    int result = SSL_read_ex(tls->ssl, out, cap, n);

    if (result != 1) {
        *n = 0;
        status = judge(tls, result, err);
    }
    compact(&tls->in, &tls->in_at);
    return status;
}

bool mien_tls_peer_closed(const struct mien_tls *tls)
{
    return tls->peer_closed;
}

enum mien_status mien_tls_write(struct mien_tls *tls, struct mien_span data, size_t *taken)
{
    *taken = 0;
    if (tls->failed || tls->closed || !tls->established)
        return MIEN_ESTATE;
    while (*taken < data.len && tls->out.len - tls->out_at < MIEN_TLS_OUT_BYTES) {
        size_t n = 0;

        ERR_clear_error();

        int result = SSL_write_ex(tls->ssl, data.data + *taken,
                                  mien_min_size(data.len - *taken, RECORD_BYTES), &n);

        if (result != 1) {
            tls->failed = true;
            ERR_clear_error();
            return tls->no_memory ? MIEN_ENOMEM : MIEN_ECRYPTO;
        }
        *taken += n;
    }
    return MIEN_OK;
}

struct mien_span mien_tls_pending_out(const struct mien_tls *tls)
{
    if (tls->out_at == tls->out.len)
        return (struct mien_span){NULL, 0};
    return (struct mien_span){tls->out.data + tls->out_at, tls->out.len - tls->out_at};
}

void mien_tls_sent(struct mien_tls *tls, size_t n)
{
    tls->out_at += mien_min_size(n, tls->out.len - tls->out_at);
    if (tls->out_at == tls->out.len)
        compact(&tls->out, &tls->out_at);
}

void mien_tls_close(struct mien_tls *tls)
{
    if (!tls->established || tls->failed || tls->closed)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl); /* 0: sent, the peer's is not in yet; nobody waits for it */
    ERR_clear_error();
    tls->closed = true;
}

enum mien_status mien_tls_peer(const struct mien_tls *tls, struct mien_identity_cert *out)
{
    X509 *x509 = mien_tls_established(tls) ? SSL_get0_peer_certificate(tls->ssl) : NULL;

    return x509 != NULL ? mien_identity_read(x509, out, NULL) : MIEN_ESTATE;
}
