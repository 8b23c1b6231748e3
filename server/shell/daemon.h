/* The daemon: sockets, timers and workers around the coordinator's core.
 *
 * One loop thread owns everything here. The store is touched by tasks only, which run one after
 * another on libuv's pool; a task's work callback runs on a worker, its done callback on the loop.
 *
 * Threads: the loop's, but for mien_task.work
 */
#ifndef MIEN_SHELL_DAEMON_H
#define MIEN_SHELL_DAEMON_H

#include "common/wire/frame.h"
#include "common/wire/tls.h"
#include "server/core/coordinator.h"
#include "server/shell/crew.h"
#include "server/shell/ledger_store.h"
#include "server/store/statedir.h"

#include <stdbool.h>
#include <uv.h>

struct mien_daemon;

/* Work that may touch the store. The maker embeds it and frees it in `done`. */
struct mien_task {
    struct mien_daemon *daemon;
    void (*work)(struct mien_task *task); /* worker thread */
    void (*done)(struct mien_task *task); /* loop thread */
    struct mien_task *next;
};

enum mien_conn_state {
    MIEN_CONN_HANDSHAKE,
    MIEN_CONN_LOOKUP, /* a task asks the register who it is */
    MIEN_CONN_OPEN,
    MIEN_CONN_CLOSING, /* flushes, then closes */
    MIEN_CONN_CLOSED,  /* waits for its handle's close callback */
};

#define MIEN_NO_PEER UINT32_MAX

/* One TLS connection, of a device or of one that enrols. */
struct mien_conn {
    uv_tcp_t tcp;
    struct mien_daemon *daemon;
    struct mien_conn *next;
    struct mien_conn *previous;
    enum mien_conn_state state;
    bool enrolment;
    struct mien_tls *tls;
    struct mien_frame_reader reader;
    struct mien_buf out; /* frames that TLS has not taken yet */
    uv_write_t write;
    uint8_t *written; /* bytes of the write under way; NULL for none */
    uint64_t deadline_ms;
    uint64_t heard_ms;
    uint32_t peer;    /* the core's number, or MIEN_NO_PEER */
    uint32_t n_tasks; /* that hold this connection */
    struct mien_identity_cert identity;
};

struct mien_daemon {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_tcp_t enrol_listener;
    uv_pipe_t control;
    uv_timer_t core_timer;
    uv_timer_t sweep_timer;
    uv_signal_t sigterm;
    uv_signal_t sigint;
    uv_signal_t sighup;
    uv_work_t work;
    struct mien_task *first_task; /* under way */
    struct mien_task *last_task;
    bool working; /* the first task is on a worker */
    struct mien_statedir *state;
    struct mien_coordinator *core;
    struct mien_ledger_store ledger;
    struct mien_crew_threads crew; /* of the core's jobs */
    struct mien_tls_context *device_tls;
    struct mien_tls_context *enrol_tls;
    struct mien_task core_task;
    struct mien_job *job;
    struct mien_conn *conns;
    struct mien_conn **by_peer; /* [n_by_peer] the core's numbers */
    uint32_t n_by_peer;
    uint32_t n_conns;
    uint32_t n_handshakes;
    uint64_t drain_by_ms; /* 0: not draining */
    uint64_t n_rounds;
    bool stopping;
    int exit_status;
};

/* tasks.c */
void mien_task_queue(struct mien_daemon *daemon, struct mien_task *task);
void mien_daemon_run_job(void *self, struct mien_job *job);

/* conn.c */
void mien_conn_accept(struct mien_daemon *daemon, uv_stream_t *listener, bool enrolment);
/* Queues a message; a connection that cannot keep up is closed. */
void mien_conn_send(struct mien_conn *conn, const struct mien_message *message);
/* Closes once what is queued is out. */
void mien_conn_end(struct mien_conn *conn);
/* Closes now. */
void mien_conn_abort(struct mien_conn *conn);
/* Reads again after the register was asked. */
void mien_conn_reading(struct mien_conn *conn);
/* Goes on with input that was held back, and with output. */
void mien_conn_resume(struct mien_conn *conn);
void mien_conn_flush(struct mien_conn *conn);
/* Frees a connection that is closed and that no task holds any more. */
void mien_conn_release(struct mien_conn *conn);

/* peer.c: who connects, enrols, renews */
void mien_peer_lookup(struct mien_conn *conn);
void mien_peer_frame(struct mien_conn *conn, struct mien_frame frame);

/* drill.c */
/* Whether a line of the control socket is about drills: then `reply` is the answer, empty without
 * memory. Loop thread. */
bool mien_drill_answer(struct mien_daemon *daemon, struct mien_span request,
                       struct mien_buf *reply);

/* control.c */
MIEN_CHECK enum mien_status mien_control_listen(struct mien_daemon *daemon, struct mien_err *err);

/* daemon.c */
/* After every event: the core's timer, and whether it is time to stop. */
void mien_daemon_settle(struct mien_daemon *daemon);
uint64_t mien_daemon_now(struct mien_daemon *daemon);

struct mien_daemon_options {
    struct mien_statedir *state; /* lent */
    uint64_t n_rounds;           /* releases after which it stops; 0 for none */
};

/* Runs until stopped.
 *
 *   exit_status  out: 0 done, 1 the machine failed, 3 the budget refused a round that was asked for
 *   errors       MIEN_EIO  a port is in use; MIEN_EINVAL, MIEN_ENOMEM, ...
 */
MIEN_CHECK enum mien_status mien_daemon_run(const struct mien_daemon_options *options,
                                            int *exit_status, struct mien_err *err);

#endif
