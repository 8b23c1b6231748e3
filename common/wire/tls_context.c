// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/wire/identity_internal.h"
#include "common/wire/tls_internal.h"

#include <string.h>

#include <openssl/err.h>

/* A chain of ours is two certificates of some 400 bytes. */
enum { MAX_CHAIN_BYTES = 8192 };

struct mien_span mien_tls_alpn(enum mien_tls_role role)
{
    static const uint8_t rounds[] = "\x06mien/1";
    static const uint8_t enrolment[] = "\x0cmien-enrol/1";

    if (role == MIEN_TLS_ENROLMENT || role == MIEN_TLS_ENROLLING)
        return (struct mien_span){enrolment, sizeof(enrolment) - 1};
    return (struct mien_span){rounds, sizeof(rounds) - 1};
}

/* OpenSSL calls this when a client offers protocols; none that is ours ends the handshake. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *self)
{
    const struct mien_tls_context *context = self;
    struct mien_span own = mien_tls_alpn(context->role);

    (void)ssl;
    for (unsigned at = 0; at < in_len && in[at] <= in_len - at - 1; at += in[at] + 1u) {
        if (in[at] != own.data[0] || memcmp(in + at, own.data, own.len) != 0)
            continue;
        *out = own.data + 1;
        *out_len = own.data[0];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The authority that a token names by its fingerprint, among what the server sent. */
static X509 *find_pinned(const struct mien_tls_context *context, STACK_OF(X509) * sent)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    for (int i = 0; i < sk_X509_num(sent); i++) {
        X509 *x509 = sk_X509_value(sent, i);

        if (X509_digest(x509, EVP_sha256(), digest, &n) == 1 && n == MIEN_DIGEST_BYTES &&
            mien_ct_equal(digest, context->ca_fingerprint, MIEN_DIGEST_BYTES))
            return x509;
    }
    return NULL;
}

/* What the leaf must be beyond being signed by the authority and valid now. */
static bool leaf_fits(const struct mien_tls_context *context, const X509 *leaf)
{
    struct mien_identity_cert cert;

    if (mien_identity_read(leaf, &cert, NULL) != MIEN_OK || cert.is_ca)
        return false;
    if (mien_tls_is_server(context->role))
        return cert.for_client && cert.is_device;
    return cert.for_server && !cert.is_device;
}

/* In place of OpenSSL's own verification of the peer's chain. */
static int verify_peer(X509_STORE_CTX *store, void *self)
{
    const struct mien_tls_context *context = self;
    STACK_OF(X509) *trusted = NULL;
    int ok = 0;

    if (context->role == MIEN_TLS_ENROLLING) {
        X509 *pinned = find_pinned(context, X509_STORE_CTX_get0_untrusted(store));

        trusted = sk_X509_new_null();
        if (trusted == NULL || (pinned != NULL && sk_X509_push(trusted, pinned) == 0)) {
            X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
            goto out;
        }
        X509_STORE_CTX_set0_trusted_stack(store, trusted);
    }
    ok = X509_verify_cert(store) == 1;
    if (ok && !leaf_fits(context, X509_STORE_CTX_get0_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
        ok = 0;
    }
out:
    sk_X509_free(trusted);
    return ok;
}

static bool set_profile(SSL_CTX *ssl_ctx)
{
    SSL_CTX_set_options(ssl_ctx,
                        SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Only the chain that was set is sent: a peer knows its authority already. */
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ssl_ctx, MAX_CHAIN_BYTES);
    SSL_CTX_set_verify_depth(ssl_ctx, 0); /* the authority signs leaves itself */
    SSL_CTX_set_security_level(ssl_ctx, 2);
    return SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(ssl_ctx, 0) == 1 &&
           SSL_CTX_set_ciphersuites(ssl_ctx,
                                    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(ssl_ctx, "X25519:P-256") == 1 &&
           SSL_CTX_set1_sigalgs_list(ssl_ctx, "ed25519") == 1;
}

static bool set_peer_rules(struct mien_tls_context *context)
{
    struct mien_span alpn = mien_tls_alpn(context->role);
    bool is_server = mien_tls_is_server(context->role);

    if (context->role != MIEN_TLS_ENROLMENT) {
        SSL_CTX_set_verify(context->ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           NULL);
        SSL_CTX_set_cert_verify_callback(context->ssl_ctx, verify_peer, context);
    }
    if (is_server)
        SSL_CTX_set_alpn_select_cb(context->ssl_ctx, select_alpn, context);
    return is_server ||
           SSL_CTX_set_alpn_protos(context->ssl_ctx, alpn.data, (unsigned)alpn.len) == 0;
}

/* Trusts the authority, or for the enrolment listener sends it along, so that a device can check
 * it against its token. */
static enum mien_status set_authority(struct mien_tls_context *context, struct mien_span der,
                                      struct mien_err *err)
{
    X509 *ca = mien_identity_x509(der);
    int ok = 0;

    if (ca == NULL)
        return mien_err_set(err, MIEN_EPARSE, "the authority's certificate is malformed");
    if (context->role == MIEN_TLS_ENROLMENT)
        ok = (int)SSL_CTX_add1_chain_cert(context->ssl_ctx, ca);
    else
        ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(context->ssl_ctx), ca);
    X509_free(ca);
    return ok == 1 ? MIEN_OK : MIEN_ECRYPTO;
}

static enum mien_status set_own(struct mien_tls_context *context,
                                const struct mien_tls_config *config, struct mien_err *err)
{
    enum mien_status status = MIEN_ECRYPTO;
    X509 *x509 = mien_identity_x509(config->cert);
    EVP_PKEY *pkey = mien_identity_pkey(config->key);

    if (x509 == NULL)
        status = mien_err_set(err, MIEN_EPARSE, "our own certificate is malformed");
    else if (pkey == NULL)
        status = MIEN_ECRYPTO;
    else if (X509_check_private_key(x509, pkey) != 1)
        status = mien_err_set(err, MIEN_EINVAL, "our certificate is for another key than ours");
    else if (SSL_CTX_use_certificate(context->ssl_ctx, x509) == 1 &&
             SSL_CTX_use_PrivateKey(context->ssl_ctx, pkey) == 1)
        status = MIEN_OK;
    EVP_PKEY_free(pkey);
    X509_free(x509);
    ERR_clear_error();
    return status;
}

enum mien_status mien_tls_context_new(const struct mien_tls_config *config,
                                      struct mien_tls_context **out, struct mien_err *err)
{
    enum mien_status status = MIEN_ECRYPTO;
    struct mien_tls_context *context = mien_calloc(1, sizeof(*context));

    if (context == NULL)
        return MIEN_ENOMEM;
    context->role = config->role;
    memcpy(context->ca_fingerprint, config->ca_fingerprint, sizeof(context->ca_fingerprint));
    context->bio_method = mien_tls_bio_method();
    context->ssl_ctx =
        SSL_CTX_new(mien_tls_is_server(config->role) ? TLS_server_method() : TLS_client_method());
    if (context->bio_method == NULL || context->ssl_ctx == NULL || !set_profile(context->ssl_ctx) ||
        !set_peer_rules(context))
        goto out;
    status = MIEN_OK;
    if (config->role != MIEN_TLS_ENROLLING)
        status = set_own(context, config, err);
    if (status == MIEN_OK && config->role != MIEN_TLS_ENROLLING)
        status = set_authority(context, config->ca_cert, err);
    if (status != MIEN_OK)
        goto out;
    *out = context;
    context = NULL;
out:
    mien_tls_context_free(context);
    ERR_clear_error();
    return status;
}

void mien_tls_context_free(struct mien_tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl_ctx);
    BIO_meth_free(context->bio_method);
    mien_free(context);
}
