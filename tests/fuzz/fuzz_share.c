// SPDX-License-Identifier: Apache-2.0
/* A share of a seed: one spelling. */
#include "common/secagg/share.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mien_share share;
    uint8_t again[MIEN_SHARE_BYTES];

    if (len != MIEN_SHARE_BYTES || mien_share_decode(data, &share) != MIEN_OK)
        return 0;
    mien_share_encode(&share, again);
    fuzz_require(memcmp(again, data, sizeof(again)) == 0);
    return 0;
}
