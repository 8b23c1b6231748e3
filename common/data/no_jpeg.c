// SPDX-License-Identifier: Apache-2.0
#include "common/data/jpeg.h"

enum mien_status mien_jpeg_decode(struct mien_span file, struct mien_image *out,
                                  struct mien_err *err)
{
    (void)file;
    (void)out;
    return mien_err_set(err, MIEN_EPARSE, "a JPEG, and this build reads PNG only");
}
