// SPDX-License-Identifier: Apache-2.0
/* mien.conf: what is accepted is written so that it reads the same. */
#include "common/base/buf.h"
#include "server/store/config.h"
#include "tests/fuzz/fuzz.h"

/* The file that says the same; given. */
static struct mien_buf written(const struct mien_config *config)
{
    struct mien_buf text = {0};

    fuzz_require(mien_config_write(config, &text) == MIEN_OK);
    fuzz_require(mien_buf_append_u8(&text, 0) == MIEN_OK);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct mien_config config;
    static struct mien_config again;
    struct mien_buf text = {0};

    fuzz_require(mien_buf_append(&text, data, len) == MIEN_OK);
    fuzz_require(mien_buf_append_u8(&text, 0) == MIEN_OK);
    const enum mien_status status =
        mien_config_parse("fuzz", (const char *)text.data, &config, NULL);
    mien_buf_fini(&text);
    if (status != MIEN_OK)
        return 0;
    struct mien_buf first = written(&config);
    fuzz_require(mien_config_parse("again", (const char *)first.data, &again, NULL) == MIEN_OK);
    struct mien_buf second = written(&again);
    fuzz_require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    mien_buf_fini(&first);
    mien_buf_fini(&second);
    return 0;
}
