// SPDX-License-Identifier: Apache-2.0
#include "server/core/coordinator.h"

#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/wire/plan_codec.h"
#include "common/wire/vector.h"
#include "server/core/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* After a round that was abandoned: give devices time to come back. */
#define PAUSE_AFTER_ABANDON_MS 1000

static enum mien_status set_up(struct mien_coordinator *c, struct mien_err *err)
{
    const struct mien_plan *plan = &c->config.plan;
    enum mien_status status = mien_layout_init(&c->layout, plan, err);

    if (status == MIEN_OK)
        status = mien_secagg_params_of_plan(plan, &c->params, err);
    if (status == MIEN_OK)
        status = mien_round_check_groups(plan, err);
    if (status == MIEN_OK)
        status = mien_plan_encode(plan, &c->plan_bytes);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&c->plan_bytes), c->plan_hash);
    if (status == MIEN_OK)
        status = mien_ed25519_public(c->config.signing_seed, c->signing_key);
    if (status == MIEN_OK)
        status = mien_round_make_noise(c, err);
    if (status == MIEN_OK && mien_plan_trains_at_coordinator(plan))
        status = mien_gtrainer_new(plan, &c->gtrainer);
    if (status == MIEN_OK)
        status = mien_round_state_new(c, &c->model);
    if (status == MIEN_OK)
        status = mien_round_state_new(c, &c->next);
    if (status == MIEN_OK)
        status = mien_round_state_load(c);
    if (status == MIEN_OK)
        status = mien_round_load_parts(c, err);
    c->total = status == MIEN_OK ? mien_calloc(c->params.dim, sizeof(*c->total)) : NULL;
    return status == MIEN_OK && c->total == NULL ? MIEN_ENOMEM : status;
}

enum mien_status mien_coordinator_new(const struct mien_coordinator_config *config,
                                      struct mien_coordinator **out, struct mien_err *err)
{
    struct mien_coordinator *c = mien_calloc(1, sizeof(*c));

    if (c == NULL)
        return MIEN_ENOMEM;
    c->config = *config;
    c->version = config->version;
    c->min_units = mien_coordinator_min_units(&c->config.plan);
    enum mien_status status = set_up(c, err);
    if (status != MIEN_OK) {
        mien_coordinator_free(c);
        return status;
    }
    c->config.values = NULL;
    c->config.average = NULL;
    c->config.server_state = (struct mien_span){NULL, 0};
    c->round = c->config.ledger.next(c->config.ledger.self);
    c->mark = c->config.ledger.mark(c->config.ledger.self);
    *out = c;
    return MIEN_OK;
}

void mien_coordinator_free(struct mien_coordinator *c)
{
    if (c == NULL)
        return;
    mien_round_end_round(c);
    if (c->total != NULL)
        mien_wipe(c->total, c->params.dim * sizeof(*c->total));
    mien_free(c->total);
    mien_round_state_free(&c->model);
    mien_round_state_free(&c->next);
    mien_gtrainer_free(c->gtrainer);
    mien_noise_free(c->noise_sampler);
    mien_buf_fini(&c->plan_bytes);
    mien_free(c->peers);
    mien_free(c->parts);
    mien_wipe(c, sizeof(*c));
    mien_free(c);
}

void mien_round_log(struct mien_coordinator *c, enum mien_log_level level, const char *fmt, ...)
{
    char line[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (c->config.host.log != NULL)
        c->config.host.log(c->config.host.self, level, line);
}

void mien_round_send(struct mien_coordinator *c, uint32_t peer, const struct mien_message *message)
{
    c->config.host.send(c->config.host.self, peer, message);
}

void mien_round_come_back(struct mien_coordinator *c, uint32_t peer,
                          enum mien_message_reason reason)
{
    const uint32_t base = c->config.limits.come_back_ms;
    uint64_t jitter = 0;

    /* From a half to the whole: devices sent away together do not come back together. */
    (void)!mien_rng_below(&c->config.rng, base / 2 + 1, &jitter);
    const struct mien_message m = {
        .type = MIEN_FRAME_COME_BACK,
        .come_back = {.after_ms = base - (uint32_t)jitter, .reason = reason}};
    c->peers[peer].waiting = false;
    mien_round_send(c, peer, &m);
}

void mien_round_refuse(struct mien_coordinator *c, uint32_t peer, enum mien_message_error_code code,
                       const char *fmt, ...)
{
    char sentence[MIEN_MESSAGE_SENTENCE_BYTES + 1];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    const struct mien_message m = mien_message_make_error(code, sentence);
    mien_round_log(c, MIEN_WARN, "peer.refused peer=%u why=\"%s\"", peer, sentence);
    mien_round_send(c, peer, &m);
    c->config.host.close(c->config.host.self, peer);
}

uint64_t mien_round_packed_bytes(const struct mien_coordinator *c)
{
    return mien_secagg_packed_bytes(c->params.dim, c->params.bits);
}

static struct mien_peer *find_free_peer(struct mien_coordinator *c)
{
    for (uint32_t i = 0; i < c->n_peers; i++) {
        if (!c->peers[i].used)
            return &c->peers[i];
    }
    const uint32_t old = c->n_peers;
    const uint32_t n = old == 0 ? 64 : old * 2;
    struct mien_peer *grown = mien_reallocarray(c->peers, n, sizeof(*grown));
    if (grown == NULL)
        return NULL;
    memset(grown + old, 0, (n - old) * sizeof(*grown));
    c->peers = grown;
    c->n_peers = n;
    return &c->peers[old];
}

enum mien_status mien_coordinator_connect(struct mien_coordinator *c, uint64_t now_ms,
                                          const struct mien_peer_identity *identity, uint32_t *peer)
{
    for (uint32_t i = 0; i < c->n_peers; i++) {
        if (c->peers[i].used &&
            memcmp(c->peers[i].identity.device_id, identity->device_id, 16) == 0)
            c->config.host.close(c->config.host.self, i);
    }
    const bool shared = mien_round_share_unit(c, identity->unit_digest);
    struct mien_peer *p = find_free_peer(c);
    if (p == NULL)
        return MIEN_ENOMEM;
    memset(p, 0, sizeof(*p));
    p->used = true;
    p->shared = shared;
    p->identity = *identity;
    p->waiting_since_ms = now_ms;
    *peer = (uint32_t)(p - c->peers);
    return MIEN_OK;
}

void mien_round_drop_part(struct mien_coordinator *c, uint32_t peer)
{
    struct mien_peer *p = &c->peers[peer];

    if (p->part == MIEN_PART_MEMBER && p->session < c->n_groups)
        c->groups[p->session].member[p->index] = UINT32_MAX;
    if (p->has_slot)
        c->n_slots--;
    if (p->upload != NULL)
        mien_wipe(p->upload, mien_round_packed_bytes(c));
    mien_free(p->upload);
    p->upload = NULL;
    p->has_slot = false;
    p->uploaded = false;
    p->survivor = false;
    p->did = false;
    p->what = 0;
    p->part = MIEN_PART_NONE;
}

void mien_round_end_round(struct mien_coordinator *c)
{
    for (uint32_t i = 0; i < c->n_peers; i++) {
        if (c->peers[i].used && c->peers[i].part != MIEN_PART_NONE)
            mien_round_drop_part(c, i);
    }
    mien_round_free_groups(c);
    if (c->total != NULL)
        mien_wipe(c->total, c->params.dim * sizeof(*c->total));
    mien_round_forget_draw(c);
    c->enough_ms = 0;
}

void mien_coordinator_disconnect(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer)
{
    if (peer >= c->n_peers || !c->peers[peer].used)
        return;
    if (c->peers[peer].part != MIEN_PART_NONE)
        mien_round_log(c, MIEN_INFO, "peer.left round=%" PRIu64 " phase=%s", c->round.round,
                       mien_coordinator_phase_name(c->phase));
    mien_round_drop_part(c, peer);
    mien_wipe(&c->peers[peer], sizeof(c->peers[peer]));
    mien_coordinator_tick(c, now_ms);
}

static void hello(struct mien_coordinator *c, uint32_t peer, const struct mien_message_hello *m)
{
    struct mien_peer *p = &c->peers[peer];
    struct mien_message welcome = {.type = MIEN_FRAME_WELCOME};

    if (m->protocol != MIEN_MESSAGE_PROTOCOL) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_VERSION, "protocol %u, expected %u",
                          m->protocol, MIEN_MESSAGE_PROTOCOL);
        return;
    }
    p->greeted = true;
    memcpy(welcome.welcome.run_id, c->config.run_id, 16);
    welcome.welcome.mark = (struct mien_message_mark){.epoch = c->mark.epoch, .seq = c->mark.seq};
    memcpy(welcome.welcome.mark.head, c->mark.head, 32);
    welcome.welcome.renew_after_s = p->identity.renew_after_s;
    memcpy(welcome.welcome.signing_key, c->signing_key, 32);
    mien_round_send(c, peer, &welcome);
}

static void dispatch(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer,
                     const struct mien_message *m)
{
    switch (m->type) {
    case MIEN_FRAME_CHECK_IN:
        mien_round_check_in(c, now_ms, peer);
        break;
    case MIEN_FRAME_GET:
        mien_round_get(c, peer, &m->get);
        break;
    case MIEN_FRAME_READY:
        mien_round_ready(c, peer, &m->ready);
        break;
    case MIEN_FRAME_KEYS:
        mien_round_keys(c, peer, &m->keys);
        break;
    case MIEN_FRAME_SHARES:
        mien_round_shares(c, peer, &m->shares);
        break;
    case MIEN_FRAME_INPUT_CHUNK:
        mien_round_input(c, peer, &m->input_chunk);
        break;
    case MIEN_FRAME_CONFIRM:
        mien_round_confirm(c, peer, &m->confirm);
        break;
    case MIEN_FRAME_REVEAL:
        mien_round_reveal(c, peer, &m->reveal);
        break;
    case MIEN_FRAME_ERROR:
        mien_round_log(c, MIEN_INFO, "peer.error peer=%u sentence=\"%s\"", peer, m->error.sentence);
        c->config.host.close(c->config.host.self, peer);
        break;
    default:
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL,
                          "a message of type %d is not for me", (int)m->type);
    }
}

void mien_coordinator_message(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer,
                              const struct mien_message *message)
{
    if (peer >= c->n_peers || !c->peers[peer].used)
        return;
    if (c->peers[peer].greeted == (message->type == MIEN_FRAME_HELLO)) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL, "HELLO comes first, and once");
        return;
    }
    if (message->type == MIEN_FRAME_HELLO)
        hello(c, peer, &message->hello);
    else
        dispatch(c, now_ms, peer, message);
    mien_coordinator_tick(c, now_ms);
}

static void answer_waiting(struct mien_coordinator *c, uint64_t now_ms)
{
    const bool never = c->draining || c->exhausted || c->failed;

    /* Many messages come in one millisecond; looking once is enough unless all are sent away. */
    if (now_ms == c->answered_ms && !never)
        return;
    c->answered_ms = now_ms;
    for (uint32_t i = 0; i < c->n_peers; i++) {
        struct mien_peer *p = &c->peers[i];

        if (!p->used || !p->waiting)
            continue;
        if (never)
            mien_round_come_back(c, i, c->draining ? MIEN_MESSAGE_DRAINING : MIEN_MESSAGE_LIMIT);
        else if (now_ms >= p->waiting_since_ms + c->config.limits.hold_ms)
            mien_round_come_back(c, i, MIEN_MESSAGE_WAITING);
    }
}

void mien_coordinator_tick(struct mien_coordinator *c, uint64_t now_ms)
{
    answer_waiting(c, now_ms);
    if (c->job_out)
        return;
    switch (c->phase) {
    case MIEN_PHASE_WAITING:
        if (c->draining || c->failed)
            c->phase = MIEN_PHASE_STOPPED;
        else if (!mien_round_try_drill(c, now_ms) && !c->exhausted)
            mien_round_try_open(c, now_ms);
        break;
    case MIEN_PHASE_COLLECT:
        mien_round_collect(c, now_ms);
        break;
    case MIEN_PHASE_KEYS:
    case MIEN_PHASE_SHARES:
        mien_round_step_groups(c, now_ms);
        break;
    case MIEN_PHASE_INPUTS:
        mien_round_step_inputs(c, now_ms);
        break;
    case MIEN_PHASE_CONFIRMS:
        mien_round_step_confirms(c, now_ms);
        break;
    case MIEN_PHASE_REVEALS:
        mien_round_step_reveals(c, now_ms);
        break;
    default:
        break; /* a job decides */
    }
}

void mien_round_start_job(struct mien_coordinator *c, enum mien_job_kind kind)
{
    c->job.kind = kind;
    c->job.home = c;
    c->job.status = MIEN_OK;
    c->job.err = (struct mien_err){0};
    c->job_out = true;
    c->config.host.run(c->config.host.self, &c->job);
}

void mien_round_abandon(struct mien_coordinator *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(c->job.reason, sizeof(c->job.reason), fmt, args);
    va_end(args);
    mien_round_log(c, MIEN_WARN,
                   c->drill.running ? "drill.failed round=%" PRIu64 " attempt=%u why=\"%s\""
                                    : "round.abandoned round=%" PRIu64 " attempt=%u why=\"%s\"",
                   c->round.round, c->round.attempt, c->job.reason);
    c->phase = MIEN_PHASE_ABANDONING;
    mien_round_start_job(c, MIEN_JOB_ABANDON);
}

static void tell_outcome(struct mien_coordinator *c, enum mien_message_outcome outcome)
{
    for (uint32_t i = 0; i < c->n_peers; i++) {
        const struct mien_peer *p = &c->peers[i];
        struct mien_message m = {.type = MIEN_FRAME_CLOSED};

        if (!p->used || p->part == MIEN_PART_NONE)
            continue;
        m.closed.round = c->round.round;
        m.closed.outcome = outcome == MIEN_MESSAGE_RELEASED && p->survivor ? MIEN_MESSAGE_RELEASED
                                                                           : MIEN_MESSAGE_ABANDONED;
        m.closed.model_version = c->version;
        m.closed.mark.epoch = c->mark.epoch;
        m.closed.mark.seq = c->mark.seq;
        memcpy(m.closed.mark.head, c->mark.head, 32);
        mien_round_send(c, i, &m);
    }
}

static void round_over(struct mien_coordinator *c, uint64_t now_ms,
                       enum mien_message_outcome outcome)
{
    const bool drill = c->drill.running;

    c->counts.seconds = (double)(now_ms - c->started_ms) / 1000.0;
    if (drill)
        mien_round_end_drill(c, now_ms);
    else
        c->last_counts = c->counts;
    tell_outcome(c, outcome);
    mien_round_end_round(c);
    c->round = c->config.ledger.next(c->config.ledger.self);
    c->phase = MIEN_PHASE_WAITING;
    c->next_open_ms =
        outcome == MIEN_MESSAGE_RELEASED || drill ? 0 : now_ms + PAUSE_AFTER_ABANDON_MS;
    if (c->config.n_rounds != 0 && c->n_released >= c->config.n_rounds)
        c->draining = true;
}

/* Storage that fails leaves the outcome unknown: nothing more may be promised. */
static void fail(struct mien_coordinator *c)
{
    mien_round_log(c, MIEN_ERROR, "storage.failed job=%d why=\"%s\"", (int)c->job.kind,
                   mien_err_text(&c->job.err, c->job.status));
    c->failed = true;
    tell_outcome(c, MIEN_MESSAGE_ABANDONED);
    mien_round_end_round(c);
    c->phase = MIEN_PHASE_STOPPED;
}

static bool is_fatal(const struct mien_job *job)
{
    return job->status != MIEN_OK &&
           !(job->status == MIEN_EPOLICY &&
             (job->kind == MIEN_JOB_RESERVE || job->kind == MIEN_JOB_OPEN)) &&
           !(job->kind == MIEN_JOB_RELEASE && !job->any_session);
}

void mien_coordinator_job_done(struct mien_coordinator *c, uint64_t now_ms, struct mien_job *job)
{
    c->job_out = false;
    c->mark = job->mark;
    if (is_fatal(job)) {
        mien_round_free_inputs(c);
        fail(c);
        return;
    }
    switch (job->kind) {
    case MIEN_JOB_OPEN:
        mien_round_opened(c, now_ms);
        break;
    case MIEN_JOB_INPUTS:
        mien_round_inputs_done(c);
        break;
    case MIEN_JOB_FIX:
        mien_round_fixed(c, now_ms);
        break;
    case MIEN_JOB_RESERVE:
        mien_round_reserved(c, now_ms);
        break;
    case MIEN_JOB_RELEASE:
        mien_round_log_blame(c);
        if (c->drill.running)
            round_over(c, now_ms, MIEN_MESSAGE_ABANDONED);
        else
            mien_round_released(c, now_ms);
        if (c->phase == MIEN_PHASE_RELEASING)
            round_over(c, now_ms, MIEN_MESSAGE_RELEASED);
        break;
    case MIEN_JOB_ABANDON:
        round_over(c, now_ms, MIEN_MESSAGE_ABANDONED);
        break;
    }
    mien_coordinator_tick(c, now_ms);
}

void mien_coordinator_drain(struct mien_coordinator *c, uint64_t now_ms)
{
    c->draining = true;
    mien_coordinator_tick(c, now_ms);
}
