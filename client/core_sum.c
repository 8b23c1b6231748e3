// SPDX-License-Identifier: Apache-2.0
/* The masked vector of a round, and what follows until the shares are revealed. */
#include "client/core_internal.h"

#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/pack.h"

#include <inttypes.h>
#include <string.h>

#define OUTCOME_MS (900 * 1000) /* from the last share to the release */

static bool is_drill(const struct mien_client_core *core)
{
    return core->round->assign.purpose == MIEN_MESSAGE_PURPOSE_DRILL;
}

/* From here on this attempt has its vector, whatever happens to this device. Zeros are no vector.
 */
static enum mien_status note_sent(struct mien_client_core *core)
{
    struct mien_client_record record = core->config.record;

    if (is_drill(core))
        return MIEN_OK;
    record.sent_round = core->round->assign.round;
    record.sent_attempt = core->round->assign.attempt;
    record.waits_for_close = false;
    record.n_sent++;
    enum mien_status status = core->config.host.save(core->config.host.self, &record);
    if (status == MIEN_OK)
        core->config.record = record;
    return status;
}

enum mien_status mien_core_mask(struct mien_client_core *core, uint64_t now_ms)
{
    struct mien_core_round *round = core->round;
    /* The signed vector read as residues mod 2^32; the low bits are packed. */
    enum mien_status status = mien_secagg_device_mask(round->session, (uint32_t *)round->vector);

    if (status != MIEN_OK)
        return status;
    round->chunk = mien_calloc(1, MIEN_FRAME_INPUT_DATA_BYTES);
    if (round->chunk == NULL)
        return MIEN_ENOMEM;
    status = note_sent(core);
    if (status != MIEN_OK)
        return status;
    mien_core_log(core, MIEN_DEBUG, "device.upload round=%" PRIu64 " bytes=%" PRIu64,
                  round->assign.round,
                  mien_secagg_packed_bytes(round->params.dim, round->params.bits));
    mien_core_wait(core, MIEN_CORE_UPLOADING, now_ms, MIEN_CORE_STEP_MS);
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
                   now_ms, MIEN_CORE_STEP_MS);
    enum mien_status status = mien_core_send(core, &message);
    if (round->n_uploaded == total)
        mien_core_drop_vector(round);
    return status;
}

static enum mien_status on_input_ok(struct mien_client_core *core, uint64_t now_ms,
                                    const struct mien_message_of_session *input_ok)
{
    if (core->phase != MIEN_CORE_UPLOADED || !mien_core_of_session(core, input_ok->session_id))
        return mien_core_refuse_order(core, "INPUT_OK");
    mien_core_wait(core, MIEN_CORE_SURVIVORS, now_ms, MIEN_CORE_STEP_MS);
    if (is_drill(core))
        return MIEN_OK;
    core->config.record.waits_for_close = true;
    return core->config.host.save(core->config.host.self, &core->config.record);
}

static enum mien_status collect_reveal(struct mien_core_round *round,
                                       struct mien_message_reveal_entry *entries, size_t *n)
{
    const uint32_t n_peers = mien_secagg_device_n_peers(round->session);

    *n = 0;
    for (uint32_t place = 0; place < n_peers; place++) {
        struct mien_message_reveal_entry *entry = &entries[*n];
        bool survived;
        bool has;
        enum mien_status status =
            mien_secagg_device_reveal(round->session, place, &survived, entry->share, &has);

        if (status != MIEN_OK)
            return status;
        if (!has)
            continue;
        entry->index = mien_secagg_device_peer(round->session, place);
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
    const uint32_t n_peers = mien_secagg_device_n_peers(round->session);
    struct mien_message_reveal_entry *entries = mien_calloc(n_peers, sizeof(*entries));
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
    mien_wipe(entries, n_peers * sizeof(*entries));
    mien_free(entries);
    return status;
}

static enum mien_status on_survivors(struct mien_client_core *core, uint64_t now_ms,
                                     const struct mien_message_survivors *survivors)
{
    struct mien_core_round *round = core->round;
    struct mien_message message = {.type = MIEN_FRAME_CONFIRM};
    struct mien_err err = {0};

    /* A second set would give the coordinator both secrets of a member: never. */
    if (core->phase != MIEN_CORE_SURVIVORS || !mien_core_of_session(core, survivors->session_id) ||
        survivors->n != round->n_members)
        return mien_core_refuse_order(core, "SURVIVORS");
    enum mien_status status = mien_secagg_device_survivors(
        round->session, survivors->bitmap, survivors->root, core->config.identity.device_key,
        message.confirm.signature, &err);
    if (status != MIEN_OK)
        return mien_core_judge(core, status, &err);
    memcpy(message.confirm.session_id, round->session_id, 32);
    mien_core_wait(core, MIEN_CORE_CONFIRMED, now_ms, MIEN_CORE_STEP_MS);
    return mien_core_send(core, &message);
}

static enum mien_status on_confirmed(struct mien_client_core *core, uint64_t now_ms,
                                     const struct mien_message_confirmed *confirmed)
{
    struct mien_core_round *round = core->round;
    struct mien_err err = {0};
    enum mien_status status = MIEN_OK;

    if (core->phase != MIEN_CORE_CONFIRMED || !mien_core_of_session(core, confirmed->session_id) ||
        !mien_core_next_part(round, confirmed->part, confirmed->n_parts))
        return mien_core_refuse_order(core, "CONFIRMED");
    for (size_t i = 0; i < confirmed->n_entries && status == MIEN_OK; i++)
        status = mien_secagg_device_confirm(round->session, confirmed->entries[i].index,
                                            confirmed->entries[i].signature, &err);
    if (status == MIEN_OK && !mien_core_list_ended(round))
        return MIEN_OK;
    if (status == MIEN_OK)
        status = mien_secagg_device_confirm_end(round->session, &err);
    if (status != MIEN_OK)
        return mien_core_judge(core, status, &err);
    status = send_reveal(core);
    mien_core_leave_session(round);
    mien_core_wait(core, MIEN_CORE_REVEALED, now_ms, OUTCOME_MS);
    return status;
}

enum mien_status mien_core_on_sum(struct mien_client_core *core, uint64_t now_ms,
                                  const struct mien_message *message)
{
    switch (message->type) {
    case MIEN_FRAME_INPUT_OK:
        return on_input_ok(core, now_ms, &message->input_ok);
    case MIEN_FRAME_SURVIVORS:
        return on_survivors(core, now_ms, &message->survivors);
    case MIEN_FRAME_CONFIRMED:
        return on_confirmed(core, now_ms, &message->confirmed);
    default:
        break;
    }
    if (core->phase != MIEN_CORE_SLOT || !mien_core_of_session(core, message->slot.session_id))
        return mien_core_refuse_order(core, "SLOT");
    core->phase = MIEN_CORE_MASKING;
    core->watchdog_at_ms = UINT64_MAX;
    return MIEN_OK;
}
