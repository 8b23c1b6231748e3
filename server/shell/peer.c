// SPDX-License-Identifier: Apache-2.0
/* Who connects, enrols, renews: the register's answers, asked by tasks. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "server/shell/daemon.h"
#include "server/store/pki.h"

#include <string.h>

/* One question to the register on behalf of a connection. */
struct ask {
    struct mien_task task; /* first: the queue knows only this */
    struct mien_conn *conn;
    struct mien_message message; /* ENROL, RENEW; secret */
    struct mien_rng rng;
    struct mien_device device; /* out */
    enum mien_status status;   /* out */
    struct mien_err err;       /* out */
};

static struct ask *new_ask(struct mien_conn *conn, void (*work)(struct mien_task *task),
                           void (*done)(struct mien_task *task))
{
    struct ask *ask = mien_calloc(1, sizeof(*ask));

    if (ask == NULL)
        return NULL;
    ask->task.work = work;
    ask->task.done = done;
    ask->conn = conn;
    ask->rng = mien_rng_system();
    conn->n_tasks++;
    return ask;
}

/* Gives the connection back; false when it has closed meanwhile. */
static bool give_back(struct ask *ask)
{
    struct mien_conn *conn = ask->conn;

    conn->n_tasks--;
    if (uv_is_closing((const uv_handle_t *)&conn->tcp)) {
        mien_conn_release(conn);
        return false;
    }
    return true;
}

static void free_ask(struct ask *ask)
{
    mien_wipe(ask, sizeof(*ask));
    mien_free(ask);
}

static void lookup_work(struct mien_task *task) /* worker thread */
{
    struct ask *ask = (struct ask *)task;
    struct mien_store *store = task->daemon->state->store;

    ask->status = mien_store_device(store, ask->conn->identity.device_id, &ask->device, &ask->err);
    if (ask->status == MIEN_OK && ask->device.revoked)
        ask->status = mien_err_set(&ask->err, MIEN_EAUTH, "the device is revoked");
    if (ask->status == MIEN_OK &&
        memcmp(ask->device.public_key, ask->conn->identity.public_key, 32) != 0)
        ask->status = mien_err_set(&ask->err, MIEN_EAUTH, "the certificate was replaced");
    if (ask->status == MIEN_OK && ask->device.credential_len != MIEN_CREDENTIAL_BYTES)
        ask->status = MIEN_ECORRUPT;
}

/* At two thirds of the certificate's life. */
static uint32_t renew_after_s(const struct mien_daemon *daemon, const struct mien_device *device)
{
    const int64_t third = (int64_t)daemon->state->config.certificate_days * 86400 / 3;
    const int64_t left = device->not_after_s - third - mien_clock_unix_s();

    return left < 0 ? 0 : left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

static bool remember_peer(struct mien_daemon *daemon, uint32_t peer, struct mien_conn *conn)
{
    if (peer >= daemon->n_by_peer) {
        const uint32_t n = peer + 64;
        struct mien_conn **grown = mien_reallocarray(daemon->by_peer, n, sizeof(*grown));

        if (grown == NULL)
            return false;
        memset(grown + daemon->n_by_peer, 0, (n - daemon->n_by_peer) * sizeof(*grown));
        daemon->by_peer = grown;
        daemon->n_by_peer = n;
    }
    daemon->by_peer[peer] = conn;
    return true;
}

static enum mien_status admit(struct mien_conn *conn, const struct mien_device *device)
{
    struct mien_daemon *daemon = conn->daemon;
    struct mien_peer_identity identity = {.renew_after_s = renew_after_s(daemon, device)};
    uint32_t peer = MIEN_NO_PEER;

    memcpy(identity.device_id, device->id, 16);
    memcpy(identity.key, device->public_key, 32);
    memcpy(identity.unit_digest, device->unit, 32);
    memcpy(identity.credential, device->credential, MIEN_CREDENTIAL_BYTES);
    enum mien_status status =
        mien_coordinator_connect(daemon->core, mien_daemon_now(daemon), &identity, &peer);
    if (status == MIEN_OK && !remember_peer(daemon, peer, conn)) {
        mien_coordinator_disconnect(daemon->core, mien_daemon_now(daemon), peer);
        status = MIEN_ENOMEM;
    }
    if (status == MIEN_OK)
        conn->peer = peer;
    return status;
}

static void lookup_done(struct mien_task *task) /* loop thread */
{
    struct ask *ask = (struct ask *)task;
    struct mien_conn *conn = ask->conn;

    if (give_back(ask) && conn->state == MIEN_CONN_LOOKUP) {
        conn->daemon->n_handshakes--;
        conn->state = MIEN_CONN_OPEN;
        if (ask->status == MIEN_OK)
            ask->status = admit(conn, &ask->device);
        if (ask->status == MIEN_OK) {
            mien_conn_reading(conn);
            mien_conn_resume(conn);
        } else {
            const struct mien_message m = mien_message_make_error(
                MIEN_MESSAGE_ERROR_AUTH, mien_err_text(&ask->err, ask->status));

            mien_log(MIEN_WARN, "device.refused", "why=\"%s\"",
                     mien_err_text(&ask->err, ask->status));
            mien_conn_send(conn, &m);
            mien_conn_end(conn);
            mien_conn_flush(conn);
        }
    }
    free_ask(ask);
}

void mien_peer_lookup(struct mien_conn *conn)
{
    enum mien_status status = mien_tls_peer(conn->tls, &conn->identity);
    struct ask *ask = status == MIEN_OK ? new_ask(conn, lookup_work, lookup_done) : NULL;

    if (ask == NULL)
        mien_conn_abort(conn);
    else
        mien_task_queue(conn->daemon, &ask->task);
}

static void enrol_work(struct mien_task *task) /* worker thread */
{
    struct ask *ask = (struct ask *)task;
    const struct mien_statedir *state = task->daemon->state;
    const struct mien_message_enrol *m = &ask->message.enrol;
    const struct mien_pki_request request = {
        .secret = m->token_secret,
        .csr = {m->csr, m->csr_len},
        .now_s = mien_clock_unix_s(),
        .days = state->config.certificate_days,
        .rng = &ask->rng,
    };

    ask->status = mien_pki_enrol(&state->pki, state->store, &request, &ask->device, &ask->err);
}

static void answer_enrol(struct mien_conn *conn, const struct mien_device *device)
{
    const struct mien_statedir *state = conn->daemon->state;
    struct mien_message m = {.type = MIEN_FRAME_ENROLLED};
    struct mien_message_enrolled *e = &m.enrolled;

    e->cert_len = device->cert_len;
    memcpy(e->cert, device->cert, device->cert_len);
    e->ca_cert_len = state->pki.ca_cert.len;
    if (e->ca_cert_len > sizeof(e->ca_cert))
        return;
    memcpy(e->ca_cert, state->pki.ca_cert.data, e->ca_cert_len);
    e->credential_len = device->credential_len;
    memcpy(e->credential, device->credential, device->credential_len);
    memcpy(e->run_id, mien_store_genesis(state->store)->run_id, 16);
    memcpy(e->signing_key, state->pki.signing_key, 32);
    e->port = state->config.port;
    mien_conn_send(conn, &m);
}

static void enrol_done(struct mien_task *task) /* loop thread */
{
    struct ask *ask = (struct ask *)task;
    struct mien_conn *conn = ask->conn;

    if (give_back(ask)) {
        if (ask->status == MIEN_OK) {
            answer_enrol(conn, &ask->device);
            mien_log(MIEN_INFO, "device.enrolled", "unit=%s", ask->device.unit_name);
        } else {
            const enum mien_message_error_code code =
                ask->status == MIEN_EEXPIRED ? MIEN_MESSAGE_ERROR_EXPIRED : MIEN_MESSAGE_ERROR_AUTH;
            const struct mien_message m =
                mien_message_make_error(code, mien_err_text(&ask->err, ask->status));

            mien_log(MIEN_WARN, "enrolment.refused", "why=\"%s\"",
                     mien_err_text(&ask->err, ask->status));
            mien_conn_send(conn, &m);
        }
        mien_conn_end(conn);
        mien_conn_flush(conn);
    }
    free_ask(ask);
}

static void renew_work(struct mien_task *task) /* worker thread */
{
    struct ask *ask = (struct ask *)task;
    const struct mien_statedir *state = task->daemon->state;
    const struct mien_message_renew *m = &ask->message.renew;
    const struct mien_pki_request request = {
        .csr = {m->csr, m->csr_len},
        .now_s = mien_clock_unix_s(),
        .days = state->config.certificate_days,
        .rng = &ask->rng,
    };

    ask->status = mien_pki_renew(&state->pki, state->store, ask->conn->identity.device_id, &request,
                                 &ask->device, &ask->err);
}

static void renew_done(struct mien_task *task) /* loop thread */
{
    struct ask *ask = (struct ask *)task;
    struct mien_conn *conn = ask->conn;

    if (give_back(ask)) {
        struct mien_message m = {.type = MIEN_FRAME_RENEWED};

        if (ask->status == MIEN_OK) {
            m.renewed.cert_len = ask->device.cert_len;
            memcpy(m.renewed.cert, ask->device.cert, ask->device.cert_len);
            m.renewed.credential_len = ask->device.credential_len;
            memcpy(m.renewed.credential, ask->device.credential, ask->device.credential_len);
        } else {
            m = mien_message_make_error(MIEN_MESSAGE_ERROR_AUTH,
                                        mien_err_text(&ask->err, ask->status));
        }
        mien_conn_send(conn, &m);
        if (ask->status != MIEN_OK)
            mien_conn_end(conn);
        mien_conn_flush(conn);
    }
    free_ask(ask);
}

static void queue_ask(struct mien_conn *conn, struct mien_message *message,
                      void (*work)(struct mien_task *task), void (*done)(struct mien_task *task))
{
    struct ask *ask = new_ask(conn, work, done);

    if (ask == NULL) {
        mien_conn_end(conn);
        return;
    }
    ask->message = *message;
    mien_task_queue(conn->daemon, &ask->task);
}

void mien_peer_frame(struct mien_conn *conn, struct mien_frame frame)
{
    struct mien_message message;
    struct mien_err err = {0};
    enum mien_status status = mien_message_decode(frame, &message, &err);

    if (status != MIEN_OK) {
        const struct mien_message m =
            mien_message_make_error(MIEN_MESSAGE_ERROR_PROTOCOL, mien_err_text(&err, status));

        mien_log(MIEN_WARN, "message.refused", "why=\"%s\"", mien_err_text(&err, status));
        mien_conn_send(conn, &m);
        mien_conn_end(conn);
        return;
    }
    if (conn->enrolment && message.type == MIEN_FRAME_ENROL && conn->n_tasks == 0)
        queue_ask(conn, &message, enrol_work, enrol_done);
    else if (conn->enrolment)
        mien_conn_end(conn);
    else if (message.type == MIEN_FRAME_RENEW && conn->n_tasks == 0)
        queue_ask(conn, &message, renew_work, renew_done);
    else
        mien_coordinator_message(conn->daemon->core, mien_daemon_now(conn->daemon), conn->peer,
                                 &message);
    mien_message_fini(&message);
}
