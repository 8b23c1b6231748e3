// SPDX-License-Identifier: Apache-2.0
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "server/store/statedir.h"
#include "server/tools/ask.h"
#include "server/tools/model_io.h"
#include "tests/sim/tls.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Nothing closes a round for so long after its own deadline: the run has come to rest. */
#define REST_MS 120000
#define LINE_BYTES 4096

struct run {
    struct sim_fleet fleet;
    struct sim_daemon daemon;
    struct sim_result *out;
    struct mien_progress progress;
    uv_pipe_t log;
    uv_timer_t rest; /* ends a run in which nothing happens any more */
    uv_signal_t signals[2];
    uint64_t n_released;
    double round_started; /* ms */
    bool ready;           /* the daemon listens */
    bool at_rest;
    bool told_to_stop;     /* by a signal */
    bool unasked;          /* the last round's counts are still to be asked for */
    char line[LINE_BYTES]; /* of the log, as far as it is here */
    size_t n_line;
    char chunk[LINE_BYTES];
    char last_error[LINE_BYTES];
};

static void end_run(struct run *run)
{
    struct sim_fleet *fleet = &run->fleet;

    if (fleet->ending)
        return;
    fleet->ending = true;
    for (uint64_t i = 0; i < fleet->options->n_devices; i++)
        sim_tls_device_end(&fleet->devices[i]);
    uv_close((uv_handle_t *)&run->log, NULL);
    uv_close((uv_handle_t *)&run->rest, NULL);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
}

/* What the coordinator says of the round that was closed last; none once it is about to end. */
static bool ask_round(struct run *run)
{
    struct sim_round *round = &run->out->rounds[run->out->n_rounds - 1];
    struct mien_err err = {0};
    cJSON *reply = NULL;
    const bool answered =
        mien_ask(run->daemon.dir, mien_ask_request("status"), &reply, &err) == MIEN_OK;
    const cJSON *last = cJSON_GetObjectItemCaseSensitive(reply, "last_round");

    if (answered) {
        round->drawn = (uint32_t)mien_ask_number(last, "drawn");
        round->reported = (uint32_t)mien_ask_number(last, "reported");
        round->survived = (uint32_t)mien_ask_number(last, "survived");
        run->out->epsilon = mien_ask_number(reply, "epsilon");
    }
    cJSON_Delete(reply);
    return answered;
}

static void note_round(struct run *run, bool released)
{
    const double now = (double)mien_clock_ms();
    struct sim_round *grown =
        mien_reallocarray(run->out->rounds, run->out->n_rounds + 1, sizeof(*grown));

    if (grown == NULL) {
        run->fleet.failed = MIEN_ENOMEM;
        return;
    }
    run->out->rounds = grown;
    grown[run->out->n_rounds++] =
        (struct sim_round){.released = released, .seconds = (now - run->round_started) / 1000.0};
    run->out->seconds += (now - run->round_started) / 1000.0;
    run->round_started = now;
    run->n_released += released;
    /* After the last round the daemon ends and may hold its directory a little longer. */
    run->unasked = run->n_released >= run->fleet.options->n_rounds || !ask_round(run);
    mien_progress_set(&run->progress, run->n_released, run->fleet.options->n_rounds);
    (void)uv_timer_again(&run->rest);
}

static void have_line(struct run *run, const char *line)
{
    if (strncmp(line, "coordinator.ready", 17) == 0) {
        run->ready = true;
        run->round_started = (double)mien_clock_ms();
        for (uint64_t i = 0; i < run->fleet.options->n_devices; i++)
            sim_tls_device_advance(&run->fleet.devices[i]);
    }
    if (strncmp(line, "coordinator.failed", 18) == 0)
        (void)snprintf(run->last_error, sizeof(run->last_error), "%s", line);
    const char *released = strstr(line, "round.released ");
    const char *abandoned = strstr(line, "round.abandoned ");
    if (released != NULL || abandoned != NULL)
        note_round(run, released != NULL);
    if (run->fleet.failed != MIEN_OK)
        end_run(run);
}

static void log_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct run *run = handle->data;

    (void)wanted;
    *buf = uv_buf_init(run->chunk, sizeof(run->chunk));
}

static void have_log(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) /* loop thread */
{
    struct run *run = stream->data;

    if (n < 0) { /* the daemon has ended */
        end_run(run);
        return;
    }
    for (ssize_t i = 0; i < n && !run->fleet.ending; i++) {
        if (buf->base[i] != '\n') {
            if (run->n_line + 1 < sizeof(run->line))
                run->line[run->n_line++] = buf->base[i];
            continue;
        }
        run->line[run->n_line] = '\0';
        run->n_line = 0;
        have_line(run, run->line);
    }
}

static void have_rest(uv_timer_t *timer) /* loop thread */
{
    struct run *run = timer->data;

    run->at_rest = true;
    end_run(run);
}

static void have_signal(uv_signal_t *handle, int number) /* loop thread */
{
    struct run *run = handle->data;

    (void)number;
    run->told_to_stop = true;
    end_run(run);
}

/* Every device has two sockets here at most, and one at the daemon. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum mien_status make_fleet(struct run *run, struct sim_faces *faces, struct mien_err *err)
{
    struct sim_fleet *fleet = &run->fleet;
    char *token = (char *)run->daemon.tokens.data;
    enum mien_status status = mien_rng_seeded_new(fleet->options->seed, 3, &fleet->seeded);

    fleet->devices = mien_calloc(fleet->options->n_devices, sizeof(*fleet->devices));
    if (fleet->devices == NULL)
        return MIEN_ENOMEM;
    for (uint64_t i = 0; i < fleet->options->n_devices && status == MIEN_OK; i++) {
        char *end = strchr(token, '\n');

        if (end == NULL)
            return mien_err_set(err, MIEN_ECORRUPT, "too few tokens");
        *end = '\0';
        status = sim_tls_device_init(&fleet->devices[i], fleet, faces, i, token);
        token = end + 1;
    }
    return status;
}

static enum mien_status start_fleet(struct run *run, struct sim_faces *faces, struct mien_err *err)
{
    const uint64_t rest_ms = REST_MS + 2000 * (uint64_t)run->fleet.options->plan.deadline_s;
    uv_loop_t *loop = &run->fleet.loop;

    if (uv_pipe_init(loop, &run->log, 0) != 0 || uv_timer_init(loop, &run->rest) != 0 ||
        uv_signal_init(loop, &run->signals[0]) != 0 ||
        uv_signal_init(loop, &run->signals[1]) != 0 ||
        uv_pipe_open(&run->log, run->daemon.log_fd) != 0)
        return mien_err_set(err, MIEN_EIO, "no event loop for the fleet");
    run->daemon.log_fd = -1; /* the pipe's now */
    run->log.data = run;
    run->rest.data = run;
    run->signals[0].data = run;
    run->signals[1].data = run;
    if (uv_read_start((uv_stream_t *)&run->log, log_room, have_log) != 0 ||
        uv_timer_start(&run->rest, have_rest, rest_ms, rest_ms) != 0 ||
        uv_signal_start(&run->signals[0], have_signal, SIGTERM) != 0 ||
        uv_signal_start(&run->signals[1], have_signal, SIGINT) != 0)
        return MIEN_EIO;
    return make_fleet(run, faces, err);
}

/* The model that the run ended with. */
static enum mien_status read_model(const struct run *run, struct mien_err *err)
{
    struct mien_statedir *state = mien_calloc(1, sizeof(*state));
    struct mien_tool_model model = {0};
    struct mien_buf file = {0};

    if (state == NULL)
        return MIEN_ENOMEM;
    enum mien_status status = mien_statedir_open(run->daemon.dir, state, err);
    if (status == MIEN_OK) {
        const struct mien_store_model latest = mien_store_latest(state->store);

        status = mien_store_model_read(state->store, &latest, &file, err);
        mien_statedir_close(state);
    }
    if (status == MIEN_OK)
        status = mien_tool_model_decode(mien_buf_span(&file), &model, err);
    if (status == MIEN_OK) {
        run->out->values = model.values;
        run->out->average = model.average;
        model.values = NULL;
        model.average = NULL;
    }
    mien_tool_model_fini(&model);
    mien_buf_fini(&file);
    mien_free(state);
    return status;
}

/* What came of it, in words where it went wrong. */
static enum mien_status judge(const struct run *run, struct mien_err *err)
{
    if (run->fleet.failed != MIEN_OK)
        return mien_err_set(err, run->fleet.failed, "%s", run->fleet.sentence);
    if (run->told_to_stop)
        return mien_err_set(err, MIEN_ECANCELED, "stopped by a signal");
    if (run->at_rest)
        return mien_err_set(
            err, MIEN_EPOLICY,
            "no round came to an end for long; one opens with %llu devices "
            "connected, of %llu here",
            (unsigned long long)mien_coordinator_min_units(&run->fleet.options->plan),
            (unsigned long long)run->fleet.options->n_devices);
    if (run->daemon.exit_status != 0 && run->last_error[0] != '\0')
        return mien_err_set(err, run->daemon.exit_status == 3 ? MIEN_EPOLICY : MIEN_EIO, "%s",
                            run->last_error);
    if (run->daemon.exit_status == 3)
        return mien_err_set(err, MIEN_EPOLICY, "the budget refused the next round");
    if (run->daemon.exit_status != 0)
        return mien_err_set(err, MIEN_EIO, "the coordinator's process ended with status %d",
                            run->daemon.exit_status);
    return MIEN_OK;
}

static void clean_up(struct run *run)
{
    struct sim_fleet *fleet = &run->fleet;

    for (uint64_t i = 0; fleet->devices != NULL && i < fleet->options->n_devices; i++)
        sim_tls_device_fini(&fleet->devices[i]);
    mien_free(fleet->devices);
    mien_rng_seeded_free(fleet->seeded);
    sim_daemon_free(&run->daemon);
}

static enum mien_status run_loop(struct run *run, struct sim_faces *faces, struct mien_err *err)
{
    char threads[24];

    (void)snprintf(threads, sizeof(threads), "%u", (unsigned)run->fleet.options->n_threads);
    (void)setenv("UV_THREADPOOL_SIZE", threads, 1);
    if (uv_loop_init(&run->fleet.loop) != 0)
        return MIEN_ENOMEM;
    mien_progress_init(&run->progress, "rounds");
    enum mien_status status = start_fleet(run, faces, err);
    if (status != MIEN_OK)
        end_run(run);
    (void)uv_run(&run->fleet.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&run->fleet.loop);
    mien_progress_fini(&run->progress);
    sim_daemon_wait(&run->daemon, status != MIEN_OK || run->fleet.ending);
    if (status == MIEN_OK && run->unasked)
        (void)ask_round(run);
    return status;
}

enum mien_status sim_run_tls(const struct sim_options *options, const char *out_dir,
                             struct sim_result *out, struct mien_err *err)
{
    struct run *run = mien_calloc(1, sizeof(*run));
    struct sim_faces *faces = NULL;

    if (run == NULL)
        return MIEN_ENOMEM;
    run->fleet.options = options;
    run->out = out;
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    enum mien_status status = sim_daemon_fork(&run->daemon, options->n_rounds, err);
    if (status == MIEN_OK)
        status = sim_faces_open(options, &faces, err);
    if (status == MIEN_OK)
        status = sim_daemon_start(&run->daemon, options, out_dir, err);
    if (status == MIEN_OK)
        status = run_loop(run, faces, err);
    if (status == MIEN_OK)
        status = judge(run, err);
    if (status == MIEN_OK)
        status = read_model(run, err);
    out->n_trained = run->fleet.n_trained;
    out->n_broken = run->fleet.n_broken;
    out->peak_rss_bytes = run->daemon.peak_rss_bytes;
    clean_up(run);
    sim_faces_free(faces);
    mien_free(run);
    return status;
}
