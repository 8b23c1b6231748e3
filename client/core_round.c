// SPDX-License-Identifier: Apache-2.0
/* A round up to READY: assignment, plan and model, guard, training. */
#include "client/core_internal.h"
#include "client/local.h"
#include "client/noise.h"

#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/plan/clipping.h"
#include "common/plan/noise.h"
#include "common/secagg/rotate.h"
#include "common/wire/identity.h"
#include "common/wire/plan_codec.h"
#include "common/wire/vector.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
    FETCH_MS = 120 * 1000,       /* between two chunks of plan or model */
    AFTER_REPORT_MS = 600 * 1000 /* from the reporting deadline to the first word about it */
};

static void blob_drop(struct mien_core_blob *blob)
{
    mien_buf_fini(&blob->own);
    *blob = (struct mien_core_blob){0};
}

/* Takes the blob from the surroundings where they have it; true when it is whole. */
static bool blob_find(struct mien_client_core *core, struct mien_core_blob *blob,
                      const uint8_t hash[32], uint64_t total)
{
    const struct mien_client_core_host *host = &core->config.host;
    struct mien_span found = {0};

    if (blob->own.len > 0 && blob->bytes.len == total && memcmp(blob->hash, hash, 32) == 0)
        return true; /* the one of the round before */
    if (host->find == NULL || !host->find(host->self, hash, &found) || found.len != total)
        return false;
    blob_drop(blob);
    memcpy(blob->hash, hash, 32);
    blob->bytes = found;
    return true;
}

static enum mien_status blob_ask(struct mien_client_core *core, uint64_t now_ms,
                                 struct mien_core_blob *blob, enum mien_message_what what)
{
    const struct mien_message_assign *assign = &core->round->assign;
    bool plan = what == MIEN_MESSAGE_PLAN;
    const uint8_t *hash = plan ? assign->plan_hash : assign->model_hash;
    struct mien_message message = {.type = MIEN_FRAME_GET, .get = {.what = what}};

    blob_drop(blob);
    memcpy(blob->hash, hash, 32);
    memcpy(message.get.hash, hash, 32);
    blob->total = plan ? assign->plan_bytes : assign->model_bytes;
    enum mien_status status = mien_buf_reserve(&blob->own, (size_t)blob->total);
    if (status != MIEN_OK)
        return status;
    mien_core_wait(core, MIEN_CORE_FETCHING, now_ms, FETCH_MS);
    return mien_core_send(core, &message);
}

/* Adds a chunk; *whole once the blob is complete and its digest holds. */
static enum mien_status blob_take(struct mien_client_core *core, struct mien_core_blob *blob,
                                  const struct mien_message_chunk *chunk, bool *whole)
{
    uint8_t digest[MIEN_DIGEST_BYTES];
    enum mien_status status;

    if (chunk->total != blob->total || chunk->offset != blob->own.len || chunk->data.len == 0 ||
        chunk->data.len > blob->total - blob->own.len)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL,
                                "CHUNK does not continue what was asked for");
    status = mien_buf_append(&blob->own, chunk->data.data, chunk->data.len);
    if (status != MIEN_OK || blob->own.len < blob->total)
        return status;
    status = mien_digest(mien_buf_span(&blob->own), digest);
    if (status != MIEN_OK)
        return status;
    if (memcmp(digest, blob->hash, sizeof(digest)) != 0) {
        blob_drop(blob);
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_AUTH,
                                "what came is not what ASSIGN names");
    }
    blob->bytes = mien_buf_span(&blob->own);
    blob->total = 0;
    *whole = true;
    return MIEN_OK;
}

void mien_core_drop_vector(struct mien_core_round *round)
{
    if (round->vector != NULL)
        mien_wipe(round->vector, round->dim * sizeof(*round->vector));
    mien_free(round->vector);
    mien_free(round->chunk);
    round->vector = NULL;
    round->chunk = NULL;
}

void mien_core_leave_round(struct mien_client_core *core)
{
    struct mien_core_round *round = core->round;

    if (core->plan.total > 0)
        blob_drop(&core->plan);
    if (core->model.total > 0)
        blob_drop(&core->model);
    if (round == NULL)
        return;
    mien_core_leave_session(round);
    mien_client_train_free(round->own_train);
    mien_core_drop_vector(round);
    mien_wipe(round, sizeof(*round));
    mien_free(round);
    core->round = NULL;
}

/* Whether the assignment is the coordinator's and may be taken; false after a refusal. */
static enum mien_status judge_assign(struct mien_client_core *core,
                                     const struct mien_message_assign *assign, bool *good)
{
    const struct mien_client_identity *id = &core->config.identity;
    uint8_t statement[MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES];
    enum mien_status status;

    *good = false;
    mien_message_assign_statement(id->run_id, assign, statement);
    status = mien_identity_verify(
        id->coordinator_key, (struct mien_span){statement, sizeof(statement)}, assign->signature);
    if (status == MIEN_EAUTH)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_AUTH, "ASSIGN's signature does not hold");
    if (status == MIEN_OK)
        status = mien_core_see(core, &assign->mark, good);
    if (status != MIEN_OK || !*good)
        return status;
    /* What a drill gets of a device are zeros, as often as it likes. */
    *good = assign->purpose == MIEN_MESSAGE_PURPOSE_DRILL ||
            mien_client_record_may_send(&core->config.record, assign->round, assign->attempt);
    if (!*good)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_POLICY,
                                "this device has given its vector for round %" PRIu64
                                " attempt %" PRIu32,
                                assign->round, assign->attempt);
    return MIEN_OK;
}

/* The model's bytes are here, or are asked for. */
static enum mien_status want_model(struct mien_client_core *core, uint64_t now_ms)
{
    const struct mien_core_round *round = core->round;

    if (!blob_find(core, &core->model, round->assign.model_hash, round->assign.model_bytes))
        return blob_ask(core, now_ms, &core->model, MIEN_MESSAGE_MODEL);
    core->phase = MIEN_CORE_TRAINING;
    core->watchdog_at_ms = UINT64_MAX;
    return MIEN_OK;
}

/* What the round holds at its peak: the model, and the vector beside training or a session. */
static enum mien_status memory_need(const struct mien_client_core *core,
                                    struct mien_core_round *round)
{
    const bool local = mien_client_local_on(&core->config.limits.local);
    uint64_t train_bytes;
    enum mien_status status = local ? mien_client_train_need_local(&round->plan, &train_bytes)
                                    : mien_client_train_need(&round->plan, &train_bytes);

    if (status != MIEN_OK)
        return status;
    uint64_t session_bytes = mien_secagg_device_bytes(round->plan.group_max) + MIEN_FRAME_RAW_BYTES;
    uint64_t vector_bytes = sizeof(*round->vector) * (uint64_t)round->dim;
    round->memory_bytes = sizeof(*round) + round->assign.model_bytes + vector_bytes +
                          (core->config.known == NULL ? 0 : MIEN_KNOWN_BYTES) +
                          mien_core_own_bytes(&round->plan) +
                          (train_bytes > session_bytes ? train_bytes : session_bytes);
    return MIEN_OK;
}

static enum mien_status refuse_plan(struct mien_client_core *core, const char *why)
{
    enum mien_status status = mien_core_refuse(core, MIEN_MESSAGE_ERROR_POLICY, "%s", why);

    /* A run has one plan: asking again would change nothing. */
    mien_core_end(core, MIEN_EPOLICY, why);
    return status;
}

/* Whether this device has taken part too often, or too lately, for the plan; it does not rest on
 * the coordinator's count. Another attempt at the round of the last vector is the same part: of
 * the attempts at a round at most one is released. */
static bool sits_out(const struct mien_client_core *core, bool *for_good, struct mien_err *err)
{
    const struct mien_client_record *record = &core->config.record;
    const struct mien_plan *plan = &core->round->plan;
    const uint64_t round = core->round->assign.round;

    *for_good = plan->max_participations > 0 && record->n_sent >= plan->max_participations;
    if (core->round->assign.purpose == MIEN_MESSAGE_PURPOSE_DRILL || record->n_sent == 0)
        return false;
    if (*for_good)
        (void)!mien_err_set(err, MIEN_EPOLICY,
                            "this device has given %" PRIu64 " vectors, the plan lets a unit give "
                            "%" PRIu32,
                            record->n_sent, plan->max_participations);
    else if (round != record->sent_round && round - record->sent_round < plan->min_separation)
        (void)!mien_err_set(err, MIEN_EPOLICY,
                            "this device took part in round %" PRIu64
                            " and sits out until round %" PRIu64 " by the plan",
                            record->sent_round, record->sent_round + plan->min_separation);
    else
        return false;
    return true;
}

static enum mien_status sit_out(struct mien_client_core *core, bool for_good, const char *why)
{
    mien_core_log(core, MIEN_WARN, "device.sits_out round=%" PRIu64 " why=\"%s\"",
                  core->round->assign.round, why);
    return for_good ? refuse_plan(core, why)
                    : mien_core_refuse(core, MIEN_MESSAGE_ERROR_POLICY, "%s", why);
}

static enum mien_status say_ready(struct mien_client_core *core, uint64_t now_ms)
{
    const struct mien_core_round *round = core->round;
    struct mien_message message = {.type = MIEN_FRAME_READY,
                                   .ready = {.round = round->assign.round}};
    uint64_t left_ms = round->report_by_ms > now_ms ? round->report_by_ms - now_ms : 0;

    mien_core_log(core, MIEN_INFO, "device.ready round=%" PRIu64, round->assign.round);
    mien_core_wait(core, MIEN_CORE_READY, now_ms, left_ms + AFTER_REPORT_MS);
    return mien_core_send(core, &message);
}

/* Zeros, without a look at model or examples. */
static enum mien_status join_drill(struct mien_client_core *core, uint64_t now_ms)
{
    struct mien_core_round *round = core->round;

    round->vector = mien_calloc(round->dim, sizeof(*round->vector));
    return round->vector == NULL ? MIEN_ENOMEM : say_ready(core, now_ms);
}

/* Everything that this device's owner has a say in. */
static enum mien_status guard_plan(struct mien_client_core *core, struct mien_err *err)
{
    const struct mien_client_limits *limits = &core->config.limits;
    const struct mien_core_round *round = core->round;
    enum mien_status status = mien_client_guard(limits, &round->plan, round->memory_bytes, err);

    if (status == MIEN_OK)
        status = mien_client_guard_noise(limits, &round->plan, &round->params, err);
    if (status == MIEN_OK && mien_core_own_missing(core))
        status = mien_err_set(err, MIEN_EPOLICY,
                              "the plan keeps a part of the model on the device, which has no "
                              "place for it");
    if (status == MIEN_OK && mien_client_local_on(&limits->local) &&
        round->assign.purpose != MIEN_MESSAGE_PURPOSE_DRILL)
        status = mien_core_local_check(core, err);
    return status;
}

/* What taking part under the plan means, once for each plan, for whoever answers for this device.
 */
static void say_consent(struct mien_client_core *core)
{
    const struct mien_core_round *round = core->round;
    const double own = mien_client_device_noise(&round->plan, &round->params);

    if (memcmp(core->consented, round->assign.plan_hash, sizeof(core->consented)) == 0)
        return;
    memcpy(core->consented, round->assign.plan_hash, sizeof(core->consented));
    if (round->params.share > 0)
        mien_core_log(
            core, MIEN_INFO,
            "device.consent noise_by=devices sigma=%.6g noise=%.4g why=\"this device adds "
            "noise of its own before its vector leaves; no sum is unmasked without that of "
            "%" PRIu32 " honest devices, not even for the coordinator\"",
            sqrt((double)round->params.share), own, mien_plan_noise_shares(&round->plan));
    else
        mien_core_log(core, MIEN_INFO,
                      "device.consent noise_by=coordinator noise=%.4g why=\"the coordinator sees "
                      "sums of %" PRIu32
                      " people or more without noise, and adds it before anything "
                      "is released\"",
                      round->plan.noise_multiplier, round->plan.group_min);
    if (round->plan.max_participations > 0 || round->plan.min_separation > 1)
        mien_core_log(core, MIEN_INFO,
                      "device.consent vectors_at_most=%" PRIu32 " rounds_apart=%" PRIu32
                      " vectors_given=%" PRIu64 " why=\"the plan's epsilon rests on nobody taking "
                      "part more often or earlier; this device refuses if asked to\"",
                      round->plan.max_participations, round->plan.min_separation,
                      core->config.record.n_sent);
}

static enum mien_status on_plan(struct mien_client_core *core, uint64_t now_ms)
{
    struct mien_core_round *round = core->round;
    struct mien_err err = {0};
    bool for_good = false;
    enum mien_status status = mien_plan_decode(core->plan.bytes, &round->plan, &err);

    if (status == MIEN_ENOMEM)
        return status;
    if (status != MIEN_OK)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "the plan: %s", err.text);
    if (round->assign.model_bytes != sizeof(float) * mien_plan_n_parameters(&round->plan))
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL,
                                "the model is not as long as the plan says");
    status = mien_secagg_params_of_plan(&round->plan, &round->params, &err);
    if (status != MIEN_OK)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "the plan: %s", err.text);
    if (!mien_plan_clip_adapts(&round->plan) && round->assign.clip != round->plan.clip)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL,
                                "the clip is not the plan's, which does not adapt");
    mien_secagg_params_set_clip(&round->params, round->assign.clip);
    round->dim = round->params.dim;
    if (mien_client_local_on(&core->config.limits.local) && !mien_each_can(&round->plan))
        return refuse_plan(core, "the plan's examples have no gradients of their own, which this "
                                 "device's protection of single examples needs");
    status = memory_need(core, round);
    if (status != MIEN_OK)
        return status;
    mien_core_log(core, MIEN_DEBUG, "device.plan memory_bytes=%" PRIu64 " dim=%zu",
                  round->memory_bytes, round->dim);
    status = guard_plan(core, &err);
    if (status == MIEN_EPOLICY)
        return refuse_plan(core, err.text);
    if (status != MIEN_OK)
        return status;
    if (sits_out(core, &for_good, &err))
        return sit_out(core, for_good, err.text);
    if (mien_plan_warning(&round->plan) != NULL)
        mien_core_log(core, MIEN_WARN, "device.plan why=\"%s\"", mien_plan_warning(&round->plan));
    say_consent(core);
    return round->assign.purpose == MIEN_MESSAGE_PURPOSE_DRILL ? join_drill(core, now_ms)
                                                               : want_model(core, now_ms);
}

enum mien_status mien_core_on_assign(struct mien_client_core *core, uint64_t now_ms,
                                     const struct mien_message_assign *assign)
{
    bool good;

    if (core->phase != MIEN_CORE_CHECKED_IN)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "ASSIGN without a check-in");
    enum mien_status status = judge_assign(core, assign, &good);
    if (status != MIEN_OK || !good)
        return status;
    core->round = mien_calloc(1, sizeof(*core->round));
    if (core->round == NULL)
        return MIEN_ENOMEM;
    core->round->assign = *assign;
    core->round->report_by_ms = now_ms + assign->report_by_ms;
    core->last_round = assign->round;
    core->n_failures = 0;
    mien_core_log(core, MIEN_INFO, "device.assigned round=%" PRIu64 " attempt=%" PRIu32 " drill=%d",
                  assign->round, assign->attempt, assign->purpose == MIEN_MESSAGE_PURPOSE_DRILL);
    if (!blob_find(core, &core->plan, assign->plan_hash, assign->plan_bytes))
        return blob_ask(core, now_ms, &core->plan, MIEN_MESSAGE_PLAN);
    return on_plan(core, now_ms);
}

enum mien_status mien_core_on_chunk(struct mien_client_core *core, uint64_t now_ms,
                                    const struct mien_message_chunk *chunk)
{
    bool plan = core->plan.total > 0;
    enum mien_message_what asked = plan ? MIEN_MESSAGE_PLAN : MIEN_MESSAGE_MODEL;
    bool whole = false;

    if (core->phase != MIEN_CORE_FETCHING || chunk->what != asked)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "CHUNK was not asked for");
    enum mien_status status = blob_take(core, plan ? &core->plan : &core->model, chunk, &whole);
    if (status != MIEN_OK || core->close)
        return status;
    if (!whole) {
        mien_core_wait(core, MIEN_CORE_FETCHING, now_ms, FETCH_MS);
        return MIEN_OK;
    }
    return plan ? on_plan(core, now_ms) : want_model(core, now_ms);
}

static enum mien_status begin_training(struct mien_client_core *core,
                                       struct mien_client_train *lent)
{
    struct mien_core_round *round = core->round;
    struct mien_buf own = {0};
    enum mien_status status;

    const struct mien_client_local_rule *rule = &core->config.limits.local;
    const bool local = mien_client_local_on(rule);

    round->train = lent;
    if (lent == NULL || local) {
        status = local ? mien_client_train_new_local(&round->plan, rule, &core->config.rng,
                                                     &round->own_train)
                       : mien_client_train_new(&round->plan, &round->own_train);
        if (status != MIEN_OK)
            return status;
        round->train = round->own_train;
    }
    status = mien_core_own_load(core, &own);
    if (status == MIEN_OK)
        status =
            mien_client_train_start(round->train, core->model.bytes, mien_core_own_values(&own),
                                    &core->config.host.examples, &core->config.rng);
    mien_buf_wipe(&own);
    return status;
}

static void log_note(struct mien_client_core *core)
{
    if (core->note == MIEN_CLIENT_NOTE_FEW)
        mien_core_log(core, MIEN_WARN, "device.zero_vector reason=\"too few usable examples\"");
    else if (core->note == MIEN_CLIENT_NOTE_NOT_FINITE)
        mien_core_log(core, MIEN_WARN, "device.zero_vector reason=\"the update is not finite\"");
}

static enum mien_status end_training(struct mien_client_core *core, uint64_t now_ms)
{
    struct mien_core_round *round = core->round;
    uint8_t rotation[MIEN_ROTATION_KEY_BYTES];
    enum mien_status status;

    status = mien_rotation_key(round->assign.round, round->assign.model_hash,
                               round->assign.plan_hash, rotation);
    if (status != MIEN_OK)
        return status;
    round->vector = mien_calloc(round->dim, sizeof(*round->vector));
    if (round->vector == NULL)
        return MIEN_ENOMEM;
    status = mien_client_train_take(round->train, &round->params, rotation, &core->config.rng,
                                    round->vector, &core->note);
    if (status == MIEN_OK)
        status = mien_core_local_spend(core);
    if (status == MIEN_OK)
        status = mien_client_add_noise(&round->params, &core->config.rng, round->vector);
    if (status == MIEN_OK)
        status = mien_core_own_save(core);
    mien_client_train_free(round->own_train);
    round->own_train = NULL;
    round->train = NULL;
    if (status != MIEN_OK)
        return status;
    log_note(core);
    return say_ready(core, now_ms);
}

enum mien_status mien_core_train(struct mien_client_core *core, uint64_t now_ms,
                                 struct mien_client_train *train)
{
    struct mien_core_round *round = core->round;
    bool done;
    enum mien_status status;

    if (round->train == NULL)
        return begin_training(core, train);
    status = mien_client_train_step(round->train, &done);
    if (status != MIEN_OK || !done)
        return status;
    return end_training(core, now_ms);
}
