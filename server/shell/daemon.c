// SPDX-License-Identifier: Apache-2.0
#include "server/shell/daemon.h"

#include "common/base/mem.h"
#include "common/nn/model_file.h"
#include "server/store/mechanism.h"

#include <inttypes.h>
#include <string.h>

/* How long a fleet may take to gather once enough are there, and how long a check-in is held. */
#define GATHER_MS 2000
#define HOLD_MS 20000

#define SWEEP_EVERY_MS 500

uint64_t mien_daemon_now(struct mien_daemon *daemon)
{
    return uv_now(&daemon->loop);
}

static void host_send(void *self, uint32_t peer, const struct mien_message *message)
{
    struct mien_daemon *daemon = self;

    if (peer < daemon->n_by_peer && daemon->by_peer[peer] != NULL)
        mien_conn_send(daemon->by_peer[peer], message);
}

static void host_close(void *self, uint32_t peer)
{
    struct mien_daemon *daemon = self;

    if (peer < daemon->n_by_peer && daemon->by_peer[peer] != NULL)
        mien_conn_end(daemon->by_peer[peer]);
}

static void host_log(void *self, enum mien_log_level level, const char *line)
{
    (void)self;
    mien_log(level, "core", "%s", line);
}

static void begin_stop(struct mien_daemon *daemon);

static void on_core_timer(uv_timer_t *timer)
{
    struct mien_daemon *daemon = timer->data;

    mien_coordinator_tick(daemon->core, mien_daemon_now(daemon));
    mien_daemon_settle(daemon);
}

void mien_daemon_settle(struct mien_daemon *daemon)
{
    const uint64_t now = mien_daemon_now(daemon);
    const struct mien_coordinator_status status = mien_coordinator_status(daemon->core);

    if (daemon->stopping)
        return;
    if (status.exhausted && daemon->n_rounds > 0 && daemon->drain_by_ms == 0) {
        daemon->exit_status = 3;
        daemon->drain_by_ms = now + 1;
        mien_coordinator_drain(daemon->core, now);
    }
    if (status.phase == MIEN_PHASE_STOPPED) {
        if (status.failed)
            daemon->exit_status = 1;
        begin_stop(daemon);
        return;
    }
    const uint64_t due = mien_coordinator_deadline(daemon->core);
    if (due == UINT64_MAX)
        (void)uv_timer_stop(&daemon->core_timer);
    else
        (void)uv_timer_start(&daemon->core_timer, on_core_timer, due > now ? due - now : 0, 0);
}

static void on_sweep(uv_timer_t *timer)
{
    struct mien_daemon *daemon = timer->data;
    const uint64_t now = mien_daemon_now(daemon);
    const uint64_t idle_ms = (uint64_t)daemon->state->config.idle_s * 1000;
    struct mien_conn *next = NULL;

    for (struct mien_conn *conn = daemon->conns; conn != NULL; conn = next) {
        const bool open = conn->state == MIEN_CONN_OPEN && !conn->enrolment;
        const bool late = open ? conn->deadline_ms == 1 || now > conn->heard_ms + idle_ms
                               : now > conn->deadline_ms;

        next = conn->next;
        if (late)
            mien_conn_abort(conn);
    }
    if (daemon->drain_by_ms > 1 && now > daemon->drain_by_ms && !daemon->stopping &&
        daemon->job == NULL)
        begin_stop(daemon);
    mien_daemon_settle(daemon);
}

static void drain(struct mien_daemon *daemon)
{
    const uint64_t now = mien_daemon_now(daemon);

    mien_log(MIEN_INFO, "coordinator.draining", "drain_s=%u", daemon->state->config.drain_s);
    daemon->drain_by_ms = now + (uint64_t)daemon->state->config.drain_s * 1000;
    mien_coordinator_drain(daemon->core, now);
    mien_daemon_settle(daemon);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    drain(handle->data);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct mien_daemon *daemon = handle->data;
    struct mien_config *config = mien_calloc(1, sizeof(*config));
    char path[MIEN_CONFIG_PATH_BYTES + 16];
    struct mien_err err = {0};

    (void)number;
    enum mien_status status = config == NULL ? MIEN_ENOMEM : MIEN_OK;
    (void)snprintf(path, sizeof(path), "%s/mien.conf", daemon->state->path);
    if (status == MIEN_OK)
        status = mien_config_read(path, config, &err);
    /* The plan and the ports are fixed for a process; its limits are not. */
    if (status == MIEN_OK) {
        daemon->state->config.connections = config->connections;
        daemon->state->config.handshakes = config->handshakes;
        daemon->state->config.handshake_s = config->handshake_s;
        daemon->state->config.idle_s = config->idle_s;
        daemon->state->config.drain_s = config->drain_s;
        mien_log(MIEN_INFO, "config.reloaded", "path=%s", path);
    } else {
        mien_log(MIEN_ERROR, "config.refused", "why=\"%s\"", mien_err_text(&err, status));
    }
    mien_free(config);
}

static void on_device(uv_stream_t *listener, int uv_status)
{
    if (uv_status == 0)
        mien_conn_accept(listener->data, listener, false);
}

static void on_enrolment(uv_stream_t *listener, int uv_status)
{
    if (uv_status == 0)
        mien_conn_accept(listener->data, listener, true);
}

static void close_handle(uv_handle_t *handle, void *self)
{
    (void)self;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void begin_stop(struct mien_daemon *daemon)
{
    uv_handle_t *const own[] = {
        (uv_handle_t *)&daemon->listener,    (uv_handle_t *)&daemon->enrol_listener,
        (uv_handle_t *)&daemon->control,     (uv_handle_t *)&daemon->core_timer,
        (uv_handle_t *)&daemon->sweep_timer, (uv_handle_t *)&daemon->sigterm,
        (uv_handle_t *)&daemon->sigint,      (uv_handle_t *)&daemon->sighup,
    };

    daemon->stopping = true;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        close_handle(own[i], NULL);
    while (daemon->conns != NULL)
        mien_conn_abort(daemon->conns);
}

static enum mien_status listen_on(struct mien_daemon *daemon, uv_tcp_t *tcp, uint16_t port,
                                  uv_connection_cb callback, struct mien_err *err)
{
    const char *bind = daemon->state->config.bind;
    struct sockaddr_storage at;
    int failed = uv_ip4_addr(bind, port, (struct sockaddr_in *)&at);

    if (failed != 0)
        failed = uv_ip6_addr(bind, port, (struct sockaddr_in6 *)&at);
    if (failed != 0)
        return mien_err_set(err, MIEN_EINVAL, "listen.bind: \"%s\" is no address", bind);
    tcp->data = daemon;
    failed = uv_tcp_bind(tcp, (const struct sockaddr *)&at, 0);
    if (failed == 0)
        failed = uv_listen((uv_stream_t *)tcp, 1024, callback);
    if (failed != 0)
        return mien_err_set(err, MIEN_EIO, "cannot listen on %s port %u: %s", bind, port,
                            uv_strerror(failed));
    return MIEN_OK;
}

static enum mien_status init_handles(struct mien_daemon *daemon)
{
    uv_loop_t *loop = &daemon->loop;

    if (uv_loop_init(loop) != 0)
        return MIEN_ENOMEM;
    if (uv_tcp_init(loop, &daemon->listener) != 0 ||
        uv_tcp_init(loop, &daemon->enrol_listener) != 0 ||
        uv_pipe_init(loop, &daemon->control, 0) != 0 ||
        uv_timer_init(loop, &daemon->core_timer) != 0 ||
        uv_timer_init(loop, &daemon->sweep_timer) != 0 ||
        uv_signal_init(loop, &daemon->sigterm) != 0 || uv_signal_init(loop, &daemon->sigint) != 0 ||
        uv_signal_init(loop, &daemon->sighup) != 0)
        return MIEN_ENOMEM;
    daemon->core_timer.data = daemon;
    daemon->sweep_timer.data = daemon;
    daemon->sigterm.data = daemon;
    daemon->sigint.data = daemon;
    daemon->sighup.data = daemon;
    return MIEN_OK;
}

static enum mien_status start_listening(struct mien_daemon *daemon, struct mien_err *err)
{
    const struct mien_config *config = &daemon->state->config;
    enum mien_status status = listen_on(daemon, &daemon->listener, config->port, on_device, err);

    if (status == MIEN_OK)
        status = listen_on(daemon, &daemon->enrol_listener, config->enrol_port, on_enrolment, err);
    if (status == MIEN_OK)
        status = mien_control_listen(daemon, err);
    if (status != MIEN_OK)
        return status;
    if (uv_signal_start(&daemon->sigterm, on_signal, SIGTERM) != 0 ||
        uv_signal_start(&daemon->sigint, on_signal, SIGINT) != 0 ||
        uv_signal_start(&daemon->sighup, on_hangup, SIGHUP) != 0 ||
        uv_timer_start(&daemon->sweep_timer, on_sweep, SWEEP_EVERY_MS, SWEEP_EVERY_MS) != 0)
        return MIEN_EIO;
    return MIEN_OK;
}

static enum mien_status make_tls(struct mien_daemon *daemon, struct mien_err *err)
{
    const struct mien_pki *pki = &daemon->state->pki;
    struct mien_tls_config config = {
        .role = MIEN_TLS_COORDINATOR,
        .cert = mien_buf_span(&pki->server_cert),
        .key = pki->server_seed,
        .ca_cert = mien_buf_span(&pki->ca_cert),
    };
    enum mien_status status = mien_tls_context_new(&config, &daemon->device_tls, err);

    config.role = MIEN_TLS_ENROLMENT;
    if (status == MIEN_OK)
        status = mien_tls_context_new(&config, &daemon->enrol_tls, err);
    return status;
}

/* What the model file and the store hold of the last release. */
struct loaded {
    struct mien_layout layout;
    struct mien_buf file;
    struct mien_buf server_state;
    float *values;
    float *average;
};

static enum mien_status load(struct mien_daemon *daemon, struct loaded *out, struct mien_err *err)
{
    struct mien_store *store = daemon->state->store;
    const struct mien_store_model latest = mien_store_latest(store);
    struct mien_safetensors *file = NULL;
    enum mien_status status = mien_layout_init(&out->layout, &daemon->state->config.plan, err);

    if (status == MIEN_OK)
        status = mien_store_model_read(store, &latest, &out->file, err);
    if (status == MIEN_OK)
        status = mien_store_server_state(store, &out->server_state, err);
    if (status == MIEN_OK)
        status = mien_safetensors_open(mien_buf_span(&out->file), &file, err);
    if (status == MIEN_OK) {
        out->values = mien_calloc(out->layout.n_values, sizeof(float));
        out->average = mien_calloc(out->layout.n_values - out->layout.n_d, sizeof(float));
        status = out->values == NULL || out->average == NULL ? MIEN_ENOMEM : MIEN_OK;
    }
    if (status == MIEN_OK)
        status = mien_model_file_read(file, &out->layout, out->values, out->average, err);
    mien_safetensors_free(file);
    return status;
}

static enum mien_status make_core(struct mien_daemon *daemon, struct mien_err *err)
{
    const struct mien_config *config = &daemon->state->config;
    struct mien_coordinator_config *core = mien_calloc(1, sizeof(*core));
    struct loaded *loaded = mien_calloc(1, sizeof(*loaded));
    enum mien_status status = MIEN_ENOMEM;

    if (core == NULL || loaded == NULL)
        goto out;
    status = load(daemon, loaded, err);
    if (status != MIEN_OK)
        goto out;
    daemon->ledger.store = daemon->state->store;
    daemon->ledger.rng = mien_rng_system();
    daemon->ledger.sampling = (enum mien_sampling)config->plan.sampling;
    status = mien_statedir_open_noise(daemon->state, &daemon->ledger.run_key, err);
    if (status != MIEN_OK)
        goto out;
    core->host = (struct mien_coordinator_host){.self = daemon,
                                                .send = host_send,
                                                .close = host_close,
                                                .run = mien_daemon_run_job,
                                                .log = host_log};
    core->ledger = mien_ledger_of_store(&daemon->ledger);
    core->limits = (struct mien_coordinator_limits){
        .upload_slots = config->upload_slots,
        .step_ms = config->step_s * 1000,
        .gather_ms = GATHER_MS,
        .hold_ms = HOLD_MS,
        .come_back_ms = config->come_back_s * 1000,
    };
    core->plan = config->plan;
    core->rng = mien_rng_system();
    memcpy(core->run_id, mien_store_genesis(daemon->state->store)->run_id, 16);
    memcpy(core->signing_seed, daemon->state->pki.signing_seed, 32);
    core->version = mien_store_latest(daemon->state->store).version;
    core->values = loaded->values;
    core->average = loaded->average;
    core->server_state = mien_buf_span(&loaded->server_state);
    core->n_rounds = daemon->n_rounds;
    daemon->crew = mien_crew_threads_all();
    core->crew = mien_crew_of_threads(&daemon->crew);
    status = mien_coordinator_new(core, &daemon->core, err);
out:
    if (loaded != NULL) {
        mien_buf_fini(&loaded->file);
        mien_buf_fini(&loaded->server_state);
        mien_free(loaded->values);
        mien_free(loaded->average);
    }
    mien_free(loaded);
    mien_free(core);
    return status;
}

static enum mien_status take_over(struct mien_daemon *daemon, struct mien_err *err)
{
    struct mien_store_recovery recovery;
    struct mien_entry_plan plan;
    const char *warning = mien_plan_warning(&daemon->state->config.plan);
    enum mien_status status = mien_mechanism_of_plan(&daemon->state->config.plan, &plan, err);

    if (warning != NULL)
        mien_log(MIEN_WARN, "plan.warning", "why=\"%s\"", warning);
    if (status == MIEN_OK)
        status = mien_store_start(daemon->state->store, &recovery, err);
    if (status == MIEN_OK)
        status = mien_store_set_plan(daemon->state->store, &plan, err);
    if (status == MIEN_OK)
        status = mien_store_goes_on(daemon->state->store, err);
    if (status == MIEN_OK && recovery.state != MIEN_STORE_NO_ROUND)
        mien_log(MIEN_WARN, "round.recovered", "round=%" PRIu64 " attempt=%u charged=%d",
                 recovery.round.round, recovery.round.attempt,
                 recovery.state == MIEN_STORE_RESERVED);
    return status;
}

static void clean_up(struct mien_daemon *daemon)
{
    uv_walk(&daemon->loop, close_handle, NULL);
    (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&daemon->loop);
    mien_coordinator_free(daemon->core);
    mien_run_key_close(&daemon->ledger.run_key);
    mien_tls_context_free(daemon->device_tls);
    mien_tls_context_free(daemon->enrol_tls);
    mien_free(daemon->by_peer);
}

enum mien_status mien_daemon_run(const struct mien_daemon_options *options, int *exit_status,
                                 struct mien_err *err)
{
    struct mien_daemon *daemon = mien_calloc(1, sizeof(*daemon));

    if (daemon == NULL)
        return MIEN_ENOMEM;
    daemon->state = options->state;
    daemon->n_rounds = options->n_rounds;
    daemon->ledger.run_key.fd = -1;
    enum mien_status status = init_handles(daemon);
    if (status != MIEN_OK) {
        mien_free(daemon);
        return status;
    }
    status = make_tls(daemon, err);
    if (status == MIEN_OK)
        status = start_listening(daemon, err);
    if (status == MIEN_OK)
        status = take_over(daemon, err);
    if (status == MIEN_OK)
        status = make_core(daemon, err);
    if (status == MIEN_OK) {
        mien_log(MIEN_INFO, "coordinator.ready", "host=%s port=%u enrol_port=%u",
                 daemon->state->config.bind, daemon->state->config.port,
                 daemon->state->config.enrol_port);
        mien_daemon_settle(daemon);
        (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
    }
    *exit_status = daemon->exit_status;
    clean_up(daemon);
    mien_free(daemon);
    return status;
}
