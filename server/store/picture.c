// SPDX-License-Identifier: Apache-2.0
#include "server/store/picture.h"

#include "common/base/digest.h"

#include <string.h>

static const char LABEL[] = "mien picture v1";
static const char CARD[] = "mien-release";
static const char SIGNATURE[] = "mien-signature";

/* H(card), then H(width | height | channels | pixels): what the signature is over. */
static enum mien_status digests(const struct mien_image *image, struct mien_span card,
                                uint8_t out[64])
{
    struct mien_buf bytes = {0};
    const size_t n = (size_t)image->width * image->height * image->channels;
    enum mien_status status = mien_digest(card, out);

    if (status == MIEN_OK)
        status = mien_buf_append_be32(&bytes, image->width);
    if (status == MIEN_OK)
        status = mien_buf_append_be32(&bytes, image->height);
    if (status == MIEN_OK)
        status = mien_buf_append_be32(&bytes, image->channels);
    if (status == MIEN_OK)
        status = mien_buf_append(&bytes, image->pixels, n);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&bytes), out + 32);
    mien_buf_fini(&bytes);
    return status;
}

enum mien_status mien_picture_encode(const struct mien_image *image, const char *card,
                                     const uint8_t seed[32], struct mien_buf *out)
{
    uint8_t both[64];
    char signature[129];
    const struct mien_image_text texts[] = {{CARD, card}, {SIGNATURE, signature}};
    enum mien_status status =
        digests(image, (struct mien_span){(const uint8_t *)card, strlen(card)}, both);

    if (status == MIEN_OK)
        status = mien_card_sign(seed, LABEL, (struct mien_span){both, sizeof(both)}, signature);
    return status == MIEN_OK ? mien_image_encode_texts(image, texts, 2, out) : status;
}

static enum mien_status check_signature(struct mien_span png, struct mien_span card,
                                        const uint8_t key[32], struct mien_err *err)
{
    struct mien_buf signature = {0};
    struct mien_image image = {0};
    uint8_t both[64];
    enum mien_status status = mien_image_find_text(png, SIGNATURE, &signature, err);

    if (status == MIEN_OK)
        status = mien_buf_append_u8(&signature, 0);
    if (status == MIEN_OK)
        status = mien_image_decode(png, &image, err);
    if (status == MIEN_OK)
        status = digests(&image, card, both);
    if (status == MIEN_OK) {
        status = mien_card_check(key, LABEL, (struct mien_span){both, sizeof(both)},
                                 (const char *)signature.data);
        if (status == MIEN_EAUTH)
            (void)mien_err_set(err, status,
                               "its signature does not hold: pixels or card were changed");
    }
    mien_image_fini(&image);
    mien_buf_fini(&signature);
    return status;
}

enum mien_status mien_picture_check(struct mien_span png, struct mien_card *card,
                                    struct mien_err *err)
{
    struct mien_buf text = {0};
    struct mien_card found;
    enum mien_status status = mien_image_find_text(png, CARD, &text, err);
    const size_t n = text.len;

    if (status == MIEN_ENOTFOUND)
        (void)mien_err_set(err, status,
                           "a picture without a card: not drawn by mien, or its texts "
                           "were removed");
    if (status == MIEN_OK)
        status = mien_buf_append_u8(&text, 0);
    if (status == MIEN_OK)
        status = mien_card_read((const char *)text.data, &found, err);
    if (status == MIEN_OK)
        status = check_signature(png, (struct mien_span){text.data, n}, found.set_key, err);
    mien_buf_fini(&text);
    if (status == MIEN_OK)
        *card = found;
    return status;
}
