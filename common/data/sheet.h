/* Many small pictures in one: a contact sheet.
 *
 * Threads: any
 */
#ifndef MIEN_DATA_SHEET_H
#define MIEN_DATA_SHEET_H

#include "common/data/image.h"

/* Pictures side by side, row by row, with a thin white line between them; small ones are magnified
 * by a whole number, so that a sheet is about 96 pixels a picture.
 *
 *   pictures  [n, size, size, channels] in [-1, 1], n and columns at least 1
 *   out       given: end it with mien_image_fini
 *   errors    MIEN_ENOMEM, MIEN_ELIMIT  the sheet would be over an image's limits
 */
struct mien_sheet {
    uint32_t size;
    uint32_t channels;
    uint32_t columns;
};

MIEN_CHECK enum mien_status mien_sheet_make(const struct mien_sheet *sheet, const float *pictures,
                                            size_t n, struct mien_image *out);

#endif
