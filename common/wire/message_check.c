// SPDX-License-Identifier: Apache-2.0
#include "common/base/text.h"
#include "common/wire/message_internal.h"

#include <inttypes.h>
#include <string.h>

/* Judges field after field; the first that is wrong stands. */
struct judge {
    const char *name; /* of the message */
    struct mien_err *err;
    enum mien_status status;
};

static void range(struct judge *judge, const char *field, uint64_t v, uint64_t min, uint64_t max)
{
    if (judge->status == MIEN_OK && (v < min || v > max))
        judge->status = mien_err_set(judge->err, MIEN_ELIMIT,
                                     "%s: field %s is %" PRIu64 ", not in %" PRIu64 " to %" PRIu64,
                                     judge->name, field, v, min, max);
}

static void holds(struct judge *judge, bool fact, const char *field, const char *what)
{
    if (judge->status == MIEN_OK && !fact)
        judge->status =
            mien_err_set(judge->err, MIEN_EPARSE, "%s: field %s %s", judge->name, field, what);
}

static void text(struct judge *judge, const char *field, const char *value, size_t cap)
{
    const char *end = memchr(value, 0, cap);

    holds(judge, end != NULL && mien_utf8_printable(value, (size_t)(end - value)), field,
          "is too long or not printable UTF-8");
}

static void check_assign(struct judge *judge, const struct mien_message_assign *assign)
{
    range(judge, "round", assign->round, 1, UINT64_MAX);
    range(judge, "plan_bytes", assign->plan_bytes, 1, MIEN_MESSAGE_PLAN_BYTES);
    range(judge, "model_bytes", assign->model_bytes, 4, MIEN_MESSAGE_MODEL_BYTES);
    holds(judge, assign->model_bytes % 4 == 0, "model_bytes", "is no number of float32 values");
    range(judge, "report_by_ms", assign->report_by_ms, 1, UINT32_MAX);
    holds(judge, assign->clip >= 1e-9 && assign->clip <= 1e9, "clip", "is not from 1e-9 to 1e9");
    range(judge, "purpose", assign->purpose, MIEN_MESSAGE_PURPOSE_TRAIN,
          MIEN_MESSAGE_PURPOSE_DRILL);
}

static void check_what(struct judge *judge, enum mien_message_what what)
{
    range(judge, "what", what, MIEN_MESSAGE_PLAN, MIEN_MESSAGE_MODEL);
}

/* A piece of `total` bytes that begins at `offset`. */
static void check_bulk(struct judge *judge, uint64_t offset, uint64_t total, size_t len,
                       size_t len_max)
{
    range(judge, "offset", offset, 0, total - 1);
    if (judge->status == MIEN_OK)
        range(judge, "data", len, 1, total - offset < len_max ? total - offset : len_max);
}

static void check_chunk(struct judge *judge, const struct mien_message_chunk *chunk)
{
    bool plan = chunk->what == MIEN_MESSAGE_PLAN;

    check_what(judge, chunk->what);
    range(judge, "total", chunk->total, 1,
          plan ? MIEN_MESSAGE_PLAN_BYTES : MIEN_MESSAGE_MODEL_BYTES);
    check_bulk(judge, chunk->offset, chunk->total, chunk->data.len, MIEN_FRAME_CHUNK_DATA_BYTES);
}

static void check_session(struct judge *judge, const struct mien_message_session *session)
{
    range(judge, "round", session->round, 1, UINT64_MAX);
    range(judge, "purpose", session->purpose, MIEN_MESSAGE_PURPOSE_TRAIN,
          MIEN_MESSAGE_PURPOSE_DRILL);
    range(judge, "n", session->n, 2, MIEN_MESSAGE_GROUP_MAX);
    range(judge, "k", session->k, 1, session->n - 1);
    range(judge, "t", session->t, 2, session->n);
    range(judge, "index", session->index, 0, session->n - 1);
    range(judge, "bits", session->bits, 12, 32);
    range(judge, "dim", session->dim, 1, MIEN_MESSAGE_DIM_MAX);
}

static void check_part(struct judge *judge, uint32_t part, uint32_t n_parts, size_t n, size_t max)
{
    range(judge, "n_parts", n_parts, 1, MIEN_MESSAGE_PARTS_MAX);
    range(judge, "part", part, 0, n_parts - 1);
    range(judge, "entries", n, 0, max);
}

/* Indices rise strictly, so that nobody stands twice in a part and a set has one spelling. */
static void check_index(struct judge *judge, uint32_t index, bool first, uint32_t before)
{
    range(judge, "entries.index", index, 0, MIEN_MESSAGE_GROUP_MAX - 1);
    holds(judge, first || index > before, "entries.index", "does not rise");
}

static void check_roll(struct judge *judge, const struct mien_message_roll *roll)
{
    range(judge, "n_parts", roll->n_parts, 1, MIEN_MESSAGE_ROLL_PARTS_MAX);
    range(judge, "part", roll->part, 0, roll->n_parts - 1);
    range(judge, "entries", roll->n_entries, 1, MIEN_MESSAGE_ROLL_PER_PART);
}

static void check_confirmed(struct judge *judge, const struct mien_message_confirmed *confirmed)
{
    check_part(judge, confirmed->part, confirmed->n_parts, confirmed->n_entries,
               MIEN_MESSAGE_CONFIRMED_PER_PART);
    for (size_t i = 0; judge->status == MIEN_OK && i < confirmed->n_entries; i++) {
        const struct mien_message_confirmed_entry *entry = &confirmed->entries[i];

        check_index(judge, entry->index, i == 0, i == 0 ? 0 : entry[-1].index);
    }
}

static void check_roster(struct judge *judge, const struct mien_message_roster *roster)
{
    check_part(judge, roster->part, roster->n_parts, roster->n_entries,
               MIEN_MESSAGE_ROSTER_PER_PART);
    for (size_t i = 0; judge->status == MIEN_OK && i < roster->n_entries; i++) {
        const struct mien_message_roster_entry *entry = &roster->entries[i];

        check_index(judge, entry->index, i == 0, i == 0 ? 0 : entry[-1].index);
        range(judge, "entries.credential", entry->credential_len, 1, MIEN_MESSAGE_CREDENTIAL_BYTES);
    }
}

static void check_shares(struct judge *judge, const struct mien_message_shares *shares)
{
    check_part(judge, shares->part, shares->n_parts, shares->n_entries,
               MIEN_MESSAGE_SEALED_PER_PART);
    for (size_t i = 0; judge->status == MIEN_OK && i < shares->n_entries; i++) {
        const struct mien_message_sealed *entry = &shares->entries[i];

        check_index(judge, entry->index, i == 0, i == 0 ? 0 : entry[-1].index);
        range(judge, "entries.bytes", entry->len, 1, MIEN_MESSAGE_SEALED_BYTES);
    }
}

static void check_reveal(struct judge *judge, const struct mien_message_reveal *reveal)
{
    check_part(judge, reveal->part, reveal->n_parts, reveal->n_entries,
               MIEN_MESSAGE_REVEAL_PER_PART);
    for (size_t i = 0; judge->status == MIEN_OK && i < reveal->n_entries; i++) {
        const struct mien_message_reveal_entry *entry = &reveal->entries[i];

        check_index(judge, entry->index, i == 0, i == 0 ? 0 : entry[-1].index);
        range(judge, "entries.kind", entry->kind, MIEN_MESSAGE_SELF_MASK, MIEN_MESSAGE_KEY);
        range(judge, "entries.share", entry->len, 1, MIEN_MESSAGE_SHARE_BYTES);
    }
}

static void check_survivors(struct judge *judge, const struct mien_message_survivors *survivors)
{
    bool clean = true;

    range(judge, "n", survivors->n, 2, MIEN_MESSAGE_GROUP_MAX);
    for (uint32_t i = survivors->n; i < MIEN_MESSAGE_GROUP_MAX; i++)
        clean = clean && (survivors->bitmap[i / 8] >> (i % 8) & 1) == 0;
    holds(judge, clean, "bitmap", "names a member beyond n");
}

static void check_closed(struct judge *judge, const struct mien_message_closed *closed)
{
    range(judge, "round", closed->round, 1, UINT64_MAX);
    range(judge, "outcome", closed->outcome, MIEN_MESSAGE_RELEASED, MIEN_MESSAGE_ABANDONED);
}

static void check_enrolled(struct judge *judge, const struct mien_message_enrolled *enrolled)
{
    range(judge, "cert", enrolled->cert_len, 1, MIEN_MESSAGE_CERT_BYTES);
    range(judge, "ca_cert", enrolled->ca_cert_len, 1, MIEN_MESSAGE_CERT_BYTES);
    range(judge, "credential", enrolled->credential_len, 1, MIEN_MESSAGE_CREDENTIAL_BYTES);
    range(judge, "port", enrolled->port, 1, UINT16_MAX);
}

/* Messages between rounds. */
static void check_standing(struct judge *judge, const struct mien_message *message)
{
    switch (message->type) {
    case MIEN_FRAME_HELLO:
        range(judge, "protocol", message->hello.protocol, 1, UINT32_MAX);
        text(judge, "software", message->hello.software, sizeof(message->hello.software));
        break;
    case MIEN_FRAME_COME_BACK:
        range(judge, "after_ms", message->come_back.after_ms, 0, MIEN_MESSAGE_AFTER_MS_MAX);
        range(judge, "reason", message->come_back.reason, 1, MIEN_MESSAGE_REASON_END - 1);
        break;
    case MIEN_FRAME_ERROR:
        range(judge, "code", message->error.code, 1, MIEN_MESSAGE_ERROR_END - 1);
        text(judge, "sentence", message->error.sentence, sizeof(message->error.sentence));
        break;
    case MIEN_FRAME_RENEW:
        range(judge, "csr", message->renew.csr_len, 1, MIEN_MESSAGE_CSR_BYTES);
        break;
    case MIEN_FRAME_RENEWED:
        range(judge, "cert", message->renewed.cert_len, 1, MIEN_MESSAGE_CERT_BYTES);
        range(judge, "credential", message->renewed.credential_len, 1,
              MIEN_MESSAGE_CREDENTIAL_BYTES);
        break;
    case MIEN_FRAME_ENROL:
        range(judge, "csr", message->enrol.csr_len, 1, MIEN_MESSAGE_CSR_BYTES);
        break;
    case MIEN_FRAME_ENROLLED:
        check_enrolled(judge, &message->enrolled);
        break;
    default: /* every value of their fields is one */
        break;
    }
}

/* Messages of a round. */
static void check_round(struct judge *judge, const struct mien_message *message)
{
    switch (message->type) {
    case MIEN_FRAME_ASSIGN:
        check_assign(judge, &message->assign);
        break;
    case MIEN_FRAME_GET:
        check_what(judge, message->get.what);
        range(judge, "offset", message->get.offset, 0, MIEN_MESSAGE_MODEL_BYTES);
        break;
    case MIEN_FRAME_CHUNK:
        check_chunk(judge, &message->chunk);
        break;
    case MIEN_FRAME_READY:
        range(judge, "round", message->ready.round, 1, UINT64_MAX);
        break;
    case MIEN_FRAME_SESSION:
        check_session(judge, &message->session);
        break;
    case MIEN_FRAME_ROLL:
        check_roll(judge, &message->roll);
        break;
    case MIEN_FRAME_CONFIRMED:
        check_confirmed(judge, &message->confirmed);
        break;
    case MIEN_FRAME_ROSTER:
        check_roster(judge, &message->roster);
        break;
    case MIEN_FRAME_SHARES:
    case MIEN_FRAME_DELIVER:
        check_shares(judge, &message->shares);
        break;
    case MIEN_FRAME_INPUT_CHUNK:
        range(judge, "total", message->input_chunk.total, 1, MIEN_MESSAGE_INPUT_BYTES);
        check_bulk(judge, message->input_chunk.offset, message->input_chunk.total,
                   message->input_chunk.data.len, MIEN_FRAME_INPUT_DATA_BYTES);
        break;
    case MIEN_FRAME_SURVIVORS:
        check_survivors(judge, &message->survivors);
        break;
    case MIEN_FRAME_REVEAL:
        check_reveal(judge, &message->reveal);
        break;
    case MIEN_FRAME_CLOSED:
        check_closed(judge, &message->closed);
        break;
    default:
        check_standing(judge, message);
        break;
    }
}

enum mien_status mien_message_check(const struct mien_message *message, struct mien_err *err)
{
    struct judge judge = {mien_frame_name(message->type), err, MIEN_OK};

    if (mien_frame_body_max(message->type) == 0)
        return mien_err_set(err, MIEN_EPARSE, "there is no message type %u",
                            (unsigned)message->type);
    check_round(&judge, message);
    return judge.status;
}
