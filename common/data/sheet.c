// SPDX-License-Identifier: Apache-2.0
#include "common/data/sheet.h"

#include "common/base/mem.h"

#include <string.h>

/* What a picture should fill at least, and the line between two. */
#define SHOWN 96
#define LINE 2

/* Picture number i, magnified, into the sheet. */
static void place(const struct mien_sheet *sheet, const uint8_t *picture, uint32_t zoom, size_t i,
                  struct mien_image *out)
{
    const uint32_t cell = sheet->size * zoom + LINE;
    const uint32_t left = (uint32_t)(i % sheet->columns) * cell;
    const uint32_t top = (uint32_t)(i / sheet->columns) * cell;
    const size_t n = sheet->channels;

    for (uint32_t y = 0; y < sheet->size * zoom; y++) {
        uint8_t *to = out->pixels + ((size_t)(top + y) * out->width + left) * n;
        const uint8_t *row = picture + (size_t)(y / zoom) * sheet->size * n;

        for (uint32_t x = 0; x < sheet->size * zoom; x++)
            memcpy(to + x * n, row + (x / zoom) * n, n);
    }
}

enum mien_status mien_sheet_make(const struct mien_sheet *sheet, const float *pictures, size_t n,
                                 struct mien_image *out)
{
    const uint32_t zoom = sheet->size < SHOWN ? SHOWN / sheet->size : 1;
    const uint64_t cell = (uint64_t)sheet->size * zoom + LINE;
    const uint64_t columns = n < sheet->columns ? n : sheet->columns;
    const uint64_t width = columns * cell - LINE;
    const uint64_t height = (n + sheet->columns - 1) / sheet->columns * cell - LINE;
    const size_t n_numbers = (size_t)sheet->size * sheet->size * sheet->channels;
    struct mien_image made = {.channels = sheet->channels};

    if (width > MIEN_IMAGE_MAX_SIDE || height > MIEN_IMAGE_MAX_SIDE)
        return MIEN_ELIMIT;
    made.width = (uint32_t)width;
    made.height = (uint32_t)height;
    made.pixels = mien_calloc(width * height, sheet->channels);
    uint8_t *picture = mien_calloc(n_numbers, 1);
    if (made.pixels == NULL || picture == NULL) {
        mien_image_fini(&made);
        mien_free(picture);
        return MIEN_ENOMEM;
    }
    memset(made.pixels, 255, width * height * sheet->channels);
    for (size_t i = 0; i < n; i++) {
        mien_pixels_from_floats(pictures + i * n_numbers, n_numbers, picture);
        place(sheet, picture, zoom, i, &made);
    }
    mien_free(picture);
    *out = made;
    return MIEN_OK;
}
