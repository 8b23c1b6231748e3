// SPDX-License-Identifier: Apache-2.0
/* What a device keeps. The input is all but the SHA-256 at the end, which nobody finds by chance.
 */
#include "client/state.h"
#include "common/base/digest.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct mien_client_state state;
    struct mien_buf bytes = {0};
    struct mien_buf again = {0};
    uint8_t digest[MIEN_DIGEST_BYTES];

    (void)!mien_client_state_decode((struct mien_span){data, len}, &state);
    fuzz_require(mien_digest((struct mien_span){data, len}, digest) == MIEN_OK);
    fuzz_require(mien_buf_reserve(&bytes, len + sizeof(digest)) == MIEN_OK);
    fuzz_require(mien_buf_append(&bytes, data, len) == MIEN_OK);
    fuzz_require(mien_buf_append(&bytes, digest, sizeof(digest)) == MIEN_OK);
    if (mien_client_state_decode(mien_buf_span(&bytes), &state) == MIEN_OK) {
        fuzz_require(mien_client_state_encode(&state, &again) == MIEN_OK);
        fuzz_require(again.len == bytes.len && memcmp(again.data, bytes.data, bytes.len) == 0);
    }
    mien_buf_wipe(&bytes);
    mien_buf_wipe(&again);
    return 0;
}
