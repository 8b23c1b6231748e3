// SPDX-License-Identifier: Apache-2.0
#include "client/core_internal.h"
#include "common/base/bytes.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/secagg/agree.h"
#include "tests/sim/world.h"

#include <pthread.h>
#include <string.h>

uint64_t sim_arrival_ms(struct sim_world *w, uint64_t *last_ms)
{
    const uint64_t at_ms = w->now_ms + 5 + mien_rng_seeded_below(w->seeded, 50);

    *last_ms = at_ms > *last_ms ? at_ms : *last_ms;
    return *last_ms;
}

static enum mien_status host_send(void *self, const struct mien_message *message)
{
    struct sim_device *d = self;

    return mien_message_encode(message, &d->outbox);
}

static enum mien_status host_save(void *self, const struct mien_client_record *record)
{
    (void)self;
    (void)record;
    return MIEN_OK;
}

static enum mien_status host_load_own(void *self, uint8_t *bytes, size_t cap, size_t *len)
{
    const struct sim_device *d = self;

    *len = d->own.len <= cap ? d->own.len : 0;
    if (*len > 0)
        memcpy(bytes, d->own.data, *len);
    return MIEN_OK;
}

static enum mien_status host_save_own(void *self, struct mien_span bytes)
{
    struct sim_device *d = self;

    d->own.len = 0;
    return mien_buf_append(&d->own, bytes.data, bytes.len);
}

static bool host_find(void *self, const uint8_t hash[32], struct mien_span *out)
{
    const struct sim_device *d = self;
    const struct sim_world *w = d->world;

    for (int i = 0; i < 2; i++) {
        if (w->model[i].len > 0 && memcmp(hash, w->model_hash[i], 32) == 0) {
            *out = mien_buf_span(&w->model[i]);
            return true;
        }
    }
    *out = mien_buf_span(&w->plan);
    return memcmp(hash, w->plan_hash, 32) == 0;
}

static enum mien_status make_identity(struct sim_world *w, struct sim_device *d,
                                      const uint8_t ca_seed[32],
                                      struct mien_client_identity *identity)
{
    struct mien_rng rng = mien_rng_seeded_handle(d->seeded);
    struct mien_credential who = {.not_after = INT64_MAX};
    enum mien_status status = mien_rng_fill(&rng, identity->device_key, 32);

    (void)w;
    mien_store_be32(who.device_id, d->number);
    mien_store_be32(who.unit_digest, d->number);
    if (status == MIEN_OK)
        status = mien_ed25519_public(identity->device_key, who.key);
    if (status == MIEN_OK)
        status = mien_ed25519_public(ca_seed, identity->ca_key);
    if (status == MIEN_OK)
        status = mien_credential_issue(&who, ca_seed, identity->credential);
    memcpy(d->identity.device_id, who.device_id, 16);
    memcpy(d->identity.key, who.key, 32);
    memcpy(d->identity.unit_digest, who.unit_digest, 32);
    memcpy(d->identity.credential, identity->credential, MIEN_CREDENTIAL_BYTES);
    d->identity.renew_after_s = 86400 * 365;
    return status;
}

static enum mien_status make_device(struct sim_world *w, struct sim_faces *faces, uint32_t i,
                                    const uint8_t seeds[2][32])
{
    struct sim_device *d = &w->devices[i];
    struct mien_client_core_config config = {.software = "mien-sim"};

    d->world = w;
    d->number = i;
    d->peer = UINT32_MAX;
    d->wake_ms = UINT64_MAX;
    d->slot = (struct sim_slot){.faces = faces, .device = i};
    d->lies = (double)mien_rng_seeded_uniform(w->seeded) < w->options->lie;
    enum mien_status status = mien_rng_seeded_new(w->options->seed, 10000000 + i, &d->seeded);
    if (status != MIEN_OK)
        return status;
    config.host = (struct mien_client_core_host){.self = d,
                                                 .send = host_send,
                                                 .save = host_save,
                                                 .find = host_find,
                                                 .load_own = host_load_own,
                                                 .save_own = host_save_own,
                                                 .examples = sim_faces_examples(&d->slot)};
    config.limits = mien_client_limits_default();
    config.limits.max_memory_bytes = UINT64_C(1) << 32;
    config.limits.max_epsilon = 0.0;
    config.limits.min_cohort = 0;
    config.limits.min_group = 0;
    config.rng = mien_rng_seeded_handle(d->seeded);
    memset(config.identity.run_id, 7, sizeof(config.identity.run_id));
    status = make_identity(w, d, seeds[0], &config.identity);
    if (status == MIEN_OK)
        status = mien_ed25519_public(seeds[1], config.identity.coordinator_key);
    if (status == MIEN_OK)
        status = mien_client_core_new(&config, &d->core);
    if (status == MIEN_OK)
        sim_settle(w, d);
    return status;
}

enum mien_status sim_make_devices(struct sim_world *w, struct sim_faces *faces)
{
    /* The authority's and the coordinator's keys of every simulation. */
    static const uint8_t seeds[2][32] = {{1}, {2}};
    enum mien_status status = MIEN_OK;

    w->devices = mien_calloc(w->options->n_devices, sizeof(*w->devices));
    if (w->devices == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < w->options->n_devices && status == MIEN_OK; i++)
        status = make_device(w, faces, i, seeds);
    return status;
}

void sim_free_devices(struct sim_world *w)
{
    for (uint32_t i = 0; w->devices != NULL && i < w->options->n_devices; i++) {
        mien_client_core_free(w->devices[i].core);
        mien_rng_seeded_free(w->devices[i].seeded);
        mien_buf_fini(&w->devices[i].outbox);
        mien_buf_fini(&w->devices[i].own);
        mien_free(w->devices[i].vector);
    }
    mien_free(w->devices);
    w->devices = NULL;
}

void sim_disconnect(struct sim_world *w, struct sim_device *d)
{
    const uint32_t peer = d->peer;

    if (peer == UINT32_MAX)
        return;
    d->peer = UINT32_MAX;
    d->link++;
    d->leaves_in = 0;
    w->by_peer[peer] = UINT32_MAX;
    mien_client_core_disconnected(d->core, w->now_ms);
    mien_coordinator_disconnect(w->core, w->now_ms, peer);
    sim_settle(w, d);
}

/* Frames of the outbox, one event each; a liar's are damaged now and then. */
static void post(struct sim_world *w, struct sim_device *d)
{
    size_t at = 0;

    while (at + 4 <= d->outbox.len) {
        const size_t n = 4 + (size_t)mien_load_be32(d->outbox.data + at);
        struct sim_event event = {.at_ms = sim_arrival_ms(w, &d->up_ms),
                                  .kind = SIM_TO_COORDINATOR,
                                  .device = d->number,
                                  .link = d->link};

        if (mien_buf_append(&event.frame, d->outbox.data + at, n) != MIEN_OK)
            w->failed = MIEN_ENOMEM;
        else if (d->lies && n > 5 && mien_rng_seeded_below(w->seeded, 4) == 0)
            event.frame.data[5 + mien_rng_seeded_below(w->seeded, n - 5)] ^= 0x41;
        if (sim_push(w, event) != MIEN_OK)
            w->failed = MIEN_ENOMEM;
        at += n;
        if (d->leaves_in > 0 && --d->leaves_in == 0) {
            event = (struct sim_event){
                .at_ms = w->now_ms + 1, .kind = SIM_CLOSE, .device = d->number, .link = d->link};
            if (sim_push(w, event) != MIEN_OK)
                w->failed = MIEN_ENOMEM;
        }
    }
    mien_buf_consume(&d->outbox, d->outbox.len);
    if (d->outbox.cap > 65536)
        mien_buf_fini(&d->outbox);
}

static void schedule(struct sim_world *w, struct sim_device *d, enum sim_event_kind kind,
                     uint64_t at_ms)
{
    const struct sim_event event = {
        .at_ms = at_ms > w->now_ms ? at_ms : w->now_ms + 1, .kind = kind, .device = d->number};

    if (sim_push(w, event) != MIEN_OK)
        w->failed = MIEN_ENOMEM;
}

void sim_settle(struct sim_world *w, struct sim_device *d)
{
    struct mien_client_core_wish wish = mien_client_core_wish(d->core);

    while (wish.pump && !wish.close) {
        if (mien_client_core_pump(d->core, w->now_ms) != MIEN_OK)
            break;
        wish = mien_client_core_wish(d->core);
    }
    post(w, d);
    d->wants_work = wish.work && !wish.close;
    if (wish.close && d->peer != UINT32_MAX) {
        const struct sim_event event = {
            .at_ms = w->now_ms + 1, .kind = SIM_CLOSE, .device = d->number, .link = d->link};

        if (sim_push(w, event) != MIEN_OK)
            w->failed = MIEN_ENOMEM;
        return;
    }
    if (wish.connect && d->peer == UINT32_MAX && !d->connecting) {
        d->connecting = true;
        schedule(w, d, SIM_CONNECT, wish.at_ms);
    } else if (!wish.connect && wish.at_ms != UINT64_MAX && wish.at_ms < d->wake_ms) {
        d->wake_ms = wish.at_ms;
        schedule(w, d, SIM_WAKE, wish.at_ms);
    }
}

/* ---- computing ---- */

struct worker {
    struct sim_world *world;
    struct mien_client_train *train;
    uint32_t first;
    uint32_t step;
    enum mien_status status;
};

static void keep_vector(struct sim_world *w, struct sim_device *d)
{
    const struct mien_core_round *round = d->core->round;

    if (!w->options->check || round == NULL || round->vector == NULL || round->session != NULL)
        return;
    if (d->vector == NULL)
        d->vector = mien_calloc(w->params.dim, sizeof(*d->vector));
    if (d->vector != NULL)
        memcpy(d->vector, round->vector, w->params.dim * sizeof(*d->vector));
}

static void *work(void *self) /* worker thread */
{
    struct worker *worker = self;
    struct sim_world *w = worker->world;

    for (uint32_t i = worker->first; i < w->options->n_devices; i += worker->step) {
        struct sim_device *d = &w->devices[i];

        while (d->wants_work && worker->status == MIEN_OK) {
            worker->status = mien_client_core_work(d->core, w->now_ms, worker->train);
            keep_vector(w, d);
            d->wants_work = mien_client_core_wish(d->core).work;
        }
    }
    return NULL;
}

void sim_work(struct sim_world *w)
{
    pthread_t threads[64];
    struct worker workers[64];
    const uint32_t n = (uint32_t)w->options->n_threads;
    bool *worked = mien_calloc(w->options->n_devices, sizeof(*worked));

    if (worked == NULL) {
        w->failed = MIEN_ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < w->options->n_devices; i++)
        worked[i] = w->devices[i].wants_work;
    for (uint32_t t = 0; t < n; t++) {
        workers[t] = (struct worker){w, w->trains[t], t, n, MIEN_OK};
        if (t + 1 < n && pthread_create(&threads[t], NULL, work, &workers[t]) != 0)
            w->failed = MIEN_ENOMEM;
    }
    (void)work(&workers[n - 1]);
    for (uint32_t t = 0; t < n; t++) {
        if (t + 1 < n)
            (void)pthread_join(threads[t], NULL);
        if (workers[t].status != MIEN_OK)
            w->failed = workers[t].status;
    }
    for (uint32_t i = 0; i < w->options->n_devices; i++) {
        if (!worked[i])
            continue;
        w->n_trained += mien_client_core_info(w->devices[i].core).round != 0;
        sim_settle(w, &w->devices[i]);
    }
    mien_free(worked);
}
