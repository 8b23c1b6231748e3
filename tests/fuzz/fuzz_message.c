// SPDX-License-Identifier: Apache-2.0
/* The first byte is the frame's type, the rest its body. */
#include "common/wire/message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mien_message message;
    struct mien_buf again = {0};

    if (len == 0)
        return 0;

    struct mien_frame frame = {(enum mien_frame_type)data[0], {data + 1, len - 1}};

    if (mien_message_decode(frame, &message, NULL) != MIEN_OK)
        return 0;

    /* What is accepted has one spelling, so no two peers can disagree on it. */
    fuzz_require(mien_message_encode(&message, &again) == MIEN_OK);
    fuzz_require(again.len == MIEN_FRAME_HEAD_BYTES + len - 1);
    fuzz_require(memcmp(again.data + MIEN_FRAME_HEAD_BYTES - 1, data, len) == 0);
    mien_message_fini(&message);
    mien_buf_fini(&again);
    return 0;
}
