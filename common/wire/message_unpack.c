// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/wire/message_internal.h"

#include "mien.pb-c.h"

#include <string.h>

/* Copies field after field; the first that is wrong stands. */
struct take {
    const char *name; /* of the message */
    struct mien_err *err;
    enum mien_status status;
};

static void fixed(struct take *take, const char *field, ProtobufCBinaryData in, void *out, size_t n)
{
    if (take->status != MIEN_OK)
        return;
    if (in.len != n)
        take->status =
            mien_err_set(take->err, MIEN_EPARSE, "%s: field %s has %zu bytes, expected %zu",
                         take->name, field, in.len, n);
    else if (n > 0)
        memcpy(out, in.data, n);
}

/* At most `max` bytes, their number into *len; that there are some is mien_message_check's. */
static void upto(struct take *take, const char *field, ProtobufCBinaryData in, void *out,
                 size_t max, size_t *len)
{
    if (take->status != MIEN_OK)
        return;
    if (in.len > max) {
        take->status = mien_err_set(take->err, MIEN_ELIMIT,
                                    "%s: field %s has %zu bytes, at most %zu are allowed",
                                    take->name, field, in.len, max);
        return;
    }
    if (in.len > 0)
        memcpy(out, in.data, in.len);
    *len = in.len;
}

static void text(struct take *take, const char *field, const char *in, char *out, size_t max)
{
    size_t len = 0;

    upto(take, field, (ProtobufCBinaryData){strlen(in), (uint8_t *)(uintptr_t)in}, out, max, &len);
    out[len] = 0;
}

static void mark(struct take *take, const char *field, const Mien__Mark *in,
                 struct mien_message_mark *out)
{
    if (take->status != MIEN_OK)
        return;
    if (in == NULL) {
        take->status =
            mien_err_set(take->err, MIEN_EPARSE, "%s: field %s is missing", take->name, field);
        return;
    }
    out->epoch = in->epoch;
    out->seq = in->seq;
    fixed(take, "head", in->head, out->head, sizeof(out->head));
}

/* Memory for the n entries of a list part; NULL (and a status) when there is none or too many. */
static void *list(struct take *take, size_t n, size_t max, size_t size)
{
    void *entries = NULL;

    if (take->status != MIEN_OK || n == 0)
        return NULL;
    if (n > max) {
        take->status = mien_err_set(take->err, MIEN_ELIMIT, "%s: %zu entries, at most %zu",
                                    take->name, n, max);
        return NULL;
    }
    entries = mien_calloc(n, size);
    if (entries == NULL)
        take->status = MIEN_ENOMEM;
    return entries;
}

static void unpack_hello(struct take *take, const Mien__Hello *m, struct mien_message_hello *out)
{
    out->protocol = m->protocol;
    text(take, "software", m->software, out->software, MIEN_MESSAGE_SOFTWARE_BYTES);
    out->max_memory_bytes = m->max_memory_bytes;
    mark(take, "seen", m->seen, &out->seen);
}

static void unpack_welcome(struct take *take, const Mien__Welcome *m,
                           struct mien_message_welcome *out)
{
    fixed(take, "run_id", m->run_id, out->run_id, sizeof(out->run_id));
    mark(take, "mark", m->mark, &out->mark);
    out->renew_after_s = m->renew_after_s;
    fixed(take, "signing_key", m->signing_key, out->signing_key, sizeof(out->signing_key));
}

static void unpack_assign(struct take *take, const Mien__Assign *m, struct mien_message_assign *out)
{
    out->round = m->round;
    out->attempt = m->attempt;
    fixed(take, "plan_hash", m->plan_hash, out->plan_hash, sizeof(out->plan_hash));
    out->plan_bytes = m->plan_bytes;
    fixed(take, "model_hash", m->model_hash, out->model_hash, sizeof(out->model_hash));
    out->model_bytes = m->model_bytes;
    out->model_version = m->model_version;
    out->report_by_ms = m->report_by_ms;
    mark(take, "mark", m->mark, &out->mark);
    out->clip = m->clip;
    fixed(take, "signature", m->signature, out->signature, sizeof(out->signature));
    out->purpose = (enum mien_message_purpose)m->purpose;
}

static void unpack_get(struct take *take, const Mien__Get *m, struct mien_message_get *out)
{
    out->what = (enum mien_message_what)m->what;
    fixed(take, "hash", m->hash, out->hash, sizeof(out->hash));
    out->offset = m->offset;
}

static void unpack_session(struct take *take, const Mien__Session *m,
                           struct mien_message_session *out)
{
    out->round = m->round;
    out->attempt = m->attempt;
    out->session_index = m->session_index;
    out->purpose = (enum mien_message_purpose)m->purpose;
    out->n = m->n;
    out->k = m->k;
    out->t = m->t;
    out->index = m->index;
    out->dim = m->dim;
    out->bits = m->bits;
    fixed(take, "nonce", m->nonce, out->nonce, sizeof(out->nonce));
    fixed(take, "members_digest", m->members_digest, out->members_digest,
          sizeof(out->members_digest));
    fixed(take, "commitment", m->commitment, out->commitment, sizeof(out->commitment));
    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
}

static void unpack_keys(struct take *take, const Mien__Keys *m, struct mien_message_keys *out)
{
    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
    fixed(take, "mask_pk", m->mask_pk, out->mask_pk, sizeof(out->mask_pk));
    fixed(take, "channel_pk", m->channel_pk, out->channel_pk, sizeof(out->channel_pk));
    fixed(take, "signature", m->signature, out->signature, sizeof(out->signature));
}

static void unpack_roll(struct take *take, const Mien__Roll *m, struct mien_message_roll *out)
{
    const size_t n = m->entries.len / MIEN_MESSAGE_ROLL_ENTRY_BYTES;

    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
    out->part = m->part;
    out->n_parts = m->n_parts;
    fixed(take, "opening", m->opening, out->opening, sizeof(out->opening));
    out->entries = list(take, n, MIEN_MESSAGE_ROLL_PER_PART, MIEN_MESSAGE_ROLL_ENTRY_BYTES);
    if (out->entries == NULL)
        return;
    out->n_entries = n;
    fixed(take, "entries", m->entries, out->entries, n * MIEN_MESSAGE_ROLL_ENTRY_BYTES);
}

static void unpack_confirm(struct take *take, const Mien__Confirm *m,
                           struct mien_message_confirm *out)
{
    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
    fixed(take, "signature", m->signature, out->signature, sizeof(out->signature));
}

static void unpack_confirmed(struct take *take, const Mien__Confirmed *m,
                             struct mien_message_confirmed *out)
{
    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
    out->part = m->part;
    out->n_parts = m->n_parts;
    out->entries = list(take, m->n_entries, MIEN_MESSAGE_CONFIRMED_PER_PART, sizeof(*out->entries));
    for (size_t i = 0; take->status == MIEN_OK && i < m->n_entries; i++) {
        struct mien_message_confirmed_entry *entry = &out->entries[out->n_entries++];

        entry->index = m->entries[i]->index;
        fixed(take, "entries.signature", m->entries[i]->signature, entry->signature,
              sizeof(entry->signature));
    }
}

static void unpack_roster(struct take *take, const Mien__Roster *m, struct mien_message_roster *out)
{
    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
    out->part = m->part;
    out->n_parts = m->n_parts;
    out->entries = list(take, m->n_entries, MIEN_MESSAGE_ROSTER_PER_PART, sizeof(*out->entries));
    for (size_t i = 0; take->status == MIEN_OK && i < m->n_entries; i++) {
        const Mien__RosterEntry *in = m->entries[i];
        struct mien_message_roster_entry *entry = &out->entries[out->n_entries++];

        entry->index = in->index;
        upto(take, "entries.credential", in->credential, entry->credential,
             sizeof(entry->credential), &entry->credential_len);
        fixed(take, "entries.mask_pk", in->mask_pk, entry->mask_pk, sizeof(entry->mask_pk));
        fixed(take, "entries.channel_pk", in->channel_pk, entry->channel_pk,
              sizeof(entry->channel_pk));
        fixed(take, "entries.signature", in->signature, entry->signature, sizeof(entry->signature));
    }
}

static void unpack_shares(struct take *take, const Mien__Shares *m, struct mien_message_shares *out)
{
    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
    out->part = m->part;
    out->n_parts = m->n_parts;
    out->entries = list(take, m->n_entries, MIEN_MESSAGE_SEALED_PER_PART, sizeof(*out->entries));
    for (size_t i = 0; take->status == MIEN_OK && i < m->n_entries; i++) {
        struct mien_message_sealed *entry = &out->entries[out->n_entries++];

        entry->index = m->entries[i]->index;
        upto(take, "entries.bytes", m->entries[i]->bytes, entry->bytes, sizeof(entry->bytes),
             &entry->len);
    }
}

static void unpack_of_session(struct take *take, const Mien__OfSession *m,
                              struct mien_message_of_session *out)
{
    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
}

static void unpack_survivors(struct take *take, const Mien__Survivors *m,
                             struct mien_message_survivors *out)
{
    size_t n_bitmap = m->n > MIEN_MESSAGE_GROUP_MAX ? sizeof(out->bitmap) : (m->n + 7) / 8;

    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
    out->n = m->n;
    fixed(take, "bitmap", m->bitmap, out->bitmap, n_bitmap);
    fixed(take, "root", m->root, out->root, sizeof(out->root));
}

static void unpack_reveal(struct take *take, const Mien__Reveal *m, struct mien_message_reveal *out)
{
    fixed(take, "session_id", m->session_id, out->session_id, sizeof(out->session_id));
    out->part = m->part;
    out->n_parts = m->n_parts;
    out->entries = list(take, m->n_entries, MIEN_MESSAGE_REVEAL_PER_PART, sizeof(*out->entries));
    for (size_t i = 0; take->status == MIEN_OK && i < m->n_entries; i++) {
        struct mien_message_reveal_entry *entry = &out->entries[out->n_entries++];

        entry->index = m->entries[i]->index;
        entry->kind = (enum mien_message_kind)m->entries[i]->kind;
        upto(take, "entries.share", m->entries[i]->share, entry->share, sizeof(entry->share),
             &entry->len);
    }
}

static void unpack_closed(struct take *take, const Mien__Closed *m, struct mien_message_closed *out)
{
    out->round = m->round;
    out->outcome = (enum mien_message_outcome)m->outcome;
    out->model_version = m->model_version;
    mark(take, "mark", m->mark, &out->mark);
}

static void unpack_error(struct take *take, const Mien__Error *m, struct mien_message_error *out)
{
    out->code = (enum mien_message_error_code)m->code;
    text(take, "sentence", m->sentence, out->sentence, MIEN_MESSAGE_SENTENCE_BYTES);
}

static void unpack_renewed(struct take *take, const Mien__Renewed *m,
                           struct mien_message_renewed *out)
{
    upto(take, "cert", m->cert, out->cert, sizeof(out->cert), &out->cert_len);
    upto(take, "credential", m->credential, out->credential, sizeof(out->credential),
         &out->credential_len);
}

static void unpack_enrol(struct take *take, const Mien__Enrol *m, struct mien_message_enrol *out)
{
    fixed(take, "token_secret", m->token_secret, out->token_secret, sizeof(out->token_secret));
    upto(take, "csr", m->csr, out->csr, sizeof(out->csr), &out->csr_len);
}

static void unpack_enrolled(struct take *take, const Mien__Enrolled *m,
                            struct mien_message_enrolled *out)
{
    upto(take, "cert", m->cert, out->cert, sizeof(out->cert), &out->cert_len);
    upto(take, "ca_cert", m->ca_cert, out->ca_cert, sizeof(out->ca_cert), &out->ca_cert_len);
    upto(take, "credential", m->credential, out->credential, sizeof(out->credential),
         &out->credential_len);
    fixed(take, "run_id", m->run_id, out->run_id, sizeof(out->run_id));
    fixed(take, "signing_key", m->signing_key, out->signing_key, sizeof(out->signing_key));
    if (take->status == MIEN_OK && m->port > UINT16_MAX)
        take->status = mien_err_set(take->err, MIEN_ELIMIT, "%s: field port is %lu", take->name,
                                    (unsigned long)m->port);
    out->port = (uint16_t)m->port;
}

/* Messages of the secure sum. */
static void unpack_secure_sum(struct take *take, const void *base, struct mien_message *out)
{
    switch (out->type) {
    case MIEN_FRAME_SESSION:
        unpack_session(take, base, &out->session);
        break;
    case MIEN_FRAME_KEYS:
        unpack_keys(take, base, &out->keys);
        break;
    case MIEN_FRAME_ROLL:
        unpack_roll(take, base, &out->roll);
        break;
    case MIEN_FRAME_ROSTER:
        unpack_roster(take, base, &out->roster);
        break;
    case MIEN_FRAME_SHARES:
    case MIEN_FRAME_DELIVER:
        unpack_shares(take, base, &out->shares);
        break;
    case MIEN_FRAME_SLOT:
    case MIEN_FRAME_INPUT_OK:
        unpack_of_session(take, base, &out->slot);
        break;
    case MIEN_FRAME_SURVIVORS:
        unpack_survivors(take, base, &out->survivors);
        break;
    case MIEN_FRAME_CONFIRM:
        unpack_confirm(take, base, &out->confirm);
        break;
    case MIEN_FRAME_CONFIRMED:
        unpack_confirmed(take, base, &out->confirmed);
        break;
    case MIEN_FRAME_REVEAL:
        unpack_reveal(take, base, &out->reveal);
        break;
    default:
        take->status = MIEN_EPARSE; /* the raw ones: they have no descriptor either */
        break;
    }
}

static void unpack_rest(struct take *take, const void *base, struct mien_message *out)
{
    switch (out->type) {
    case MIEN_FRAME_HELLO:
        unpack_hello(take, base, &out->hello);
        break;
    case MIEN_FRAME_WELCOME:
        unpack_welcome(take, base, &out->welcome);
        break;
    case MIEN_FRAME_CHECK_IN:
        out->check_in.last_round = ((const Mien__CheckIn *)base)->last_round;
        break;
    case MIEN_FRAME_COME_BACK:
        out->come_back.after_ms = ((const Mien__ComeBack *)base)->after_ms;
        out->come_back.reason = (enum mien_message_reason)((const Mien__ComeBack *)base)->reason;
        break;
    case MIEN_FRAME_ASSIGN:
        unpack_assign(take, base, &out->assign);
        break;
    case MIEN_FRAME_GET:
        unpack_get(take, base, &out->get);
        break;
    case MIEN_FRAME_READY:
        out->ready.round = ((const Mien__Ready *)base)->round;
        break;
    case MIEN_FRAME_CLOSED:
        unpack_closed(take, base, &out->closed);
        break;
    case MIEN_FRAME_ERROR:
        unpack_error(take, base, &out->error);
        break;
    case MIEN_FRAME_RENEW:
        upto(take, "csr", ((const Mien__Renew *)base)->csr, out->renew.csr, sizeof(out->renew.csr),
             &out->renew.csr_len);
        break;
    case MIEN_FRAME_RENEWED:
        unpack_renewed(take, base, &out->renewed);
        break;
    case MIEN_FRAME_ENROL:
        unpack_enrol(take, base, &out->enrol);
        break;
    case MIEN_FRAME_ENROLLED:
        unpack_enrolled(take, base, &out->enrolled);
        break;
    default:
        unpack_secure_sum(take, base, out);
        break;
    }
}

enum mien_status mien_message_unpack(enum mien_frame_type type, const ProtobufCMessage *base,
                                     struct mien_message *out, struct mien_err *err)
{
    struct take take = {mien_frame_name(type), err, MIEN_OK};

    memset(out, 0, sizeof(*out));
    out->type = type;
    unpack_rest(&take, base, out);
    return take.status;
}

const ProtobufCMessageDescriptor *mien_message_descriptor(enum mien_frame_type type)
{
    static const ProtobufCMessageDescriptor *const descriptors[MIEN_FRAME_TYPE_END] = {
        [MIEN_FRAME_HELLO] = &mien__hello__descriptor,
        [MIEN_FRAME_WELCOME] = &mien__welcome__descriptor,
        [MIEN_FRAME_CHECK_IN] = &mien__check_in__descriptor,
        [MIEN_FRAME_COME_BACK] = &mien__come_back__descriptor,
        [MIEN_FRAME_ASSIGN] = &mien__assign__descriptor,
        [MIEN_FRAME_GET] = &mien__get__descriptor,
        [MIEN_FRAME_READY] = &mien__ready__descriptor,
        [MIEN_FRAME_SESSION] = &mien__session__descriptor,
        [MIEN_FRAME_KEYS] = &mien__keys__descriptor,
        [MIEN_FRAME_ROSTER] = &mien__roster__descriptor,
        [MIEN_FRAME_SHARES] = &mien__shares__descriptor,
        [MIEN_FRAME_DELIVER] = &mien__shares__descriptor,
        [MIEN_FRAME_SLOT] = &mien__of_session__descriptor,
        [MIEN_FRAME_INPUT_OK] = &mien__of_session__descriptor,
        [MIEN_FRAME_SURVIVORS] = &mien__survivors__descriptor,
        [MIEN_FRAME_REVEAL] = &mien__reveal__descriptor,
        [MIEN_FRAME_CLOSED] = &mien__closed__descriptor,
        [MIEN_FRAME_ERROR] = &mien__error__descriptor,
        [MIEN_FRAME_RENEW] = &mien__renew__descriptor,
        [MIEN_FRAME_RENEWED] = &mien__renewed__descriptor,
        [MIEN_FRAME_ENROL] = &mien__enrol__descriptor,
        [MIEN_FRAME_ENROLLED] = &mien__enrolled__descriptor,
        [MIEN_FRAME_ROLL] = &mien__roll__descriptor,
        [MIEN_FRAME_CONFIRM] = &mien__confirm__descriptor,
        [MIEN_FRAME_CONFIRMED] = &mien__confirmed__descriptor,
    };

    return type < MIEN_FRAME_TYPE_END ? descriptors[type] : NULL;
}
