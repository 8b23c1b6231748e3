// SPDX-License-Identifier: Apache-2.0
/* Texts in a PNG. libpng's simple interface knows none, so this is its full one: an error inside
 * jumps to setjmp, and what must outlive the jump stands in a struct outside of the function. */
#include "common/data/image.h"

#include "common/base/mem.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

/* ---- writing ---- */

struct writing {
    png_structp png;
    png_infop info;
    struct mien_buf *out;
    enum mien_status status;
};

static void write_data(png_structp png, png_bytep data, png_size_t n)
{
    struct writing *w = png_get_io_ptr(png);

    w->status = mien_buf_append(w->out, data, n);
    if (w->status != MIEN_OK)
        png_error(png, "no memory");
}

static void flush_data(png_structp png)
{
    (void)png;
}

/* libpng's own would write to stderr. */
static void jump(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void silent(png_structp png, png_const_charp text)
{
    (void)text;
    (void)png;
}

static void write_rows(const struct writing *w, const struct mien_image *image)
{
    const size_t stride = (size_t)image->width * image->channels;

    for (uint32_t y = 0; y < image->height; y++)
        png_write_row(w->png, image->pixels + y * stride);
}

static void add_text(const struct writing *w, const struct mien_image_text *text)
{
    char keyword[80] = "";
    png_text chunk = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = keyword};

    /* libpng takes both without const, and copies them. */
    memcpy(keyword, text->keyword, strlen(text->keyword) + 1);
    char *copy = mien_strdup(text->text);
    if (copy == NULL)
        return;
    chunk.text = copy;
    chunk.text_length = strlen(copy);
    png_set_text(w->png, w->info, &chunk, 1);
    mien_free(copy);
}

static enum mien_status write_all(struct writing *w, const struct mien_image *image,
                                  const struct mien_image_text *texts, size_t n)
{
    const int colour = image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY;
    int n_set = 0;

    if (setjmp(png_jmpbuf(w->png)) != 0)
        return w->status == MIEN_OK ? MIEN_EINVAL : w->status;
    png_set_write_fn(w->png, w, write_data, flush_data);
    png_set_IHDR(w->png, w->info, image->width, image->height, 8, colour, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    for (size_t i = 0; i < n; i++)
        add_text(w, &texts[i]);
    (void)png_get_text(w->png, w->info, NULL, &n_set);
    if ((size_t)n_set != n)
        return MIEN_ENOMEM;
    png_write_info(w->png, w->info);
    write_rows(w, image);
    png_write_end(w->png, NULL); /* without info: the texts stand before the pixels already */
    return MIEN_OK;
}

static bool is_plain(const char *text, size_t max, bool newlines)
{
    const size_t n = strlen(text);

    for (size_t i = 0; i < n; i++) {
        const bool newline = newlines && text[i] == '\n';
        if (!newline && (text[i] < ' ' || text[i] > '~'))
            return false;
    }
    return n > 0 && n <= max;
}

enum mien_status mien_image_encode_texts(const struct mien_image *image,
                                         const struct mien_image_text *texts, size_t n,
                                         struct mien_buf *out)
{
    struct writing w = {.out = out};
    const size_t before = out->len;
    enum mien_status status = MIEN_ENOMEM;

    for (size_t i = 0; i < n; i++) {
        if (!is_plain(texts[i].keyword, 79, false) ||
            !is_plain(texts[i].text, MIEN_IMAGE_TEXT_BYTES, true))
            return MIEN_EINVAL;
    }
    w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, jump, silent);
    if (w.png != NULL)
        w.info = png_create_info_struct(w.png);
    if (w.info != NULL)
        status = write_all(&w, image, texts, n);
    png_destroy_write_struct(&w.png, &w.info);
    if (status != MIEN_OK)
        out->len = before;
    return status;
}

/* ---- reading ---- */

struct reading {
    png_structp png;
    png_infop info;
    struct mien_reader file;
};

static void read_data(png_structp png, png_bytep data, png_size_t n)
{
    struct reading *r = png_get_io_ptr(png);

    mien_read_into(&r->file, data, n);
    if (r->file.failed)
        png_error(png, "cut");
}

static bool read_info(struct reading *r)
{
    if (setjmp(png_jmpbuf(r->png)) != 0)
        return false;
    png_set_user_limits(r->png, MIEN_IMAGE_MAX_SIDE, MIEN_IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(r->png, MIEN_IMAGE_TEXT_BYTES + 128);
    png_set_chunk_cache_max(r->png, 32);
    png_set_read_fn(r->png, r, read_data);
    png_read_info(r->png, r->info);
    return true;
}

static enum mien_status take_text(const struct reading *r, const char *keyword,
                                  struct mien_buf *out, struct mien_err *err)
{
    png_textp texts = NULL;
    const png_text *found = NULL;
    int n = 0;

    (void)png_get_text(r->png, r->info, &texts, &n);
    for (int i = 0; i < n; i++) {
        if (strcmp(texts[i].key, keyword) != 0)
            continue;
        if (found != NULL)
            return mien_err_set(err, MIEN_EPARSE, "a PNG with two texts \"%s\"", keyword);
        found = &texts[i];
    }
    if (found == NULL)
        return mien_err_set(err, MIEN_ENOTFOUND, "a PNG without a text \"%s\"", keyword);
    return mien_buf_append(out, found->text, found->text_length);
}

enum mien_status mien_image_find_text(struct mien_span png, const char *keyword,
                                      struct mien_buf *out, struct mien_err *err)
{
    struct reading r = {.file = {.rest = png}};
    enum mien_status status = MIEN_ENOMEM;

    if (png.len < 8 || png_sig_cmp(png.data, 0, 8) != 0)
        return mien_err_set(err, MIEN_EPARSE, "no PNG");
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, jump, silent);
    if (r.png != NULL)
        r.info = png_create_info_struct(r.png);
    if (r.info != NULL)
        status = read_info(&r) ? take_text(&r, keyword, out, err)
                               : mien_err_set(err, MIEN_EPARSE, "a damaged PNG");
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return status;
}
