// SPDX-License-Identifier: Apache-2.0
/* A listener against peers that are not ours. */
#include "tests/unit/wire/tls_pair.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

/* A plain OpenSSL client with settings that ours cannot have. */
static void foreign_client(int version, const char *alpn, bool with_certificate,
                           enum mien_status why, const char *words)
{
    struct mien_tls_context *context = context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca);
    struct mien_tls *server = NULL;
    struct mien_err err = {0};
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_client_method());
    const unsigned char *der = pki.device.cert.data;
    X509 *x509 = d2i_X509(NULL, &der, (long)pki.device.cert.len);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, pki.device.seed, 32);
    enum mien_status status = MIEN_OK;
    uint8_t bytes[8192];
    size_t n = 0;

    SSL_CTX_set_max_proto_version(ssl_ctx, version);
    if (with_certificate) {
        SSL_CTX_use_certificate(ssl_ctx, x509);
        SSL_CTX_use_PrivateKey(ssl_ctx, pkey);
    }

    SSL *ssl = SSL_new(ssl_ctx);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());

    if (alpn != NULL)
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    assert_int_equal(mien_tls_new(context, &server), MIEN_OK);
    for (int turn = 0; turn < 6 && status == MIEN_OK; turn++) {
        SSL_do_handshake(ssl);
        int got = BIO_read(out, bytes, sizeof(bytes));
        if (got > 0)
            status = mien_tls_feed(server, (struct mien_span){bytes, (size_t)got}, &err);
        if (status == MIEN_OK)
            status = mien_tls_read(server, bytes, sizeof(bytes), &n, &err);
        struct mien_span pending = mien_tls_pending_out(server);
        BIO_write(in, pending.data, (int)pending.len);
        mien_tls_sent(server, pending.len);
    }
    assert_int_equal(status, why);
    assert_false(mien_tls_established(server) && why != MIEN_OK);
    if (words != NULL)
        assert_non_null(strstr(err.text, words));
    mien_tls_free(server);
    mien_tls_context_free(context);
    SSL_free(ssl);
    SSL_CTX_free(ssl_ctx);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
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
        cmocka_unit_test(what_is_no_client_hello_costs_no_ssl_object),
    };

    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
