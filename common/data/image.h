/* Pictures as bytes: PNG (and JPEG, when built with it) in, PNG out.
 *
 * Threads: any; a picture belongs to one thread at a time
 */
#ifndef MIEN_DATA_IMAGE_H
#define MIEN_DATA_IMAGE_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* A larger side, or more pixels, is a mistake or an attack: a PNG of some bytes can ask for
 * gigabytes. */
#define MIEN_IMAGE_MAX_SIDE 16384
#define MIEN_IMAGE_MAX_PIXELS (UINT64_C(1) << 26)

struct mien_image {
    uint32_t width;
    uint32_t height;
    uint32_t channels; /* 1 grey, 3 RGB */
    uint8_t *pixels;   /* [height, width, channels] */
};

/* Frees the pixels; NULL and zeroed storage are fine. */
void mien_image_fini(struct mien_image *image);

/* The picture in a file's bytes, told by how they begin. Transparency is laid on white, 16 bits are
 * rounded to 8.
 *
 *   out     given: end it with mien_image_fini
 *   errors  MIEN_EPARSE  no picture, or damaged (err says how); JPEG without support for it
 *           MIEN_ELIMIT  over the limits; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_image_decode(struct mien_span file, struct mien_image *out,
                                              struct mien_err *err);

/* Adds the picture as PNG.  errors  MIEN_ENOMEM, MIEN_EINVAL  no such picture */
MIEN_CHECK enum mien_status mien_image_encode(const struct mien_image *image, struct mien_buf *out);

/* A text inside a PNG (a tEXt chunk before the pixels). */
struct mien_image_text {
    const char *keyword; /* 1 to 79 printable ASCII characters */
    const char *text;    /* printable ASCII and newlines, at most MIEN_IMAGE_TEXT_BYTES */
};

#define MIEN_IMAGE_TEXT_BYTES ((size_t)64 << 10)

/* Adds the picture as PNG with texts.  errors  MIEN_ENOMEM, MIEN_EINVAL  no such picture or text */
MIEN_CHECK enum mien_status mien_image_encode_texts(const struct mien_image *image,
                                                    const struct mien_image_text *texts, size_t n,
                                                    struct mien_buf *out);

/* Adds the text of a PNG under a keyword.
 *
 *   errors  MIEN_ENOTFOUND  there is none; MIEN_EPARSE  no PNG, or the keyword stands in it twice
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_image_find_text(struct mien_span png, const char *keyword,
                                                 struct mien_buf *out, struct mien_err *err);

/* The square in the middle, resized by area to size x size, in these channels.
 *
 *   pixels  [size, size, channels] out
 */
void mien_image_fit(const struct mien_image *image, uint32_t size, uint32_t channels,
                    uint8_t *pixels);

/* n bytes to [-1, 1], and back (rounded, clamped; NaN is 0). */
void mien_pixels_to_floats(const uint8_t *pixels, size_t n, float *out);
void mien_pixels_from_floats(const float *values, size_t n, uint8_t *out);

#endif
