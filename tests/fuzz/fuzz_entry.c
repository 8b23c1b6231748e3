// SPDX-License-Identifier: Apache-2.0
/* An entry of the ledger: one spelling. */
#include "server/store/entry.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct mien_entry entry;
    struct mien_buf again = {0};

    if (mien_entry_decode((struct mien_span){data, len}, &entry, NULL) != MIEN_OK)
        return 0;
    fuzz_require(mien_entry_encode(&entry, &again) == MIEN_OK);
    fuzz_require(again.len == len && memcmp(again.data, data, len) == 0);
    mien_buf_fini(&again);
    return 0;
}
