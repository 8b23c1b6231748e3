// SPDX-License-Identifier: Apache-2.0
#include "server/store/anchor.h"

#include "common/base/file.h"
#include "common/base/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define ANCHOR_MAX_BYTES 256

static enum mien_status format_anchor(const struct mien_anchor *anchor, struct mien_buf *out)
{
    char head[65];

    mien_hex(anchor->mark.head, sizeof(anchor->mark.head), head);
    return mien_buf_printf(out,
                           "mien-anchor 2\nepoch %" PRIu64 "\nseq %" PRIu64
                           "\nhead %s\nrun %" PRIu32 "\nreleases %" PRIu64 "\n",
                           anchor->mark.epoch, anchor->mark.seq, head, anchor->run,
                           anchor->n_charged);
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

static bool take_count(char **at, const char *key, uint64_t max, uint64_t *out)
{
    char *value = NULL;

    return take_line(at, key, &value) && mien_parse_u64(value, 0, max, out) == MIEN_OK;
}

static bool parse_anchor(char *text, struct mien_anchor *out)
{
    char *at = text;
    char *value = NULL;
    uint64_t run = 0;
    struct mien_anchor anchor = {0};

    if (!take_line(&at, "mien-anchor", &value) || strcmp(value, "2") != 0)
        return false;
    if (!take_count(&at, "epoch", INT64_MAX, &anchor.mark.epoch) ||
        !take_count(&at, "seq", INT64_MAX, &anchor.mark.seq))
        return false;
    if (!take_line(&at, "head", &value) || strlen(value) != 64 ||
        mien_unhex(value, sizeof(anchor.mark.head), anchor.mark.head) != MIEN_OK)
        return false;
    if (!take_count(&at, "run", UINT32_MAX, &run) ||
        !take_count(&at, "releases", INT64_MAX, &anchor.n_charged) || *at != '\0')
        return false;
    anchor.run = (uint32_t)run;
    *out = anchor;
    return true;
}

enum mien_status mien_anchor_read(const char *dir, struct mien_anchor *out, struct mien_err *err)
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

enum mien_status mien_anchor_write(const char *dir, const struct mien_anchor *anchor,
                                   struct mien_err *err)
{
    char path[PATH_MAX];
    struct mien_buf text = {0};
    enum mien_status status = mien_path_join(dir, "anchor", path, sizeof(path));

    if (status == MIEN_OK)
        status = format_anchor(anchor, &text);
    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&text), 0600, err);
    mien_buf_fini(&text);
    return status;
}
