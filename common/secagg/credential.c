// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/credential.h"

#include "common/base/bytes.h"
#include "common/secagg/agree.h"

#include <string.h>

#define LABEL "mien credential v1"
#define LABEL_BYTES (sizeof(LABEL) - 1)
#define BODY_BYTES (MIEN_CREDENTIAL_BYTES - MIEN_SIGNATURE_BYTES)
#define VERSION 1

static void statement(const uint8_t *body, uint8_t out[LABEL_BYTES + BODY_BYTES])
{
    memcpy(out, LABEL, LABEL_BYTES);
    memcpy(out + LABEL_BYTES, body, BODY_BYTES);
}

enum mien_status mien_credential_issue(const struct mien_credential *credential,
                                       const uint8_t ca_seed[32],
                                       uint8_t out[MIEN_CREDENTIAL_BYTES])
{
    uint8_t signed_bytes[LABEL_BYTES + BODY_BYTES];

    out[0] = VERSION;
    memcpy(out + 1, credential->device_id, MIEN_DEVICE_ID_BYTES);
    memcpy(out + 17, credential->key, 32);
    memcpy(out + 49, credential->unit_digest, 32);
    mien_store_be64(out + 81, (uint64_t)credential->not_after);
    statement(out, signed_bytes);
    return mien_ed25519_sign(ca_seed, (struct mien_span){signed_bytes, sizeof(signed_bytes)},
                             out + BODY_BYTES);
}

void mien_credential_read(const uint8_t bytes[MIEN_CREDENTIAL_BYTES], struct mien_credential *out)
{
    memcpy(out->device_id, bytes + 1, MIEN_DEVICE_ID_BYTES);
    memcpy(out->key, bytes + 17, 32);
    memcpy(out->unit_digest, bytes + 49, 32);
    out->not_after = (int64_t)mien_load_be64(bytes + 81);
}

static enum mien_status check_form(struct mien_span bytes, struct mien_err *err)
{
    if (bytes.len != MIEN_CREDENTIAL_BYTES || bytes.data[0] != VERSION)
        return mien_err_set(err, MIEN_EPARSE,
                            "a credential of %zu bytes, expected %d of version %d", bytes.len,
                            MIEN_CREDENTIAL_BYTES, VERSION);
    return MIEN_OK;
}

enum mien_status mien_credential_verify_signed(struct mien_span bytes, int64_t now,
                                               struct mien_credential *out, struct mien_err *err)
{
    struct mien_credential credential;
    enum mien_status status = check_form(bytes, err);

    if (status != MIEN_OK)
        return status;
    mien_credential_read(bytes.data, &credential);
    if (now != 0 && now > credential.not_after)
        return mien_err_set(err, MIEN_EEXPIRED, "a credential has expired");
    *out = credential;
    return MIEN_OK;
}

enum mien_status mien_credential_verify(struct mien_span bytes, const uint8_t ca_key[32],
                                        int64_t now, struct mien_credential *out,
                                        struct mien_err *err)
{
    uint8_t signed_bytes[LABEL_BYTES + BODY_BYTES];
    enum mien_status status = check_form(bytes, err);

    if (status != MIEN_OK)
        return status;
    statement(bytes.data, signed_bytes);
    status = mien_ed25519_verify(ca_key, (struct mien_span){signed_bytes, sizeof(signed_bytes)},
                                 bytes.data + BODY_BYTES);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "a credential is not signed by this run's CA");
    return mien_credential_verify_signed(bytes, now, out, err);
}
