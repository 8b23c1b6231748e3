// SPDX-License-Identifier: Apache-2.0
#include "server/tools/release.h"

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/nn/model_file.h"
#include "server/store/picture.h"
#include "server/tools/ask.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* The path of the latest model's file of a state directory. */
static enum mien_status latest_path(const char *dir, char *out, size_t n, struct mien_err *err)
{
    cJSON *reply = NULL;
    enum mien_status status = mien_ask(dir, mien_ask_request("status"), &reply, err);

    if (status == MIEN_OK)
        status = mien_path_join(dir, mien_ask_text(reply, "model_file"), out, n);
    cJSON_Delete(reply);
    return status;
}

static enum mien_status model_path(const char *from, char *out, size_t n, bool *directory,
                                   struct mien_err *err)
{
    struct stat about;

    *directory = stat(from, &about) == 0 && S_ISDIR(about.st_mode);
    if (*directory)
        return latest_path(from, out, n, err);
    if (strlen(from) >= n)
        return mien_err_set(err, MIEN_ELIMIT, "a path of %zu bytes is too long", strlen(from));
    memcpy(out, from, strlen(from) + 1);
    return MIEN_OK;
}

enum mien_status mien_release_origin_open(const char *from, struct mien_release_origin *origin,
                                          struct mien_err *err)
{
    enum mien_status status =
        model_path(from, origin->path, sizeof(origin->path), &origin->directory, err);

    return status == MIEN_OK
               ? mien_file_read(origin->path, MIEN_MODEL_FILE_MAX_BYTES, &origin->file, err)
               : status;
}

void mien_release_origin_fini(struct mien_release_origin *origin)
{
    mien_buf_fini(&origin->file);
}

static cJSON *request_of(const struct mien_release_request *request)
{
    cJSON *json = mien_ask_request("release");
    char about[65];
    char file[65];

    mien_hex(request->about, sizeof(request->about), about);
    mien_hex(request->file_digest, sizeof(request->file_digest), file);
    if (json != NULL && (cJSON_AddStringToObject(json, "about_sha256", about) == NULL ||
                         cJSON_AddStringToObject(json, "model_file_sha256", file) == NULL)) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

static enum mien_status take_reply(const cJSON *reply, struct mien_release *out,
                                   struct mien_err *err)
{
    const char *card = mien_ask_text(reply, "card");
    const char *chain = mien_ask_text(reply, "chain");
    const char *seed = mien_ask_text(reply, "set_seed");
    enum mien_status status = mien_buf_append(&out->card, card, strlen(card) + 1);

    if (status == MIEN_OK)
        status = mien_unbase64url(chain, strlen(chain), &out->chain);
    if (status == MIEN_OK && strlen(seed) != 64)
        status = MIEN_EPARSE;
    if (status == MIEN_OK)
        status = mien_unhex(seed, sizeof(out->set_seed), out->set_seed);
    if (status == MIEN_EPARSE)
        (void)mien_err_set(err, status, "the coordinator's answer is no release");
    return status;
}

enum mien_status mien_tool_release_begin(const char *dir,
                                         const struct mien_release_request *request,
                                         struct mien_release *out, struct mien_err *err)
{
    struct mien_release made = {0};
    cJSON *reply = NULL;
    enum mien_status status;

    if (dir == NULL)
        return mien_release_begin_alone(request, out);
    status = mien_ask(dir, request_of(request), &reply, err);
    if (status == MIEN_OK)
        status = take_reply(reply, &made, err);
    cJSON_Delete(reply);
    if (status != MIEN_OK)
        mien_release_fini(&made);
    else
        *out = made;
    return status;
}

static enum mien_status write_file(const char *out_dir, const char *name,
                                   const struct mien_buf *bytes, struct mien_err *err)
{
    char path[PATH_MAX];
    enum mien_status status = mien_path_join(out_dir, name, path, sizeof(path));

    return status == MIEN_OK ? mien_file_replace(path, mien_buf_span(bytes), 0644, err) : status;
}

enum mien_status mien_tool_release_end(const struct mien_release *release,
                                       const struct mien_release_set *set, const char *out_dir,
                                       struct mien_err *err)
{
    struct mien_buf text = {0};
    enum mien_status status = MIEN_OK;

    if (release->chain.len > 0)
        status = write_file(out_dir, "ledger.chain", &release->chain, err);
    if (status == MIEN_OK)
        status = mien_release_write(release, set, &text);
    if (status == MIEN_OK)
        status = write_file(out_dir, "release.json", &text, err);
    mien_buf_fini(&text);
    return status;
}

enum mien_status mien_tool_release_picture(const void *release, const struct mien_image *image,
                                           struct mien_buf *png)
{
    const struct mien_release *of = release;

    return mien_picture_encode(image, (const char *)of->card.data, of->set_seed, png);
}
