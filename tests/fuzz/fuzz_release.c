// SPDX-License-Identifier: Apache-2.0
/* What comes with pictures: the first byte says whether a card, release.json, a picture or a public
 * ledger follows. */
#include "common/base/buf.h"
#include "server/store/picture.h"
#include "server/store/public_chain.h"
#include "server/store/release.h"
#include "tests/fuzz/fuzz.h"

/* A card that is accepted has one spelling up to its signature. */
static void as_card(const char *text)
{
    static struct mien_card card;
    struct mien_buf again = {0};

    if (mien_card_read(text, &card, NULL) != MIEN_OK)
        return;
    fuzz_require(mien_card_write(&card, &again) == MIEN_OK);
    fuzz_require(again.len <= strlen(text) && memcmp(again.data, text, again.len) == 0);
    mien_buf_fini(&again);
}

static void as_release(const char *text)
{
    static struct mien_card card;
    struct mien_release_set set;
    struct mien_buf card_text = {0};

    (void)!mien_release_read(text, &card, &card_text, &set, NULL);
    mien_buf_fini(&card_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct mien_card card;
    static struct mien_public_chain chain;
    static const uint8_t no_file[32];
    struct mien_buf text = {0};

    if (len == 0)
        return 0;
    const struct mien_span bytes = {data + 1, len - 1};
    if (data[0] == 'p')
        (void)!mien_picture_check(bytes, &card, NULL);
    if (data[0] == 'l')
        (void)!mien_public_chain_read(bytes, no_file, &chain, NULL);
    fuzz_require(mien_buf_append(&text, bytes.data, bytes.len) == MIEN_OK);
    fuzz_require(mien_buf_append_u8(&text, 0) == MIEN_OK);
    if (data[0] == 'c')
        as_card((const char *)text.data);
    if (data[0] == 'r')
        as_release((const char *)text.data);
    mien_buf_fini(&text);
    return 0;
}
