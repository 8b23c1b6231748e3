/* What a TLS context holds for its connections. Internal to common/wire.
 *
 * Threads: read-only once made
 */
#ifndef MIEN_WIRE_TLS_INTERNAL_H
#define MIEN_WIRE_TLS_INTERNAL_H

#include "common/wire/tls.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

struct mien_tls_context {
    enum mien_tls_role role;
    SSL_CTX *ssl_ctx;
    BIO_METHOD *bio_method; /* reads a connection's input, writes its output */
    uint8_t ca_fingerprint[32];
};

/* The application protocol of a role, as ALPN spells it: a length byte and the name. */
struct mien_span mien_tls_alpn(enum mien_tls_role role);

static inline bool mien_tls_is_server(enum mien_tls_role role)
{
    return role == MIEN_TLS_COORDINATOR || role == MIEN_TLS_ENROLMENT;
}

/* The way between OpenSSL and a connection's two buffers; given (BIO_meth_free). The data of its
 * BIOs is a struct mien_tls. NULL when OpenSSL fails. */
BIO_METHOD *mien_tls_bio_method(void);

#endif
