/* One message of every type with every field set, for tests of the wire. */
#ifndef MIEN_TESTS_UNIT_WIRE_SAMPLES_H
#define MIEN_TESTS_UNIT_WIRE_SAMPLES_H

#include "common/wire/message.h"

#include <string.h>

/* Bytes that differ from each other and from zero. */
static inline void sample_fill(void *out, size_t n, uint8_t from)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)(from + i % 100 + 1);
}

static inline struct mien_message_mark sample_mark(void)
{
    struct mien_message_mark mark = {.epoch = 3, .seq = UINT64_C(1) << 40};

    sample_fill(mark.head, sizeof(mark.head), 7);
    return mark;
}

/* Entries that the list samples point to, as many as fit one part. */
struct sample_lists {
    struct mien_message_roster_entry roster[MIEN_MESSAGE_ROSTER_PER_PART];
    struct mien_message_sealed sealed[MIEN_MESSAGE_SEALED_PER_PART];
    struct mien_message_reveal_entry reveal[MIEN_MESSAGE_REVEAL_PER_PART];
    struct mien_message_confirmed_entry confirmed[MIEN_MESSAGE_CONFIRMED_PER_PART];
    uint8_t roll[MIEN_MESSAGE_ROLL_PER_PART * MIEN_MESSAGE_ROLL_ENTRY_BYTES];
};

static inline void sample_lists_fill(struct sample_lists *lists)
{
    memset(lists, 0, sizeof(*lists));
    for (uint32_t i = 0; i < MIEN_MESSAGE_ROSTER_PER_PART; i++) {
        struct mien_message_roster_entry *entry = &lists->roster[i];

        sample_fill(entry->credential, sizeof(entry->credential), 1);
        sample_fill(entry->mask_pk, sizeof(entry->mask_pk), (uint8_t)i);
        sample_fill(entry->channel_pk, sizeof(entry->channel_pk), (uint8_t)(i + 9));
        sample_fill(entry->signature, sizeof(entry->signature), (uint8_t)(i + 99));
        entry->index = i * 16;
        entry->credential_len = sizeof(entry->credential);
    }
    for (uint32_t i = 0; i < MIEN_MESSAGE_SEALED_PER_PART; i++) {
        sample_fill(lists->sealed[i].bytes, MIEN_MESSAGE_SEALED_BYTES, (uint8_t)i);
        lists->sealed[i].index = i * 8;
        lists->sealed[i].len = MIEN_MESSAGE_SEALED_BYTES;
    }
    for (uint32_t i = 0; i < MIEN_MESSAGE_REVEAL_PER_PART; i++) {
        sample_fill(lists->reveal[i].share, MIEN_MESSAGE_SHARE_BYTES, (uint8_t)i);
        lists->reveal[i].index = i * 4;
        lists->reveal[i].kind = i % 2 == 0 ? MIEN_MESSAGE_SELF_MASK : MIEN_MESSAGE_KEY;
        lists->reveal[i].len = MIEN_MESSAGE_SHARE_BYTES;
    }
    for (uint32_t i = 0; i < MIEN_MESSAGE_CONFIRMED_PER_PART; i++) {
        sample_fill(lists->confirmed[i].signature, 64, (uint8_t)i);
        lists->confirmed[i].index = i * 128;
    }
    sample_fill(lists->roll, sizeof(lists->roll), 77);
}

static inline void sample_standing(struct mien_message *m)
{
    switch (m->type) {
    case MIEN_FRAME_HELLO:
        m->hello = (struct mien_message_hello){.protocol = MIEN_MESSAGE_PROTOCOL,
                                               .software = "mien-device 0.1.0 (größer)",
                                               .max_memory_bytes = 48 << 20,
                                               .seen = sample_mark()};
        break;
    case MIEN_FRAME_WELCOME:
        m->welcome = (struct mien_message_welcome){.mark = sample_mark(), .renew_after_s = 1728000};
        sample_fill(m->welcome.run_id, 16, 4);
        sample_fill(m->welcome.signing_key, 32, 5);
        break;
    case MIEN_FRAME_CHECK_IN:
        m->check_in.last_round = 12;
        break;
    case MIEN_FRAME_COME_BACK:
        m->come_back = (struct mien_message_come_back){60000, MIEN_MESSAGE_WAITING};
        break;
    case MIEN_FRAME_ERROR:
        *m = mien_message_make_error(MIEN_MESSAGE_ERROR_POLICY, "the cohort of 3 is under 20");
        break;
    case MIEN_FRAME_RENEW:
        m->renew.csr_len = 200;
        sample_fill(m->renew.csr, 200, 6);
        break;
    case MIEN_FRAME_RENEWED:
        m->renewed.cert_len = MIEN_MESSAGE_CERT_BYTES;
        m->renewed.credential_len = 150;
        sample_fill(m->renewed.cert, MIEN_MESSAGE_CERT_BYTES, 7);
        sample_fill(m->renewed.credential, 150, 8);
        break;
    case MIEN_FRAME_ENROL:
        m->enrol.csr_len = MIEN_MESSAGE_CSR_BYTES;
        sample_fill(m->enrol.token_secret, 16, 9);
        sample_fill(m->enrol.csr, MIEN_MESSAGE_CSR_BYTES, 10);
        break;
    case MIEN_FRAME_ENROLLED:
        m->enrolled.cert_len = 400;
        m->enrolled.ca_cert_len = 380;
        m->enrolled.credential_len = 1;
        m->enrolled.port = 7443;
        sample_fill(m->enrolled.cert, 400, 11);
        sample_fill(m->enrolled.ca_cert, 380, 12);
        sample_fill(m->enrolled.credential, 1, 13);
        sample_fill(m->enrolled.run_id, 16, 14);
        sample_fill(m->enrolled.signing_key, 32, 15);
        break;
    default:
        break;
    }
}

static inline void sample_round(struct mien_message *m)
{
    static const uint8_t data[3] = {1, 2, 3};

    switch (m->type) {
    case MIEN_FRAME_ASSIGN:
        m->assign = (struct mien_message_assign){.round = 7,
                                                 .attempt = 1,
                                                 .plan_bytes = 900,
                                                 .model_bytes = 1116004,
                                                 .model_version = 6,
                                                 .report_by_ms = 120000,
                                                 .mark = sample_mark(),
                                                 .clip = 0.25,
                                                 .purpose = MIEN_MESSAGE_PURPOSE_DRILL};
        sample_fill(m->assign.plan_hash, 32, 21);
        sample_fill(m->assign.model_hash, 32, 22);
        sample_fill(m->assign.signature, 64, 23);
        break;
    case MIEN_FRAME_GET:
        m->get = (struct mien_message_get){.what = MIEN_MESSAGE_MODEL, .offset = 65536};
        sample_fill(m->get.hash, 32, 24);
        break;
    case MIEN_FRAME_CHUNK:
        m->chunk = (struct mien_message_chunk){MIEN_MESSAGE_PLAN, 5, 8, {data, sizeof(data)}};
        break;
    case MIEN_FRAME_READY:
        m->ready.round = 7;
        break;
    case MIEN_FRAME_SURVIVORS:
        m->survivors.n = 11;
        m->survivors.bitmap[0] = 0xfe;
        m->survivors.bitmap[1] = 0x05;
        sample_fill(m->survivors.session_id, 32, 25);
        sample_fill(m->survivors.root, 32, 26);
        break;
    case MIEN_FRAME_CLOSED:
        m->closed = (struct mien_message_closed){7, MIEN_MESSAGE_RELEASED, 8, sample_mark()};
        break;
    case MIEN_FRAME_INPUT_CHUNK:
        m->input_chunk = (struct mien_message_input_chunk){
            .offset = 0, .total = 9, .data = {data, sizeof(data)}};
        sample_fill(m->input_chunk.session_id, 32, 27);
        break;
    default:
        sample_standing(m);
        break;
    }
}

/* `lists` is lent to the message. */
static inline struct mien_message sample(enum mien_frame_type type, struct sample_lists *lists)
{
    struct mien_message m = {.type = type};

    switch (type) {
    case MIEN_FRAME_SESSION:
        m.session = (struct mien_message_session){
            7, 1, 2, MIEN_MESSAGE_PURPOSE_TRAIN, 150, 52, 40, 149, 279001, 24, {0}, {0}, {0}, {0}};
        sample_fill(m.session.nonce, 32, 30);
        sample_fill(m.session.members_digest, 32, 31);
        sample_fill(m.session.commitment, 32, 34);
        break;
    case MIEN_FRAME_KEYS:
        sample_fill(&m.keys, sizeof(m.keys), 32);
        break;
    case MIEN_FRAME_ROLL:
        m.roll =
            (struct mien_message_roll){{4}, 20, 35, {5}, MIEN_MESSAGE_ROLL_PER_PART, lists->roll};
        break;
    case MIEN_FRAME_CONFIRM:
        sample_fill(&m.confirm, sizeof(m.confirm), 35);
        break;
    case MIEN_FRAME_CONFIRMED:
        m.confirmed = (struct mien_message_confirmed){
            {6}, 0, 4, MIEN_MESSAGE_CONFIRMED_PER_PART, lists->confirmed};
        break;
    case MIEN_FRAME_ROSTER:
        m.roster =
            (struct mien_message_roster){{1}, 1, 2, MIEN_MESSAGE_ROSTER_PER_PART, lists->roster};
        break;
    case MIEN_FRAME_SHARES:
    case MIEN_FRAME_DELIVER:
        m.shares =
            (struct mien_message_shares){{2}, 0, 1, MIEN_MESSAGE_SEALED_PER_PART, lists->sealed};
        break;
    case MIEN_FRAME_REVEAL:
        m.reveal =
            (struct mien_message_reveal){{3}, 3, 4, MIEN_MESSAGE_REVEAL_PER_PART, lists->reveal};
        break;
    case MIEN_FRAME_SLOT:
    case MIEN_FRAME_INPUT_OK:
        sample_fill(m.slot.session_id, 32, 33);
        break;
    default:
        sample_round(&m);
        break;
    }
    return m;
}

/* The frame in bytes that mien_message_encode wrote. */
static inline struct mien_frame sample_frame(struct mien_span bytes)
{
    return (struct mien_frame){
        (enum mien_frame_type)bytes.data[4],
        {bytes.data + MIEN_FRAME_HEAD_BYTES, bytes.len - MIEN_FRAME_HEAD_BYTES}};
}

#endif
