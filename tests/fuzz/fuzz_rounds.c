// SPDX-License-Identifier: Apache-2.0
/* Whole rounds: the coordinator's core and three device cores, message by message, under a network
 * that delays, loses, repeats and changes frames, and a clock that goes on as it likes.
 *
 *   one operation and its arguments after the other, until the bytes end; STEP delivers all that
 *   waits, JUMP lets time pass to the next thing that somebody waits for, so that a string of both
 *   is an honest world
 *
 * Promised: the ledger's order holds (a unit survives once a round, RESERVE before anything is
 * revealed, no release without); a drill among devices of which none lied or left is right; no end
 * of a connection speaks on after it was closed.
 */
#include "client/core.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/nn/model.h"
#include "common/plan/preset.h"
#include "common/wire/identity.h"
#include "server/core/internal.h"
#include "tests/fuzz/session_model.h"
#include "tests/sim/sim.h"

enum { N = 3, MAX_QUEUE = 64, UP = 0, DOWN = 1 };

struct queue {
    struct mien_buf frame[MAX_QUEUE];
    uint32_t n;
};

struct device {
    struct world *world;
    struct mien_client_core *core;
    struct mien_rng_seeded *seeded;
    struct mien_peer_identity identity;
    uint32_t peer; /* UINT32_MAX without a connection */
    bool closing;
    struct queue queue[2]; /* to the coordinator, to the device */
    struct mien_buf last;  /* that the coordinator got */
};

struct world {
    struct script script;
    struct mien_plan plan;
    struct sim_ledger ledger;
    struct mien_coordinator *core;
    struct mien_rng_seeded *seeded;
    struct mien_job *job;
    struct device device[N];
    uint64_t now_ms;
    bool clean; /* nobody lied or left */
};

static void must(enum mien_status status)
{
    fuzz_require(status == MIEN_OK);
}

static void push(struct device *d, int way, const struct mien_message *message)
{
    struct queue *q = &d->queue[way];

    if (q->n == MAX_QUEUE) { /* a peer that does not read */
        d->closing = true;
        d->world->clean = false;
        return;
    }
    must(mien_message_encode(message, &q->frame[q->n++]));
}

static struct mien_buf pop(struct queue *q)
{
    struct mien_buf first = q->frame[0];

    q->n--;
    memmove(&q->frame[0], &q->frame[1], q->n * sizeof(q->frame[0]));
    q->frame[q->n] = (struct mien_buf){0};
    return first;
}

static enum mien_status device_send(void *self, const struct mien_message *message)
{
    struct device *d = self;

    fuzz_require(d->peer != UINT32_MAX);
    push(d, UP, message);
    return MIEN_OK;
}

static enum mien_status device_save(void *self, const struct mien_client_record *record)
{
    (void)self;
    (void)record;
    return MIEN_OK;
}

static size_t count_examples(void *self)
{
    (void)self;
    return 4;
}

static enum mien_status example(void *self, size_t index, unsigned size, unsigned channels,
                                float *out)
{
    (void)self;
    for (size_t i = 0; i < (size_t)size * size * channels; i++)
        out[i] = 0.1F * (float)((i + index) % 7);
    return MIEN_OK;
}

static struct device *device_of(struct world *w, uint32_t peer)
{
    for (uint32_t i = 0; i < N; i++) {
        if (w->device[i].peer == peer)
            return &w->device[i];
    }
    return NULL;
}

static void coordinator_send(void *self, uint32_t peer, const struct mien_message *message)
{
    struct world *w = self;
    struct device *d = device_of(w, peer);

    /* With the signatures of its neighbours a device reveals. */
    if (message->type == MIEN_FRAME_CONFIRMED)
        fuzz_require(w->core->drill.running || w->ledger.reserved);
    if (d != NULL)
        push(d, DOWN, message);
}

static void coordinator_close(void *self, uint32_t peer)
{
    struct device *d = device_of(self, peer);

    if (d != NULL)
        d->closing = true;
}

static void coordinator_run(void *self, struct mien_job *job)
{
    ((struct world *)self)->job = job;
}

static void run_jobs(struct world *w)
{
    while (w->job != NULL) {
        struct mien_job *job = w->job;

        w->job = NULL;
        mien_job_run(job);
        mien_coordinator_job_done(w->core, w->now_ms, job);
    }
    fuzz_require(w->ledger.n_broken == 0 && !w->core->failed);
}

static void disconnect(struct world *w, struct device *d)
{
    for (int way = 0; way < 2; way++) {
        while (d->queue[way].n > 0) {
            struct mien_buf frame = pop(&d->queue[way]);

            mien_buf_fini(&frame);
        }
    }
    d->closing = false;
    if (d->peer == UINT32_MAX)
        return;
    const uint32_t peer = d->peer;
    d->peer = UINT32_MAX;
    mien_coordinator_disconnect(w->core, w->now_ms, peer);
    mien_client_core_disconnected(d->core, w->now_ms);
    run_jobs(w);
}

/* Everything that a device wants now, and the end of connections that are to end. */
static void settle(struct world *w, struct device *d)
{
    struct mien_client_core_wish wish = mien_client_core_wish(d->core);

    for (; wish.work || wish.pump; wish = mien_client_core_wish(d->core)) {
        if (wish.work)
            must(mien_client_core_work(d->core, w->now_ms, NULL));
        else
            must(mien_client_core_pump(d->core, w->now_ms));
    }
    if (wish.connect && wish.at_ms <= w->now_ms && d->peer == UINT32_MAX) {
        must(mien_coordinator_connect(w->core, w->now_ms, &d->identity, &d->peer));
        must(mien_client_core_connected(d->core, w->now_ms));
        run_jobs(w);
    }
    w->clean = w->clean && !wish.close && !d->closing;
    if (wish.close || d->closing)
        disconnect(w, d);
}

/* The next frame one way, a byte of it changed when `flip` is not 0; a frame that nobody can read
 * ends the connection. */
static void deliver(struct world *w, struct device *d, int way, uint8_t at, uint8_t flip)
{
    struct mien_message message;

    if (way == DOWN && d->queue[DOWN].n == 0 && d->peer != UINT32_MAX &&
        mien_coordinator_has_chunk(w->core, d->peer))
        mien_coordinator_send_chunk(w->core, d->peer);
    if (d->queue[way].n == 0 || d->peer == UINT32_MAX)
        return;
    struct mien_buf bytes = pop(&d->queue[way]);
    if (flip != 0) {
        bytes.data[4 + at % (bytes.len - 4)] ^= flip;
        w->clean = false;
    }
    const struct mien_frame frame = {(enum mien_frame_type)bytes.data[4],
                                     {bytes.data + 5, bytes.len - 5}};
    if (mien_message_decode(frame, &message, NULL) != MIEN_OK) {
        d->closing = true;
    } else if (way == UP) {
        mien_coordinator_message(w->core, w->now_ms, d->peer, &message);
        run_jobs(w);
        mien_message_fini(&message);
    } else {
        must(mien_client_core_receive(d->core, w->now_ms, &message));
        mien_message_fini(&message);
    }
    if (way == UP) {
        mien_buf_fini(&d->last);
        d->last = bytes;
        bytes = (struct mien_buf){0};
    }
    mien_buf_fini(&bytes);
    for (uint32_t i = 0; i < N; i++)
        settle(w, &w->device[i]);
}

static bool waits(const struct world *w, const struct device *d)
{
    return d->peer != UINT32_MAX && (d->queue[UP].n > 0 || d->queue[DOWN].n > 0 ||
                                     mien_coordinator_has_chunk(w->core, d->peer));
}

/* In turn, until nothing is under way; what goes on for ever is stopped. */
static void deliver_all(struct world *w)
{
    bool more = true;

    for (int turn = 0; more && turn < 100; turn++) {
        more = false;
        for (uint32_t i = 0; i < N; i++) {
            deliver(w, &w->device[i], UP, 0, 0);
            deliver(w, &w->device[i], DOWN, 0, 0);
        }
        for (uint32_t i = 0; i < N; i++)
            more = more || waits(w, &w->device[i]);
    }
}

/* The coordinator gets the frame before once more. */
static void repeat(struct world *w, struct device *d)
{
    struct queue *q = &d->queue[UP];

    if (d->last.len == 0 || q->n == MAX_QUEUE || d->peer == UINT32_MAX)
        return;
    memmove(&q->frame[1], &q->frame[0], q->n++ * sizeof(q->frame[0]));
    q->frame[0] = (struct mien_buf){0};
    must(mien_buf_append(&q->frame[0], d->last.data, d->last.len));
    w->clean = false;
    deliver(w, d, UP, 0, 0);
}

static void tick(struct world *w, uint64_t ms)
{
    for (uint32_t i = 0; i < N; i++) /* whose frames come late */
        w->clean = w->clean && !waits(w, &w->device[i]);
    w->now_ms += ms;
    mien_coordinator_tick(w->core, w->now_ms);
    run_jobs(w);
    for (uint32_t i = 0; i < N; i++) {
        must(mien_client_core_tick(w->device[i].core, w->now_ms));
        settle(w, &w->device[i]);
    }
}

static void jump(struct world *w)
{
    uint64_t at_ms = mien_coordinator_deadline(w->core);

    for (uint32_t i = 0; i < N; i++) {
        const uint64_t wanted = mien_client_core_wish(w->device[i].core).at_ms;

        at_ms = wanted < at_ms ? wanted : at_ms;
    }
    tick(w, at_ms == UINT64_MAX || at_ms <= w->now_ms ? 1 : at_ms - w->now_ms);
}

static void check_drill(const struct world *w)
{
    const struct mien_drill_report *report = mien_coordinator_drill_report(w->core);

    fuzz_require(!report->done || report->right || report->failed[0] != '\0');
    fuzz_require(!report->done || !w->clean || report->n_assigned < N || report->n_left_out > 0 ||
                 report->right);
}

enum operation { STEP, JUMP, ONE, CHANGE_UP, CHANGE_DOWN, REPEAT, DROP, TICK, DRILL, N_OPERATIONS };

static void operate(struct world *w, enum operation what)
{
    const uint8_t a = what < ONE ? 0 : script_byte(&w->script);
    struct device *d = &w->device[a % N];
    uint64_t number;

    if (what == JUMP)
        jump(w);
    if (what == STEP)
        deliver_all(w);
    if (what == ONE)
        deliver(w, d, a / N % 2 == 0 ? UP : DOWN, 0, 0);
    if (what == CHANGE_UP || what == CHANGE_DOWN) {
        const uint8_t at = script_byte(&w->script);

        deliver(w, d, what == CHANGE_UP ? UP : DOWN, at, script_byte(&w->script));
    }
    if (what == REPEAT)
        repeat(w, d);
    if (what == DROP) {
        w->clean = false;
        disconnect(w, d);
    }
    if (what == TICK)
        tick(w, (uint64_t)a * 500);
    if (what == DRILL)
        (void)!mien_coordinator_drill(w->core, w->now_ms, a % 10 / 10.0, &number, NULL);
    check_drill(w);
}

/* Networks of some hundred numbers. */
static void make_plan(struct mien_plan *plan)
{
    static const struct mien_layer d[] = {{.kind = MIEN_LAYER_FLATTEN},
                                          {.kind = MIEN_LAYER_DENSE, .channels = 1}};
    static const struct mien_layer g[] = {
        {.kind = MIEN_LAYER_DENSE, .channels = 256},
        {.kind = MIEN_LAYER_RESHAPE, .height = 16, .width = 16, .channels = 1}};

    must(mien_plan_preset("faces16", plan, NULL));
    memset(plan->d_layers, 0, sizeof(plan->d_layers));
    memset(plan->g_layers, 0, sizeof(plan->g_layers));
    memcpy(plan->d_layers, d, sizeof(d));
    memcpy(plan->g_layers, g, sizeof(g));
    plan->n_d_layers = 2;
    plan->n_g_layers = 2;
    plan->channels = 1;
    plan->latent = 2;
    plan->local_steps = 1;
    plan->batch = 1;
    plan->min_examples = 1;
    plan->rate = 1;
    plan->sampling = MIEN_PLAN_UNSAMPLED;
    plan->cohort = N;
    plan->min_reports = 2;
    plan->group_min = 2;
    plan->group_max = 8;
    plan->deadline_s = 100;
    plan->rounds = 1000;
    plan->epsilon_cap = 10.0; /* two rounds */
    must(mien_plan_validate(plan, NULL));
}

static void make_coordinator(struct world *w)
{
    static float *values;
    struct mien_layout layout;

    must(mien_layout_init(&layout, &w->plan, NULL));
    if (values == NULL)
        values = calloc(layout.n_values, sizeof(*values));
    must(mien_rng_seeded_new(1, 100, &w->seeded));
    sim_ledger_init(&w->ledger, &w->plan);
    struct mien_coordinator_config config = {
        .host = {w, coordinator_send, coordinator_close, coordinator_run, NULL},
        .ledger = sim_ledger_table(&w->ledger),
        .limits = {.upload_slots = 2,
                   .step_ms = 10000,
                   .gather_ms = 2000,
                   .hold_ms = 20000,
                   .come_back_ms = 5000},
        .plan = w->plan,
        .rng = mien_rng_seeded_handle(w->seeded),
        .signing_seed = {2},
        .values = values,
        .average = values,
        .simulated = true};
    must(mien_coordinator_new(&config, &w->core, NULL));
}

static void make_device(struct world *w, uint32_t i)
{
    static const uint8_t ca_seed[32] = {1};
    static const uint8_t signing_seed[32] = {2};
    struct device *d = &w->device[i];
    struct mien_credential who = {
        .device_id = {(uint8_t)(i + 1)}, .unit_digest = {(uint8_t)(i + 1)}, .not_after = INT64_MAX};
    struct mien_client_core_config config = {
        .host = {.self = d, .send = device_send, .save = device_save},
        .limits = mien_client_limits_default(),
        .software = "fuzz"};

    *d = (struct device){.world = w, .peer = UINT32_MAX};
    must(mien_rng_seeded_new(1, i, &d->seeded));
    config.rng = mien_rng_seeded_handle(d->seeded);
    config.host.examples = (struct mien_client_examples){d, count_examples, example, NULL};
    config.limits.max_epsilon = 0.0;
    config.limits.min_cohort = 0;
    config.limits.min_group = 0;
    memset(config.identity.device_key, (int)i + 1, 32);
    must(mien_ed25519_public(config.identity.device_key, who.key));
    must(mien_ed25519_public(ca_seed, config.identity.ca_key));
    must(mien_ed25519_public(signing_seed, config.identity.coordinator_key));
    must(mien_credential_issue(&who, ca_seed, config.identity.credential));
    memcpy(d->identity.device_id, who.device_id, 16);
    memcpy(d->identity.key, who.key, 32);
    memcpy(d->identity.unit_digest, who.unit_digest, 32);
    memcpy(d->identity.credential, config.identity.credential, MIEN_CREDENTIAL_BYTES);
    d->identity.renew_after_s = 86400;
    must(mien_client_core_new(&config, &d->core));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;

    w = (struct world){.script = {data, len}, .now_ms = 1000, .clean = true};
    make_plan(&w.plan);
    make_coordinator(&w);
    for (uint32_t i = 0; i < N; i++)
        make_device(&w, i);
    for (uint32_t i = 0; i < N; i++)
        settle(&w, &w.device[i]);
    while (!script_ends(&w.script))
        operate(&w, script_byte(&w.script) % N_OPERATIONS);
    for (uint32_t i = 0; i < N; i++) {
        disconnect(&w, &w.device[i]);
        mien_client_core_free(w.device[i].core);
        mien_buf_fini(&w.device[i].last);
        mien_rng_seeded_free(w.device[i].seeded);
    }
    run_jobs(&w);
    mien_coordinator_free(w.core);
    sim_ledger_fini(&w.ledger);
    mien_rng_seeded_free(w.seeded);
    return 0;
}
