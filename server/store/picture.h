/* Generated pictures that say what they are: a PNG holds the card of its release and a signature
 * over its pixels and that card.
 *
 * Threads: any
 */
#ifndef MIEN_STORE_PICTURE_H
#define MIEN_STORE_PICTURE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/data/image.h"
#include "server/store/card.h"

#include <stdint.h>

/* Adds the picture as PNG, signed.
 *
 *   card     the text of mien_card_seal
 *   seed     [32] secret; its public key is the card's set_key
 *   errors   MIEN_EINVAL  no such picture; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_picture_encode(const struct mien_image *image, const char *card,
                                                const uint8_t seed[32], struct mien_buf *out);

/* Checks a picture: its card (card.h), and the signature over pixels and card.
 *
 *   card     out
 *   errors   MIEN_ENOTFOUND  a PNG without a card: not from mien, or its texts were removed
 *            MIEN_EAUTH      pixels or card were changed
 *            MIEN_EPARSE     no PNG, no card of this version; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_picture_check(struct mien_span png, struct mien_card *card,
                                               struct mien_err *err);

#endif
