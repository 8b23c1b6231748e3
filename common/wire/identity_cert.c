// SPDX-License-Identifier: Apache-2.0
#include "common/base/text.h"
#include "common/wire/identity.h"
#include "common/wire/identity_internal.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

static const char uri_prefix[] = "mien:device:";

X509 *mien_identity_x509(struct mien_span der)
{
    const unsigned char *at = der.data;
    X509 *x509 = NULL;

    if (der.len > 0 && der.len <= LONG_MAX)
        x509 = d2i_X509(NULL, &at, (long)der.len);
    if (x509 != NULL && at != der.data + der.len) {
        X509_free(x509);
        x509 = NULL;
    }
    ERR_clear_error();
    return x509;
}

static enum mien_status read_key(const X509 *x509, struct mien_identity_cert *out,
                                 struct mien_err *err)
{
    EVP_PKEY *pkey = X509_get0_pubkey(x509);
    size_t n = sizeof(out->public_key);

    if (pkey == NULL || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(pkey, out->public_key, &n) != 1 || n != sizeof(out->public_key))
        return mien_err_set(err, MIEN_EPARSE, "the certificate is not for an Ed25519 key");
    return MIEN_OK;
}

static enum mien_status read_serial(const X509 *x509, struct mien_identity_cert *out,
                                    struct mien_err *err)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    int n = ASN1_STRING_length(serial);

    if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || n < 1 || n > MIEN_IDENTITY_SERIAL_BYTES)
        return mien_err_set(err, MIEN_EPARSE, "the certificate's serial number is out of range");
    memcpy(out->serial, ASN1_STRING_get0_data(serial), (size_t)n);
    out->serial_len = (size_t)n;
    return MIEN_OK;
}

/* Seconds since 1970; the C library's own way (timegm) is not in POSIX. */
static bool unix_seconds(const ASN1_TIME *time, int64_t *out)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    bool ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;

    ASN1_TIME_free(epoch);
    *out = (int64_t)days * 86400 + seconds;
    return ok;
}

static enum mien_status read_times(const X509 *x509, struct mien_identity_cert *out,
                                   struct mien_err *err)
{
    if (!unix_seconds(X509_get0_notBefore(x509), &out->not_before_s) ||
        !unix_seconds(X509_get0_notAfter(x509), &out->not_after_s))
        return mien_err_set(err, MIEN_EPARSE, "the certificate's validity is malformed");
    return MIEN_OK;
}

/* "mien:device:" and 32 lower-case digits: one spelling of one id, no NUL or other byte. */
static bool read_uri(const ASN1_IA5STRING *uri, uint8_t id[MIEN_IDENTITY_DEVICE_BYTES])
{
    enum { PREFIX = sizeof(uri_prefix) - 1, DIGITS = 2 * MIEN_IDENTITY_DEVICE_BYTES };
    const unsigned char *text = ASN1_STRING_get0_data(uri);
    char digits[DIGITS + 1] = {0};
    char again[DIGITS + 1];

    if (ASN1_STRING_length(uri) != PREFIX + DIGITS || memcmp(text, uri_prefix, PREFIX) != 0)
        return false;
    memcpy(digits, text + PREFIX, DIGITS);
    if (mien_unhex(digits, MIEN_IDENTITY_DEVICE_BYTES, id) != MIEN_OK)
        return false;
    mien_hex(id, MIEN_IDENTITY_DEVICE_BYTES, again);
    return memcmp(digits, again, DIGITS) == 0;
}

static enum mien_status read_names(const GENERAL_NAMES *names, struct mien_identity_cert *out,
                                   struct mien_err *err)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_URI)
            continue;
        if (out->is_device)
            return mien_err_set(err, MIEN_EPARSE, "the certificate names more than one device");
        if (!read_uri(name->d.uniformResourceIdentifier, out->device_id))
            return mien_err_set(err, MIEN_EPARSE, "the certificate's URI is no device id");
        out->is_device = true;
    }
    return MIEN_OK;
}

static enum mien_status read_device_id(const X509 *x509, struct mien_identity_cert *out,
                                       struct mien_err *err)
{
    int critical = -1;
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, NULL);
    enum mien_status status = MIEN_OK;

    if (names != NULL)
        status = read_names(names, out, err);
    else if (critical != -1) /* there twice, or malformed; -1: not there */
        status = mien_err_set(err, MIEN_EPARSE, "the certificate's names are malformed");
    GENERAL_NAMES_free(names);
    return status;
}

enum mien_status mien_identity_read(const X509 *x509, struct mien_identity_cert *out,
                                    struct mien_err *err)
{
    /* OpenSSL caches what it parses of extensions in the certificate, behind its own lock. */
    X509 *cached = (X509 *)(uintptr_t)x509;
    uint32_t usage = X509_get_extended_key_usage(cached);
    struct mien_identity_cert cert = {.is_ca = X509_check_ca(cached) == 1};

    /* Without the extension OpenSSL says "any use"; here a use must be named. */
    if (usage != UINT32_MAX) {
        cert.for_server = (usage & XKU_SSL_SERVER) != 0;
        cert.for_client = (usage & XKU_SSL_CLIENT) != 0;
    }

    enum mien_status status = read_key(x509, &cert, err);

    if (status == MIEN_OK)
        status = read_serial(x509, &cert, err);
    if (status == MIEN_OK)
        status = read_times(x509, &cert, err);
    if (status == MIEN_OK)
        status = read_device_id(x509, &cert, err);
    if (status == MIEN_OK)
        *out = cert;
    ERR_clear_error();
    return status;
}

enum mien_status mien_identity_cert_decode(struct mien_span der, struct mien_identity_cert *out,
                                           struct mien_err *err)
{
    X509 *x509 = mien_identity_x509(der);

    if (x509 == NULL)
        return mien_err_set(err, MIEN_EPARSE, "the certificate is malformed");

    enum mien_status status = mien_identity_read(x509, out, err);

    X509_free(x509);
    return status;
}

enum mien_status mien_identity_judge(long code, struct mien_err *err)
{
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return mien_err_set(err, MIEN_EEXPIRED, "the certificate has expired");
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return mien_err_set(err, MIEN_EEXPIRED,
                            "the certificate is not valid yet, or this machine's clock is wrong");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return mien_err_set(err, MIEN_EAUTH,
                            "the certificate is from another authority than the one trusted here");
    case X509_V_ERR_INVALID_PURPOSE:
        return mien_err_set(err, MIEN_EAUTH, "the certificate is for another use");
    case X509_V_ERR_OUT_OF_MEM:
        return MIEN_ENOMEM;
    default:
        return mien_err_set(err, MIEN_EAUTH, "the certificate does not hold: %s",
                            X509_verify_cert_error_string(code));
    }
}

static enum mien_status verify(X509 *cert, X509 *ca, int64_t now_s, struct mien_err *err)
{
    enum mien_status status = MIEN_ECRYPTO;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    if (store == NULL || ctx == NULL || X509_STORE_add_cert(store, ca) != 1 ||
        X509_STORE_CTX_init(ctx, store, cert, NULL) != 1)
        goto out;
    X509_STORE_CTX_set_time(ctx, 0, (time_t)now_s);
    X509_STORE_CTX_set_depth(ctx, 0); /* no certificate between the two */
    if (X509_verify_cert(ctx) == 1)
        status = MIEN_OK;
    else
        status = mien_identity_judge(X509_STORE_CTX_get_error(ctx), err);
out:
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return status;
}

enum mien_status mien_identity_cert_verify(struct mien_span cert, struct mien_span ca,
                                           int64_t now_s, struct mien_err *err)
{
    X509 *x509 = mien_identity_x509(cert);
    X509 *ca_x509 = mien_identity_x509(ca);
    enum mien_status status;

    if (x509 == NULL || ca_x509 == NULL)
        status = mien_err_set(err, MIEN_EPARSE, "the %s certificate is malformed",
                              x509 == NULL ? "given" : "authority's");
    else
        status = verify(x509, ca_x509, now_s, err);
    X509_free(x509);
    X509_free(ca_x509);
    ERR_clear_error();
    return status;
}
