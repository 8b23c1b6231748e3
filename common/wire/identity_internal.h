/* What the files of the identity module and TLS share about OpenSSL objects. Internal to
 * common/wire.
 *
 * Threads: any
 */
#ifndef MIEN_WIRE_IDENTITY_INTERNAL_H
#define MIEN_WIRE_IDENTITY_INTERNAL_H

#include "common/wire/identity.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* The key of a seed; given (EVP_PKEY_free). NULL when OpenSSL fails. */
EVP_PKEY *mien_identity_pkey(const uint8_t seed[32]);

/* The certificate in DER, nothing after it; given (X509_free). NULL when it is none. */
X509 *mien_identity_x509(struct mien_span der);

/* What we read from a certificate.  errors  as mien_identity_cert_decode */
MIEN_CHECK enum mien_status mien_identity_read(const X509 *x509, struct mien_identity_cert *out,
                                               struct mien_err *err);

/* Adds the DER of an object that its i2d function has put into a new block; frees the block.
 *
 *   n       what i2d returned; negative: it failed
 *   errors  MIEN_ECRYPTO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_identity_add_der(unsigned char *der, int n, struct mien_buf *out);

/* The status and sentence of an X.509 verification result that is not X509_V_OK. */
enum mien_status mien_identity_judge(long code, struct mien_err *err);

#endif
