// SPDX-License-Identifier: Apache-2.0
/* A picture's file: what is read can be written, and is the same picture then. */
#include "common/base/buf.h"
#include "common/data/image.h"
#include "tests/fuzz/fuzz.h"

/* Larger ones are read, but writing them again would take the fuzzer's time. */
#define MAX_PIXELS 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mien_image image = {0};
    struct mien_image again = {0};
    struct mien_buf png = {0};

    if (mien_image_decode((struct mien_span){data, len}, &image, NULL) != MIEN_OK)
        return 0;
    fuzz_require(image.width > 0 && image.height > 0 && image.channels > 0);
    const size_t n = (size_t)image.width * image.height * image.channels;
    if (n <= MAX_PIXELS) {
        fuzz_require(mien_image_encode(&image, &png) == MIEN_OK);
        fuzz_require(mien_image_decode(mien_buf_span(&png), &again, NULL) == MIEN_OK);
        fuzz_require(again.width == image.width && again.height == image.height);
        fuzz_require(again.channels == image.channels &&
                     memcmp(again.pixels, image.pixels, n) == 0);
    }
    mien_image_fini(&image);
    mien_image_fini(&again);
    mien_buf_fini(&png);
    return 0;
}
