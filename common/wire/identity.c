// SPDX-License-Identifier: Apache-2.0
#include "common/wire/identity.h"

#include "common/base/secret.h"
#include "common/secagg/agree.h"
#include "common/wire/identity_internal.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>

EVP_PKEY *mien_identity_pkey(const uint8_t seed[32])
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, MIEN_IDENTITY_SEED_BYTES);
}

enum mien_status mien_identity_add_der(unsigned char *der, int n, struct mien_buf *out)
{
    enum mien_status status = MIEN_ECRYPTO;

    if (n > 0)
        status = mien_buf_append(out, der, (size_t)n);
    OPENSSL_free(der);
    return status;
}

enum mien_status mien_identity_public(const uint8_t seed[32], uint8_t public_key[32])
{
    return mien_ed25519_public(seed, public_key);
}

enum mien_status mien_identity_draw(struct mien_rng *rng, uint8_t seed[32], uint8_t public_key[32])
{
    enum mien_status status = mien_rng_fill(rng, seed, MIEN_IDENTITY_SEED_BYTES);

    if (status == MIEN_OK)
        status = mien_identity_public(seed, public_key);
    if (status != MIEN_OK)
        mien_wipe(seed, MIEN_IDENTITY_SEED_BYTES);
    return status;
}

enum mien_status mien_identity_sign(const uint8_t seed[32], struct mien_span data,
                                    uint8_t signature[64])
{
    return mien_ed25519_sign(seed, data, signature);
}

enum mien_status mien_identity_verify(const uint8_t public_key[32], struct mien_span data,
                                      const uint8_t signature[64])
{
    return mien_ed25519_verify(public_key, data, signature);
}

enum mien_status mien_identity_csr_encode(const uint8_t seed[32], struct mien_buf *out)
{
    enum mien_status status = MIEN_ECRYPTO;
    unsigned char *der = NULL;
    EVP_PKEY *pkey = mien_identity_pkey(seed);
    X509_REQ *csr = X509_REQ_new();

    /* A digest of NULL: Ed25519 hashes on its own. */
    if (pkey != NULL && csr != NULL && X509_REQ_set_version(csr, X509_REQ_VERSION_1) == 1 &&
        X509_REQ_set_pubkey(csr, pkey) == 1 && X509_REQ_sign(csr, pkey, NULL) > 0) {
        int n = i2d_X509_REQ(csr, &der);

        status = mien_identity_add_der(der, n, out);
    }
    X509_REQ_free(csr);
    EVP_PKEY_free(pkey);
    return status;
}

/* The request's own key signed it, and it is an Ed25519 key. */
static enum mien_status check_csr(X509_REQ *csr, uint8_t public_key[32], struct mien_err *err)
{
    EVP_PKEY *pkey = X509_REQ_get0_pubkey(csr);
    uint8_t key[MIEN_IDENTITY_KEY_BYTES];
    size_t n = sizeof(key);

    if (pkey == NULL || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519)
        return mien_err_set(err, MIEN_EAUTH, "the signing request is not for an Ed25519 key");
    if (X509_REQ_verify(csr, pkey) != 1)
        return mien_err_set(err, MIEN_EAUTH,
                            "the signing request is not signed by the key that it names");
    if (EVP_PKEY_get_raw_public_key(pkey, key, &n) != 1 || n != sizeof(key))
        return MIEN_ECRYPTO;
    memcpy(public_key, key, sizeof(key));
    return MIEN_OK;
}

enum mien_status mien_identity_csr_decode(struct mien_span der, uint8_t public_key[32],
                                          struct mien_err *err)
{
    const unsigned char *at = der.data;
    enum mien_status status;
    X509_REQ *csr = NULL;

    if (der.len > 0 && der.len <= LONG_MAX)
        csr = d2i_X509_REQ(NULL, &at, (long)der.len);
    if (csr == NULL || at != der.data + der.len)
        status = mien_err_set(err, MIEN_EPARSE, "the signing request is malformed");
    else
        status = check_csr(csr, public_key, err);
    X509_REQ_free(csr);
    ERR_clear_error();
    return status;
}
