// SPDX-License-Identifier: Apache-2.0
/* The secure sum of a round, from SESSION to REVEAL, and the upload in between. */
#include "client/core_internal.h"

#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/pack.h"

#include <inttypes.h>
#include <string.h>

enum {
    STEP_MS = 180 * 1000,   /* the coordinator waits for the slowest of the group */
    OUTCOME_MS = 900 * 1000 /* from the last share to the release */
};

void mien_core_leave_session(struct mien_core_round *round)
{
    mien_secagg_device_free(round->session);
    round->session = NULL;
    round->n_roster = 0;
    round->n_parts = 0;
    round->next_part = 0;
}

/* What a step of the secure sum said: a coordinator or peer that is wrong is refused, what this
 * device could not do is passed up. */
static enum mien_status judge(struct mien_client_core *core, enum mien_status status,
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

static enum mien_status refuse_order(struct mien_client_core *core, const char *what)
{
    return mien_core_refuse(core, MIEN_MESSAGE_ERROR_PROTOCOL, "%s is out of order", what);
}

static bool of_session(const struct mien_client_core *core, const uint8_t session_id[32])
{
    const struct mien_core_round *round = core->round;

    return round->session != NULL && memcmp(session_id, round->session_id, 32) == 0;
}

/* Whether the session is one of this plan and round; the rest is judged by secagg. */
static bool fits_plan(const struct mien_core_round *round, const struct mien_message_session *m)
{
    return m->round == round->assign.round && m->attempt == round->assign.attempt &&
           m->purpose == MIEN_MESSAGE_PURPOSE_UPDATE && m->n >= round->plan.group_min &&
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
                                   .t = m->t,
                                   .dim = m->dim,
                                   .bits = m->bits};

    memcpy(session.run_id, core->config.identity.run_id, sizeof(session.run_id));
    memcpy(session.model_hash, assign->model_hash, sizeof(session.model_hash));
    memcpy(session.plan_hash, assign->plan_hash, sizeof(session.plan_hash));
    memcpy(session.members_digest, m->members_digest, sizeof(session.members_digest));
    memcpy(session.nonce, m->nonce, sizeof(session.nonce));
    return session;
}

static enum mien_status begin_session(struct mien_client_core *core,
                                      const struct mien_message_session *m)
{
    const struct mien_client_core_host *host = &core->config.host;
    const struct mien_client_identity *id = &core->config.identity;
    struct mien_core_round *round = core->round;
    uint32_t wanted = core->config.limits.min_group;
    struct mien_secagg_device_config config = {
        .session = session_of(core, m),
        .index = m->index,
        .now = host->now_s == NULL ? 0 : host->now_s(host->self),
        .min_members = wanted > round->plan.group_min ? wanted : round->plan.group_min};
    struct mien_err err = {0};
    enum mien_status status;

    memcpy(config.device_key, id->device_key, sizeof(config.device_key));
    memcpy(config.ca_key, id->ca_key, sizeof(config.ca_key));
    memcpy(config.credential, id->credential, sizeof(config.credential));
    status = mien_secagg_device_new(&config, &core->config.rng, &round->session, &err);
    mien_wipe(&config, sizeof(config));
    if (status != MIEN_OK)
        return judge(core, status, &err);
    memcpy(round->session_id, mien_secagg_device_session_id(round->session), 32);
    round->n_members = m->n;
    return MIEN_OK;
}

static enum mien_status on_begin(struct mien_client_core *core, uint64_t now_ms,
                                 const struct mien_message_session *m)
{
    struct mien_message message = {.type = MIEN_FRAME_KEYS};
    struct mien_session_keys keys;
    enum mien_status status;

    /* Another group may take this device as long as its vector has not left. */
    if (core->phase < MIEN_CORE_READY || core->phase > MIEN_CORE_SLOT)
        return refuse_order(core, "SESSION");
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
    mien_core_wait(core, MIEN_CORE_ROSTER, now_ms, STEP_MS);
    return mien_core_send(core, &message);
}

/* Whether this part of a list comes next. */
static bool next_part(struct mien_core_round *round, uint32_t part, uint32_t n_parts)
{
    if (round->n_parts == 0)
        round->n_parts = n_parts;
    if (part != round->next_part || n_parts != round->n_parts)
        return false;
    round->next_part++;
    return true;
}

/* Whether that was the last part; the next list starts anew. */
static bool list_ended(struct mien_core_round *round)
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
    enum mien_status status = MIEN_OK;

    for (uint32_t to = 0; to < round->n_members && status == MIEN_OK; to++) {
        struct mien_message_sealed *entry = &message->shares.entries[message->shares.n_entries];
        bool has;

        status = mien_secagg_device_shares(round->session, to, entry->bytes, &has);
        if (status != MIEN_OK || !has)
            continue;
        entry->index = to;
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

static enum mien_status on_roster(struct mien_client_core *core, uint64_t now_ms,
                                  const struct mien_message_roster *roster)
{
    struct mien_core_round *round = core->round;
    struct mien_err err = {0};
    enum mien_status status = MIEN_OK;

    if (core->phase != MIEN_CORE_ROSTER || !of_session(core, roster->session_id) ||
        !next_part(round, roster->part, roster->n_parts))
        return refuse_order(core, "ROSTER");
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
    if (status == MIEN_OK && !list_ended(round))
        return MIEN_OK;
    if (status == MIEN_OK)
        status = mien_secagg_device_roster_end(round->session, &core->config.rng, &err);
    if (status != MIEN_OK)
        return judge(core, status, &err);
    mien_core_wait(core, MIEN_CORE_DELIVER, now_ms, STEP_MS);
    return send_shares(core);
}

static enum mien_status on_deliver(struct mien_client_core *core, uint64_t now_ms,
                                   const struct mien_message_shares *deliver)
{
    struct mien_core_round *round = core->round;
    struct mien_err err = {0};
    enum mien_status status = MIEN_OK;

    if (core->phase != MIEN_CORE_DELIVER || !of_session(core, deliver->session_id) ||
        !next_part(round, deliver->part, deliver->n_parts))
        return refuse_order(core, "DELIVER");
    for (size_t i = 0; i < deliver->n_entries && status == MIEN_OK; i++) {
        const struct mien_message_sealed *entry = &deliver->entries[i];

        status = mien_secagg_device_deliver(round->session, entry->index,
                                            (struct mien_span){entry->bytes, entry->len}, &err);
    }
    if (status == MIEN_OK && !list_ended(round))
        return MIEN_OK;
    if (status == MIEN_OK)
        status = mien_secagg_device_deliver_end(round->session, &err);
    if (status != MIEN_OK)
        return judge(core, status, &err);
    mien_core_wait(core, MIEN_CORE_SLOT, now_ms, STEP_MS);
    return MIEN_OK;
}

enum mien_status mien_core_mask(struct mien_client_core *core, uint64_t now_ms)
{
    struct mien_core_round *round = core->round;
    struct mien_client_record record = core->config.record;
    /* The signed vector read as residues mod 2^32; the low bits are packed. */
    enum mien_status status = mien_secagg_device_mask(round->session, (uint32_t *)round->vector);

    if (status != MIEN_OK)
        return status;
    round->chunk = mien_calloc(1, MIEN_FRAME_INPUT_DATA_BYTES);
    if (round->chunk == NULL)
        return MIEN_ENOMEM;
    /* From here on this attempt has its vector, whatever happens to this device. */
    record.sent_round = round->assign.round;
    record.sent_attempt = round->assign.attempt;
    record.waits_for_close = false;
    record.n_sent++;
    status = core->config.host.save(core->config.host.self, &record);
    if (status != MIEN_OK)
        return status;
    core->config.record = record;
    mien_core_log(core, MIEN_DEBUG, "device.upload round=%" PRIu64 " bytes=%" PRIu64,
                  round->assign.round,
                  mien_secagg_packed_bytes(round->params.dim, round->params.bits));
    mien_core_wait(core, MIEN_CORE_UPLOADING, now_ms, STEP_MS);
    return MIEN_OK;
}

enum mien_status mien_core_upload(struct mien_client_core *core, uint64_t now_ms)
{
    struct mien_core_round *round = core->round;
    uint64_t total = mien_secagg_packed_bytes(round->params.dim, round->params.bits);
    uint64_t left = total - round->n_uploaded;
    size_t n = left < MIEN_FRAME_INPUT_DATA_BYTES ? (size_t)left : MIEN_FRAME_INPUT_DATA_BYTES;
    struct mien_message message = {
        .type = MIEN_FRAME_INPUT_CHUNK,
        .input_chunk = {.offset = round->n_uploaded, .total = total, .data = {round->chunk, n}}};

    memcpy(message.input_chunk.session_id, round->session_id, 32);
    mien_pack_part((const uint32_t *)round->vector, round->params.dim, round->params.bits,
                   round->n_uploaded, round->chunk, n);
    round->n_uploaded += n;
    mien_core_wait(core, round->n_uploaded < total ? MIEN_CORE_UPLOADING : MIEN_CORE_UPLOADED,
                   now_ms, STEP_MS);
    enum mien_status status = mien_core_send(core, &message);
    if (round->n_uploaded == total)
        mien_core_drop_vector(round);
    return status;
}

static enum mien_status on_input_ok(struct mien_client_core *core, uint64_t now_ms,
                                    const struct mien_message_of_session *input_ok)
{
    if (core->phase != MIEN_CORE_UPLOADED || !of_session(core, input_ok->session_id))
        return refuse_order(core, "INPUT_OK");
    core->config.record.waits_for_close = true;
    mien_core_wait(core, MIEN_CORE_SURVIVORS, now_ms, STEP_MS);
    return core->config.host.save(core->config.host.self, &core->config.record);
}

static enum mien_status collect_reveal(struct mien_core_round *round,
                                       struct mien_message_reveal_entry *entries, size_t *n)
{
    *n = 0;
    for (uint32_t i = 0; i < round->n_members; i++) {
        struct mien_message_reveal_entry *entry = &entries[*n];
        bool survived;
        bool has;
        enum mien_status status =
            mien_secagg_device_reveal(round->session, i, &survived, entry->share, &has);

        if (status != MIEN_OK)
            return status;
        if (!has)
            continue;
        entry->index = i;
        entry->kind = survived ? MIEN_MESSAGE_SELF_MASK : MIEN_MESSAGE_KEY;
        entry->len = MIEN_SHARE_BYTES;
        (*n)++;
    }
    return MIEN_OK;
}

static enum mien_status send_reveal(struct mien_client_core *core)
{
    struct mien_core_round *round = core->round;
    struct mien_message message = {.type = MIEN_FRAME_REVEAL};
    struct mien_message_reveal_entry *entries = mien_calloc(round->n_members, sizeof(*entries));
    enum mien_status status;
    size_t n;

    if (entries == NULL)
        return MIEN_ENOMEM;
    memcpy(message.reveal.session_id, round->session_id, 32);
    status = collect_reveal(round, entries, &n);
    message.reveal.n_parts = mien_message_n_parts(n, MIEN_MESSAGE_REVEAL_PER_PART);
    for (uint32_t part = 0; part < message.reveal.n_parts && status == MIEN_OK; part++) {
        size_t at = (size_t)part * MIEN_MESSAGE_REVEAL_PER_PART;
        size_t left = n - at;

        message.reveal.part = part;
        message.reveal.entries = entries + at;
        message.reveal.n_entries =
            left < MIEN_MESSAGE_REVEAL_PER_PART ? left : MIEN_MESSAGE_REVEAL_PER_PART;
        status = mien_core_send(core, &message);
    }
    mien_wipe(entries, round->n_members * sizeof(*entries));
    mien_free(entries);
    return status;
}

static enum mien_status on_survivors(struct mien_client_core *core, uint64_t now_ms,
                                     const struct mien_message_survivors *survivors)
{
    struct mien_core_round *round = core->round;
    struct mien_err err = {0};
    enum mien_status status;

    /* A second set would give the coordinator both secrets of a member: never. */
    if (core->phase != MIEN_CORE_SURVIVORS || !of_session(core, survivors->session_id) ||
        survivors->n != round->n_members)
        return refuse_order(core, "SURVIVORS");
    status = mien_secagg_device_survivors(round->session, survivors->bitmap, survivors->root, &err);
    if (status != MIEN_OK)
        return judge(core, status, &err);
    status = send_reveal(core);
    mien_core_leave_session(round);
    mien_core_wait(core, MIEN_CORE_REVEALED, now_ms, OUTCOME_MS);
    return status;
}

enum mien_status mien_core_on_session(struct mien_client_core *core, uint64_t now_ms,
                                      const struct mien_message *message)
{
    if (core->round == NULL)
        return refuse_order(core, mien_frame_name(message->type));
    switch (message->type) {
    case MIEN_FRAME_SESSION:
        return on_begin(core, now_ms, &message->session);
    case MIEN_FRAME_ROSTER:
        return on_roster(core, now_ms, &message->roster);
    case MIEN_FRAME_DELIVER:
        return on_deliver(core, now_ms, &message->deliver);
    case MIEN_FRAME_INPUT_OK:
        return on_input_ok(core, now_ms, &message->input_ok);
    case MIEN_FRAME_SURVIVORS:
        return on_survivors(core, now_ms, &message->survivors);
    default:
        break;
    }
    if (core->phase != MIEN_CORE_SLOT || !of_session(core, message->slot.session_id))
        return refuse_order(core, "SLOT");
    core->phase = MIEN_CORE_MASKING;
    core->watchdog_at_ms = UINT64_MAX;
    return MIEN_OK;
}
