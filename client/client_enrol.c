// SPDX-License-Identifier: Apache-2.0
#include "client/client_internal.h"

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/secret.h"
#include "common/secagg/credential.h"
#include "common/wire/identity.h"

#include <inttypes.h>
#include <string.h>

/* Draws the key of an enrolment (or renewal, `token_digest` zeros) and saves it before it is used:
 * when the answer is lost, the same question under the same key gets the same certificate. */
static enum mien_status hold_key(struct mien_client *client, const uint8_t token_digest[32])
{
    struct mien_client_state *state = &client->state;
    uint8_t public_key[32];
    enum mien_status status;

    if (state->pending && mien_ct_equal(state->pending_token, token_digest, 32))
        return MIEN_OK;
    status = mien_identity_draw(&client->rng, state->pending_key, public_key);
    if (status != MIEN_OK)
        return status;
    memcpy(state->pending_token, token_digest, 32);
    state->pending = true;
    return mien_client_save(client);
}

enum mien_status mien_enrol_begin(struct mien_client *client, const char *token)
{
    uint8_t digest[32];
    struct mien_err err = {0};
    enum mien_status status = mien_token_decode(token, &client->token, &err);

    if (status != MIEN_OK) {
        mien_client_say(client, MIEN_CLIENT_ERROR, "device.token", mien_err_text(&err, status));
        return status;
    }
    status = mien_digest((struct mien_span){(const uint8_t *)token, strlen(token)}, digest);
    if (status == MIEN_OK)
        status = hold_key(client, digest);
    if (status != MIEN_OK)
        return status;
    mien_client_core_free(client->core);
    client->core = NULL;
    client->enrolling = true;
    client->n_failures = 0;
    client->connect_at_ms = 0;
    return MIEN_OK;
}

/* The signing request for the pending key into an array of CSR_BYTES. */
static enum mien_status make_csr(const struct mien_client *client, uint8_t *out, size_t *len)
{
    struct mien_buf der = {0};
    enum mien_status status = mien_identity_csr_encode(client->state.pending_key, &der);

    if (status == MIEN_OK && der.len > MIEN_MESSAGE_CSR_BYTES)
        status = MIEN_ELIMIT;
    if (status == MIEN_OK) {
        memcpy(out, der.data, der.len);
        *len = der.len;
    }
    mien_buf_fini(&der);
    return status;
}

enum mien_status mien_enrol_ask(struct mien_client *client)
{
    struct mien_message message = {.type = MIEN_FRAME_ENROL};
    enum mien_status status = make_csr(client, message.enrol.csr, &message.enrol.csr_len);

    if (status == MIEN_OK) {
        memcpy(message.enrol.token_secret, client->token.secret, sizeof(client->token.secret));
        /* Reserved first, so that the secret is in one block that is wiped with the connection. */
        status = mien_buf_reserve(&client->plain, MIEN_FRAME_CONTROL_BYTES);
    }
    if (status == MIEN_OK)
        status = mien_link_send(client, &message);
    mien_wipe(&message, sizeof(message));
    return status;
}

/* Whether certificate and credential are for the pending key, and from this authority. */
static enum mien_status check_issued(const struct mien_client *client, struct mien_span cert,
                                     struct mien_span ca, struct mien_span credential,
                                     struct mien_err *err)
{
    struct mien_identity_cert own = {0};
    struct mien_identity_cert authority = {0};
    struct mien_credential statement;
    uint8_t public_key[32];
    enum mien_status status = mien_identity_public(client->state.pending_key, public_key);

    if (status == MIEN_OK)
        status = mien_identity_cert_decode(ca, &authority, err);
    if (status == MIEN_OK)
        status = mien_identity_cert_decode(cert, &own, err);
    if (status == MIEN_OK)
        status = mien_identity_cert_verify(cert, ca, mien_clock_unix_s(), err);
    if (status == MIEN_OK)
        status = mien_credential_verify(credential, authority.public_key, mien_clock_unix_s(),
                                        &statement, err);
    if (status != MIEN_OK)
        return status;
    if (!own.is_device || memcmp(own.public_key, public_key, 32) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the certificate is not for this device's key");
    if (memcmp(statement.key, public_key, 32) != 0 ||
        memcmp(statement.device_id, own.device_id, sizeof(own.device_id)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the credential is not for this device");
    return MIEN_OK;
}

/* Puts an issued certificate and credential, both checked, in the place of those before. */
static void adopt(struct mien_client_state *state, struct mien_span cert,
                  struct mien_span credential)
{
    struct mien_client_identity *id = &state->identity;

    memcpy(state->cert, cert.data, cert.len);
    state->cert_len = cert.len;
    memcpy(id->credential, credential.data, sizeof(id->credential));
    memcpy(id->device_key, state->pending_key, sizeof(id->device_key));
    mien_wipe(state->pending_key, sizeof(state->pending_key));
    memset(state->pending_token, 0, sizeof(state->pending_token));
    state->pending = false;
}

static enum mien_status on_enrolled(struct mien_client *client,
                                    const struct mien_message_enrolled *enrolled)
{
    struct mien_client_state *state = &client->state;
    struct mien_span cert = {enrolled->cert, enrolled->cert_len};
    struct mien_span ca = {enrolled->ca_cert, enrolled->ca_cert_len};
    struct mien_span credential = {enrolled->credential, enrolled->credential_len};
    struct mien_identity_cert authority;
    struct mien_err err = {0};
    uint8_t fingerprint[32];
    enum mien_status status = mien_digest(ca, fingerprint);

    if (status != MIEN_OK)
        return status;
    if (memcmp(fingerprint, client->token.ca_fingerprint, sizeof(fingerprint)) != 0)
        status = mien_err_set(&err, MIEN_EAUTH, "the authority is not the one of the token");
    if (status == MIEN_OK)
        status = check_issued(client, cert, ca, credential, &err);
    if (status == MIEN_OK)
        status = mien_identity_cert_decode(ca, &authority, &err);
    if (status != MIEN_OK) {
        mien_client_end(client, status, mien_err_text(&err, status));
        return MIEN_OK;
    }
    adopt(state, cert, credential);
    memcpy(state->ca, ca.data, ca.len);
    state->ca_len = ca.len;
    memcpy(state->identity.ca_key, authority.public_key, sizeof(state->identity.ca_key));
    /* Another run has another ledger and counts its own rounds. */
    if (memcmp(state->identity.run_id, enrolled->run_id, sizeof(state->identity.run_id)) != 0)
        state->record = (struct mien_client_record){0};
    memcpy(state->identity.run_id, enrolled->run_id, sizeof(state->identity.run_id));
    memcpy(state->identity.coordinator_key, enrolled->signing_key,
           sizeof(state->identity.coordinator_key));
    memcpy(state->host, client->token.host, sizeof(client->token.host));
    state->port = enrolled->port;
    state->enrolled = true;
    status = mien_client_save(client);
    if (status != MIEN_OK)
        return status;
    mien_wipe(&client->token, sizeof(client->token));
    client->enrolling = false;
    client->close = true;
    status = mien_client_make_core(client);
    mien_client_log(client, MIEN_CLIENT_INFO, "device.enrolled device=%s host=%s port=%u",
                    client->device_id, state->host, state->port);
    return status;
}

/* A refusal about the token ends the enrolment; what only happened now is tried again. */
static void on_refused(struct mien_client *client, const struct mien_message_error *error)
{
    client->close = true;
    if (error->code == MIEN_MESSAGE_ERROR_EXPIRED)
        mien_client_end(client, MIEN_EEXPIRED, error->sentence);
    else if (error->code == MIEN_MESSAGE_ERROR_AUTH)
        mien_client_end(client, MIEN_EAUTH, error->sentence);
    else if (error->code == MIEN_MESSAGE_ERROR_POLICY || error->code == MIEN_MESSAGE_ERROR_VERSION)
        mien_client_end(client, MIEN_EPOLICY, error->sentence);
    else
        mien_client_say(client, MIEN_CLIENT_WARN, "device.enrol", error->sentence);
}

enum mien_status mien_enrol_receive(struct mien_client *client, const struct mien_message *message)
{
    if (message->type == MIEN_FRAME_ENROLLED)
        return on_enrolled(client, &message->enrolled);
    if (message->type == MIEN_FRAME_ERROR)
        on_refused(client, &message->error);
    else
        client->close = true;
    return MIEN_OK;
}

enum mien_status mien_renew_ask(struct mien_client *client)
{
    static const uint8_t no_token[32] = {0};
    struct mien_message message = {.type = MIEN_FRAME_RENEW};
    enum mien_status status = hold_key(client, no_token);

    client->renewing = true;
    if (status == MIEN_OK)
        status = make_csr(client, message.renew.csr, &message.renew.csr_len);
    if (status == MIEN_OK)
        status = mien_link_send(client, &message);
    return status;
}

enum mien_status mien_renew_receive(struct mien_client *client,
                                    const struct mien_message_renewed *renewed)
{
    struct mien_client_state *state = &client->state;
    struct mien_span cert = {renewed->cert, renewed->cert_len};
    struct mien_span ca = {state->ca, state->ca_len};
    struct mien_span credential = {renewed->credential, renewed->credential_len};
    struct mien_err err = {0};
    enum mien_status status = check_issued(client, cert, ca, credential, &err);

    if (status != MIEN_OK) {
        client->close = true;
        mien_client_say(client, MIEN_CLIENT_ERROR, "device.renew", mien_err_text(&err, status));
        return MIEN_OK;
    }
    adopt(state, cert, credential);
    status = mien_client_save(client);
    if (status != MIEN_OK)
        return status;
    mien_client_core_renewed(client->core, &state->identity);
    mien_client_log(client, MIEN_CLIENT_INFO, "device.renewed device=%s", client->device_id);
    return MIEN_OK;
}
