/* TLS 1.3 without sockets: bytes in, bytes out.
 *
 * A context is shared by all connections of a listener or client; a connection is one peer. The
 * caller feeds what came from the network, reads plain bytes, writes plain bytes, and sends what
 * is pending. TLS 1.3 only, X25519 and P-256, Ed25519 certificates one level under one authority,
 * extended key usage checked, ALPN required; no tickets, early data, renegotiation, compression.
 *
 * Memory: an idle connection holds OpenSSL's object with released buffers (about 20 KB) and
 * nothing here. A listener makes that object only when a whole, plausible first record is in, so
 * that a peer which sends half of one costs no more than what it sent.
 *
 * Source:  RFC 8446
 * Threads: a context may be shared; a connection belongs to one thread at a time
 */
#ifndef MIEN_WIRE_TLS_H
#define MIEN_WIRE_TLS_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/span.h"
#include "common/base/status.h"
#include "common/wire/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Unread input that a connection holds at most: what one read of a shell brings. */
#define MIEN_TLS_IN_BYTES (128 * 1024)

/* Output that waits at most before mien_tls_write takes no more: a frame, its records' overhead. */
#define MIEN_TLS_OUT_BYTES (65 * 1024)

enum mien_tls_role {
    MIEN_TLS_COORDINATOR, /* requires a device's certificate; ALPN mien/1 */
    MIEN_TLS_DEVICE,      /* shows its certificate, pins the CA certificate; ALPN mien/1 */
    MIEN_TLS_ENROLMENT,   /* server only is authenticated; ALPN mien-enrol/1; sends the CA too */
    MIEN_TLS_ENROLLING    /* pins the CA's fingerprint; ALPN mien-enrol/1 */
};

/* What a role does not use is ignored. */
struct mien_tls_config {
    enum mien_tls_role role;
    struct mien_span cert;      /* own certificate, DER; all but ENROLLING */
    const uint8_t *key;         /* [32] own Ed25519 seed; all but ENROLLING */
    struct mien_span ca_cert;   /* DER; all but ENROLLING */
    uint8_t ca_fingerprint[32]; /* SHA-256 of the CA's DER; ENROLLING */
};

struct mien_tls_context;
struct mien_tls;

/* Makes what connections of one role share.
 *
 *   config  copied
 *   out     given: end it with mien_tls_context_free, after its connections
 *   errors  MIEN_EPARSE  a certificate is none; MIEN_EINVAL  key and certificate differ
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_tls_context_new(const struct mien_tls_config *config,
                                                 struct mien_tls_context **out,
                                                 struct mien_err *err);

/* NULL is fine. */
void mien_tls_context_free(struct mien_tls_context *context);

/* Makes a connection. A client's first bytes are pending at once.
 *
 *   context  lent until mien_tls_free
 *   out      given: end it with mien_tls_free
 *   errors   MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_tls_new(struct mien_tls_context *context, struct mien_tls **out);

/* Ends and frees (OpenSSL wipes its keys); NULL is fine. Sends nothing: mien_tls_close does. */
void mien_tls_free(struct mien_tls *tls);

/* Takes bytes from the network and goes on with the handshake. After an error, send what is
 * pending (an alert), then close; every later call returns MIEN_ESTATE.
 *
 *   errors  MIEN_EAUTH     the peer's certificate: none, wrong authority, wrong use, no device id
 *           MIEN_EEXPIRED  the peer's certificate is no longer or not yet valid
 *           MIEN_EPARSE    not TLS 1.3, wrong ALPN, a broken record
 *           MIEN_ELIMIT    over MIEN_TLS_IN_BYTES are unread
 *           MIEN_ENOMEM, MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_tls_feed(struct mien_tls *tls, struct mien_span data,
                                          struct mien_err *err);

/* The handshake is done and the peer is who it must be. */
bool mien_tls_established(const struct mien_tls *tls);

/* Plain bytes from the peer: *n of at most `cap` into out, 0 when more input is needed or the
 * peer has closed. Call until it gives 0 before feeding again.
 * errors  as mien_tls_feed */
MIEN_CHECK enum mien_status mien_tls_read(struct mien_tls *tls, void *out, size_t cap, size_t *n,
                                          struct mien_err *err);

/* The peer has ended its side properly: no byte will follow, none was cut off. */
bool mien_tls_peer_closed(const struct mien_tls *tls);

/* Encrypts plain bytes: *taken of them, fewer than all when MIEN_TLS_OUT_BYTES wait already.
 * errors  MIEN_ESTATE  not established, closed or failed; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_tls_write(struct mien_tls *tls, struct mien_span data,
                                           size_t *taken);

/* The bytes to send next, borrowed until the next call on this connection; empty for none. */
struct mien_span mien_tls_pending_out(const struct mien_tls *tls);

/* Says that the first n pending bytes are on their way; n is at most what was pending. */
void mien_tls_sent(struct mien_tls *tls, size_t n);

/* Ends this side: a close_notify becomes pending where the connection is established. */
void mien_tls_close(struct mien_tls *tls);

/* The peer's certificate, once established: for a coordinator the device's (its id, key, serial
 * and end), for a device the coordinator's.
 * errors  MIEN_ESTATE  not established, or the peer shows none (ENROLMENT) */
MIEN_CHECK enum mien_status mien_tls_peer(const struct mien_tls *tls,
                                          struct mien_identity_cert *out);

#endif
