// SPDX-License-Identifier: Apache-2.0
#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/wire/frame.h"
#include "common/wire/message.h"
#include "tests/support/test.h"

#include <string.h>

/* Frames of these types and lengths, with bytes that tell where they stand. */
static struct mien_buf stream_of(const enum mien_frame_type *types, const size_t *lens, size_t n)
{
    struct mien_buf out = {0};

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(mien_frame_begin(types[i], lens[i], &out), MIEN_OK);
        assert_int_equal(mien_buf_reserve(&out, lens[i]), MIEN_OK);
        for (size_t k = 0; k < lens[i]; k++)
            out.data[out.len++] = (uint8_t)(k * 7 + i);
    }
    return out;
}

static const enum mien_frame_type stream_types[] = {MIEN_FRAME_READY, MIEN_FRAME_INPUT_CHUNK,
                                                    MIEN_FRAME_CHECK_IN, MIEN_FRAME_KEYS};
static const size_t stream_lens[] = {2, 60000, 0, 300};

/* Reads all frames that end in one piece of the stream; n_frames counts them. */
static void read_piece(struct mien_frame_reader *reader, struct mien_span in, size_t *n_frames)
{
    struct mien_frame frame;
    bool whole = true;

    while (true) {
        assert_int_equal(mien_frame_next(reader, &in, &frame, &whole, NULL), MIEN_OK);
        if (!whole)
            break;
        assert_int_equal(frame.type, stream_types[*n_frames]);
        assert_int_equal(frame.body.len, stream_lens[*n_frames]);
        for (size_t k = 0; k < frame.body.len; k++)
            assert_int_equal(frame.body.data[k], (uint8_t)(k * 7 + *n_frames));
        (*n_frames)++;
    }
    assert_int_equal(in.len, 0);
}

static void frames_come_whole_from_any_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 5, 7, 64, 4096, 16384, 100000};
    struct mien_buf bytes = stream_of(stream_types, stream_lens, 4);

    for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++) {
        struct mien_frame_reader reader;
        size_t n_frames = 0;

        mien_frame_reader_init(&reader, MIEN_FRAME_AT_COORDINATOR);
        for (size_t at = 0; at < bytes.len; at += pieces[p]) {
            size_t n = bytes.len - at < pieces[p] ? bytes.len - at : pieces[p];

            read_piece(&reader, (struct mien_span){bytes.data + at, n}, &n_frames);
        }
        assert_int_equal(n_frames, 4);
        assert_false(mien_frame_reader_partial(&reader));
        mien_frame_reader_fini(&reader);
        assert_int_equal(mien_mem_live(), 1); /* the stream itself */
    }
    mien_buf_fini(&bytes);
}

static enum mien_status head_at(enum mien_frame_side side, uint32_t length, uint8_t type)
{
    struct mien_frame_reader reader;
    struct mien_frame frame;
    bool whole;
    uint8_t head[5];
    struct mien_span in = {head, sizeof(head)};
    long live = mien_mem_live();

    mien_store_be32(head, length);
    head[4] = type;
    mien_frame_reader_init(&reader, side);

    enum mien_status status = mien_frame_next(&reader, &in, &frame, &whole, NULL);

    if (status != MIEN_OK) {
        assert_int_equal(mien_mem_live(), live); /* refused before anything is held */
        in = (struct mien_span){head, sizeof(head)};
        assert_int_equal(mien_frame_next(&reader, &in, &frame, &whole, NULL), MIEN_ESTATE);
    }
    mien_frame_reader_fini(&reader);
    return status;
}

static void a_frame_is_judged_by_its_head(void **state)
{
    (void)state;
    enum mien_frame_side at = MIEN_FRAME_AT_COORDINATOR;

    assert_int_equal(head_at(at, 1 + 16384, MIEN_FRAME_KEYS), MIEN_OK);
    assert_int_equal(head_at(at, 2 + 16384, MIEN_FRAME_KEYS), MIEN_ELIMIT);
    assert_int_equal(head_at(at, 1 + 65536, MIEN_FRAME_INPUT_CHUNK), MIEN_OK);
    assert_int_equal(head_at(at, 2 + 65536, MIEN_FRAME_INPUT_CHUNK), MIEN_ELIMIT);
    assert_int_equal(head_at(at, UINT32_MAX, MIEN_FRAME_INPUT_CHUNK), MIEN_ELIMIT);
    assert_int_equal(head_at(at, 0, MIEN_FRAME_KEYS), MIEN_EPARSE);
    assert_int_equal(head_at(at, 5, 0), MIEN_EPARSE);
    assert_int_equal(head_at(at, 5, MIEN_FRAME_TYPE_END), MIEN_EPARSE);
    assert_int_equal(head_at(at, 5, 255), MIEN_EPARSE);
}

static void each_side_takes_its_types_only(void **state)
{
    (void)state;
    static const uint8_t of_device[] = {1, 3, 6, 8, 10, 12, 15, 18, 20, 21, 26};
    static const uint8_t of_coordinator[] = {2, 4, 5, 7, 9, 11, 13, 14, 16, 17, 19, 20, 22, 25, 27};

    for (unsigned type = 1; type < MIEN_FRAME_TYPE_END; type++) {
        bool device = memchr(of_device, (int)type, sizeof(of_device)) != NULL;
        bool coordinator = memchr(of_coordinator, (int)type, sizeof(of_coordinator)) != NULL;
        uint8_t t = (uint8_t)type;

        assert_int_equal(head_at(MIEN_FRAME_AT_COORDINATOR, 9, t) == MIEN_OK, device);
        assert_int_equal(head_at(MIEN_FRAME_AT_DEVICE, 9, t) == MIEN_OK, coordinator);
        assert_int_equal(head_at(MIEN_FRAME_AT_ENROLMENT, 9, t) == MIEN_OK, t == 20 || t == 23);
        assert_int_equal(head_at(MIEN_FRAME_AT_ENROLLING, 9, t) == MIEN_OK, t == 20 || t == 24);
    }
}

static void an_unfinished_frame_shows(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 0, 0, 3, MIEN_FRAME_READY, 8, 1};
    struct mien_frame_reader reader;
    struct mien_frame frame;
    bool whole;

    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct mien_span in = {bytes, n};

        mien_frame_reader_init(&reader, MIEN_FRAME_AT_COORDINATOR);
        assert_int_equal(mien_frame_next(&reader, &in, &frame, &whole, NULL), MIEN_OK);
        assert_int_equal(whole, n == sizeof(bytes));
        assert_int_equal(mien_frame_reader_partial(&reader), n > 0 && n < sizeof(bytes));
        mien_frame_reader_fini(&reader);
    }
}

static void no_memory_breaks_the_stream(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 0, 0, 3, MIEN_FRAME_READY, 8};
    struct mien_frame_reader reader;
    struct mien_frame frame;
    struct mien_span in = {bytes, sizeof(bytes)};
    bool whole;

    mien_frame_reader_init(&reader, MIEN_FRAME_AT_COORDINATOR);
    mien_mem_fail_at(0);
    assert_int_equal(mien_frame_next(&reader, &in, &frame, &whole, NULL), MIEN_ENOMEM);
    mien_mem_fail_at(-1);
    assert_int_equal(mien_frame_next(&reader, &in, &frame, &whole, NULL), MIEN_ESTATE);
    mien_frame_reader_fini(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_whole_from_any_pieces),
        cmocka_unit_test(a_frame_is_judged_by_its_head),
        cmocka_unit_test(each_side_takes_its_types_only),
        cmocka_unit_test(an_unfinished_frame_shows),
        cmocka_unit_test(no_memory_breaks_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
