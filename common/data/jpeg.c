// SPDX-License-Identifier: Apache-2.0
#include "common/data/jpeg.h"

#include "common/base/mem.h"

#include <stdio.h> /* jpeglib.h needs FILE */

#include <jpeglib.h>
#include <setjmp.h>
#include <string.h>

/* libjpeg reports by leaving; this is where it comes back to. */
struct reporter {
    struct jpeg_error_mgr manager;
    jmp_buf back;
    char why[JMSG_LENGTH_MAX];
};

static void leave(j_common_ptr info)
{
    struct reporter *reporter = (struct reporter *)(void *)info->err;

    reporter->manager.format_message(info, reporter->why);
    longjmp(reporter->back, 1);
}

static void say_nothing(j_common_ptr info)
{
    (void)info;
}

static enum mien_status read_rows(struct jpeg_decompress_struct *info, struct mien_image *image)
{
    const size_t row_bytes = (size_t)image->width * image->channels;

    while (info->output_scanline < info->output_height) {
        JSAMPROW row = image->pixels + info->output_scanline * row_bytes;

        (void)jpeg_read_scanlines(info, &row, 1);
    }
    /* A file that is cut ends in warnings and grey rows: refuse it as we refuse a cut PNG. */
    return info->err->num_warnings == 0 ? MIEN_OK : MIEN_EPARSE;
}

static enum mien_status decode(struct jpeg_decompress_struct *info, struct mien_span file,
                               struct mien_image *image, struct mien_err *err)
{
    jpeg_create_decompress(info);
    jpeg_mem_src(info, file.data, (unsigned long)file.len);
    (void)jpeg_read_header(info, TRUE);
    info->out_color_space = info->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if ((uint64_t)info->image_width * info->image_height > MIEN_IMAGE_MAX_PIXELS ||
        info->image_width > MIEN_IMAGE_MAX_SIDE || info->image_height > MIEN_IMAGE_MAX_SIDE)
        return mien_err_set(err, MIEN_ELIMIT, "a picture of %u x %u pixels", info->image_width,
                            info->image_height);
    (void)jpeg_start_decompress(info);
    image->width = info->output_width;
    image->height = info->output_height;
    image->channels = info->num_components == 1 ? 1 : 3;
    image->pixels = mien_calloc((size_t)image->width * image->height, image->channels);
    if (image->pixels == NULL)
        return MIEN_ENOMEM;
    if (read_rows(info, image) != MIEN_OK)
        return mien_err_set(err, MIEN_EPARSE, "the JPEG is cut or damaged");
    return MIEN_OK;
}

enum mien_status mien_jpeg_decode(struct mien_span file, struct mien_image *out,
                                  struct mien_err *err)
{
    struct jpeg_decompress_struct info;
    struct reporter reporter;
    struct mien_image *image = mien_calloc(1, sizeof(*image));
    enum mien_status status;

    if (image == NULL)
        return MIEN_ENOMEM;
    memset(&info, 0, sizeof(info));
    memset(&reporter, 0, sizeof(reporter));
    info.err = jpeg_std_error(&reporter.manager);
    reporter.manager.error_exit = leave;
    reporter.manager.output_message = say_nothing;
    if (setjmp(reporter.back) == 0)
        status = decode(&info, file, image, err);
    else
        status = mien_err_set(err, MIEN_EPARSE, "no JPEG: %s", reporter.why);
    jpeg_destroy_decompress(&info);
    if (status == MIEN_OK)
        *out = *image;
    else
        mien_image_fini(image);
    mien_free(image);
    return status;
}
