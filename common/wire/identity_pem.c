// SPDX-License-Identifier: Apache-2.0
#include "common/wire/identity.h"
#include "common/wire/identity_internal.h"

#include <limits.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static enum mien_status add_bio(BIO *bio, struct mien_buf *out)
{
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);

    return n > 0 ? mien_buf_append(out, text, (size_t)n) : MIEN_ECRYPTO;
}

static BIO *bio_over(struct mien_span text)
{
    return text.len <= INT_MAX ? BIO_new_mem_buf(text.data, (int)text.len) : NULL;
}

enum mien_status mien_identity_cert_to_pem(struct mien_span der, struct mien_buf *out)
{
    enum mien_status status = MIEN_ECRYPTO;
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio != NULL && der.len <= LONG_MAX &&
        PEM_write_bio(bio, PEM_STRING_X509, "", der.data, (long)der.len) > 0)
        status = add_bio(bio, out);
    BIO_free(bio);
    return status;
}

enum mien_status mien_identity_cert_from_pem(struct mien_span pem, struct mien_buf *out,
                                             struct mien_err *err)
{
    enum mien_status status;
    unsigned char *der = NULL;
    long n = 0;
    BIO *bio = bio_over(pem);

    if (bio != NULL && PEM_bytes_read_bio(&der, &n, NULL, PEM_STRING_X509, bio, NULL, NULL) == 1)
        status = mien_identity_add_der(der, (int)n, out);
    else
        status = mien_err_set(err, MIEN_EPARSE, "there is no certificate in PEM form");
    BIO_free(bio);
    ERR_clear_error();
    return status;
}

enum mien_status mien_identity_key_to_pem(const uint8_t seed[32], struct mien_buf *out)
{
    enum mien_status status = MIEN_ECRYPTO;
    EVP_PKEY *pkey = mien_identity_pkey(seed);
    BIO *bio = BIO_new(BIO_s_secmem()); /* cleansed when freed */

    if (pkey != NULL && bio != NULL &&
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1)
        status = add_bio(bio, out);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return status;
}

/* A key under a pass phrase is refused; OpenSSL would ask on the terminal. */
static int no_pass_phrase(char *buf, int n, int writing, void *self)
{
    (void)buf;
    (void)n;
    (void)writing;
    (void)self;
    return -1;
}

enum mien_status mien_identity_key_from_pem(struct mien_span pem, uint8_t seed[32],
                                            struct mien_err *err)
{
    enum mien_status status = MIEN_OK;
    BIO *bio = bio_over(pem);
    EVP_PKEY *pkey = NULL;
    size_t n = MIEN_IDENTITY_SEED_BYTES;

    if (bio != NULL)
        pkey = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    if (pkey == NULL || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_private_key(pkey, seed, &n) != 1)
        status = mien_err_set(err, MIEN_EPARSE,
                              "there is no Ed25519 private key without pass phrase in PEM form");
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    ERR_clear_error();
    return status;
}
