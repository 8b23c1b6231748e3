// SPDX-License-Identifier: Apache-2.0
#include "client/record.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const uint8_t head_a[32] = {1};
static const uint8_t head_b[32] = {2};

static void what_was_encoded_comes_back(void **state)
{
    (void)state;
    struct mien_client_record record = {.epoch = 3,
                                        .seq = UINT64_MAX,
                                        .head = {9, 8, 7},
                                        .sent_round = 12,
                                        .sent_attempt = 4,
                                        .n_sent = 10,
                                        .n_released = 9,
                                        .waits_for_close = true};
    struct mien_client_record again = {0};
    struct mien_buf bytes = {0};

    assert_int_equal(mien_client_record_encode(&record, &bytes), MIEN_OK);
    struct mien_reader reader = {.rest = mien_buf_span(&bytes)};
    assert_int_equal(mien_client_record_decode(&reader, &again), MIEN_OK);
    assert_true(mien_reader_done(&reader));
    assert_int_equal(again.epoch, 3);
    assert_true(again.seq == UINT64_MAX);
    assert_memory_equal(again.head, record.head, 32);
    assert_int_equal(again.sent_round, 12);
    assert_int_equal(again.sent_attempt, 4);
    assert_int_equal(again.n_sent, 10);
    assert_int_equal(again.n_released, 9);
    assert_true(again.waits_for_close);
    mien_buf_fini(&bytes);
}

/* The bytes behind the flags, which a device without has not: docs/file-formats.md. */
static void what_was_spent_comes_back(void **state)
{
    (void)state;
    struct mien_client_record record = {.n_sent = 2, .n_spent = 2};
    struct mien_client_record again = {0};
    struct mien_buf bytes = {0};

    record.spent[0] = (struct mien_client_spent){0.25, 1.5, 70};
    record.spent[1] = (struct mien_client_spent){1.0, 0.5, UINT64_MAX};
    assert_int_equal(mien_client_record_encode(&record, &bytes), MIEN_OK);
    assert_int_equal(bytes.len, 32 + 48 + 1 + 1 + 2 * 24);
    assert_int_equal(bytes.data[80], 2);
    assert_int_equal(bytes.data[81], 2);
    struct mien_reader reader = {.rest = mien_buf_span(&bytes)};
    assert_int_equal(mien_client_record_decode(&reader, &again), MIEN_OK);
    assert_true(mien_reader_done(&reader));
    assert_int_equal(again.n_spent, 2);
    assert_memory_equal(again.spent, record.spent, 2 * sizeof(record.spent[0]));
    for (size_t len = 0; len < bytes.len; len++) {
        reader = (struct mien_reader){.rest = {bytes.data, len}};
        assert_true(mien_client_record_decode(&reader, &again) == MIEN_ECORRUPT || reader.failed);
    }
    bytes.data[81] = 0; /* a list of none has another spelling */
    reader = (struct mien_reader){.rest = mien_buf_span(&bytes)};
    assert_int_equal(mien_client_record_decode(&reader, &again), MIEN_ECORRUPT);
    bytes.data[81] = MIEN_CLIENT_MAX_SPENT + 1;
    reader = (struct mien_reader){.rest = mien_buf_span(&bytes)};
    assert_int_equal(mien_client_record_decode(&reader, &again), MIEN_ECORRUPT);
    bytes.data[81] = 2;
    bytes.data[82] = 0xff; /* a rate that is no number in (0, 1] */
    reader = (struct mien_reader){.rest = mien_buf_span(&bytes)};
    assert_int_equal(mien_client_record_decode(&reader, &again), MIEN_ECORRUPT);
    mien_buf_fini(&bytes);
}

static void a_record_that_encode_never_writes_is_corrupt(void **state)
{
    (void)state;
    struct mien_client_record record = {0};
    struct mien_buf bytes = {0};

    assert_int_equal(mien_client_record_encode(&record, &bytes), MIEN_OK);
    bytes.data[bytes.len - 1] = 4; /* an unknown flag */
    struct mien_reader reader = {.rest = mien_buf_span(&bytes)};
    assert_int_equal(mien_client_record_decode(&reader, &record), MIEN_ECORRUPT);
    bytes.data[bytes.len - 1] = 0;
    for (size_t len = 0; len < bytes.len; len++) {
        reader = (struct mien_reader){.rest = {bytes.data, len}};
        (void)!mien_client_record_decode(&reader, &record);
        assert_true(reader.failed);
    }
    mien_buf_fini(&bytes);
}

static void the_ledger_only_goes_forward(void **state)
{
    (void)state;
    struct mien_client_record record = {0};
    bool changed = false;

    assert_int_equal(mien_client_record_see(&record, 1, 5, head_a, &changed, NULL), MIEN_OK);
    assert_true(changed);
    assert_int_equal(mien_client_record_see(&record, 1, 5, head_a, &changed, NULL), MIEN_OK);
    assert_false(changed);
    assert_int_equal(mien_client_record_see(&record, 1, 4, head_b, &changed, NULL), MIEN_EAUTH);
    assert_int_equal(mien_client_record_see(&record, 0, 9, head_b, &changed, NULL), MIEN_EAUTH);
    assert_int_equal(record.seq, 5);
    /* A new epoch starts where a restored backup ended. */
    assert_int_equal(mien_client_record_see(&record, 2, 4, head_b, &changed, NULL), MIEN_OK);
    assert_true(changed);
}

static void two_heads_at_one_place_are_a_fork(void **state)
{
    (void)state;
    struct mien_client_record record = {0};
    struct mien_err err = {0};
    bool changed;

    /* Position 0:0 is judged like any other once a head was seen there. */
    assert_int_equal(mien_client_record_see(&record, 0, 0, head_a, &changed, NULL), MIEN_OK);
    assert_true(changed);
    assert_int_equal(mien_client_record_see(&record, 0, 0, head_b, &changed, &err), MIEN_EAUTH);
    assert_non_null(strstr(err.text, "two heads"));
    assert_memory_equal(record.head, head_a, 32);
}

static void vectors_leave_for_later_attempts_only(void **state)
{
    (void)state;
    struct mien_client_record record = {.sent_round = 7, .sent_attempt = 1, .n_sent = 3};
    struct mien_client_record fresh = {0};

    assert_true(mien_client_record_may_send(&fresh, 0, 0));
    assert_true(mien_client_record_may_send(&record, 8, 0));
    assert_true(mien_client_record_may_send(&record, 7, 2));
    assert_false(mien_client_record_may_send(&record, 7, 1));
    assert_false(mien_client_record_may_send(&record, 7, 0));
    assert_false(mien_client_record_may_send(&record, 6, 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_comes_back),
        cmocka_unit_test(what_was_spent_comes_back),
        cmocka_unit_test(a_record_that_encode_never_writes_is_corrupt),
        cmocka_unit_test(the_ledger_only_goes_forward),
        cmocka_unit_test(two_heads_at_one_place_are_a_fork),
        cmocka_unit_test(vectors_leave_for_later_attempts_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
