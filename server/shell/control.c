// SPDX-License-Identifier: Apache-2.0
/* DIR/control.sock: one JSON line each way, answered by server/store/control.h in a task. */
#include "server/store/control.h"

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "server/shell/daemon.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct client {
    struct mien_task task; /* first */
    uv_pipe_t pipe;
    uv_write_t write;
    struct mien_daemon *daemon;
    struct mien_buf request;
    struct mien_buf reply;
    struct mien_control_live live;
    char phase[24];
    struct mien_buf revoked; /* ids of 16 bytes */
    bool asked;
    struct mien_rng rng;
};

static void on_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;

    mien_buf_wipe(&client->request);
    mien_buf_wipe(&client->reply);
    mien_buf_fini(&client->revoked);
    mien_free(client);
}

static void end(struct client *client)
{
    if (!uv_is_closing((const uv_handle_t *)&client->pipe))
        uv_close((uv_handle_t *)&client->pipe, on_closed);
}

static void on_written(uv_write_t *req, int uv_status)
{
    (void)uv_status;
    end(req->data);
}

static void note_revoked(void *self, const uint8_t id[16]) /* worker thread */
{
    struct client *client = self;

    /* Without memory the connection lives on until its next message, which is refused. */
    (void)!mien_buf_append(&client->revoked, id, 16);
}

static void answer_work(struct mien_task *task) /* worker thread */
{
    struct client *client = (struct client *)task;
    const struct mien_control control = {
        .state = task->daemon->state,
        .live = &client->live,
        .revoked = note_revoked,
        .self = client,
        .rng = &client->rng,
        .now_s = mien_clock_unix_s(),
    };

    if (mien_control_handle(&control, mien_buf_span(&client->request), &client->reply) != MIEN_OK)
        client->reply.len = 0;
}

static void cut_connections(struct mien_daemon *daemon, const uint8_t id[16])
{
    struct mien_conn *next = NULL;

    for (struct mien_conn *conn = daemon->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (!conn->enrolment && memcmp(conn->identity.device_id, id, 16) == 0)
            mien_conn_abort(conn);
    }
}

static void reply_to(struct client *client)
{
    const uv_buf_t buf = uv_buf_init((char *)client->reply.data, (unsigned)client->reply.len);
    client->write.data = client;
    if (client->reply.len == 0 ||
        uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written) != 0)
        end(client);
}

static void answer_done(struct mien_task *task) /* loop thread */
{
    struct client *client = (struct client *)task;

    for (size_t at = 0; at < client->revoked.len; at += 16)
        cut_connections(client->daemon, client->revoked.data + at);
    reply_to(client);
}

static void ask(struct client *client)
{
    const struct mien_coordinator_status status = mien_coordinator_status(client->daemon->core);

    client->asked = true;
    (void)uv_read_stop((uv_stream_t *)&client->pipe);
    if (mien_drill_answer(client->daemon, mien_buf_span(&client->request), &client->reply)) {
        mien_daemon_settle(client->daemon);
        reply_to(client);
        return;
    }
    (void)snprintf(client->phase, sizeof(client->phase), "%s",
                   mien_coordinator_phase_name(status.phase));
    client->live.running = true;
    client->live.n_connected = status.n_connected;
    client->live.phase = client->phase;
    if (status.phase != MIEN_PHASE_WAITING && status.phase != MIEN_PHASE_STOPPED)
        client->live.round.round = status.round;
    client->task.work = answer_work;
    client->task.done = answer_done;
    mien_task_queue(client->daemon, &client->task);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *client = stream->data;

    if (n < 0 || (n > 0 && (client->request.len + (size_t)n > MIEN_CONTROL_REQUEST_BYTES ||
                            mien_buf_append(&client->request, buf->base, (size_t)n) != MIEN_OK)))
        end(client);
    else if (n > 0 && !client->asked &&
             memchr(client->request.data, '\n', client->request.len) != NULL)
        ask(client);
    mien_free(buf->base);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    char *bytes = mien_calloc(4096, 1);

    *buf = uv_buf_init(bytes, bytes == NULL ? 0 : 4096);
}

static void on_connection(uv_stream_t *server, int uv_status)
{
    struct mien_daemon *daemon = server->data;
    struct client *client = uv_status < 0 ? NULL : mien_calloc(1, sizeof(*client));

    if (client == NULL)
        return;
    client->daemon = daemon;
    client->rng = mien_rng_system();
    client->pipe.data = client;
    if (uv_pipe_init(&daemon->loop, &client->pipe, 0) != 0) {
        mien_free(client);
        return;
    }
    if (uv_accept(server, (uv_stream_t *)&client->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) != 0)
        end(client);
}

enum mien_status mien_control_listen(struct mien_daemon *daemon, struct mien_err *err)
{
    char path[MIEN_CONFIG_PATH_BYTES + 16];

    if (mien_path_join(daemon->state->path, "control.sock", path, sizeof(path)) != MIEN_OK)
        return mien_err_set(err, MIEN_ELIMIT, "the path of the control socket is too long");
    (void)unlink(path); /* of a process that was killed: we hold the lock */
    daemon->control.data = daemon;
    const mode_t before = umask(0177);
    int bound = uv_pipe_bind(&daemon->control, path);
    (void)umask(before);
    if (bound != 0 || uv_listen((uv_stream_t *)&daemon->control, 16, on_connection) != 0)
        return mien_err_set(err, MIEN_EIO, "cannot listen on %s: %s", path, uv_strerror(bound));
    return MIEN_OK;
}
