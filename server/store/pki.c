// SPDX-License-Identifier: Apache-2.0
#include "server/store/pki.h"

#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/secret.h"
#include "common/secagg/credential.h"
#include "common/wire/identity.h"
#include "common/wire/issue.h"

#include <limits.h>
#include <string.h>

#define DAY_S ((int64_t)86400)
#define CA_DAYS 3653
#define SERVER_DAYS 366
#define BACKDATE_S ((int64_t)3600) /* for devices whose clock is late */
#define PEM_MAX_BYTES 16384

/* ---- making ---- */

static enum mien_status make_certificates(const char *host, int64_t now_s, struct mien_rng *rng,
                                          struct mien_pki *pki)
{
    struct mien_issue_request server = {
        .kind = MIEN_ISSUE_SERVER,
        .host = host,
        .not_before_s = now_s - BACKDATE_S,
        .not_after_s = now_s + SERVER_DAYS * DAY_S,
    };
    enum mien_status status = mien_issue_ca(pki->ca_seed, "mien coordinator CA", now_s - BACKDATE_S,
                                            now_s + CA_DAYS * DAY_S, rng, &pki->ca_cert);

    if (status == MIEN_OK)
        status = mien_identity_public(pki->server_seed, server.public_key);
    if (status == MIEN_OK)
        status = mien_issue_cert(&server, pki->ca_seed, mien_buf_span(&pki->ca_cert), rng,
                                 &pki->server_cert);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&pki->ca_cert), pki->ca_fingerprint);
    return status;
}

enum mien_status mien_pki_create(const char *host, int64_t now_s, struct mien_rng *rng,
                                 struct mien_pki *out, struct mien_err *err)
{
    struct mien_pki pki = {0};
    uint8_t server_key[32];
    enum mien_status status = mien_identity_draw(rng, pki.ca_seed, pki.ca_key);

    if (status == MIEN_OK)
        status = mien_identity_draw(rng, pki.server_seed, server_key);
    if (status == MIEN_OK)
        status = mien_identity_draw(rng, pki.signing_seed, pki.signing_key);
    if (status == MIEN_OK)
        status = make_certificates(host, now_s, rng, &pki);
    if (status == MIEN_EINVAL)
        (void)mien_err_set(err, status, "listen.host \"%s\" is neither a name nor an address",
                           host);
    else if (status != MIEN_OK)
        (void)mien_err_set(err, status, "cannot make certificates: %s", mien_status_text(status));
    if (status != MIEN_OK) {
        mien_pki_fini(&pki);
        return status;
    }
    *out = pki;
    return MIEN_OK;
}

void mien_pki_fini(struct mien_pki *pki)
{
    mien_buf_fini(&pki->ca_cert);
    mien_buf_fini(&pki->server_cert);
    mien_wipe(pki, sizeof(*pki));
}

/* ---- files ---- */

static enum mien_status write_file(const char *dir, const char *name, struct mien_buf *pem,
                                   mode_t mode, struct mien_err *err)
{
    char path[PATH_MAX];
    enum mien_status status = mien_path_join(dir, name, path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(pem), mode, err);
    mien_buf_wipe(pem);
    return status;
}

static enum mien_status write_cert(const char *dir, const char *name, const struct mien_buf *der,
                                   struct mien_err *err)
{
    struct mien_buf pem = {0};
    enum mien_status status = mien_identity_cert_to_pem(mien_buf_span(der), &pem);

    if (status == MIEN_OK)
        return write_file(dir, name, &pem, 0644, err);
    mien_buf_fini(&pem);
    return status;
}

static enum mien_status write_key(const char *dir, const char *name, const uint8_t seed[32],
                                  struct mien_err *err)
{
    struct mien_buf pem = {0};
    enum mien_status status = mien_identity_key_to_pem(seed, &pem);

    if (status == MIEN_OK)
        return write_file(dir, name, &pem, 0600, err);
    mien_buf_wipe(&pem);
    return status;
}

enum mien_status mien_pki_write(const struct mien_pki *pki, const char *dir, struct mien_err *err)
{
    enum mien_status status = write_cert(dir, "ca.pem", &pki->ca_cert, err);

    if (status == MIEN_OK)
        status = write_key(dir, "ca.key", pki->ca_seed, err);
    if (status == MIEN_OK)
        status = write_cert(dir, "server.pem", &pki->server_cert, err);
    if (status == MIEN_OK)
        status = write_key(dir, "server.key", pki->server_seed, err);
    if (status == MIEN_OK)
        status = write_key(dir, "signing.key", pki->signing_seed, err);
    return status;
}

static enum mien_status read_cert(const char *dir, const char *name, struct mien_buf *der,
                                  struct mien_err *err)
{
    char path[PATH_MAX];
    struct mien_buf pem = {0};
    enum mien_status status = mien_path_join(dir, name, path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, PEM_MAX_BYTES, &pem, err);
    if (status == MIEN_OK) {
        status = mien_identity_cert_from_pem(mien_buf_span(&pem), der, err);
        if (status != MIEN_OK)
            (void)mien_err_prefix(err, status, "%s", name);
    }
    mien_buf_fini(&pem);
    return status;
}

static enum mien_status read_key(const char *dir, const char *name, uint8_t seed[32],
                                 struct mien_err *err)
{
    char path[PATH_MAX];
    struct mien_buf pem = {0};
    enum mien_status status = mien_path_join(dir, name, path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_buf_reserve(&pem, PEM_MAX_BYTES);
    if (status == MIEN_OK)
        status = mien_file_read(path, PEM_MAX_BYTES, &pem, err);
    if (status == MIEN_OK) {
        status = mien_identity_key_from_pem(mien_buf_span(&pem), seed, err);
        if (status != MIEN_OK)
            (void)mien_err_prefix(err, status, "%s", name);
    }
    mien_buf_wipe(&pem);
    return status;
}

/* The certificate holds the seed's public key. */
static enum mien_status check_pair(const char *name, const uint8_t seed[32],
                                   const struct mien_buf *cert, struct mien_err *err)
{
    struct mien_identity_cert parsed;
    uint8_t key[32];
    enum mien_status status = mien_identity_cert_decode(mien_buf_span(cert), &parsed, err);

    if (status == MIEN_OK)
        status = mien_identity_public(seed, key);
    if (status == MIEN_OK && memcmp(key, parsed.public_key, sizeof(key)) != 0)
        status = mien_err_set(err, MIEN_EAUTH, "%s.key is not the key of %s.pem", name, name);
    return status;
}

static enum mien_status read_all(const char *dir, struct mien_pki *pki, struct mien_err *err)
{
    enum mien_status status = read_cert(dir, "ca.pem", &pki->ca_cert, err);

    if (status == MIEN_OK)
        status = read_key(dir, "ca.key", pki->ca_seed, err);
    if (status == MIEN_OK)
        status = read_cert(dir, "server.pem", &pki->server_cert, err);
    if (status == MIEN_OK)
        status = read_key(dir, "server.key", pki->server_seed, err);
    if (status == MIEN_OK)
        status = read_key(dir, "signing.key", pki->signing_seed, err);
    if (status == MIEN_OK)
        status = check_pair("ca", pki->ca_seed, &pki->ca_cert, err);
    if (status == MIEN_OK)
        status = check_pair("server", pki->server_seed, &pki->server_cert, err);
    if (status == MIEN_OK)
        status = mien_identity_public(pki->ca_seed, pki->ca_key);
    if (status == MIEN_OK)
        status = mien_identity_public(pki->signing_seed, pki->signing_key);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&pki->ca_cert), pki->ca_fingerprint);
    return status;
}

enum mien_status mien_pki_read(const char *dir, struct mien_pki *out, struct mien_err *err)
{
    struct mien_pki pki = {0};
    enum mien_status status = read_all(dir, &pki, err);

    if (status != MIEN_OK) {
        mien_pki_fini(&pki);
        return status;
    }
    *out = pki;
    return MIEN_OK;
}

/* ---- devices ---- */

/* Certificate and credential for the device's key; its id, unit and key are set. */
static enum mien_status certify(const struct mien_pki *pki, const struct mien_pki_request *request,
                                struct mien_device *device)
{
    struct mien_issue_request issue = {
        .kind = MIEN_ISSUE_DEVICE,
        .not_before_s = request->now_s - BACKDATE_S,
        .not_after_s = request->now_s + (int64_t)request->days * DAY_S,
    };
    struct mien_credential credential = {.not_after = issue.not_after_s};
    struct mien_buf cert = {0};
    enum mien_status status;

    memcpy(issue.public_key, device->public_key, sizeof(issue.public_key));
    memcpy(issue.device_id, device->id, sizeof(issue.device_id));
    memcpy(credential.device_id, device->id, sizeof(credential.device_id));
    memcpy(credential.key, device->public_key, sizeof(credential.key));
    memcpy(credential.unit_digest, device->unit, sizeof(credential.unit_digest));
    status =
        mien_issue_cert(&issue, pki->ca_seed, mien_buf_span(&pki->ca_cert), request->rng, &cert);
    if (status == MIEN_OK && cert.len > sizeof(device->cert))
        status = MIEN_ELIMIT;
    if (status == MIEN_OK)
        status = mien_credential_issue(&credential, pki->ca_seed, device->credential);
    if (status == MIEN_OK) {
        memcpy(device->cert, cert.data, cert.len);
        device->cert_len = cert.len;
        device->credential_len = MIEN_CREDENTIAL_BYTES;
        device->not_after_s = issue.not_after_s;
    }
    mien_buf_fini(&cert);
    return status;
}

/* A used token answers its own request again, so that a lost reply costs no token. */
static enum mien_status enrolled_before(struct mien_store *store,
                                        const struct mien_store_token *token,
                                        const uint8_t csr_digest[32], struct mien_device *out,
                                        struct mien_err *err)
{
    enum mien_status status;

    if (memcmp(token->csr_digest, csr_digest, 32) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the token was used by another device");
    status = mien_store_device(store, token->used_by, out, err);
    if (status == MIEN_OK && out->revoked)
        status = mien_err_set(err, MIEN_EAUTH, "the device is revoked");
    return status;
}

enum mien_status mien_pki_enrol(const struct mien_pki *pki, struct mien_store *store,
                                const struct mien_pki_request *request, struct mien_device *out,
                                struct mien_err *err)
{
    struct mien_store_token token;
    struct mien_device device = {.enrolled_s = request->now_s};
    uint8_t csr_digest[32];
    enum mien_status status = mien_store_token_find(store, request->secret, &token, err);

    if (status == MIEN_OK)
        status = mien_digest(request->csr, csr_digest);
    if (status != MIEN_OK)
        return status;
    if (token.used)
        return enrolled_before(store, &token, csr_digest, out, err);
    if (request->now_s >= token.expires_s)
        return mien_err_set(err, MIEN_EEXPIRED, "the token has expired");
    status = mien_identity_csr_decode(request->csr, device.public_key, err);
    if (status == MIEN_OK)
        status = mien_rng_fill(request->rng, device.id, sizeof(device.id));
    if (status != MIEN_OK)
        return status;
    memcpy(device.unit, token.unit, sizeof(device.unit));
    memcpy(device.unit_name, token.unit_name, sizeof(device.unit_name));
    status = certify(pki, request, &device);
    if (status == MIEN_OK)
        status = mien_store_token_use(store, request->secret, csr_digest, &device, err);
    if (status == MIEN_OK)
        *out = device;
    return status;
}

enum mien_status mien_pki_renew(const struct mien_pki *pki, struct mien_store *store,
                                const uint8_t id[16], const struct mien_pki_request *request,
                                struct mien_device *out, struct mien_err *err)
{
    struct mien_device device;
    uint8_t key[32];
    bool same_key;
    enum mien_status status = mien_store_device(store, id, &device, err);

    if (status == MIEN_OK && device.revoked)
        status = mien_err_set(err, MIEN_EAUTH, "the device is revoked");
    if (status == MIEN_OK)
        status = mien_identity_csr_decode(request->csr, key, err);
    if (status != MIEN_OK)
        return status;
    same_key = memcmp(key, device.public_key, sizeof(key)) == 0;
    /* The reply to the same request may have been lost: issue again only when it is of use. */
    if (!same_key || device.not_after_s - request->now_s < (int64_t)request->days * DAY_S / 2) {
        memcpy(device.public_key, key, sizeof(key));
        status = certify(pki, request, &device);
        if (status == MIEN_OK)
            status = mien_store_device_renew(store, &device, err);
    }
    if (status == MIEN_OK)
        *out = device;
    return status;
}
