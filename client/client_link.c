// SPDX-License-Identifier: Apache-2.0
#include "client/client_internal.h"

#include "common/base/mem.h"
#include "common/base/secret.h"

#include <string.h>

enum {
    HANDSHAKE_MS = 30 * 1000, /* from the connection to the first message */
    READ_BYTES = 4096,        /* plain bytes at a time, on the stack */
    FEED_BYTES = 16384,       /* network bytes at a time, under MIEN_TLS_IN_BYTES */
};

enum mien_status mien_link_open(struct mien_client *client, uint64_t now_ms)
{
    const struct mien_client_state *state = &client->state;
    struct mien_tls_config config = {.role = MIEN_TLS_DEVICE,
                                     .cert = {state->cert, state->cert_len},
                                     .key = state->identity.device_key,
                                     .ca_cert = {state->ca, state->ca_len}};
    enum mien_frame_side side = MIEN_FRAME_AT_DEVICE;
    enum mien_status status;

    if (client->enrolling) {
        config.role = MIEN_TLS_ENROLLING;
        memcpy(config.ca_fingerprint, client->token.ca_fingerprint, sizeof(config.ca_fingerprint));
        side = MIEN_FRAME_AT_ENROLLING;
    }
    status = mien_tls_context_new(&config, &client->context, NULL);
    if (status == MIEN_OK)
        status = mien_tls_new(client->context, &client->tls);
    if (status != MIEN_OK) {
        mien_link_close(client);
        return status;
    }
    mien_frame_reader_init(&client->reader, side);
    client->linked = true;
    client->handshake_by_ms = now_ms + HANDSHAKE_MS;
    return MIEN_OK;
}

void mien_link_close(struct mien_client *client)
{
    mien_tls_free(client->tls);
    mien_tls_context_free(client->context);
    mien_frame_reader_fini(&client->reader);
    mien_buf_wipe(&client->plain);
    client->tls = NULL;
    client->context = NULL;
    client->linked = false;
    client->greeted = false;
    client->broken = false;
    client->said_goodbye = false;
    client->close = false;
    client->renewing = false;
}

enum mien_status mien_link_send(struct mien_client *client, const struct mien_message *message)
{
    return mien_message_encode(message, &client->plain);
}

/* The peer broke TLS or is not who it must be. A device goes on trying: whoever is in the way may
 * be gone later. An enrolment that meets another authority than its token names ends. */
static void tls_failed(struct mien_client *client, enum mien_status status,
                       const struct mien_err *err)
{
    client->broken = true;
    client->close = true;
    mien_client_say(client, MIEN_CLIENT_WARN, "device.tls", mien_err_text(err, status));
    if (client->enrolling && status == MIEN_EAUTH)
        mien_client_end(client, MIEN_EAUTH,
                        "the server's authority is not the one that the token names");
}

/* Answers a frame that is no message. */
static enum mien_status refuse(struct mien_client *client, enum mien_status why,
                               const struct mien_err *err)
{
    struct mien_message message;

    if (why == MIEN_ENOMEM)
        return why;
    message = mien_message_make_error(MIEN_MESSAGE_ERROR_PROTOCOL, mien_err_text(err, why));
    client->close = true;
    mien_client_say(client, MIEN_CLIENT_WARN, "device.refuse", mien_err_text(err, why));
    return mien_link_send(client, &message);
}

static enum mien_status handle(struct mien_client *client, uint64_t now_ms,
                               const struct mien_message *message)
{
    if (client->enrolling)
        return mien_enrol_receive(client, message);
    if (message->type == MIEN_FRAME_RENEWED && client->renewing)
        return mien_renew_receive(client, &message->renewed);
    return mien_client_core_receive(client->core, now_ms, message);
}

static enum mien_status take_plain(struct mien_client *client, uint64_t now_ms, struct mien_span in)
{
    while (!client->close) {
        struct mien_message message = {0};
        struct mien_err err = {0};
        struct mien_frame frame;
        bool whole;
        enum mien_status status = mien_frame_next(&client->reader, &in, &frame, &whole, &err);

        if (status == MIEN_OK && !whole)
            return MIEN_OK;
        if (status == MIEN_OK)
            status = mien_message_decode(frame, &message, &err);
        if (status != MIEN_OK)
            return refuse(client, status, &err);
        status = handle(client, now_ms, &message);
        mien_message_fini(&message);
        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK; /* what came after the message that ended the connection */
}

static enum mien_status greet(struct mien_client *client, uint64_t now_ms)
{
    client->greeted = true;
    if (client->enrolling)
        return mien_enrol_ask(client);
    return mien_client_core_connected(client->core, now_ms);
}

/* Takes what TLS has decrypted. */
static enum mien_status drain(struct mien_client *client, uint64_t now_ms)
{
    uint8_t plain[READ_BYTES];
    struct mien_err err = {0};
    enum mien_status status = MIEN_OK;
    size_t n = 1;

    if (mien_tls_established(client->tls) && !client->greeted)
        status = greet(client, now_ms);
    while (status == MIEN_OK && n > 0 && !client->close) {
        status = mien_tls_read(client->tls, plain, sizeof(plain), &n, &err);
        if (status != MIEN_OK) {
            tls_failed(client, status, &err);
            status = MIEN_OK;
            break;
        }
        status = take_plain(client, now_ms, (struct mien_span){plain, n});
    }
    mien_wipe(plain, sizeof(plain));
    if (mien_tls_peer_closed(client->tls))
        client->close = true;
    return status;
}

enum mien_status mien_link_feed(struct mien_client *client, uint64_t now_ms, struct mien_span data)
{
    enum mien_status status = MIEN_OK;

    while (data.len > 0 && status == MIEN_OK && !client->close) {
        struct mien_span piece = {data.data, data.len < FEED_BYTES ? data.len : FEED_BYTES};
        struct mien_err err = {0};

        data.data += piece.len;
        data.len -= piece.len;
        status = mien_tls_feed(client->tls, piece, &err);
        if (status != MIEN_OK) {
            tls_failed(client, status, &err);
            return MIEN_OK;
        }
        status = drain(client, now_ms);
    }
    return status;
}

enum mien_status mien_link_flush(struct mien_client *client)
{
    size_t taken = 1;

    if (!client->linked)
        return MIEN_OK;
    if (client->core != NULL && !client->enrolling)
        client->close = client->close || mien_client_core_wish(client->core).close;
    while (client->greeted && !client->broken && client->plain.len > 0 && taken > 0) {
        enum mien_status status =
            mien_tls_write(client->tls, mien_buf_span(&client->plain), &taken);

        if (status != MIEN_OK)
            return status;
        mien_buf_consume(&client->plain, taken);
    }
    if (client->close && !client->said_goodbye && !client->broken && client->plain.len == 0) {
        mien_tls_close(client->tls);
        client->said_goodbye = true;
    }
    return MIEN_OK;
}

bool mien_link_has_output(const struct mien_client *client)
{
    if (!client->linked)
        return false;
    if (mien_tls_pending_out(client->tls).len > 0)
        return true;
    if (!client->greeted || client->broken)
        return false;
    return client->plain.len > 0 ||
           (client->core != NULL && mien_client_core_wish(client->core).pump);
}
