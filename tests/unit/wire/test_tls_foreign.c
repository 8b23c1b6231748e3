// SPDX-License-Identifier: Apache-2.0
/* A listener against peers that are not ours. */
#include "tests/unit/wire/tls_pair.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

/* A plain OpenSSL client with settings that ours cannot have, and our listener. */
struct foreign {
    struct mien_tls_context *context;
    struct mien_tls *server;
    SSL_CTX *ssl_ctx;
    SSL *ssl;
    BIO *in;
    BIO *out;
    enum mien_status status;
    struct mien_err err;
};

static struct foreign foreign_new(int version, const char *alpn, bool with_certificate)
{
    struct foreign f = {.context = context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
                        .ssl_ctx = SSL_CTX_new(TLS_client_method()),
                        .in = BIO_new(BIO_s_mem()),
                        .out = BIO_new(BIO_s_mem())};
    const unsigned char *der = pki.device.cert.data;
    X509 *x509 = d2i_X509(NULL, &der, (long)pki.device.cert.len);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, pki.device.seed, 32);

    SSL_CTX_set_max_proto_version(f.ssl_ctx, version);
    if (with_certificate) {
        SSL_CTX_use_certificate(f.ssl_ctx, x509);
        SSL_CTX_use_PrivateKey(f.ssl_ctx, pkey);
    }
    X509_free(x509);
    EVP_PKEY_free(pkey);
    f.ssl = SSL_new(f.ssl_ctx);
    if (alpn != NULL)
        SSL_set_alpn_protos(f.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_bio(f.ssl, f.in, f.out);
    SSL_set_connect_state(f.ssl);
    assert_int_equal(mien_tls_new(f.context, &f.server), MIEN_OK);
    return f;
}

/* Carries what the client has to say to the listener. */
static void listen_to(struct foreign *f)
{
    uint8_t bytes[8192];
    size_t n = 0;
    int got = BIO_read(f->out, bytes, sizeof(bytes));

    if (got > 0 && f->status == MIEN_OK)
        f->status = mien_tls_feed(f->server, (struct mien_span){bytes, (size_t)got}, &f->err);
    if (f->status == MIEN_OK)
        f->status = mien_tls_read(f->server, bytes, sizeof(bytes), &n, &f->err);
}

static void shake_with(struct foreign *f)
{
    for (int turn = 0; turn < 6 && f->status == MIEN_OK; turn++) {
        SSL_do_handshake(f->ssl);
        listen_to(f);

        struct mien_span pending = mien_tls_pending_out(f->server);

        if (pending.len > 0)
            BIO_write(f->in, pending.data, (int)pending.len);
        mien_tls_sent(f->server, pending.len);
    }
}

static void foreign_free(struct foreign *f)
{
    mien_tls_free(f->server);
    mien_tls_context_free(f->context);
    SSL_free(f->ssl);
    SSL_CTX_free(f->ssl_ctx);
    ERR_clear_error();
}

static void foreign_client(int version, const char *alpn, bool with_certificate,
                           enum mien_status why, const char *words)
{
    struct foreign f = foreign_new(version, alpn, with_certificate);

    shake_with(&f);
    assert_int_equal(f.status, why);
    assert_int_equal(mien_tls_established(f.server), why == MIEN_OK);
    if (words != NULL)
        assert_non_null(strstr(f.err.text, words));
    foreign_free(&f);
}

static void foreign_clients_are_refused(void **state)
{
    (void)state;
    foreign_client(TLS1_3_VERSION, "\x06mien/1", true, MIEN_OK, NULL);
    foreign_client(TLS1_2_VERSION, "\x06mien/1", true, MIEN_EPARSE, "TLS 1.3");
    foreign_client(TLS1_3_VERSION, "\x06mien/1", false, MIEN_EAUTH, "no certificate");
    foreign_client(TLS1_3_VERSION, "\x02h2\x08http/1.1", true, MIEN_EPARSE, "another protocol");
    foreign_client(TLS1_3_VERSION, NULL, true, MIEN_EPARSE, "no application protocol");
}

static void a_peer_that_asks_for_keys_and_reads_none_is_cut_off(void **state)
{
    (void)state;
    struct foreign f = foreign_new(TLS1_3_VERSION, "\x06mien/1", true);

    shake_with(&f);
    assert_int_equal(f.status, MIEN_OK);
    for (int i = 0; i < 10000 && f.status == MIEN_OK; i++) {
        assert_int_equal(SSL_key_update(f.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        SSL_do_handshake(f.ssl);
        listen_to(&f); /* nothing that the listener answers is read */
        assert_true(mien_tls_pending_out(f.server).len <= MIEN_TLS_OUT_BYTES + 2 * 16384);
    }
    assert_int_equal(f.status, MIEN_ELIMIT);
    foreign_free(&f);
}

static void what_is_no_client_hello_costs_no_ssl_object(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t n;
        enum mien_status status;
    } starts[] = {
        {{0x16, 3, 1, 2, 0}, 5, MIEN_OK}, /* may become one */
        {{0x16, 3, 3, 0, 64, 1}, 6, MIEN_OK},
        {{0x16, 3, 1, 0, 63}, 5, MIEN_EPARSE},
        {{0x16, 3, 1, 0x10, 1}, 5, MIEN_EPARSE},
        {{0x16, 3, 2}, 3, MIEN_EPARSE},
        {{0x16, 2}, 2, MIEN_EPARSE},
        {{0x80}, 1, MIEN_EPARSE},
        {"GET / H", 7, MIEN_EPARSE},
    };
    struct mien_tls_context *context = context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca);

    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        struct mien_tls *tls = NULL;

        assert_int_equal(mien_tls_new(context, &tls), MIEN_OK);
        assert_int_equal(mien_tls_feed(tls, (struct mien_span){starts[i].bytes, starts[i].n}, NULL),
                         starts[i].status);
        assert_int_equal(mien_tls_pending_out(tls).len, 0);
        mien_tls_free(tls);
    }
    mien_tls_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_clients_are_refused),
        cmocka_unit_test(a_peer_that_asks_for_keys_and_reads_none_is_cut_off),
        cmocka_unit_test(what_is_no_client_hello_costs_no_ssl_object),
    };

    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
