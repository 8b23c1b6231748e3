// SPDX-License-Identifier: Apache-2.0
#include "common/wire/issue.h"

#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/wire/identity_internal.h"
#include "common/wire/message.h"
#include "common/wire/token.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* Random serials need no counter that a restored backup would repeat. */
static bool set_serial(X509 *x509, struct mien_rng *rng)
{
    uint8_t bytes[16];
    BIGNUM *number = NULL;
    bool ok = false;

    if (mien_rng_fill(rng, bytes, sizeof(bytes)) != MIEN_OK)
        return false;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, always 16 bytes */
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != NULL;
    BN_free(number);
    return ok;
}

static bool set_times(X509 *x509, int64_t not_before_s, int64_t not_after_s)
{
    return ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)not_before_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)not_after_s) != NULL;
}

static bool set_name(X509 *x509, const char *name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) == 1;
}

/* Adds an extension in the notation of x509v3_config(5); `value` is ours, never from outside. */
static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);

    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension != NULL && X509_add_ext(x509, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return ok;
}

static enum mien_status sign_and_add(X509 *x509, EVP_PKEY *ca_key, struct mien_buf *out)
{
    unsigned char *der = NULL;

    if (X509_sign(x509, ca_key, NULL) <= 0)
        return MIEN_ECRYPTO;

    int n = i2d_X509(x509, &der);

    if (n > MIEN_MESSAGE_CERT_BYTES) {
        OPENSSL_free(der);
        return MIEN_EINVAL;
    }
    return mien_identity_add_der(der, n, out);
}

enum mien_status mien_issue_ca(const uint8_t ca_seed[32], const char *name, int64_t not_before_s,
                               int64_t not_after_s, struct mien_rng *rng, struct mien_buf *out)
{
    enum mien_status status = MIEN_ECRYPTO;
    size_t n_name = strnlen(name, 65);

    if (n_name < 1 || n_name > 64 || !mien_utf8_printable(name, n_name) ||
        not_after_s <= not_before_s)
        return MIEN_EINVAL;

    EVP_PKEY *key = mien_identity_pkey(ca_seed);
    X509 *x509 = X509_new();

    if (key != NULL && x509 != NULL && X509_set_version(x509, X509_VERSION_3) == 1 &&
        set_serial(x509, rng) && set_times(x509, not_before_s, not_after_s) &&
        set_name(x509, name) && X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1 &&
        X509_set_pubkey(x509, key) == 1 &&
        add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(x509, x509, NID_subject_key_identifier, "hash"))
        status = sign_and_add(x509, key, out);
    X509_free(x509);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return status;
}

/* What a device is stands in its URI; a coordinator's host is for people and other tools. */
static bool add_subject(X509 *x509, X509 *ca, const struct mien_issue_request *request)
{
    char names[sizeof("DNS:") + MIEN_TOKEN_HOST_BYTES];
    char hex[2 * MIEN_IDENTITY_DEVICE_BYTES + 1];

    if (request->kind == MIEN_ISSUE_DEVICE) {
        mien_hex(request->device_id, MIEN_IDENTITY_DEVICE_BYTES, hex);
        snprintf(names, sizeof(names), "URI:mien:device:%s", hex);
        return set_name(x509, hex) &&
               add_extension(x509, ca, NID_ext_key_usage, "critical,clientAuth") &&
               add_extension(x509, ca, NID_subject_alt_name, names);
    }

    ASN1_OCTET_STRING *address = a2i_IPADDRESS(request->host);

    snprintf(names, sizeof(names), "%s:%s", address != NULL ? "IP" : "DNS", request->host);
    ASN1_OCTET_STRING_free(address);
    return set_name(x509, "mien coordinator") &&
           add_extension(x509, ca, NID_ext_key_usage, "critical,serverAuth") &&
           add_extension(x509, ca, NID_subject_alt_name, names);
}

static enum mien_status issue(const struct mien_issue_request *request, EVP_PKEY *ca_key, X509 *ca,
                              struct mien_rng *rng, struct mien_buf *out)
{
    enum mien_status status = MIEN_ECRYPTO;
    X509 *x509 = X509_new();
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, request->public_key,
                                                MIEN_IDENTITY_KEY_BYTES);

    if (x509 != NULL && key != NULL && X509_set_version(x509, X509_VERSION_3) == 1 &&
        set_serial(x509, rng) && set_times(x509, request->not_before_s, request->not_after_s) &&
        X509_set_issuer_name(x509, X509_get_subject_name(ca)) == 1 &&
        X509_set_pubkey(x509, key) == 1 &&
        add_extension(x509, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x509, ca, NID_key_usage, "critical,digitalSignature") &&
        add_subject(x509, ca, request) &&
        add_extension(x509, ca, NID_authority_key_identifier, "keyid"))
        status = sign_and_add(x509, ca_key, out);
    EVP_PKEY_free(key);
    X509_free(x509);
    return status;
}

enum mien_status mien_issue_cert(const struct mien_issue_request *request,
                                 const uint8_t ca_seed[32], struct mien_span ca_cert,
                                 struct mien_rng *rng, struct mien_buf *out)
{
    if (request->not_after_s <= request->not_before_s)
        return MIEN_EINVAL;
    if (request->kind == MIEN_ISSUE_SERVER &&
        (request->host == NULL || !mien_token_host_valid(request->host)))
        return MIEN_EINVAL;

    enum mien_status status = MIEN_EINVAL;
    EVP_PKEY *ca_key = mien_identity_pkey(ca_seed);
    X509 *ca = mien_identity_x509(ca_cert);

    if (ca_key == NULL)
        status = MIEN_ECRYPTO;
    else if (ca != NULL && X509_check_private_key(ca, ca_key) == 1)
        status = issue(request, ca_key, ca, rng, out);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    ERR_clear_error();
    return status;
}
