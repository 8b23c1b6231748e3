// SPDX-License-Identifier: Apache-2.0
#include "server/store/anchor.h"

#include "common/base/file.h"
#include "common/base/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define ANCHOR_MAX_BYTES 256

static enum mien_status format_anchor(const struct mien_store_mark *mark, struct mien_buf *out)
{
    char head[65];

    mien_hex(mark->head, sizeof(mark->head), head);
    return mien_buf_printf(out, "mien-anchor 1\nepoch %" PRIu64 "\nseq %" PRIu64 "\nhead %s\n",
                           mark->epoch, mark->seq, head);
}

/* Reads one line "key value" and moves past it. */
static bool take_line(char **at, const char *key, char **value)
{
    char *line = *at;
    char *end = strchr(line, '\n');
    size_t n = strlen(key);

    if (end == NULL || strncmp(line, key, n) != 0 || line[n] != ' ')
        return false;
    *end = '\0';
    *value = line + n + 1;
    *at = end + 1;
    return true;
}

static bool parse_anchor(char *text, struct mien_store_mark *out)
{
    char *at = text;
    char *value = NULL;
    struct mien_store_mark mark = {0};

    if (!take_line(&at, "mien-anchor", &value) || strcmp(value, "1") != 0)
        return false;
    if (!take_line(&at, "epoch", &value) ||
        mien_parse_u64(value, 0, INT64_MAX, &mark.epoch) != MIEN_OK)
        return false;
    if (!take_line(&at, "seq", &value) || mien_parse_u64(value, 0, INT64_MAX, &mark.seq) != MIEN_OK)
        return false;
    if (!take_line(&at, "head", &value) || strlen(value) != 64 ||
        mien_unhex(value, sizeof(mark.head), mark.head) != MIEN_OK || *at != '\0')
        return false;
    *out = mark;
    return true;
}

enum mien_status mien_anchor_read(const char *dir, struct mien_store_mark *out,
                                  struct mien_err *err)
{
    char path[PATH_MAX];
    struct mien_buf text = {0};
    enum mien_status status = mien_path_join(dir, "anchor", path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, ANCHOR_MAX_BYTES, &text, err);
    if (status == MIEN_OK)
        status = mien_buf_append_u8(&text, 0);
    if (status == MIEN_OK &&
        (strlen((char *)text.data) != text.len - 1 || !parse_anchor((char *)text.data, out)))
        status = mien_err_set(err, MIEN_ECORRUPT, "%s is no anchor", path);
    mien_buf_fini(&text);
    return status;
}

enum mien_status mien_anchor_write(const char *dir, const struct mien_store_mark *mark,
                                   struct mien_err *err)
{
    char path[PATH_MAX];
    struct mien_buf text = {0};
    enum mien_status status = mien_path_join(dir, "anchor", path, sizeof(path));

    if (status == MIEN_OK)
        status = format_anchor(mark, &text);
    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&text), 0600, err);
    mien_buf_fini(&text);
    return status;
}
