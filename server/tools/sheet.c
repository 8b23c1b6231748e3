// SPDX-License-Identifier: Apache-2.0
/* mien sheet: pictures of several folders, a row each, as one picture. */
#include "common/data/sheet.h"
#include "common/base/mem.h"
#include "common/data/folder.h"
#include "server/tools/plain_file.h"
#include "server/tools/tools.h"

#include <stdio.h>

#define MAX_ROWS 32

struct sheet_options {
    uint64_t columns;
    uint64_t size;
    const char *out;
};

/* The first pictures of a folder as one row. */
static enum mien_status read_row(const char *dir, const struct sheet_options *o, uint8_t *pixels,
                                 float *row, struct mien_err *err)
{
    const size_t n = (size_t)o->size * o->size * 3;
    struct mien_folder *folder = NULL;
    enum mien_status status = mien_folder_open(dir, &folder, err);

    if (status == MIEN_OK &&
        (!mien_folder_flat(folder) || mien_folder_n_faces(folder, 0) < o->columns))
        status = mien_err_set(err, MIEN_EINVAL, "%s has fewer than %u pictures at its top", dir,
                              (unsigned)o->columns);
    for (size_t i = 0; i < o->columns && status == MIEN_OK; i++) {
        const struct mien_folder_face face = {.index = i, .size = (uint32_t)o->size, .channels = 3};

        status = mien_folder_read(folder, &face, pixels, err);
        if (status == MIEN_OK)
            mien_pixels_to_floats(pixels, n, row + i * n);
    }
    mien_folder_free(folder);
    return status;
}

static enum mien_status make(const char *const *dirs, size_t n_dirs, const struct sheet_options *o,
                             struct mien_err *err)
{
    const size_t n = (size_t)o->size * o->size * 3;
    const struct mien_sheet sheet = {(uint32_t)o->size, 3, (uint32_t)o->columns};
    uint8_t *pixels = mien_calloc(n, 1);
    float *all = mien_calloc(n_dirs * o->columns * n, sizeof(float));
    struct mien_image image = {0};
    struct mien_buf png = {0};
    enum mien_status status = pixels == NULL || all == NULL ? MIEN_ENOMEM : MIEN_OK;

    for (size_t i = 0; i < n_dirs && status == MIEN_OK; i++)
        status = read_row(dirs[i], o, pixels, all + i * o->columns * n, err);
    if (status == MIEN_OK)
        status = mien_sheet_make(&sheet, all, n_dirs * o->columns, &image);
    if (status == MIEN_OK)
        status = mien_image_encode(&image, &png);
    if (status == MIEN_OK)
        status = mien_tool_write_plain(o->out, mien_buf_span(&png), err);
    mien_image_fini(&image);
    mien_buf_fini(&png);
    mien_free(all);
    mien_free(pixels);
    return status;
}

int mien_tool_sheet(int argc, char **argv)
{
    struct sheet_options o = {.columns = 12, .size = 32, .out = NULL};
    const struct mien_option options[] = {
        {"--out", MIEN_OPTION_TEXT, &o.out, "FILE.png", "the picture to write"},
        {"--columns", MIEN_OPTION_NUMBER, &o.columns, "N", "pictures a row (default 12)"},
        {"--size", MIEN_OPTION_NUMBER, &o.size, "PIXELS", "a side of each (default 32)"},
    };
    const struct mien_command command = {
        .name = "mien sheet",
        .synopsis = "DIR... --out FILE.png [--columns N] [--size PIXELS]",
        .about = "Puts the first pictures of each folder side by side, a row a folder.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
        .min_operands = 1,
        .max_operands = MAX_ROWS,
    };
    const char *dirs[MAX_ROWS];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, dirs, &done, &err);

    if (status == MIEN_OK && !done) {
        size_t n = 0;

        while (n < MAX_ROWS && dirs[n] != NULL)
            n++;
        if (o.out == NULL)
            status = mien_err_set(&err, MIEN_EINVAL, "--out is missing");
        else if (o.columns == 0 || o.columns > 64 || o.size < 8 || o.size > 256)
            status = mien_err_set(&err, MIEN_EINVAL, "--columns: 1 to 64; --size: 8 to 256");
        else
            status = make(dirs, n, &o, &err);
    }
    return mien_command_end(&command, status, &err);
}
