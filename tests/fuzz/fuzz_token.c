// SPDX-License-Identifier: Apache-2.0
#include "common/wire/token.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mien_token token;
    char text[2 * MIEN_TOKEN_TEXT_BYTES];
    char again[MIEN_TOKEN_TEXT_BYTES];

    if (len >= sizeof(text))
        return 0;
    if (len > 0)
        memcpy(text, data, len);
    text[len] = 0;
    if (mien_token_decode(text, &token, NULL) != MIEN_OK)
        return 0;
    fuzz_require(mien_token_encode(&token, again) == MIEN_OK);
    fuzz_require(strcmp(text, again) == 0);
    return 0;
}
