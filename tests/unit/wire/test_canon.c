// SPDX-License-Identifier: Apache-2.0
#include "common/wire/canon.h"

#include "common/base/mem.h"
#include "common/wire/frame.h"
#include "common/wire/message_internal.h"
#include "tests/support/test.h"

#include <string.h>

/* Bodies of a megabyte, far over what a frame lets in, that protobuf-c alone takes 50 to 60 times
 * their size for, or minutes, or the stack (notes on reliability, section "protobuf-c measured").
 */
enum { MEGABYTE = 1 << 20 };

static uint8_t body[MEGABYTE];

static void repeat(const void *piece, size_t n)
{
    for (size_t i = 0; i + n <= MEGABYTE; i += n)
        memcpy(body + i, piece, n);
}

static enum mien_status open_as(enum mien_frame_type type, size_t n)
{
    struct mien_canon canon;
    enum mien_status status = mien_canon_open(mien_message_descriptor(type),
                                              (struct mien_span){body, n}, "bomb", &canon, NULL);

    if (status == MIEN_OK) {
        assert_true(canon.n_used <= 4 * n + MIEN_CANON_ARENA_BASE_BYTES);
        mien_canon_close(&canon);
    }
    assert_int_equal(mien_mem_live(), 0);
    return status;
}

static void bombs_are_refused_by_the_scan(void **state)
{
    (void)state;
    repeat("\x78\x01", 2); /* unknown field 15 */
    assert_int_equal(open_as(MIEN_FRAME_HELLO, MEGABYTE), MIEN_EPARSE);
    repeat("\x22\x02\x08\x01", 4); /* singular sub-message merged for ever */
    assert_int_equal(open_as(MIEN_FRAME_HELLO, MEGABYTE), MIEN_EPARSE);
    repeat("\x22", 1); /* nested as deep as it goes */
    assert_int_equal(open_as(MIEN_FRAME_ROSTER, MEGABYTE), MIEN_EPARSE);
    repeat("\x0a\x00", 2); /* empty bytes */
    assert_int_equal(open_as(MIEN_FRAME_KEYS, MEGABYTE), MIEN_EPARSE);
    memset(body, 1, MEGABYTE);
    memcpy(body, "\x0a\xfc\xff\x3f", 4); /* packed numbers where a singular field stands */
    assert_int_equal(open_as(MIEN_FRAME_CHECK_IN, MEGABYTE), MIEN_EPARSE);
}

static void the_arena_caps_what_the_scan_lets_through(void **state)
{
    (void)state;
    repeat("\x22\x00", 2); /* empty entries of a list: allowed by the schema */
    assert_int_equal(open_as(MIEN_FRAME_SHARES, MEGABYTE), MIEN_ELIMIT);
    assert_int_equal(open_as(MIEN_FRAME_SHARES, MIEN_FRAME_CONTROL_BYTES), MIEN_ELIMIT);
    assert_int_equal(open_as(MIEN_FRAME_SHARES, 64), MIEN_OK);
}

static void depth_is_that_of_the_schema(void **state)
{
    (void)state;
    for (unsigned type = 1; type < MIEN_FRAME_TYPE_END; type++) {
        const ProtobufCMessageDescriptor *descriptor = mien_message_descriptor(type);

        for (unsigned i = 0; descriptor != NULL && i < descriptor->n_fields; i++) {
            const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

            if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
                /* Lists of numbers could be packed or not: two spellings. */
                assert_int_not_equal(field->label, PROTOBUF_C_LABEL_REPEATED);
                continue;
            }
            const ProtobufCMessageDescriptor *inner = field->descriptor;

            for (unsigned k = 0; k < inner->n_fields; k++)
                assert_int_not_equal(inner->fields[k].type, PROTOBUF_C_TYPE_MESSAGE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bombs_are_refused_by_the_scan),
        cmocka_unit_test(the_arena_caps_what_the_scan_lets_through),
        cmocka_unit_test(depth_is_that_of_the_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
