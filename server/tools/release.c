// SPDX-License-Identifier: Apache-2.0
#include "server/tools/release.h"

#include "common/base/file.h"
#include "common/base/text.h"
#include "server/tools/ask.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum mien_status mien_release_latest(const char *dir, char *out, size_t n, struct mien_err *err)
{
    cJSON *reply = NULL;
    enum mien_status status = mien_ask(dir, mien_ask_request("status"), &reply, err);

    if (status == MIEN_OK)
        status = mien_path_join(dir, mien_ask_text(reply, "model_file"), out, n);
    cJSON_Delete(reply);
    return status;
}

enum mien_status mien_release_model(const char *from, char *out, size_t n, bool *directory,
                                    struct mien_err *err)
{
    struct stat about;

    *directory = stat(from, &about) == 0 && S_ISDIR(about.st_mode);
    if (*directory)
        return mien_release_latest(from, out, n, err);
    if (strlen(from) >= n)
        return mien_err_set(err, MIEN_ELIMIT, "a path of %zu bytes is too long", strlen(from));
    memcpy(out, from, strlen(from) + 1);
    return MIEN_OK;
}

static enum mien_status write_text(const char *out_dir, struct mien_span text, struct mien_err *err)
{
    char path[PATH_MAX];
    enum mien_status status = mien_path_join(out_dir, "release.json", path, sizeof(path));

    return status == MIEN_OK ? mien_file_replace(path, text, 0644, err) : status;
}

static cJSON *request_of(const struct mien_release_set *set)
{
    cJSON *request = mien_ask_request("release");
    char seed[24];
    char metadata[65];
    char file[65];

    (void)snprintf(seed, sizeof(seed), "%" PRIu64, set->seed);
    mien_hex(set->metadata_digest, 32, metadata);
    mien_hex(set->file_digest, 32, file);
    if (request != NULL &&
        (cJSON_AddNumberToObject(request, "images", (double)set->n_images) == NULL ||
         cJSON_AddStringToObject(request, "seed", seed) == NULL ||
         cJSON_AddStringToObject(request, "metadata_sha256", metadata) == NULL ||
         cJSON_AddStringToObject(request, "model_file_sha256", file) == NULL)) {
        cJSON_Delete(request);
        return NULL;
    }
    return request;
}

enum mien_status mien_release_write(const char *dir, const struct mien_release_set *set,
                                    const char *out_dir, struct mien_err *err)
{
    cJSON *reply = NULL;
    enum mien_status status = mien_ask(dir, request_of(set), &reply, err);

    if (status == MIEN_OK) {
        const char *text = mien_ask_text(reply, "release");
        status = write_text(out_dir, (struct mien_span){(const uint8_t *)text, strlen(text)}, err);
    }
    cJSON_Delete(reply);
    return status;
}

enum mien_status mien_release_write_alone(const struct mien_release_set *set, const char *out_dir,
                                          struct mien_err *err)
{
    struct mien_buf text = {0};
    enum mien_status status = mien_release_text_alone(set, &text);

    if (status == MIEN_OK)
        status = write_text(out_dir, mien_buf_span(&text), err);
    mien_buf_fini(&text);
    return status;
}
