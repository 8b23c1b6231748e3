/* A coordinator core with a fleet of devices that do nothing but check in and say READY.
 *
 * Jobs run at once; the ledger takes everything and remembers what it was asked for.
 */
#ifndef MIEN_TEST_CORE_FIXTURE_H
#define MIEN_TEST_CORE_FIXTURE_H

#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/nn/model.h"
#include "common/plan/preset.h"
#include "common/wire/message.h"
#include "server/core/internal.h"
#include "tests/support/test.h"

#include <string.h>

#define FLEET_MAX 4096

struct fleet {
    struct mien_plan plan;
    struct mien_coordinator *core;
    struct mien_rng_seeded *seeded;
    struct mien_job *job;
    struct mien_ledger_round round;
    uint64_t seq;
    uint32_t n_opened;
    uint32_t n_abandoned;
    uint64_t now_ms;
    uint32_t n;
    uint32_t peer[FLEET_MAX];
    uint32_t device_of[FLEET_MAX]; /* by peer */
    uint32_t n_assigned[FLEET_MAX];
    uint32_t n_sessions[FLEET_MAX];
    uint32_t n_come_back[FLEET_MAX];
    uint32_t n_errors;
    struct mien_span kept;           /* server state to start from */
    bool breaks;                     /* the generator fails from ROUND_OPEN on */
    struct mien_ledger_part part[4]; /* [n_parts] what units took part in before the start */
    size_t n_parts;
    enum mien_status on_open; /* what ROUND_OPEN returns */
    uint64_t n_steps;         /* of correlated noise that were used */
    enum mien_status on_step; /* what using one returns */
};

static inline void fleet_send(void *self, uint32_t peer, const struct mien_message *message)
{
    struct fleet *f = self;
    const uint32_t device = f->device_of[peer];

    f->n_assigned[device] += message->type == MIEN_FRAME_ASSIGN;
    f->n_sessions[device] += message->type == MIEN_FRAME_SESSION;
    f->n_come_back[device] += message->type == MIEN_FRAME_COME_BACK;
    f->n_errors += message->type == MIEN_FRAME_ERROR;
}

static inline void fleet_close(void *self, uint32_t peer)
{
    (void)self;
    (void)peer;
}

static inline void fleet_job(void *self, struct mien_job *job)
{
    struct fleet *f = self;

    f->job = job;
}

static inline void fleet_run_jobs(struct fleet *f)
{
    while (f->job != NULL) {
        struct mien_job *job = f->job;

        f->job = NULL;
        mien_job_run(job);
        mien_coordinator_job_done(f->core, f->now_ms, job);
    }
}

static inline struct mien_ledger_round fleet_next(void *self)
{
    return ((struct fleet *)self)->round;
}

static inline struct mien_ledger_mark fleet_mark(void *self)
{
    return (struct mien_ledger_mark){.epoch = 1, .seq = ((struct fleet *)self)->seq};
}

static inline enum mien_status fleet_no_bytes(void *self, void *out, size_t n)
{
    (void)self;
    (void)out;
    (void)n;
    return MIEN_ECRYPTO;
}

static inline enum mien_status fleet_open(void *self, struct mien_ledger_round round,
                                          const uint8_t coins[32], struct mien_err *err)
{
    (void)round;
    (void)coins;
    (void)err;
    struct fleet *f = self;

    f->n_opened++;
    if (f->breaks)
        f->core->config.rng.fill = fleet_no_bytes;
    return f->on_open;
}

static inline enum mien_status fleet_parts(void *self, struct mien_ledger_part **parts, size_t *n,
                                           struct mien_err *err)
{
    const struct fleet *f = self;

    (void)err;
    *n = f->n_parts;
    *parts = mien_calloc(f->n_parts + 1, sizeof(**parts));
    assert_non_null(*parts);
    memcpy(*parts, f->part, f->n_parts * sizeof(**parts));
    return MIEN_OK;
}

static inline enum mien_status fleet_use_step(void *self, struct mien_ledger_round round,
                                              uint64_t *step, uint8_t key[32], struct mien_err *err)
{
    struct fleet *f = self;

    (void)round;
    (void)err;
    if (f->on_step != MIEN_OK)
        return f->on_step;
    *step = f->n_steps++;
    memset(key, 7, 32);
    return MIEN_OK;
}

static inline enum mien_status fleet_abandon(void *self, struct mien_ledger_round round,
                                             const char *reason, struct mien_err *err)
{
    struct fleet *f = self;

    (void)round;
    (void)reason;
    (void)err;
    f->n_abandoned++;
    f->round.attempt++;
    return MIEN_OK;
}

static inline enum mien_status fleet_counts(void *self, struct mien_ledger_round round,
                                            const struct mien_ledger_counts *counts,
                                            struct mien_err *err)
{
    (void)self;
    (void)round;
    (void)counts;
    (void)err;
    return MIEN_OK;
}

/* Networks of some hundred numbers, and nothing that a test of drawing would wait for. */
static inline struct mien_plan fleet_plan(void)
{
    static const struct mien_layer d[] = {{.kind = MIEN_LAYER_FLATTEN},
                                          {.kind = MIEN_LAYER_DENSE, .channels = 1}};
    static const struct mien_layer g[] = {
        {.kind = MIEN_LAYER_DENSE, .channels = 256},
        {.kind = MIEN_LAYER_RESHAPE, .height = 16, .width = 16, .channels = 1}};
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    memset(plan.d_layers, 0, sizeof(plan.d_layers));
    memset(plan.g_layers, 0, sizeof(plan.g_layers));
    memcpy(plan.d_layers, d, sizeof(d));
    memcpy(plan.g_layers, g, sizeof(g));
    plan.n_d_layers = 2;
    plan.n_g_layers = 2;
    plan.channels = 1;
    plan.latent = 2;
    plan.group_min = 2;
    plan.group_max = 200;
    plan.deadline_s = 100;
    return plan;
}

/* Starts a coordinator for f->plan. */
static inline void fleet_init(struct fleet *f, uint64_t seed)
{
    struct mien_layout layout;
    struct mien_err err = {0};

    assert_int_equal(mien_layout_init(&layout, &f->plan, NULL), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(seed, 0, &f->seeded), MIEN_OK);
    float *values = mien_calloc(layout.n_values, sizeof(float));
    assert_non_null(values);
    f->round = (struct mien_ledger_round){1, 1};
    f->now_ms = 1000;
    const struct mien_coordinator_config config = {
        .host = {.self = f, .send = fleet_send, .close = fleet_close, .run = fleet_job},
        .ledger = {.self = f,
                   .next = fleet_next,
                   .mark = fleet_mark,
                   .round_open = fleet_open,
                   .abandon = fleet_abandon,
                   .put_counts = fleet_counts,
                   .parts = fleet_parts,
                   .use_step = fleet_use_step},
        .limits = {.upload_slots = 4,
                   .step_ms = 1000,
                   .gather_ms = 2000,
                   .hold_ms = 1000000,
                   .come_back_ms = 1000},
        .plan = f->plan,
        .rng = mien_rng_seeded_handle(f->seeded),
        .values = values,
        .average = values,
        .server_state = f->kept,
        .simulated = true,
    };
    if (mien_coordinator_new(&config, &f->core, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    mien_free(values);
}

static inline void fleet_fini(struct fleet *f)
{
    mien_coordinator_free(f->core);
    mien_rng_seeded_free(f->seeded);
    f->core = NULL;
}

/* Connects device number f->n of a unit. */
static inline uint32_t fleet_connect(struct fleet *f, uint32_t unit)
{
    struct mien_peer_identity identity = {0};
    struct mien_message hello = {.type = MIEN_FRAME_HELLO,
                                 .hello = {.protocol = MIEN_MESSAGE_PROTOCOL}};
    const uint32_t device = f->n++;

    memcpy(identity.device_id, &device, sizeof(device));
    memcpy(identity.unit_digest, &unit, sizeof(unit));
    assert_int_equal(mien_coordinator_connect(f->core, f->now_ms, &identity, &f->peer[device]),
                     MIEN_OK);
    f->device_of[f->peer[device]] = device;
    mien_coordinator_message(f->core, f->now_ms, f->peer[device], &hello);
    fleet_run_jobs(f);
    return device;
}

/* The same device again, after its connection was lost. */
static inline void fleet_reconnect(struct fleet *f, uint32_t device, uint32_t unit)
{
    const uint32_t n = f->n;

    mien_coordinator_disconnect(f->core, f->now_ms, f->peer[device]);
    f->n = device;
    (void)fleet_connect(f, unit);
    f->n = n;
}

static inline void fleet_check_in(struct fleet *f, uint32_t device)
{
    const struct mien_message m = {.type = MIEN_FRAME_CHECK_IN};

    mien_coordinator_message(f->core, f->now_ms, f->peer[device], &m);
    fleet_run_jobs(f);
}

static inline void fleet_ready(struct fleet *f, uint32_t device)
{
    const struct mien_message m = {.type = MIEN_FRAME_READY,
                                   .ready = {.round = f->core->round.round}};

    mien_coordinator_message(f->core, f->now_ms, f->peer[device], &m);
    fleet_run_jobs(f);
}

static inline void fleet_pass(struct fleet *f, uint64_t ms)
{
    f->now_ms += ms;
    mien_coordinator_tick(f->core, f->now_ms);
    fleet_run_jobs(f);
}

/* n devices of a unit each, all checked in. */
static inline void fleet_gather(struct fleet *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        fleet_check_in(f, fleet_connect(f, f->n));
}

static inline uint32_t fleet_n_assigned(const struct fleet *f)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->n; i++)
        n += f->n_assigned[i] > 0;
    return n;
}

#endif
