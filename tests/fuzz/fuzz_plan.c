// SPDX-License-Identifier: Apache-2.0
#include "common/plan/plan.h"
#include "common/wire/plan_codec.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mien_plan plan;
    struct mien_buf again = {0};

    if (mien_plan_decode((struct mien_span){data, len}, &plan, NULL) != MIEN_OK)
        return 0;
    fuzz_require(mien_plan_encode(&plan, &again) == MIEN_OK);
    fuzz_require(again.len == len && memcmp(again.data, data, len) == 0);
    mien_buf_fini(&again);
    return 0;
}
