/* The parts of the public client, shared by client*.c only.
 *
 * client.c is the public surface and guards it, client_host.c makes the host's callbacks the
 * core's, client_link.c puts TLS and frames around the core, client_enrol.c gets certificates.
 *
 * Threads: as mien/client.h
 */
#ifndef MIEN_CLIENT_CLIENT_INTERNAL_H
#define MIEN_CLIENT_CLIENT_INTERNAL_H

#include "client/core.h"
#include "client/state.h"
#include "common/base/buf.h"
#include "common/wire/frame.h"
#include "common/wire/message.h"
#include "common/wire/tls.h"
#include "common/wire/token.h"

#include <mien/client.h>

struct mien_client {
    struct mien_client_config config;
    char software[MIEN_MESSAGE_SOFTWARE_BYTES + 1];
    struct mien_client_limits limits;
    struct mien_rng rng;
    struct mien_client_state state;
    struct mien_client_core *core; /* NULL while enrolling and before */
    struct mien_known *known;      /* peers whose credentials held; as long as the process */
    char device_id[33];
    uint64_t memory_bytes; /* of the last plan */
    bool busy;             /* inside a call: a callback that calls back is refused */

    /* Enrolment in progress. */
    bool enrolling;
    struct mien_token token; /* has a secret */
    unsigned n_failures;
    uint64_t connect_at_ms;

    /* The connection. */
    bool linked;
    bool greeted;      /* TLS is established and the first message is out */
    bool broken;       /* TLS failed: only what is pending can still be sent */
    bool close;        /* wants the connection closed */
    bool said_goodbye; /* close_notify is pending or sent */
    bool renewing;
    uint64_t handshake_by_ms;
    struct mien_tls_context *context;
    struct mien_tls *tls;
    struct mien_frame_reader reader;
    struct mien_buf plain; /* frames not yet taken by TLS */

    bool ended;
    enum mien_status result;
    char explain[MIEN_ERR_BYTES];
};

/* Ends the client for good. */
void mien_client_end(struct mien_client *client, enum mien_status why, const char *text);

/* Logs "event reason=text" and keeps the text for mien_client_explain. */
void mien_client_say(struct mien_client *client, enum mien_client_level level, const char *event,
                     const char *text);

void mien_client_log(struct mien_client *client, enum mien_client_level level, const char *fmt, ...)
    MIEN_PRINTF(3, 4);

/* client_host.c */

/* Makes the core from the state.  errors  MIEN_ENOMEM, MIEN_EPARSE  the certificate is none */
MIEN_CHECK enum mien_status mien_client_make_core(struct mien_client *client);

/* Saves the state through the host.  errors  what `save` returned, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_client_save(struct mien_client *client);

/* client_link.c */
MIEN_CHECK enum mien_status mien_link_open(struct mien_client *client, uint64_t now_ms);
void mien_link_close(struct mien_client *client);
MIEN_CHECK enum mien_status mien_link_feed(struct mien_client *client, uint64_t now_ms,
                                           struct mien_span data);
MIEN_CHECK enum mien_status mien_link_send(struct mien_client *client,
                                           const struct mien_message *message);

/* Moves frames into TLS, as many as fit, and ends TLS when the client wants to close. */
MIEN_CHECK enum mien_status mien_link_flush(struct mien_client *client);

/* Whether mien_client_output would have bytes. */
bool mien_link_has_output(const struct mien_client *client);

/* client_enrol.c */
MIEN_CHECK enum mien_status mien_enrol_begin(struct mien_client *client, const char *token);
MIEN_CHECK enum mien_status mien_enrol_ask(struct mien_client *client);
MIEN_CHECK enum mien_status mien_enrol_receive(struct mien_client *client,
                                               const struct mien_message *message);
MIEN_CHECK enum mien_status mien_renew_ask(struct mien_client *client);
MIEN_CHECK enum mien_status mien_renew_receive(struct mien_client *client,
                                               const struct mien_message_renewed *renewed);

#endif
