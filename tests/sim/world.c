// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "common/secagg/quantise.h"
#include "common/secagg/rotate.h"
#include "common/wire/plan_codec.h"
#include "common/wire/vector.h"

#include <string.h>

/* A world in which nothing is released for so long has come to rest. */
#define MAX_IDLE_MS (UINT64_C(3600) * 1000)

static void host_send(void *self, uint32_t peer, const struct mien_message *message)
{
    struct sim_world *w = self;
    const uint32_t device = peer < w->n_by_peer ? w->by_peer[peer] : UINT32_MAX;

    if (device == UINT32_MAX)
        return;
    struct sim_event event = {.at_ms = sim_arrival_ms(w, &w->devices[device].down_ms),
                              .kind = SIM_TO_DEVICE,
                              .device = device,
                              .link = w->devices[device].link};
    w->n_refused += message->type == MIEN_FRAME_ERROR;
    if (mien_message_encode(message, &event.frame) != MIEN_OK || sim_push(w, event) != MIEN_OK)
        w->failed = MIEN_ENOMEM;
}

static void host_close(void *self, uint32_t peer)
{
    struct sim_world *w = self;
    const uint32_t device = peer < w->n_by_peer ? w->by_peer[peer] : UINT32_MAX;

    if (device == UINT32_MAX)
        return;
    const struct sim_event event = {.at_ms = sim_arrival_ms(w, &w->devices[device].down_ms),
                                    .kind = SIM_CLOSE,
                                    .device = device,
                                    .link = w->devices[device].link};
    if (sim_push(w, event) != MIEN_OK)
        w->failed = MIEN_ENOMEM;
}

static bool begins_with(const char *line, const char *event)
{
    return strncmp(line, event, strlen(event)) == 0;
}

static void host_log(void *self, enum mien_log_level level, const char *line)
{
    struct sim_world *w = self;

    (void)level;
    w->n_regrouped += begins_with(line, "round.regrouped ");
    w->n_named += begins_with(line, "session.wrong_share ");
}

static void host_run(void *self, struct mien_job *job)
{
    struct sim_world *w = self;

    w->job = job;
}

/* Jobs that the last call asked for, one after another. */
static void run_jobs(struct sim_world *w)
{
    while (w->job != NULL) {
        struct mien_job *job = w->job;

        w->job = NULL;
        mien_job_run(job);
        mien_coordinator_job_done(w->core, w->now_ms, job);
    }
}

static enum mien_status keep_model(struct sim_world *w)
{
    const uint64_t n = w->layout.n_values;

    w->model_at ^= 1;
    struct mien_buf *bytes = &w->model[w->model_at];
    bytes->len = 0;
    enum mien_status status = mien_buf_reserve(bytes, 4 * n);
    if (status != MIEN_OK)
        return status;
    mien_model_to_bytes(mien_coordinator_values(w->core), n, bytes->data);
    bytes->len = 4 * n;
    memcpy(w->before, mien_coordinator_values(w->core), n * sizeof(float));
    return mien_digest(mien_buf_span(bytes), w->model_hash[w->model_at]);
}

static enum mien_status make_core(struct sim_world *w, struct mien_err *err)
{
    struct mien_coordinator_config config = {
        .host =
            {.self = w, .send = host_send, .close = host_close, .run = host_run, .log = host_log},
        .ledger = sim_ledger_table(&w->ledger),
        .limits = {.upload_slots = 64,
                   .step_ms = 10000,
                   .gather_ms = 2000,
                   .hold_ms = 20000,
                   .come_back_ms = 5000},
        .plan = w->options->plan,
        .rng = mien_rng_seeded_handle(w->core_seeded),
        .signing_seed = {2},
        .simulated = true,
        .crew = mien_crew_of_threads(&w->crew),
    };
    float *values = NULL;
    float *average = NULL;

    w->crew.n_threads = (uint32_t)w->options->n_threads;
    memset(config.run_id, 7, sizeof(config.run_id));
    enum mien_status status = sim_start_values(w->options, &values, &average, err);
    config.values = values;
    config.average = average;
    if (status == MIEN_OK)
        status = mien_coordinator_new(&config, &w->core, err);
    mien_free(values);
    mien_free(average);
    return status;
}

static enum mien_status set_up(struct sim_world *w, struct sim_faces *faces, struct mien_err *err)
{
    const struct sim_options *o = w->options;
    enum mien_status status = mien_layout_init(&w->layout, &o->plan, err);

    if (status == MIEN_OK)
        status = mien_secagg_params_of_plan(&o->plan, &w->params, err);
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(o->seed, 1, &w->seeded);
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(o->seed, 2, &w->core_seeded);
    if (status == MIEN_OK)
        status = mien_plan_encode(&o->plan, &w->plan);
    if (status == MIEN_OK)
        status = mien_plan_fingerprint(&o->plan, w->plan_hash);
    sim_ledger_init(&w->ledger, &o->plan);
    mien_store_be64(w->ledger.key, o->seed);
    if (status == MIEN_OK)
        status = make_core(w, err);
    if (status != MIEN_OK)
        return status;
    w->before = mien_calloc(w->layout.n_values, sizeof(float));
    w->trains = mien_calloc(o->n_threads, sizeof(*w->trains));
    if (w->before == NULL || w->trains == NULL)
        return MIEN_ENOMEM;
    for (uint64_t t = 0; t < o->n_threads && status == MIEN_OK; t++)
        status = mien_client_train_new(&o->plan, &w->trains[t]);
    if (status == MIEN_OK)
        status = keep_model(w);
    return status == MIEN_OK ? sim_make_devices(w, faces) : status;
}

static void tear_down(struct sim_world *w)
{
    sim_free_devices(w);
    mien_coordinator_free(w->core);
    sim_ledger_fini(&w->ledger);
    mien_rng_seeded_free(w->seeded);
    mien_rng_seeded_free(w->core_seeded);
    for (size_t i = 0; i < w->n_events; i++)
        mien_buf_fini(&w->events[i].frame);
    mien_free(w->events);
    for (uint64_t t = 0; w->trains != NULL && t < w->options->n_threads; t++)
        mien_client_train_free(w->trains[t]);
    mien_free(w->trains);
    mien_free(w->before);
    mien_free(w->by_peer);
    mien_buf_fini(&w->model[0]);
    mien_buf_fini(&w->model[1]);
    mien_buf_fini(&w->plan);
}

static void connect_device(struct sim_world *w, struct sim_device *d)
{
    d->connecting = false;
    if (d->peer != UINT32_MAX)
        return;
    if (mien_coordinator_connect(w->core, w->now_ms, &d->identity, &d->peer) != MIEN_OK) {
        w->failed = MIEN_ENOMEM;
        return;
    }
    if (d->peer >= w->n_by_peer) {
        const uint32_t n = d->peer * 2 + 64;
        uint32_t *grown = mien_reallocarray(w->by_peer, n, sizeof(*grown));

        if (grown == NULL) {
            w->failed = MIEN_ENOMEM;
            return;
        }
        memset(grown + w->n_by_peer, 0xff, (n - w->n_by_peer) * sizeof(*grown));
        w->by_peer = grown;
        w->n_by_peer = n;
    }
    w->by_peer[d->peer] = d->number;
    d->link++;
    d->wake_ms = UINT64_MAX;
    if (mien_client_core_connected(d->core, w->now_ms) != MIEN_OK)
        w->failed = MIEN_ESTATE;
    sim_settle(w, d);
}

static void to_coordinator(struct sim_world *w, struct sim_device *d, const struct mien_buf *bytes)
{
    const struct mien_frame frame = {.type = (enum mien_frame_type)bytes->data[4],
                                     .body = {bytes->data + 5, bytes->len - 5}};
    struct mien_message message;

    if (mien_message_decode(frame, &message, NULL) != MIEN_OK) {
        w->n_refused++;
        sim_disconnect(w, d);
        return;
    }
    mien_coordinator_message(w->core, w->now_ms, d->peer, &message);
    while (d->peer != UINT32_MAX && mien_coordinator_has_chunk(w->core, d->peer))
        mien_coordinator_send_chunk(w->core, d->peer);
    mien_message_fini(&message);
}

static void to_device(struct sim_world *w, struct sim_device *d, const struct mien_buf *bytes)
{
    const struct mien_frame frame = {.type = (enum mien_frame_type)bytes->data[4],
                                     .body = {bytes->data + 5, bytes->len - 5}};
    struct mien_message message;

    if (mien_message_decode(frame, &message, NULL) != MIEN_OK) {
        w->failed = MIEN_EPARSE;
        return;
    }
    if (message.type == MIEN_FRAME_ASSIGN &&
        (double)mien_rng_seeded_uniform(w->seeded) < w->options->drop)
        d->leaves_in = 1 + (uint32_t)mien_rng_seeded_below(w->seeded, 8);
    if (mien_client_core_receive(d->core, w->now_ms, &message) != MIEN_OK)
        w->failed = MIEN_ESTATE;
    mien_message_fini(&message);
    sim_settle(w, d);
}

static void handle(struct sim_world *w, struct sim_event *event)
{
    struct sim_device *d = &w->devices[event->device];
    const bool here = d->peer != UINT32_MAX && event->link == d->link;

    if (event->kind == SIM_CONNECT) {
        connect_device(w, d);
    } else if (event->kind == SIM_WAKE) {
        d->wake_ms = UINT64_MAX;
        if (mien_client_core_tick(d->core, w->now_ms) != MIEN_OK)
            w->failed = MIEN_ESTATE;
        sim_settle(w, d);
    } else if (here && event->kind == SIM_TO_COORDINATOR) {
        to_coordinator(w, d, &event->frame);
    } else if (here && event->kind == SIM_TO_DEVICE) {
        to_device(w, d, &event->frame);
    } else if (here) {
        sim_disconnect(w, d);
    }
    mien_buf_fini(&event->frame);
    run_jobs(w);
}

/* The next thing that happens: computing first, then events, then the coordinator's clock. */
static bool advance(struct sim_world *w)
{
    const uint64_t due = mien_coordinator_deadline(w->core);
    const uint64_t next = w->n_events > 0 ? w->events[0].at_ms : UINT64_MAX;

    if (next > w->now_ms) {
        for (uint32_t i = 0; i < w->options->n_devices; i++) {
            if (w->devices[i].wants_work) {
                sim_work(w);
                return true;
            }
        }
    }
    if (next == UINT64_MAX && due == UINT64_MAX)
        return false;
    if (next <= due) {
        struct sim_event event = sim_pop(w);

        w->now_ms = event.at_ms;
        handle(w, &event);
    } else {
        w->now_ms = due > w->now_ms ? due : w->now_ms + 1;
        mien_coordinator_tick(w->core, w->now_ms);
        run_jobs(w);
    }
    return true;
}

static const struct sim_device *device_of_unit(const struct sim_world *w, const uint8_t unit[32])
{
    const uint32_t number = mien_load_be32(unit);

    return number < w->options->n_devices ? &w->devices[number] : NULL;
}

/* Adds the vectors of a session's survivors; false when one was not kept. */
static bool add_session(const struct sim_world *w, size_t session, int64_t *sum)
{
    size_t at = session == 0 ? 0 : w->ledger.session_end[session - 1];

    for (; at < w->ledger.session_end[session]; at++) {
        const struct sim_device *d = device_of_unit(w, w->ledger.survivors + 32 * at);

        if (d == NULL || d->vector == NULL)
            return false;
        for (uint32_t j = 0; j < w->params.dim; j++)
            sum[j] += d->vector[j];
    }
    return true;
}

static bool is_released(const struct sim_world *w, const int64_t *sum, float *update)
{
    const float rate = (float)w->options->plan.server_rate;
    const uint64_t first = mien_plan_first_shared(&w->options->plan);
    float metrics[MIEN_N_METRICS];

    uint8_t rotation[MIEN_ROTATION_KEY_BYTES];

    if (mien_rotation_key(w->closed_round, w->model_hash[w->model_at], w->plan_hash, rotation) !=
            MIEN_OK ||
        mien_dequantise(&w->params, rotation, sum, w->options->plan.cohort, update, metrics) !=
            MIEN_OK)
        return false;
    for (uint32_t j = 0; j < w->params.n_update; j++) {
        const float want = w->before[first + j] + rate * update[j];

        if (memcmp(&want, &mien_coordinator_values(w->core)[first + j], sizeof(want)) != 0)
            return false;
    }
    return true;
}

/* Whether what was released is exactly the survivors' sum: computed apart, compared bit by bit.
 * Only where the coordinator adds no noise, and on the part that devices train. A session that
 * failed after it was asked to unmask is left out whole: so some set of whole sessions must match.
 */
static bool sum_is_exact(struct sim_world *w)
{
    int64_t *sum = mien_calloc(w->params.dim, sizeof(*sum));
    float *update = mien_calloc(w->params.dim, sizeof(*update));
    bool exact = false;

    for (unsigned set = 1;
         sum != NULL && update != NULL && !exact && set < 1u << w->ledger.n_sessions; set++) {
        bool kept = true;

        memset(sum, 0, w->params.dim * sizeof(*sum));
        for (size_t s = 0; s < w->ledger.n_sessions; s++)
            kept = kept && ((set >> s & 1) == 0 || add_session(w, s, sum));
        exact = kept && is_released(w, sum, update);
    }
    mien_free(sum);
    mien_free(update);
    return exact;
}

static enum mien_status note_round(struct sim_world *w, struct sim_result *out, bool released,
                                   double seconds)
{
    const struct mien_coordinator_status status = mien_coordinator_status(w->core);
    struct sim_round *grown =
        mien_reallocarray(out->rounds, out->n_rounds + 1, sizeof(*out->rounds));

    if (grown == NULL)
        return MIEN_ENOMEM;
    out->rounds = grown;
    struct sim_round *r = &out->rounds[out->n_rounds++];
    *r = (struct sim_round){.drawn = status.last_round.drawn,
                            .reported = status.last_round.reported,
                            .survived = status.last_round.survived,
                            .released = released,
                            .clip = status.clip,
                            .seconds = seconds,
                            .checked =
                                released && w->options->check &&
                                w->options->plan.family != MIEN_FAMILY_MOMENTS &&
                                (w->options->plan.noise_multiplier == 0.0 || w->params.share > 0)};
    r->sum_exact = r->checked && sum_is_exact(w);
    mien_secagg_params_set_clip(&w->params, status.clip);
    return released ? keep_model(w) : MIEN_OK;
}

static enum mien_status run_rounds(struct sim_world *w, struct sim_result *out)
{
    struct mien_progress progress;
    uint64_t n_released = 0;
    uint64_t n_closed = 1; /* the ledger's place when a round ends moves its attempt or number */
    struct mien_ledger_round last = w->ledger.round;
    uint64_t quiet_since_ms = 0;
    double started = (double)mien_clock_ms();
    enum mien_status status = MIEN_OK;

    if (w->options->drill) {
        uint64_t number = 0;

        status = mien_coordinator_drill(w->core, w->now_ms, w->options->drill_drop, &number, NULL);
    }
    mien_progress_init(&progress, "rounds");
    while (n_released < w->options->n_rounds && status == MIEN_OK && w->failed == MIEN_OK) {
        if (!advance(w) || w->now_ms > quiet_since_ms + MAX_IDLE_MS)
            break;
        if (w->ledger.round.round == last.round && w->ledger.round.attempt == last.attempt)
            continue;
        const bool released = mien_coordinator_status(w->core).n_released > n_released;
        const double now = (double)mien_clock_ms();

        n_released += released;
        n_closed++;
        w->closed_round = last.round;
        last = w->ledger.round;
        quiet_since_ms = w->now_ms;
        status = note_round(w, out, released, (now - started) / 1000.0);
        out->seconds += (now - started) / 1000.0;
        started = now;
        mien_progress_set(&progress, n_released, w->options->n_rounds);
        if (mien_coordinator_status(w->core).exhausted || n_closed > 20 * w->options->n_rounds + 20)
            break;
    }
    mien_progress_fini(&progress);
    return status == MIEN_OK ? w->failed : status;
}

enum mien_status sim_run(const struct sim_options *options, struct sim_faces *faces,
                         struct sim_result *out, struct mien_err *err)
{
    struct sim_world w = {.options = options};
    enum mien_status status = set_up(&w, faces, err);

    if (status == MIEN_OK)
        status = run_rounds(&w, out);
    if (status == MIEN_OK && w.ledger.n_broken > 0)
        status = mien_err_set(err, MIEN_ESTATE, "%zu calls of the ledger were out of order",
                              w.ledger.n_broken);
    if (status == MIEN_OK) {
        out->n_trained = w.n_trained;
        out->n_refused = w.n_refused;
        out->n_regrouped = w.n_regrouped;
        out->n_named = w.n_named;
        out->drill = *mien_coordinator_drill_report(w.core);
        out->epsilon = sim_ledger_epsilon(&w.ledger);
        out->values =
            mien_memdup(mien_coordinator_values(w.core), w.layout.n_values * sizeof(float));
        out->average = mien_memdup(mien_coordinator_average(w.core),
                                   (w.layout.n_values - w.layout.n_d) * sizeof(float));
        if (out->values == NULL || out->average == NULL)
            status = MIEN_ENOMEM;
    }
    tear_down(&w);
    return status;
}
