// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/wire/message.h"
#include "tests/support/test.h"
#include "tests/unit/wire/samples.h"

#include <stdlib.h>

static struct sample_lists lists;

static int fill(void **state)
{
    (void)state;
    sample_lists_fill(&lists);
    return 0;
}

static struct mien_buf encoded(const struct mien_message *message)
{
    struct mien_buf out = {0};

    assert_int_equal(mien_message_encode(message, &out), MIEN_OK);
    return out;
}

static void every_message_comes_back_the_same(void **state)
{
    (void)state;
    for (unsigned type = 1; type < MIEN_FRAME_TYPE_END; type++) {
        struct mien_message in = sample((enum mien_frame_type)type, &lists);
        struct mien_message out;
        struct mien_buf first = encoded(&in);

        assert_true(first.len <= MIEN_FRAME_HEAD_BYTES + mien_frame_body_max(in.type));
        assert_int_equal(mien_message_decode(sample_frame(mien_buf_span(&first)), &out, NULL),
                         MIEN_OK);

        struct mien_buf second = encoded(&out);

        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.data, second.data, first.len);
        assert_int_equal(out.type, type);
        mien_message_fini(&out);
        mien_buf_fini(&first);
        mien_buf_fini(&second);
    }
}

static void fields_arrive_as_they_were(void **state)
{
    (void)state;
    struct mien_message in = sample(MIEN_FRAME_REVEAL, &lists);
    struct mien_message out;
    struct mien_buf bytes = encoded(&in);

    assert_int_equal(mien_message_decode(sample_frame(mien_buf_span(&bytes)), &out, NULL), MIEN_OK);
    assert_int_equal(out.reveal.part, 3);
    assert_int_equal(out.reveal.n_parts, 4);
    assert_int_equal(out.reveal.n_entries, MIEN_MESSAGE_REVEAL_PER_PART);
    assert_memory_equal(out.reveal.entries, lists.reveal, sizeof(lists.reveal));
    mien_message_fini(&out);
    mien_buf_fini(&bytes);

    in = sample(MIEN_FRAME_ASSIGN, &lists);
    bytes = encoded(&in);
    assert_int_equal(mien_message_decode(sample_frame(mien_buf_span(&bytes)), &out, NULL), MIEN_OK);
    assert_int_equal(out.assign.round, 7);
    assert_int_equal(out.assign.attempt, 1);
    assert_int_equal(out.assign.plan_bytes, 900);
    assert_int_equal(out.assign.model_bytes, 1116004);
    assert_int_equal(out.assign.model_version, 6);
    assert_int_equal(out.assign.report_by_ms, 120000);
    assert_int_equal(out.assign.mark.seq, UINT64_C(1) << 40);
    assert_memory_equal(out.assign.signature, in.assign.signature, 64);
    mien_buf_fini(&bytes);

    in = sample(MIEN_FRAME_CHUNK, &lists);
    bytes = encoded(&in);
    assert_int_equal(mien_message_decode(sample_frame(mien_buf_span(&bytes)), &out, NULL), MIEN_OK);
    assert_ptr_equal(out.chunk.data.data, bytes.data + 5 + MIEN_FRAME_CHUNK_HEAD_BYTES);
    assert_int_equal(out.chunk.data.len, 3);
    assert_int_equal(out.chunk.offset, 5);
    assert_int_equal(out.chunk.total, 8);
    mien_buf_fini(&bytes);
}

static void hello_has_these_bytes(void **state)
{
    (void)state;
    /* Written by hand from docs/protocol.md: protocol 1, software "x", memory 300, mark (1, 2). */
    static const uint8_t head[] = {0,    0, 0,    49, 1,    0x08, 1,    0x12, 1,    'x', 0x18,
                                   0xac, 2, 0x22, 38, 0x08, 1,    0x10, 2,    0x1a, 32};
    struct mien_message hello = {.type = MIEN_FRAME_HELLO,
                                 .hello = {1, "x", 300, {.epoch = 1, .seq = 2, .head = {0}}}};
    struct mien_buf bytes = encoded(&hello);

    assert_int_equal(bytes.len, 4 + 49);
    assert_memory_equal(bytes.data, head, sizeof(head));
    mien_buf_fini(&bytes);
}

/* Decodes a body that must be refused, and checks that the sentence names the message. */
static void refused(enum mien_frame_type type, const void *body, size_t n, enum mien_status why)
{
    struct mien_err err = {0};
    struct mien_message out;
    struct mien_frame frame = {type, {body, n}};

    assert_int_equal(mien_message_decode(frame, &out, &err), why);
    assert_non_null(strstr(err.text, mien_frame_name(type)));
}

static void a_second_spelling_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t n;
    } bad[] = {
        {"\x08\x00", 2},                                      /* explicit zero */
        {"\x08\x81\x00", 3},                                  /* 1 in two bytes */
        {"\x88\x00\x01", 3},                                  /* field number in two bytes */
        {"\x08\x01\x08\x01", 4},                              /* field twice */
        {"\x10\x01", 2},                                      /* unknown field */
        {"\x09\x01", 2},                                      /* wrong wire type */
        {"\x0b\x0c", 2},                                      /* group */
        {"\x08", 1},                                          /* cut off */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}, /* over 64 bits */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
        {"\x00\x01", 2}, /* field 0 */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        refused(MIEN_FRAME_CHECK_IN, bad[i].body, bad[i].n, MIEN_EPARSE);
    refused(MIEN_FRAME_COME_BACK, "\x10\x01\x08\x05", 4, MIEN_EPARSE); /* out of order */
    refused(MIEN_FRAME_ERROR, "\x08\x01\x12\x00", 4, MIEN_EPARSE);     /* explicit empty text */
    refused(MIEN_FRAME_COME_BACK, "\x08\x80\x80\x80\x80\x10\x10\x01", 8, MIEN_EPARSE); /* 2^32 */
}

static void text_must_be_printable(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xff", "a\nb", "\xc0\xaf", "\x7f", "\xed\xa0\x80"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        uint8_t body[16] = {0x08, 1, 0x12, (uint8_t)strlen(bad[i])};

        memcpy(body + 4, bad[i], strlen(bad[i]));
        refused(MIEN_FRAME_ERROR, body, 4 + strlen(bad[i]), MIEN_EPARSE);
    }
    refused(MIEN_FRAME_ERROR,
            "\x08\x01\x12\x02"
            "a\0",
            6, MIEN_EPARSE);
}

static void missing_fields_are_refused(void **state)
{
    (void)state;
    for (unsigned type = 1; type < MIEN_FRAME_TYPE_END; type++)
        if (type != MIEN_FRAME_CHECK_IN)
            assert_int_not_equal(mien_message_decode((struct mien_frame){type, {NULL, 0}},
                                                     &(struct mien_message){0}, NULL),
                                 MIEN_OK);
}

/* A change to a sample that its check must refuse. */
#define REFUSES(frame_type, change)                                                                \
    do {                                                                                           \
        struct mien_message m = sample(frame_type, &lists);                                        \
        struct mien_buf out = {0};                                                                 \
        change;                                                                                    \
        assert_int_equal(mien_message_encode(&m, &out), MIEN_EINVAL);                              \
        assert_int_equal(out.len, 0);                                                              \
    } while (0)

static void fields_out_of_range_are_not_encoded(void **state)
{
    (void)state;
    REFUSES(MIEN_FRAME_HELLO, m.hello.protocol = 0);
    REFUSES(MIEN_FRAME_HELLO, memset(m.hello.software, 'x', sizeof(m.hello.software)));
    REFUSES(MIEN_FRAME_COME_BACK, m.come_back.reason = MIEN_MESSAGE_REASON_END);
    REFUSES(MIEN_FRAME_COME_BACK, m.come_back.after_ms = MIEN_MESSAGE_AFTER_MS_MAX + 1);
    REFUSES(MIEN_FRAME_ASSIGN, m.assign.model_bytes = 5);
    REFUSES(MIEN_FRAME_ASSIGN, m.assign.plan_bytes = 0);
    REFUSES(MIEN_FRAME_ASSIGN, m.assign.clip = 0);
    REFUSES(MIEN_FRAME_ASSIGN, m.assign.purpose = 0);
    REFUSES(MIEN_FRAME_GET, m.get.what = 3);
    REFUSES(MIEN_FRAME_CHUNK, m.chunk.total = 7);
    REFUSES(MIEN_FRAME_CHUNK, m.chunk.offset = UINT64_MAX);
    REFUSES(MIEN_FRAME_CHUNK, m.chunk.data.len = 0);
    REFUSES(MIEN_FRAME_INPUT_CHUNK, m.input_chunk.total = UINT64_MAX);
    REFUSES(MIEN_FRAME_SESSION, m.session.n = 1);
    REFUSES(MIEN_FRAME_SESSION, m.session.t = m.session.n + 1);
    REFUSES(MIEN_FRAME_SESSION, m.session.index = m.session.n);
    REFUSES(MIEN_FRAME_SESSION, m.session.bits = 33);
    REFUSES(MIEN_FRAME_SESSION, m.session.purpose = 3);
    REFUSES(MIEN_FRAME_SESSION, m.session.k = 0);
    REFUSES(MIEN_FRAME_SESSION, m.session.k = m.session.n);
    REFUSES(MIEN_FRAME_ROLL, m.roll.part = m.roll.n_parts);
    REFUSES(MIEN_FRAME_ROLL, m.roll.n_parts = MIEN_MESSAGE_ROLL_PARTS_MAX + 1);
    REFUSES(MIEN_FRAME_ROLL, m.roll.n_entries = 0);
    REFUSES(MIEN_FRAME_ROLL, m.roll.n_entries = MIEN_MESSAGE_ROLL_PER_PART + 1);
    REFUSES(MIEN_FRAME_CONFIRMED, m.confirmed.n_entries = MIEN_MESSAGE_CONFIRMED_PER_PART + 1);
    REFUSES(MIEN_FRAME_ROSTER, m.roster.part = m.roster.n_parts);
    REFUSES(MIEN_FRAME_ROSTER, m.roster.n_entries = MIEN_MESSAGE_ROSTER_PER_PART + 1);
    REFUSES(MIEN_FRAME_SHARES, m.shares.n_parts = MIEN_MESSAGE_PARTS_MAX + 1);
    REFUSES(MIEN_FRAME_SURVIVORS, m.survivors.bitmap[1] = 0x08);
    REFUSES(MIEN_FRAME_CLOSED, m.closed.outcome = 0);
    REFUSES(MIEN_FRAME_ERROR, m.error.code = MIEN_MESSAGE_ERROR_END);
    REFUSES(MIEN_FRAME_RENEW, m.renew.csr_len = 0);
    REFUSES(MIEN_FRAME_ENROLLED, m.enrolled.cert_len = MIEN_MESSAGE_CERT_BYTES + 1);
    REFUSES(MIEN_FRAME_ENROLLED, m.enrolled.port = 0);
    REFUSES(MIEN_FRAME_TYPE_END, (void)0);
}

static void indices_of_a_part_rise(void **state)
{
    (void)state;
    struct sample_lists twisted = lists;

    twisted.sealed[5].index = twisted.sealed[4].index;
    twisted.reveal[127].index = MIEN_MESSAGE_GROUP_MAX;
    twisted.roster[1].index = 0;
    twisted.confirmed[1].index = 0;
    REFUSES(MIEN_FRAME_CONFIRMED, m.confirmed.entries = twisted.confirmed);
    REFUSES(MIEN_FRAME_DELIVER, m.deliver.entries = twisted.sealed);
    REFUSES(MIEN_FRAME_REVEAL, m.reveal.entries = twisted.reveal);
    REFUSES(MIEN_FRAME_ROSTER, m.roster.entries = twisted.roster);
}

static void every_cut_and_every_flip_is_refused_or_spelled_the_same(void **state)
{
    (void)state;
    for (unsigned type = 1; type < MIEN_FRAME_TYPE_END; type++) {
        struct mien_message in = sample((enum mien_frame_type)type, &lists);
        struct mien_message out;
        struct mien_buf bytes = encoded(&in);
        struct mien_frame frame = sample_frame(mien_buf_span(&bytes));

        for (size_t n = 0; n < frame.body.len; n++) {
            struct mien_frame cut = {frame.type, {frame.body.data, n}};

            if (mien_message_decode(cut, &out, NULL) == MIEN_OK)
                mien_message_fini(&out);
        }
        for (size_t bit = 0; bit < frame.body.len * 8 && bit < 8000; bit++) {
            bytes.data[MIEN_FRAME_HEAD_BYTES + bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (mien_message_decode(frame, &out, NULL) == MIEN_OK) {
                struct mien_buf again = encoded(&out);

                assert_int_equal(again.len, bytes.len);
                assert_memory_equal(again.data, bytes.data, bytes.len);
                mien_buf_fini(&again);
                mien_message_fini(&out);
            }
            bytes.data[MIEN_FRAME_HEAD_BYTES + bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        mien_buf_fini(&bytes);
    }
}

static void decoding_survives_each_failed_allocation(void **state)
{
    (void)state;
    for (unsigned type = 1; type < MIEN_FRAME_TYPE_END; type++) {
        struct mien_message in = sample((enum mien_frame_type)type, &lists);
        struct mien_message out = {0};
        struct mien_buf bytes = encoded(&in);
        struct mien_buf again = {0};
        enum mien_status status = MIEN_ENOMEM;

        for (long k = 0; status != MIEN_OK; k++) {
            mien_mem_fail_at(k);
            status = mien_message_decode(sample_frame(mien_buf_span(&bytes)), &out, NULL);
            assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
        }
        status = MIEN_ENOMEM;
        for (long k = 0; status != MIEN_OK; k++) {
            mien_mem_fail_at(k);
            status = mien_message_encode(&out, &again);
            assert_true(status == MIEN_OK || (status == MIEN_ENOMEM && again.len == 0));
        }
        mien_mem_fail_at(-1);
        mien_message_fini(&out);
        mien_buf_fini(&bytes);
        mien_buf_fini(&again);
        assert_int_equal(mien_mem_live(), 0);
    }
}

static void an_error_sentence_always_fits(void **state)
{
    (void)state;
    char text[300];
    struct mien_message message;

    memset(text, 'a', sizeof(text));
    memcpy(text + 199, "\xc3\xa4", 2); /* a character across the cut */
    text[299] = 0;
    message = mien_message_make_error(MIEN_MESSAGE_ERROR_LIMIT, text);
    assert_int_equal(strlen(message.error.sentence), 199);
    message = mien_message_make_error(MIEN_MESSAGE_ERROR_LIMIT, "line\nforged");
    assert_string_equal(message.error.sentence, mien_message_error_text(MIEN_MESSAGE_ERROR_LIMIT));
    for (unsigned code = 1; code < MIEN_MESSAGE_ERROR_END; code++) {
        message = mien_message_make_error(code, "");
        struct mien_buf bytes = encoded(&message);
        mien_buf_fini(&bytes);
    }
}

static void the_assign_statement_covers_every_field(void **state)
{
    (void)state;
    struct mien_message m = sample(MIEN_FRAME_ASSIGN, &lists);
    static const uint8_t run_id[16] = {1};
    uint8_t before[MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES];
    uint8_t after[MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES];

    mien_message_assign_statement(run_id, &m.assign, before);
    assert_memory_equal(before, "mien assign v1\1", 15);
    uint8_t *const fields[] = {(uint8_t *)&m.assign.round,
                               (uint8_t *)&m.assign.attempt,
                               m.assign.plan_hash + 31,
                               (uint8_t *)&m.assign.plan_bytes,
                               m.assign.model_hash + 31,
                               (uint8_t *)&m.assign.model_bytes,
                               (uint8_t *)&m.assign.model_version,
                               (uint8_t *)&m.assign.report_by_ms,
                               (uint8_t *)&m.assign.mark.epoch,
                               (uint8_t *)&m.assign.mark.seq,
                               m.assign.mark.head + 31,
                               (uint8_t *)&m.assign.purpose};

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        *fields[i] ^= 1;
        mien_message_assign_statement(run_id, &m.assign, after);
        assert_memory_not_equal(before, after, sizeof(before));
        *fields[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_back_the_same),
        cmocka_unit_test(fields_arrive_as_they_were),
        cmocka_unit_test(hello_has_these_bytes),
        cmocka_unit_test(a_second_spelling_is_refused),
        cmocka_unit_test(text_must_be_printable),
        cmocka_unit_test(missing_fields_are_refused),
        cmocka_unit_test(fields_out_of_range_are_not_encoded),
        cmocka_unit_test(indices_of_a_part_rise),
        cmocka_unit_test(every_cut_and_every_flip_is_refused_or_spelled_the_same),
        cmocka_unit_test(decoding_survives_each_failed_allocation),
        cmocka_unit_test(an_error_sentence_always_fits),
        cmocka_unit_test(the_assign_statement_covers_every_field),
    };

    return cmocka_run_group_tests(tests, fill, NULL);
}
