// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "server/shell/daemon.h"

#include <string.h>

/* Frames that wait for a device: more means that it does not read. */
#define MAX_QUEUED_BYTES (4u << 20)

/* Bulk goes on while less than this waits. */
#define BULK_BELOW_BYTES (64u << 10)

static void on_closed(uv_handle_t *handle)
{
    struct mien_conn *conn = handle->data;

    conn->state = MIEN_CONN_CLOSED;
    mien_conn_release(conn);
}

void mien_conn_release(struct mien_conn *conn)
{
    if (conn->state != MIEN_CONN_CLOSED || conn->n_tasks > 0)
        return;
    mien_tls_free(conn->tls);
    mien_frame_reader_fini(&conn->reader);
    mien_buf_wipe(&conn->out);
    mien_free(conn->written);
    mien_wipe(conn, sizeof(*conn));
    mien_free(conn);
}

static void unlink_conn(struct mien_conn *conn)
{
    struct mien_daemon *daemon = conn->daemon;

    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        daemon->conns = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    daemon->n_conns--;
}

void mien_conn_abort(struct mien_conn *conn)
{
    struct mien_daemon *daemon = conn->daemon;
    const uint32_t peer = conn->peer;

    if (uv_is_closing((const uv_handle_t *)&conn->tcp))
        return;
    if (conn->state == MIEN_CONN_HANDSHAKE || conn->state == MIEN_CONN_LOOKUP)
        daemon->n_handshakes--;
    conn->state = MIEN_CONN_CLOSING;
    conn->peer = MIEN_NO_PEER;
    unlink_conn(conn);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
    if (peer == MIEN_NO_PEER)
        return;
    daemon->by_peer[peer] = NULL;
    mien_coordinator_disconnect(daemon->core, mien_daemon_now(daemon), peer);
}

static void on_written(uv_write_t *req, int uv_status)
{
    struct mien_conn *conn = req->data;

    mien_free(conn->written);
    conn->written = NULL;
    if (uv_status < 0)
        mien_conn_abort(conn);
    else
        mien_conn_flush(conn);
    mien_daemon_settle(conn->daemon);
}

/* Queued frames into TLS, as far as it takes them. */
static void encrypt(struct mien_conn *conn)
{
    size_t taken = 1;

    while (conn->out.len > 0 && taken > 0 && mien_tls_established(conn->tls)) {
        if (mien_tls_write(conn->tls, mien_buf_span(&conn->out), &taken) != MIEN_OK)
            return;
        mien_buf_consume(&conn->out, taken);
    }
    if (conn->out.len == 0 && conn->out.cap > BULK_BELOW_BYTES)
        mien_buf_fini(&conn->out); /* an idle device holds no buffer */
}

static bool send_pending(struct mien_conn *conn)
{
    const struct mien_span pending = mien_tls_pending_out(conn->tls);

    if (pending.len == 0)
        return false;
    conn->written = mien_memdup(pending.data, pending.len);
    if (conn->written == NULL)
        return false;
    const uv_buf_t buf = uv_buf_init((char *)conn->written, (unsigned)pending.len);
    conn->write.data = conn;
    mien_tls_sent(conn->tls, pending.len);
    if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &buf, 1, on_written) != 0) {
        mien_free(conn->written);
        conn->written = NULL;
        conn->deadline_ms = 1; /* the sweep closes it: this may be inside a call of the core */
    }
    return true;
}

void mien_conn_flush(struct mien_conn *conn)
{
    if (conn->written != NULL || uv_is_closing((const uv_handle_t *)&conn->tcp))
        return;
    encrypt(conn);
    while (conn->out.len < BULK_BELOW_BYTES && conn->peer != MIEN_NO_PEER &&
           mien_coordinator_has_chunk(conn->daemon->core, conn->peer)) {
        mien_coordinator_send_chunk(conn->daemon->core, conn->peer);
        encrypt(conn);
    }
    if (send_pending(conn))
        return;
    if (conn->state == MIEN_CONN_CLOSING)
        mien_conn_abort(conn);
}

void mien_conn_send(struct mien_conn *conn, const struct mien_message *message)
{
    if (conn->state != MIEN_CONN_OPEN)
        return;
    if (mien_message_encode(message, &conn->out) != MIEN_OK || conn->out.len > MAX_QUEUED_BYTES) {
        /* Not from inside the core's call: the sweep closes it. */
        conn->deadline_ms = 1;
        return;
    }
    if (conn->written == NULL && message->type != MIEN_FRAME_CHUNK) {
        encrypt(conn);
        (void)send_pending(conn);
    }
}

void mien_conn_end(struct mien_conn *conn)
{
    if (conn->state == MIEN_CONN_CLOSING || conn->state == MIEN_CONN_CLOSED)
        return;
    if (conn->state != MIEN_CONN_OPEN)
        conn->daemon->n_handshakes--;
    encrypt(conn);
    mien_tls_close(conn->tls);
    conn->state = MIEN_CONN_CLOSING;
    conn->deadline_ms = mien_daemon_now(conn->daemon) + 2000;
    if (conn->written == NULL)
        (void)send_pending(conn);
}

static void fail(struct mien_conn *conn, const struct mien_err *err, enum mien_status status)
{
    mien_log(MIEN_WARN, "connection.refused", "why=\"%s\"", mien_err_text(err, status));
    if (conn->state == MIEN_CONN_OPEN) {
        const struct mien_message m =
            mien_message_make_error(MIEN_MESSAGE_ERROR_PROTOCOL, mien_err_text(err, status));

        mien_conn_send(conn, &m);
    }
    mien_conn_end(conn);
    mien_conn_flush(conn);
}

static enum mien_status take_plain(struct mien_conn *conn, struct mien_span plain,
                                   struct mien_err *err)
{
    while (conn->state == MIEN_CONN_OPEN) {
        struct mien_frame frame;
        bool whole = false;
        enum mien_status status = mien_frame_next(&conn->reader, &plain, &frame, &whole, err);

        if (status != MIEN_OK || !whole)
            return status;
        mien_peer_frame(conn, frame);
    }
    return MIEN_OK;
}

void mien_conn_resume(struct mien_conn *conn)
{
    uint8_t plain[16384];
    size_t n = 1;
    struct mien_err err = {0};
    enum mien_status status = MIEN_OK;

    while (n > 0 && status == MIEN_OK && conn->state == MIEN_CONN_OPEN) {
        status = mien_tls_read(conn->tls, plain, sizeof(plain), &n, &err);
        if (status == MIEN_OK && n > 0)
            status = take_plain(conn, (struct mien_span){plain, n}, &err);
    }
    mien_wipe(plain, sizeof(plain));
    if (status != MIEN_OK)
        fail(conn, &err, status);
    else if (mien_tls_peer_closed(conn->tls))
        mien_conn_end(conn);
    mien_conn_flush(conn);
}

static void established(struct mien_conn *conn)
{
    conn->heard_ms = mien_daemon_now(conn->daemon);
    if (conn->enrolment) {
        conn->daemon->n_handshakes--;
        conn->state = MIEN_CONN_OPEN;
        return;
    }
    conn->state = MIEN_CONN_LOOKUP;
    (void)uv_read_stop((uv_stream_t *)&conn->tcp);
    mien_peer_lookup(conn);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct mien_conn *conn = stream->data;
    struct mien_err err = {0};

    if (n < 0) {
        mien_conn_abort(conn);
    } else if (n > 0) {
        conn->heard_ms = mien_daemon_now(conn->daemon);
        enum mien_status status = mien_tls_feed(
            conn->tls, (struct mien_span){(const uint8_t *)buf->base, (size_t)n}, &err);

        if (status != MIEN_OK)
            fail(conn, &err, status);
        else if (conn->state == MIEN_CONN_HANDSHAKE && mien_tls_established(conn->tls))
            established(conn);
        if (status == MIEN_OK)
            mien_conn_resume(conn);
    }
    mien_free(buf->base);
    mien_daemon_settle(conn->daemon);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    const size_t n = mien_min_size(suggested, 65536);
    char *bytes = mien_calloc(n, 1);

    *buf = uv_buf_init(bytes, bytes == NULL ? 0 : (unsigned)n);
}

static enum mien_status make_conn(struct mien_daemon *daemon, bool enrolment,
                                  struct mien_conn **out)
{
    struct mien_conn *conn = mien_calloc(1, sizeof(*conn));

    if (conn == NULL)
        return MIEN_ENOMEM;
    enum mien_status status =
        mien_tls_new(enrolment ? daemon->enrol_tls : daemon->device_tls, &conn->tls);
    if (status != MIEN_OK || uv_tcp_init(&daemon->loop, &conn->tcp) != 0) {
        mien_tls_free(conn->tls);
        mien_free(conn);
        return MIEN_ENOMEM;
    }
    conn->daemon = daemon;
    conn->enrolment = enrolment;
    conn->peer = MIEN_NO_PEER;
    conn->tcp.data = conn;
    conn->deadline_ms =
        mien_daemon_now(daemon) + (uint64_t)daemon->state->config.handshake_s * 1000;
    mien_frame_reader_init(&conn->reader,
                           enrolment ? MIEN_FRAME_AT_ENROLMENT : MIEN_FRAME_AT_COORDINATOR);
    conn->next = daemon->conns;
    if (conn->next != NULL)
        conn->next->previous = conn;
    daemon->conns = conn;
    daemon->n_conns++;
    daemon->n_handshakes++;
    *out = conn;
    return MIEN_OK;
}

void mien_conn_accept(struct mien_daemon *daemon, uv_stream_t *listener, bool enrolment)
{
    struct mien_conn *conn = NULL;

    if (make_conn(daemon, enrolment, &conn) != MIEN_OK)
        return;
    const bool full = daemon->n_conns > daemon->state->config.connections ||
                      daemon->n_handshakes > daemon->state->config.handshakes;
    if (uv_accept(listener, (uv_stream_t *)&conn->tcp) != 0 || full || daemon->stopping ||
        uv_tcp_nodelay(&conn->tcp, 1) != 0 ||
        uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) != 0)
        mien_conn_abort(conn);
}

void mien_conn_reading(struct mien_conn *conn)
{
    if (uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) != 0)
        mien_conn_abort(conn);
}
