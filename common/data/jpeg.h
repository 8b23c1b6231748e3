/* JPEG, where it was built in: photographs are JPEG.
 *
 * Threads: any
 */
#ifndef MIEN_DATA_JPEG_H
#define MIEN_DATA_JPEG_H

#include "common/data/image.h"

/* As mien_image_decode.  errors  also MIEN_EPARSE  "built without JPEG" */
MIEN_CHECK enum mien_status mien_jpeg_decode(struct mien_span file, struct mien_image *out,
                                             struct mien_err *err);

#endif
