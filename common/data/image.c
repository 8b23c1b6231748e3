// SPDX-License-Identifier: Apache-2.0
#include "common/data/image.h"

#include "common/base/mem.h"
#include "common/data/jpeg.h"

#include <png.h>
#include <string.h>

void mien_image_fini(struct mien_image *image)
{
    if (image == NULL)
        return;
    mien_free(image->pixels);
    *image = (struct mien_image){0};
}

static enum mien_status decode_png(struct mien_span file, struct mien_image *out,
                                   struct mien_err *err)
{
    const png_color white = {255, 255, 255};
    png_image png = {.version = PNG_IMAGE_VERSION};
    struct mien_image made = {0};
    enum mien_status status = MIEN_OK;

    if (!png_image_begin_read_from_memory(&png, file.data, file.len))
        return mien_err_set(err, MIEN_EPARSE, "no PNG that can be read (%s)", png.message);
    made.width = png.width;
    made.height = png.height;
    made.channels = (png.format & PNG_FORMAT_FLAG_COLOR) != 0 ? 3 : 1;
    png.format = made.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    if (made.width > MIEN_IMAGE_MAX_SIDE || made.height > MIEN_IMAGE_MAX_SIDE ||
        (uint64_t)made.width * made.height > MIEN_IMAGE_MAX_PIXELS)
        status = mien_err_set(err, MIEN_ELIMIT, "a picture of %u x %u pixels is over the limit",
                              made.width, made.height);
    if (status == MIEN_OK) {
        made.pixels = mien_calloc((size_t)made.width * made.height, made.channels);
        status = made.pixels == NULL ? MIEN_ENOMEM : MIEN_OK;
    }
    if (status == MIEN_OK && !png_image_finish_read(&png, &white, made.pixels, 0, NULL))
        status = mien_err_set(err, MIEN_EPARSE, "a damaged PNG (%s)", png.message);
    png_image_free(&png);
    if (status != MIEN_OK)
        mien_image_fini(&made);
    else
        *out = made;
    return status;
}

enum mien_status mien_image_decode(struct mien_span file, struct mien_image *out,
                                   struct mien_err *err)
{
    static const uint8_t png[4] = {0x89, 'P', 'N', 'G'};
    static const uint8_t jpeg[3] = {0xff, 0xd8, 0xff};

    if (file.len >= sizeof(png) && memcmp(file.data, png, sizeof(png)) == 0)
        return decode_png(file, out, err);
    if (file.len >= sizeof(jpeg) && memcmp(file.data, jpeg, sizeof(jpeg)) == 0)
        return mien_jpeg_decode(file, out, err);
    return mien_err_set(err, MIEN_EPARSE, "neither PNG nor JPEG");
}

enum mien_status mien_image_encode(const struct mien_image *image, struct mien_buf *out)
{
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = image->width,
                     .height = image->height,
                     .format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    png_alloc_size_t n = 0;

    if (!png_image_write_get_memory_size(png, n, 0, image->pixels, 0, NULL))
        return MIEN_EINVAL;
    enum mien_status status = mien_buf_reserve(out, n);
    if (status != MIEN_OK)
        return status;
    if (!png_image_write_to_memory(&png, out->data + out->len, &n, 0, image->pixels, 0, NULL))
        return MIEN_EINVAL;
    out->len += n;
    return MIEN_OK;
}

/* One picture element in the wanted channels. */
static double channel_at(const struct mien_image *image, uint32_t x, uint32_t y, uint32_t channel,
                         uint32_t channels)
{
    const uint8_t *p = image->pixels + ((size_t)y * image->width + x) * image->channels;

    if (image->channels == 1)
        return p[0];
    if (channels == 3)
        return p[channel];
    return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]; /* ITU-R BT.601 luma */
}

/* The mean over [x0, x1) x [y0, y1), borders counted by their share. */
static uint8_t area_mean(const struct mien_image *image, const double from[2], double side,
                         uint32_t channel, uint32_t channels)
{
    double sum = 0.0;
    double total = 0.0;

    for (uint32_t y = (uint32_t)from[1]; y < image->height && y < from[1] + side; y++) {
        const double top = y > from[1] ? y : from[1];
        const double bottom = y + 1.0 < from[1] + side ? y + 1.0 : from[1] + side;

        for (uint32_t x = (uint32_t)from[0]; x < image->width && x < from[0] + side; x++) {
            const double left = x > from[0] ? x : from[0];
            const double right = x + 1.0 < from[0] + side ? x + 1.0 : from[0] + side;
            const double share = (bottom - top) * (right - left);

            sum += share * channel_at(image, x, y, channel, channels);
            total += share;
        }
    }
    return (uint8_t)(total > 0.0 ? sum / total + 0.5 : 0.0);
}

void mien_image_fit(const struct mien_image *image, uint32_t size, uint32_t channels,
                    uint8_t *pixels)
{
    const uint32_t square = image->width < image->height ? image->width : image->height;
    const double left = (image->width - square) / 2;
    const double top = (image->height - square) / 2;
    const double step = (double)square / size;

    if (image->width == size && image->height == size && image->channels == channels) {
        memcpy(pixels, image->pixels, (size_t)size * size * channels);
        return;
    }
    for (uint32_t y = 0; y < size; y++) {
        for (uint32_t x = 0; x < size; x++) {
            const double from[2] = {left + x * step, top + y * step};

            for (uint32_t c = 0; c < channels; c++)
                *pixels++ = area_mean(image, from, step, c, channels);
        }
    }
}

void mien_pixels_to_floats(const uint8_t *pixels, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)pixels[i] / 127.5f - 1.0f;
}

void mien_pixels_from_floats(const float *values, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const float v = values[i] * 127.5f + 128.0f;

        out[i] = v >= 255.0f ? 255 : v > 0.0f ? (uint8_t)v : 0;
    }
}
