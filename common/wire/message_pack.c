// SPDX-License-Identifier: Apache-2.0
#include "common/wire/message_internal.h"

#include "mien.pb-c.h"

#include <string.h>

static enum mien_status put(enum mien_frame_type type, const void *message, struct mien_buf *out)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    size_t before = out->len;
    enum mien_status status = mien_buf_reserve(out, MIEN_FRAME_HEAD_BYTES + n);

    if (status == MIEN_OK)
        status = mien_frame_begin(type, n, out);
    if (status != MIEN_OK) {
        out->len = before;
        return status;
    }
    out->len += protobuf_c_message_pack(message, out->data + out->len);
    return MIEN_OK;
}

/* protobuf-c's structs are not const, but packing only reads. */
static ProtobufCBinaryData bin(const void *data, size_t n)
{
    return (ProtobufCBinaryData){n, (uint8_t *)(uintptr_t)data};
}

static Mien__Mark mark_of(const struct mien_message_mark *mark)
{
    Mien__Mark m = MIEN__MARK__INIT;

    m.epoch = mark->epoch;
    m.seq = mark->seq;
    m.head = bin(mark->head, sizeof(mark->head));
    return m;
}

static enum mien_status pack_hello(const struct mien_message_hello *hello, struct mien_buf *out)
{
    Mien__Hello m = MIEN__HELLO__INIT;
    Mien__Mark seen = mark_of(&hello->seen);

    m.protocol = hello->protocol;
    m.software = (char *)(uintptr_t)hello->software;
    m.max_memory_bytes = hello->max_memory_bytes;
    m.seen = &seen;
    return put(MIEN_FRAME_HELLO, &m, out);
}

static enum mien_status pack_welcome(const struct mien_message_welcome *welcome,
                                     struct mien_buf *out)
{
    Mien__Welcome m = MIEN__WELCOME__INIT;
    Mien__Mark mark = mark_of(&welcome->mark);

    m.run_id = bin(welcome->run_id, sizeof(welcome->run_id));
    m.mark = &mark;
    m.renew_after_s = welcome->renew_after_s;
    m.signing_key = bin(welcome->signing_key, sizeof(welcome->signing_key));
    return put(MIEN_FRAME_WELCOME, &m, out);
}

static enum mien_status pack_check_in(const struct mien_message_check_in *check_in,
                                      struct mien_buf *out)
{
    Mien__CheckIn m = MIEN__CHECK_IN__INIT;

    m.last_round = check_in->last_round;
    return put(MIEN_FRAME_CHECK_IN, &m, out);
}

static enum mien_status pack_come_back(const struct mien_message_come_back *come_back,
                                       struct mien_buf *out)
{
    Mien__ComeBack m = MIEN__COME_BACK__INIT;

    m.after_ms = come_back->after_ms;
    m.reason = come_back->reason;
    return put(MIEN_FRAME_COME_BACK, &m, out);
}

static enum mien_status pack_assign(const struct mien_message_assign *assign, struct mien_buf *out)
{
    Mien__Assign m = MIEN__ASSIGN__INIT;
    Mien__Mark mark = mark_of(&assign->mark);

    m.round = assign->round;
    m.attempt = assign->attempt;
    m.plan_hash = bin(assign->plan_hash, sizeof(assign->plan_hash));
    m.plan_bytes = assign->plan_bytes;
    m.model_hash = bin(assign->model_hash, sizeof(assign->model_hash));
    m.model_bytes = assign->model_bytes;
    m.model_version = assign->model_version;
    m.report_by_ms = assign->report_by_ms;
    m.clip = assign->clip;
    m.mark = &mark;
    m.signature = bin(assign->signature, sizeof(assign->signature));
    m.purpose = assign->purpose;
    return put(MIEN_FRAME_ASSIGN, &m, out);
}

static enum mien_status pack_get(const struct mien_message_get *get, struct mien_buf *out)
{
    Mien__Get m = MIEN__GET__INIT;

    m.what = get->what;
    m.hash = bin(get->hash, sizeof(get->hash));
    m.offset = get->offset;
    return put(MIEN_FRAME_GET, &m, out);
}

static enum mien_status pack_ready(const struct mien_message_ready *ready, struct mien_buf *out)
{
    Mien__Ready m = MIEN__READY__INIT;

    m.round = ready->round;
    return put(MIEN_FRAME_READY, &m, out);
}

static enum mien_status pack_session(const struct mien_message_session *session,
                                     struct mien_buf *out)
{
    Mien__Session m = MIEN__SESSION__INIT;

    m.round = session->round;
    m.attempt = session->attempt;
    m.session_index = session->session_index;
    m.purpose = session->purpose;
    m.n = session->n;
    m.k = session->k;
    m.t = session->t;
    m.index = session->index;
    m.dim = session->dim;
    m.bits = session->bits;
    m.nonce = bin(session->nonce, sizeof(session->nonce));
    m.members_digest = bin(session->members_digest, sizeof(session->members_digest));
    m.commitment = bin(session->commitment, sizeof(session->commitment));
    m.session_id = bin(session->session_id, sizeof(session->session_id));
    return put(MIEN_FRAME_SESSION, &m, out);
}

static enum mien_status pack_keys(const struct mien_message_keys *keys, struct mien_buf *out)
{
    Mien__Keys m = MIEN__KEYS__INIT;

    m.session_id = bin(keys->session_id, sizeof(keys->session_id));
    m.mask_pk = bin(keys->mask_pk, sizeof(keys->mask_pk));
    m.channel_pk = bin(keys->channel_pk, sizeof(keys->channel_pk));
    m.signature = bin(keys->signature, sizeof(keys->signature));
    return put(MIEN_FRAME_KEYS, &m, out);
}

static enum mien_status pack_roll(const struct mien_message_roll *roll, struct mien_buf *out)
{
    Mien__Roll m = MIEN__ROLL__INIT;

    m.session_id = bin(roll->session_id, sizeof(roll->session_id));
    m.part = roll->part;
    m.n_parts = roll->n_parts;
    m.opening = bin(roll->opening, sizeof(roll->opening));
    m.entries = bin(roll->entries, roll->n_entries * MIEN_MESSAGE_ROLL_ENTRY_BYTES);
    return put(MIEN_FRAME_ROLL, &m, out);
}

static enum mien_status pack_confirm(const struct mien_message_confirm *confirm,
                                     struct mien_buf *out)
{
    Mien__Confirm m = MIEN__CONFIRM__INIT;

    m.session_id = bin(confirm->session_id, sizeof(confirm->session_id));
    m.signature = bin(confirm->signature, sizeof(confirm->signature));
    return put(MIEN_FRAME_CONFIRM, &m, out);
}

static enum mien_status pack_confirmed(const struct mien_message_confirmed *confirmed,
                                       struct mien_buf *out)
{
    Mien__Confirmed m = MIEN__CONFIRMED__INIT;
    Mien__ConfirmedEntry entries[MIEN_MESSAGE_CONFIRMED_PER_PART];
    Mien__ConfirmedEntry *pointers[MIEN_MESSAGE_CONFIRMED_PER_PART];

    for (size_t i = 0; i < confirmed->n_entries; i++) {
        mien__confirmed_entry__init(&entries[i]);
        entries[i].index = confirmed->entries[i].index;
        entries[i].signature = bin(confirmed->entries[i].signature, 64);
        pointers[i] = &entries[i];
    }
    m.session_id = bin(confirmed->session_id, sizeof(confirmed->session_id));
    m.part = confirmed->part;
    m.n_parts = confirmed->n_parts;
    m.n_entries = confirmed->n_entries;
    m.entries = pointers;
    return put(MIEN_FRAME_CONFIRMED, &m, out);
}

static enum mien_status pack_roster(const struct mien_message_roster *roster, struct mien_buf *out)
{
    Mien__Roster m = MIEN__ROSTER__INIT;
    Mien__RosterEntry entries[MIEN_MESSAGE_ROSTER_PER_PART];
    Mien__RosterEntry *pointers[MIEN_MESSAGE_ROSTER_PER_PART];

    for (size_t i = 0; i < roster->n_entries; i++) {
        const struct mien_message_roster_entry *entry = &roster->entries[i];

        mien__roster_entry__init(&entries[i]);
        entries[i].index = entry->index;
        entries[i].credential = bin(entry->credential, entry->credential_len);
        entries[i].mask_pk = bin(entry->mask_pk, sizeof(entry->mask_pk));
        entries[i].channel_pk = bin(entry->channel_pk, sizeof(entry->channel_pk));
        entries[i].signature = bin(entry->signature, sizeof(entry->signature));
        pointers[i] = &entries[i];
    }
    m.session_id = bin(roster->session_id, sizeof(roster->session_id));
    m.part = roster->part;
    m.n_parts = roster->n_parts;
    m.n_entries = roster->n_entries;
    m.entries = pointers;
    return put(MIEN_FRAME_ROSTER, &m, out);
}

static enum mien_status pack_shares(enum mien_frame_type type,
                                    const struct mien_message_shares *shares, struct mien_buf *out)
{
    Mien__Shares m = MIEN__SHARES__INIT;
    Mien__Sealed entries[MIEN_MESSAGE_SEALED_PER_PART];
    Mien__Sealed *pointers[MIEN_MESSAGE_SEALED_PER_PART];

    for (size_t i = 0; i < shares->n_entries; i++) {
        mien__sealed__init(&entries[i]);
        entries[i].index = shares->entries[i].index;
        entries[i].bytes = bin(shares->entries[i].bytes, shares->entries[i].len);
        pointers[i] = &entries[i];
    }
    m.session_id = bin(shares->session_id, sizeof(shares->session_id));
    m.part = shares->part;
    m.n_parts = shares->n_parts;
    m.n_entries = shares->n_entries;
    m.entries = pointers;
    return put(type, &m, out);
}

static enum mien_status pack_of_session(enum mien_frame_type type,
                                        const struct mien_message_of_session *of_session,
                                        struct mien_buf *out)
{
    Mien__OfSession m = MIEN__OF_SESSION__INIT;

    m.session_id = bin(of_session->session_id, sizeof(of_session->session_id));
    return put(type, &m, out);
}

static enum mien_status pack_survivors(const struct mien_message_survivors *survivors,
                                       struct mien_buf *out)
{
    Mien__Survivors m = MIEN__SURVIVORS__INIT;

    m.session_id = bin(survivors->session_id, sizeof(survivors->session_id));
    m.n = survivors->n;
    m.bitmap = bin(survivors->bitmap, (survivors->n + 7) / 8);
    m.root = bin(survivors->root, sizeof(survivors->root));
    return put(MIEN_FRAME_SURVIVORS, &m, out);
}

static enum mien_status pack_reveal(const struct mien_message_reveal *reveal, struct mien_buf *out)
{
    Mien__Reveal m = MIEN__REVEAL__INIT;
    Mien__RevealEntry entries[MIEN_MESSAGE_REVEAL_PER_PART];
    Mien__RevealEntry *pointers[MIEN_MESSAGE_REVEAL_PER_PART];

    for (size_t i = 0; i < reveal->n_entries; i++) {
        mien__reveal_entry__init(&entries[i]);
        entries[i].index = reveal->entries[i].index;
        entries[i].kind = reveal->entries[i].kind;
        entries[i].share = bin(reveal->entries[i].share, reveal->entries[i].len);
        pointers[i] = &entries[i];
    }
    m.session_id = bin(reveal->session_id, sizeof(reveal->session_id));
    m.part = reveal->part;
    m.n_parts = reveal->n_parts;
    m.n_entries = reveal->n_entries;
    m.entries = pointers;
    return put(MIEN_FRAME_REVEAL, &m, out);
}

static enum mien_status pack_closed(const struct mien_message_closed *closed, struct mien_buf *out)
{
    Mien__Closed m = MIEN__CLOSED__INIT;
    Mien__Mark mark = mark_of(&closed->mark);

    m.round = closed->round;
    m.outcome = closed->outcome;
    m.model_version = closed->model_version;
    m.mark = &mark;
    return put(MIEN_FRAME_CLOSED, &m, out);
}

static enum mien_status pack_error(const struct mien_message_error *error, struct mien_buf *out)
{
    Mien__Error m = MIEN__ERROR__INIT;

    m.code = error->code;
    m.sentence = (char *)(uintptr_t)error->sentence;
    return put(MIEN_FRAME_ERROR, &m, out);
}

static enum mien_status pack_renew(const struct mien_message_renew *renew, struct mien_buf *out)
{
    Mien__Renew m = MIEN__RENEW__INIT;

    m.csr = bin(renew->csr, renew->csr_len);
    return put(MIEN_FRAME_RENEW, &m, out);
}

static enum mien_status pack_renewed(const struct mien_message_renewed *renewed,
                                     struct mien_buf *out)
{
    Mien__Renewed m = MIEN__RENEWED__INIT;

    m.cert = bin(renewed->cert, renewed->cert_len);
    m.credential = bin(renewed->credential, renewed->credential_len);
    return put(MIEN_FRAME_RENEWED, &m, out);
}

static enum mien_status pack_enrol(const struct mien_message_enrol *enrol, struct mien_buf *out)
{
    Mien__Enrol m = MIEN__ENROL__INIT;

    m.token_secret = bin(enrol->token_secret, sizeof(enrol->token_secret));
    m.csr = bin(enrol->csr, enrol->csr_len);
    return put(MIEN_FRAME_ENROL, &m, out);
}

static enum mien_status pack_enrolled(const struct mien_message_enrolled *enrolled,
                                      struct mien_buf *out)
{
    Mien__Enrolled m = MIEN__ENROLLED__INIT;

    m.cert = bin(enrolled->cert, enrolled->cert_len);
    m.ca_cert = bin(enrolled->ca_cert, enrolled->ca_cert_len);
    m.credential = bin(enrolled->credential, enrolled->credential_len);
    m.run_id = bin(enrolled->run_id, sizeof(enrolled->run_id));
    m.signing_key = bin(enrolled->signing_key, sizeof(enrolled->signing_key));
    m.port = enrolled->port;
    return put(MIEN_FRAME_ENROLLED, &m, out);
}

/* Messages of the secure sum. */
static enum mien_status pack_secure_sum(const struct mien_message *message, struct mien_buf *out)
{
    switch (message->type) {
    case MIEN_FRAME_SESSION:
        return pack_session(&message->session, out);
    case MIEN_FRAME_KEYS:
        return pack_keys(&message->keys, out);
    case MIEN_FRAME_ROLL:
        return pack_roll(&message->roll, out);
    case MIEN_FRAME_ROSTER:
        return pack_roster(&message->roster, out);
    case MIEN_FRAME_SHARES:
    case MIEN_FRAME_DELIVER:
        return pack_shares(message->type, &message->shares, out);
    case MIEN_FRAME_SLOT:
    case MIEN_FRAME_INPUT_OK:
        return pack_of_session(message->type, &message->slot, out);
    case MIEN_FRAME_SURVIVORS:
        return pack_survivors(&message->survivors, out);
    case MIEN_FRAME_CONFIRM:
        return pack_confirm(&message->confirm, out);
    case MIEN_FRAME_CONFIRMED:
        return pack_confirmed(&message->confirmed, out);
    case MIEN_FRAME_REVEAL:
        return pack_reveal(&message->reveal, out);
    default:
        return MIEN_EINVAL;
    }
}

enum mien_status mien_message_pack(const struct mien_message *message, struct mien_buf *out)
{
    switch (message->type) {
    case MIEN_FRAME_HELLO:
        return pack_hello(&message->hello, out);
    case MIEN_FRAME_WELCOME:
        return pack_welcome(&message->welcome, out);
    case MIEN_FRAME_CHECK_IN:
        return pack_check_in(&message->check_in, out);
    case MIEN_FRAME_COME_BACK:
        return pack_come_back(&message->come_back, out);
    case MIEN_FRAME_ASSIGN:
        return pack_assign(&message->assign, out);
    case MIEN_FRAME_GET:
        return pack_get(&message->get, out);
    case MIEN_FRAME_READY:
        return pack_ready(&message->ready, out);
    case MIEN_FRAME_CLOSED:
        return pack_closed(&message->closed, out);
    case MIEN_FRAME_ERROR:
        return pack_error(&message->error, out);
    case MIEN_FRAME_RENEW:
        return pack_renew(&message->renew, out);
    case MIEN_FRAME_RENEWED:
        return pack_renewed(&message->renewed, out);
    case MIEN_FRAME_ENROL:
        return pack_enrol(&message->enrol, out);
    case MIEN_FRAME_ENROLLED:
        return pack_enrolled(&message->enrolled, out);
    default:
        return pack_secure_sum(message, out);
    }
}
