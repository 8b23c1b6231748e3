// SPDX-License-Identifier: Apache-2.0
/* A session of the secure sum, from SESSION to DELIVER. */
#include "client/core_internal.h"

#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/plan/noise.h"

#include <string.h>

void mien_core_leave_session(struct mien_core_round *round)
{
    mien_secagg_device_free(round->session);
    round->session = NULL;
    round->n_parts = 0;
    round->next_part = 0;
}

enum mien_status mien_core_judge(struct mien_client_core *core, enum mien_status status,
                                 const struct mien_err *err)
{
    enum mien_message_error_code code = MIEN_MESSAGE_ERROR_PROTOCOL;

    if (status == MIEN_OK || status == MIEN_ENOMEM || status == MIEN_ECRYPTO)
        return status;
    if (status == MIEN_EAUTH || status == MIEN_EEXPIRED)
        code = MIEN_MESSAGE_ERROR_AUTH;
    else if (status == MIEN_EPOLICY)
        code = MIEN_MESSAGE_ERROR_POLICY;
    return mien_core_refuse(core, code, "%s", mien_err_text(err, status));
}

enum mien_status mien_core_refuse_order(struct mien_client_core *core, const char *what)
{
    return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "%s is out of order", what);
}

bool mien_core_of_session(const struct mien_client_core *core, const uint8_t session_id[32])
{
    const struct mien_core_round *round = core->round;

    return round->session != NULL && memcmp(session_id, round->session_id, 32) == 0;
}

/* Whether the session is one of this plan and round; the rest is judged by secagg. */
static bool fits_plan(const struct mien_core_round *round, const struct mien_message_session *m)
{
    return m->round == round->assign.round && m->attempt == round->assign.attempt &&
           m->purpose == round->assign.purpose && m->n >= round->plan.group_min &&
           m->n <= round->plan.group_max && m->dim == round->params.dim &&
           m->bits == round->params.bits;
}

static struct mien_session session_of(const struct mien_client_core *core,
                                      const struct mien_message_session *m)
{
    const struct mien_message_assign *assign = &core->round->assign;
    struct mien_session session = {.round = m->round,
                                   .attempt = m->attempt,
                                   .session_index = m->session_index,
                                   .purpose = m->purpose,
                                   .n = m->n,
                                   .k = m->k,
                                   .t = m->t,
                                   .dim = m->dim,
                                   .bits = m->bits};

    memcpy(session.run_id, core->config.identity.run_id, sizeof(session.run_id));
    memcpy(session.model_hash, assign->model_hash, sizeof(session.model_hash));
    memcpy(session.plan_hash, assign->plan_hash, sizeof(session.plan_hash));
    memcpy(session.members_digest, m->members_digest, sizeof(session.members_digest));
    memcpy(session.commitment, m->commitment, sizeof(session.commitment));
    memcpy(session.nonce, m->nonce, sizeof(session.nonce));
    return session;
}

static enum mien_status begin_session(struct mien_client_core *core,
                                      const struct mien_message_session *m)
{
    const struct mien_client_core_host *host = &core->config.host;
    const struct mien_client_identity *id = &core->config.identity;
    struct mien_core_round *round = core->round;
    const uint32_t wanted = core->config.limits.min_group;
    const uint32_t least = mien_plan_min_survivors(&round->plan, m->n);
    struct mien_secagg_device_config config = {.session = session_of(core, m),
                                               .index = m->index,
                                               .now = host->now_s == NULL ? 0
                                                                          : host->now_s(host->self),
                                               .known = core->config.known,
                                               .min_members = wanted > least ? wanted : least};
    struct mien_err err = {0};
    enum mien_status status = mien_client_guard_session(&round->plan, &config.session, &err);

    if (status != MIEN_OK)
        return mien_core_judge(core, status, &err);
    memcpy(config.device_key, id->device_key, sizeof(config.device_key));
    memcpy(config.ca_key, id->ca_key, sizeof(config.ca_key));
    memcpy(config.credential, id->credential, sizeof(config.credential));
    status = mien_secagg_device_new(&config, &core->config.rng, &round->session, &err);
    mien_wipe(&config, sizeof(config));
    if (status != MIEN_OK)
        return mien_core_judge(core, status, &err);
    memcpy(round->session_id, mien_secagg_device_session_id(round->session), 32);
    round->n_members = m->n;
    return MIEN_OK;
}

/* A coordinator that picks groups until one suits it gets few tries. */
#define MAX_SESSIONS 8

static enum mien_status on_begin(struct mien_client_core *core, uint64_t now_ms,
                                 const struct mien_message_session *m)
{
    struct mien_message message = {.type = MIEN_FRAME_KEYS};
    struct mien_session_keys keys;
    enum mien_status status;

    /* Another group may take this device as long as its vector has not left. */
    if (core->phase < MIEN_CORE_READY || core->phase > MIEN_CORE_SLOT)
        return mien_core_refuse_order(core, "SESSION");
    if (core->round->n_sessions == MAX_SESSIONS)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_POLICY, "more than %d sessions in a round",
                                MAX_SESSIONS);
    core->round->n_sessions++;
    if (!fits_plan(core->round, m))
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL,
                                "SESSION is not one of the round and plan assigned");
    mien_core_leave_session(core->round);
    status = begin_session(core, m);
    if (status != MIEN_OK || core->close)
        return status;
    /* The id covers what both sides were told: another model or plan has another id. */
    if (memcmp(core->round->session_id, m->session_id, 32) != 0)
        return mien_core_refuse(core, MIEN_MESSAGE_ERROR_AUTH,
                                "SESSION's id does not match what it is about");
    mien_secagg_device_keys(core->round->session, &keys);
    memcpy(message.keys.session_id, m->session_id, 32);
    memcpy(message.keys.mask_pk, keys.mask_pk, sizeof(keys.mask_pk));
    memcpy(message.keys.channel_pk, keys.channel_pk, sizeof(keys.channel_pk));
    memcpy(message.keys.signature, keys.signature, sizeof(keys.signature));
    mien_core_wait(core, MIEN_CORE_ROLL, now_ms, MIEN_CORE_STEP_MS);
    return mien_core_send(core, &message);
}

bool mien_core_next_part(struct mien_core_round *round, uint32_t part, uint32_t n_parts)
{
    if (round->n_parts == 0)
        round->n_parts = n_parts;
    if (part != round->next_part || n_parts != round->n_parts)
        return false;
    round->next_part++;
    return true;
}

bool mien_core_list_ended(struct mien_core_round *round)
{
    if (round->next_part < round->n_parts)
        return false;
    round->next_part = 0;
    round->n_parts = 0;
    return true;
}

/* Sends one part of SHARES and starts the next. */
static enum mien_status send_shares_part(struct mien_client_core *core,
                                         struct mien_message *message)
{
    enum mien_status status = mien_core_send(core, message);

    message->shares.part++;
    message->shares.n_entries = 0;
    return status;
}

static enum mien_status fill_shares(struct mien_client_core *core, struct mien_message *message)
{
    struct mien_core_round *round = core->round;
    const uint32_t n_peers = mien_secagg_device_n_peers(round->session);
    enum mien_status status = MIEN_OK;

    for (uint32_t place = 0; place < n_peers && status == MIEN_OK; place++) {
        struct mien_message_sealed *entry = &message->shares.entries[message->shares.n_entries];
        bool has;

        status = mien_secagg_device_shares(round->session, place, entry->bytes, &has);
        if (status != MIEN_OK || !has)
            continue;
        entry->index = mien_secagg_device_peer(round->session, place);
        entry->len = MIEN_SEALED_SHARES_BYTES;
        if (++message->shares.n_entries == MIEN_MESSAGE_SEALED_PER_PART &&
            message->shares.part + 1 < message->shares.n_parts)
            status = send_shares_part(core, message);
    }
    return status == MIEN_OK ? send_shares_part(core, message) : status;
}

static enum mien_status send_shares(struct mien_client_core *core)
{
    struct mien_core_round *round = core->round;
    struct mien_message message = {.type = MIEN_FRAME_SHARES};
    enum mien_status status;

    memcpy(message.shares.session_id, round->session_id, 32);
    message.shares.n_parts =
        mien_message_n_parts(round->n_roster - 1, MIEN_MESSAGE_SEALED_PER_PART);
    message.shares.entries =
        mien_calloc(MIEN_MESSAGE_SEALED_PER_PART, sizeof(*message.shares.entries));
    if (message.shares.entries == NULL)
        return MIEN_ENOMEM;
    status = fill_shares(core, &message);
    mien_free(message.shares.entries);
    return status;
}

static enum mien_status on_roll(struct mien_client_core *core, uint64_t now_ms,
                                const struct mien_message_roll *roll)
{
    struct mien_core_round *round = core->round;
    struct mien_err err = {0};

    if (core->phase != MIEN_CORE_ROLL || !mien_core_of_session(core, roll->session_id) ||
        !mien_core_next_part(round, roll->part, roll->n_parts))
        return mien_core_refuse_order(core, "ROLL");
    enum mien_status status = mien_secagg_device_roll(
        round->session, (struct mien_span){roll->entries, roll->n_entries * MIEN_ROLL_ENTRY_BYTES},
        &err);
    if (status == MIEN_OK && !mien_core_list_ended(round))
        return MIEN_OK;
    if (status == MIEN_OK)
        status = mien_secagg_device_roll_end(round->session, roll->opening, &err);
    if (status != MIEN_OK)
        return mien_core_judge(core, status, &err);
    round->n_roster = 0;
    mien_core_wait(core, MIEN_CORE_ROSTER, now_ms, MIEN_CORE_STEP_MS);
    return MIEN_OK;
}

static enum mien_status on_roster(struct mien_client_core *core, uint64_t now_ms,
                                  const struct mien_message_roster *roster)
{
    struct mien_core_round *round = core->round;
    struct mien_err err = {0};
    enum mien_status status = MIEN_OK;

    if (core->phase != MIEN_CORE_ROSTER || !mien_core_of_session(core, roster->session_id) ||
        !mien_core_next_part(round, roster->part, roster->n_parts))
        return mien_core_refuse_order(core, "ROSTER");
    for (size_t i = 0; i < roster->n_entries && status == MIEN_OK; i++) {
        const struct mien_message_roster_entry *entry = &roster->entries[i];
        struct mien_session_keys keys;

        memcpy(keys.mask_pk, entry->mask_pk, sizeof(keys.mask_pk));
        memcpy(keys.channel_pk, entry->channel_pk, sizeof(keys.channel_pk));
        memcpy(keys.signature, entry->signature, sizeof(keys.signature));
        status = mien_secagg_device_roster(
            round->session, entry->index,
            (struct mien_span){entry->credential, entry->credential_len}, &keys, &err);
        round->n_roster++;
    }
    if (status == MIEN_OK && !mien_core_list_ended(round))
        return MIEN_OK;
    if (status == MIEN_OK)
        status = mien_secagg_device_roster_end(round->session, &core->config.rng, &err);
    if (status != MIEN_OK)
        return mien_core_judge(core, status, &err);
    mien_core_wait(core, MIEN_CORE_DELIVER, now_ms, MIEN_CORE_STEP_MS);
    return send_shares(core);
}

static enum mien_status on_deliver(struct mien_client_core *core, uint64_t now_ms,
                                   const struct mien_message_shares *deliver)
{
    struct mien_core_round *round = core->round;
    struct mien_err err = {0};
    enum mien_status status = MIEN_OK;

    if (core->phase != MIEN_CORE_DELIVER || !mien_core_of_session(core, deliver->session_id) ||
        !mien_core_next_part(round, deliver->part, deliver->n_parts))
        return mien_core_refuse_order(core, "DELIVER");
    for (size_t i = 0; i < deliver->n_entries && status == MIEN_OK; i++) {
        const struct mien_message_sealed *entry = &deliver->entries[i];

        status = mien_secagg_device_deliver(round->session, entry->index,
                                            (struct mien_span){entry->bytes, entry->len}, &err);
    }
    if (status == MIEN_OK && !mien_core_list_ended(round))
        return MIEN_OK;
    if (status == MIEN_OK)
        status = mien_secagg_device_deliver_end(round->session, &err);
    if (status != MIEN_OK)
        return mien_core_judge(core, status, &err);
    mien_core_wait(core, MIEN_CORE_SLOT, now_ms, MIEN_CORE_STEP_MS);
    return MIEN_OK;
}

enum mien_status mien_core_on_session(struct mien_client_core *core, uint64_t now_ms,
                                      const struct mien_message *message)
{
    if (core->round == NULL)
        return mien_core_refuse_order(core, mien_frame_name(message->type));
    switch (message->type) {
    case MIEN_FRAME_SESSION:
        return on_begin(core, now_ms, &message->session);
    case MIEN_FRAME_ROLL:
        return on_roll(core, now_ms, &message->roll);
    case MIEN_FRAME_ROSTER:
        return on_roster(core, now_ms, &message->roster);
    case MIEN_FRAME_DELIVER:
        return on_deliver(core, now_ms, &message->deliver);
    default:
        return mien_core_on_sum(core, now_ms, message);
    }
}
