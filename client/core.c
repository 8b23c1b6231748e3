// SPDX-License-Identifier: Apache-2.0
#include "client/core_internal.h"

#include "common/base/mem.h"
#include "common/base/secret.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ANSWER_MS = 60 * 1000,        /* for WELCOME, and for the answer to a check-in */
    RETRY_FIRST_MS = 1000,        /* pause after the first failed connection; then doubles ... */
    RETRY_MAX_MS = 5 * 60 * 1000, /* ... up to this, each with jitter from a half to the whole */
};

static const uint64_t never = UINT64_MAX;

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void mien_core_log(struct mien_client_core *core, enum mien_log_level level, const char *fmt, ...)
{
    char line[512];
    va_list args;

    if (core->config.host.log == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    core->config.host.log(core->config.host.self, level, line);
}

/* A sentence as one quoted value: what the other side wrote cannot end it and go on with keys of
 * its own. */
static void log_reason(struct mien_client_core *core, enum mien_log_level level, const char *event)
{
    char text[sizeof(core->sentence)];

    (void)snprintf(text, sizeof(text), "%s", core->sentence);
    for (char *at = strchr(text, '"'); at != NULL; at = strchr(at, '"'))
        *at = '\'';
    mien_core_log(core, level, "%s reason=\"%s\"", event, text);
}

enum mien_status mien_core_send(struct mien_client_core *core, const struct mien_message *message)
{
    return core->config.host.send(core->config.host.self, message);
}

enum mien_status mien_core_refuse(struct mien_client_core *core, enum mien_message_error_code code,
                                  const char *fmt, ...)
{
    struct mien_message message;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(core->sentence, sizeof(core->sentence), fmt, args);
    va_end(args);
    log_reason(core, MIEN_WARN, "device.refuse");
    core->close = true;
    mien_core_leave_round(core);
    message = mien_message_make_error(code, core->sentence);
    return mien_core_send(core, &message);
}

void mien_core_end(struct mien_client_core *core, enum mien_status why, const char *text)
{
    if (core->stopping)
        return;
    (void)snprintf(core->sentence, sizeof(core->sentence), "%s", text);
    log_reason(core, why == MIEN_OK ? MIEN_INFO : MIEN_ERROR, "device.end");
    core->stopping = true;
    core->close = true;
    core->why = why;
}

enum mien_status mien_core_see(struct mien_client_core *core, const struct mien_message_mark *mark,
                               bool *good)
{
    struct mien_err err = {0};
    bool changed = false;
    enum mien_status status = mien_client_record_see(&core->config.record, mark->epoch, mark->seq,
                                                     mark->head, &changed, &err);

    *good = status == MIEN_OK;
    if (!*good)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_AUTH, "%s", err.text);
    if (!changed)
        return MIEN_OK;
    return core->config.host.save(core->config.host.self, &core->config.record);
}

void mien_core_wait(struct mien_client_core *core, enum mien_core_phase phase, uint64_t now_ms,
                    uint64_t patience_ms)
{
    core->phase = phase;
    core->watchdog_at_ms = now_ms + patience_ms;
}

enum mien_status mien_client_core_new(const struct mien_client_core_config *config,
                                      struct mien_client_core **out)
{
    const struct mien_client_core_host *host = &config->host;

    if (host->send == NULL || host->save == NULL || host->examples.count == NULL ||
        host->examples.pixels == NULL || config->rng.fill == NULL)
        return MIEN_EINVAL;
    struct mien_client_core *core = mien_calloc(1, sizeof(*core));
    if (core == NULL)
        return MIEN_ENOMEM;
    core->config = *config;
    core->watchdog_at_ms = never;
    core->renew_at_ms = never;
    core->last_round = config->record.sent_round;
    *out = core;
    return MIEN_OK;
}

void mien_client_core_free(struct mien_client_core *core)
{
    if (core == NULL)
        return;
    mien_core_leave_round(core);
    mien_buf_fini(&core->plan.own);
    mien_buf_fini(&core->model.own);
    mien_wipe(core, sizeof(*core));
    mien_free(core);
}

enum mien_status mien_client_core_connected(struct mien_client_core *core, uint64_t now_ms)
{
    struct mien_message message = {.type = MIEN_FRAME_HELLO};
    struct mien_message_hello *hello = &message.hello;
    const struct mien_client_record *record = &core->config.record;

    if (core->phase != MIEN_CORE_DOWN || core->stopping)
        return MIEN_ESTATE;
    hello->protocol = MIEN_MESSAGE_PROTOCOL;
    if (core->config.software != NULL)
        (void)snprintf(hello->software, sizeof(hello->software), "%s", core->config.software);
    hello->max_memory_bytes = core->config.limits.max_memory_bytes;
    hello->seen.epoch = record->epoch;
    hello->seen.seq = record->seq;
    memcpy(hello->seen.head, record->head, sizeof(hello->seen.head));
    core->close = false;
    mien_core_wait(core, MIEN_CORE_GREETING, now_ms, ANSWER_MS);
    return mien_core_send(core, &message);
}

/* The pause before connection attempt n_failures: doubling, with jitter, so that a fleet that
 * lost its coordinator at one moment does not come back at one moment. */
static uint64_t retry_pause_ms(struct mien_client_core *core)
{
    uint64_t whole = RETRY_MAX_MS;
    uint64_t jitter;

    if (core->n_failures < 10)
        whole = min_u64(RETRY_MAX_MS, (uint64_t)RETRY_FIRST_MS << core->n_failures);
    /* A generator that fails costs the jitter only. */
    if (mien_rng_below(&core->config.rng, whole / 2, &jitter) != MIEN_OK)
        jitter = 0;
    return whole / 2 + jitter;
}

void mien_client_core_disconnected(struct mien_client_core *core, uint64_t now_ms)
{
    uint64_t at_ms = now_ms + retry_pause_ms(core);

    mien_core_leave_round(core);
    core->phase = MIEN_CORE_DOWN;
    core->close = false;
    core->watchdog_at_ms = never;
    core->renew_at_ms = never;
    core->connect_at_ms = at_ms > core->connect_at_ms ? at_ms : core->connect_at_ms;
    core->n_failures++;
}

static enum mien_status check_in(struct mien_client_core *core, uint64_t now_ms)
{
    struct mien_message message = {.type = MIEN_FRAME_CHECK_IN,
                                   .check_in = {.last_round = core->last_round}};
    uint32_t max_rounds = core->config.limits.max_rounds;

    if (max_rounds > 0 && core->config.record.n_sent >= max_rounds) {
        mien_core_end(core, MIEN_OK, "took part in as many rounds as its limit allows");
        return MIEN_OK;
    }
    mien_core_wait(core, MIEN_CORE_CHECKED_IN, now_ms, ANSWER_MS);
    return mien_core_send(core, &message);
}

static enum mien_status on_welcome(struct mien_client_core *core, uint64_t now_ms,
                                   const struct mien_message_welcome *welcome)
{
    const struct mien_client_identity *id = &core->config.identity;
    bool good;

    if (core->phase != MIEN_CORE_GREETING)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "a second WELCOME");
    if (memcmp(welcome->run_id, id->run_id, sizeof(id->run_id)) != 0)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_AUTH,
                                "WELCOME names another run than this device was enrolled for");
    if (memcmp(welcome->signing_key, id->coordinator_key, sizeof(id->coordinator_key)) != 0)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_AUTH,
                                "WELCOME names another signing key than the one pinned");
    enum mien_status status = mien_core_see(core, &welcome->mark, &good);
    if (status != MIEN_OK || !good)
        return status;
    core->phase = MIEN_CORE_IDLE;
    core->watchdog_at_ms = never;
    core->renew_at_ms = now_ms + (uint64_t)welcome->renew_after_s * 1000;
    mien_core_log(core, MIEN_INFO, "device.welcome epoch=%" PRIu64 " seq=%" PRIu64,
                  welcome->mark.epoch, welcome->mark.seq);
    return mien_client_core_tick(core, now_ms);
}

static enum mien_status on_come_back(struct mien_client_core *core, uint64_t now_ms,
                                     const struct mien_message_come_back *come_back)
{
    if (core->phase < MIEN_CORE_CHECKED_IN)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "COME_BACK without a check-in");
    bool left_out = core->round != NULL && core->config.record.waits_for_close;
    mien_core_leave_round(core);
    core->phase = MIEN_CORE_IDLE;
    core->watchdog_at_ms = never;
    core->n_failures = 0;
    core->check_in_at_ms = now_ms + come_back->after_ms;
    /* A coordinator that stops asks its devices to stay away; the others stay connected, so that
     * they can be counted before coins are drawn. */
    if (come_back->reason == MIEN_MESSAGE_DRAINING)
        core->connect_at_ms = core->check_in_at_ms;
    mien_core_log(core, MIEN_DEBUG, "device.come_back after_ms=%" PRIu32 " reason=%d",
                  come_back->after_ms, (int)come_back->reason);
    if (!left_out)
        return MIEN_OK;
    core->config.record.waits_for_close = false;
    return core->config.host.save(core->config.host.self, &core->config.record);
}

static enum mien_status on_closed(struct mien_client_core *core, uint64_t now_ms,
                                  const struct mien_message_closed *closed)
{
    struct mien_client_record *record = &core->config.record;
    bool mine = record->waits_for_close && closed->round == record->sent_round;
    bool released = closed->outcome == MIEN_MESSAGE_RELEASED;
    bool good;

    if (core->phase == MIEN_CORE_GREETING)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "CLOSED before WELCOME");
    enum mien_status status = mien_core_see(core, &closed->mark, &good);
    if (status != MIEN_OK || !good)
        return status;
    if (mine) {
        record->waits_for_close = false;
        record->n_released += released ? 1 : 0;
        status = core->config.host.save(core->config.host.self, record);
    }
    mien_core_log(core, MIEN_INFO, "device.closed round=%" PRIu64 " released=%d took_part=%d",
                  closed->round, released, mine);
    if (status != MIEN_OK || core->round == NULL || core->round->assign.round != closed->round)
        return status;
    mien_core_leave_round(core);
    core->phase = MIEN_CORE_IDLE;
    core->watchdog_at_ms = never;
    core->check_in_at_ms = now_ms;
    return mien_client_core_tick(core, now_ms);
}

/* The coordinator says why it will close. Before WELCOME that is about who this device is, and
 * trying again would not change it. */
static enum mien_status on_error(struct mien_client_core *core,
                                 const struct mien_message_error *error)
{
    (void)snprintf(core->sentence, sizeof(core->sentence), "%s", error->sentence);
    log_reason(core, MIEN_WARN, "device.error");
    core->close = true;
    if (core->phase != MIEN_CORE_GREETING)
        return MIEN_OK;
    if (error->code == MIEN_MESSAGE_ERROR_AUTH)
        mien_core_end(core, MIEN_EAUTH, error->sentence);
    else if (error->code == MIEN_MESSAGE_ERROR_EXPIRED)
        mien_core_end(core, MIEN_EEXPIRED, error->sentence);
    else if (error->code == MIEN_MESSAGE_ERROR_VERSION)
        mien_core_end(core, MIEN_EPOLICY, error->sentence);
    return MIEN_OK;
}

static enum mien_status dispatch(struct mien_client_core *core, uint64_t now_ms,
                                 const struct mien_message *message)
{
    switch (message->type) {
    case MIEN_FRAME_WELCOME:
        return on_welcome(core, now_ms, &message->welcome);
    case MIEN_FRAME_COME_BACK:
        return on_come_back(core, now_ms, &message->come_back);
    case MIEN_FRAME_ASSIGN:
        return mien_core_on_assign(core, now_ms, &message->assign);
    case MIEN_FRAME_CHUNK:
        return mien_core_on_chunk(core, now_ms, &message->chunk);
    case MIEN_FRAME_SESSION:
    case MIEN_FRAME_ROLL:
    case MIEN_FRAME_ROSTER:
    case MIEN_FRAME_DELIVER:
    case MIEN_FRAME_SLOT:
    case MIEN_FRAME_INPUT_OK:
    case MIEN_FRAME_SURVIVORS:
    case MIEN_FRAME_CONFIRMED:
        return mien_core_on_session(core, now_ms, message);
    case MIEN_FRAME_CLOSED:
        return on_closed(core, now_ms, &message->closed);
    case MIEN_FRAME_ERROR:
        return on_error(core, &message->error);
    default:
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "%s is not for a device",
                                mien_frame_name(message->type));
    }
}

/* What this device itself could not do ends the connection, so that the coordinator sees a
 * device that left and not one that hangs. */
static enum mien_status ended(struct mien_client_core *core, enum mien_status status)
{
    if (status != MIEN_OK) {
        (void)snprintf(core->sentence, sizeof(core->sentence), "%s", mien_status_text(status));
        log_reason(core, MIEN_ERROR, "device.failed");
        mien_core_leave_round(core);
        core->close = true;
    }
    return status;
}

enum mien_status mien_client_core_receive(struct mien_client_core *core, uint64_t now_ms,
                                          const struct mien_message *message)
{
    if (core->phase == MIEN_CORE_DOWN)
        return MIEN_ESTATE;
    if (core->close)
        return MIEN_OK; /* what came after the message that was refused */
    return ended(core, dispatch(core, now_ms, message));
}

enum mien_status mien_client_core_work(struct mien_client_core *core, uint64_t now_ms,
                                       struct mien_client_train *train)
{
    if (!mien_client_core_wish(core).work)
        return MIEN_ESTATE;
    if (core->phase == MIEN_CORE_MASKING)
        return ended(core, mien_core_mask(core, now_ms));
    return ended(core, mien_core_train(core, now_ms, train));
}

enum mien_status mien_client_core_pump(struct mien_client_core *core, uint64_t now_ms)
{
    if (!mien_client_core_wish(core).pump)
        return MIEN_ESTATE;
    return ended(core, mien_core_upload(core, now_ms));
}

enum mien_status mien_client_core_tick(struct mien_client_core *core, uint64_t now_ms)
{
    bool renew = now_ms >= core->renew_at_ms;

    if (core->phase == MIEN_CORE_DOWN || core->close)
        return MIEN_OK;
    if (now_ms >= core->watchdog_at_ms)
        return ended(core, mien_core_refuse(core, MIEN_MESSAGE_ERROR_TIMEOUT,
                                            "the coordinator was silent for too long"));
    if (core->phase != MIEN_CORE_IDLE)
        return MIEN_OK;
    if (renew)
        mien_core_wait(core, MIEN_CORE_RENEWING, now_ms, ANSWER_MS);
    else if (now_ms >= core->check_in_at_ms)
        return ended(core, check_in(core, now_ms));
    return MIEN_OK;
}

void mien_client_core_stop(struct mien_client_core *core, uint64_t now_ms)
{
    (void)now_ms;
    mien_core_leave_round(core);
    mien_core_end(core, MIEN_OK, "asked to");
}

void mien_client_core_renewed(struct mien_client_core *core,
                              const struct mien_client_identity *identity)
{
    core->config.identity = *identity;
    core->n_failures = 0;
    core->close = core->phase != MIEN_CORE_DOWN;
}

/* When something happens by itself on an open connection. */
static uint64_t next_ms(const struct mien_client_core *core)
{
    if (core->phase == MIEN_CORE_IDLE)
        return min_u64(core->check_in_at_ms, core->renew_at_ms);
    return core->watchdog_at_ms;
}

struct mien_client_core_wish mien_client_core_wish(const struct mien_client_core *core)
{
    struct mien_client_core_wish wish = {.at_ms = never, .why = core->why};
    bool down = core->phase == MIEN_CORE_DOWN;

    wish.stopped = core->stopping && down;
    wish.close = core->close && !down;
    if (core->stopping || core->close)
        return wish;
    wish.connect = down;
    wish.work = core->phase == MIEN_CORE_TRAINING || core->phase == MIEN_CORE_MASKING;
    wish.pump = core->phase == MIEN_CORE_UPLOADING;
    wish.renew = core->phase == MIEN_CORE_RENEWING;
    wish.at_ms = down ? core->connect_at_ms : next_ms(core);
    return wish;
}

struct mien_client_core_info mien_client_core_info(const struct mien_client_core *core)
{
    const struct mien_core_round *round = core->round;

    return (struct mien_client_core_info){
        .round = round == NULL ? 0 : round->assign.round,
        .memory_bytes = round == NULL ? 0 : round->memory_bytes,
        .welcome = core->phase > MIEN_CORE_GREETING,
        .note = core->note,
    };
}

const char *mien_client_core_explain(const struct mien_client_core *core)
{
    return core->sentence;
}

const struct mien_client_record *mien_client_core_record(const struct mien_client_core *core)
{
    return &core->config.record;
}
