// SPDX-License-Identifier: Apache-2.0
/* The first byte gives the side that reads and the size of the pieces, the rest is the stream. */
#include "common/wire/frame.h"
#include "common/wire/message.h"
#include "tests/fuzz/fuzz.h"

/* Reads a stream in pieces; returns a number that depends on every frame in it. */
static uint64_t read_all(enum mien_frame_side side, struct mien_span stream, size_t piece)
{
    struct mien_frame_reader reader;
    enum mien_status status = MIEN_OK;
    uint64_t sum = 0;

    mien_frame_reader_init(&reader, side);
    while (stream.len > 0 && status == MIEN_OK) {
        size_t n = stream.len < piece ? stream.len : piece;
        struct mien_span in = {stream.data, n};
        bool whole = true;

        while (whole && status == MIEN_OK) {
            struct mien_frame frame;

            status = mien_frame_next(&reader, &in, &frame, &whole, NULL);
            if (status != MIEN_OK || !whole)
                break;
            fuzz_require(frame.body.len <= mien_frame_body_max(frame.type));
            sum = sum * 31 + frame.type;
            for (size_t i = 0; i < frame.body.len; i++)
                sum = sum * 31 + frame.body.data[i];
        }
        fuzz_require(status != MIEN_OK || in.len == 0);
        stream = (struct mien_span){stream.data + n, stream.len - n};
    }
    mien_frame_reader_fini(&reader);
    return sum + (uint64_t)status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;

    enum mien_frame_side side = (enum mien_frame_side)(data[0] & 3);
    struct mien_span stream = {data + 1, len - 1};

    /* How the network cuts a stream changes nothing. */
    fuzz_require(read_all(side, stream, 1 + (data[0] >> 2)) == read_all(side, stream, len));
    return 0;
}
