// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "server/store/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Three networks of at most MIEN_PLAN_MAX_PARAMETERS values, four bytes each, and a header. */
#define MODEL_FILE_MAX_BYTES ((size_t)256 << 20)
#define SUFFIX ".safetensors"

enum mien_status mien_store_model_path(const char *dir, const uint8_t digest[32], char *out,
                                       size_t n)
{
    char hex[65];
    int len;

    mien_hex(digest, 32, hex);
    len = snprintf(out, n, "%s/models/%s%s", dir, hex, SUFFIX);
    return len < 0 || (size_t)len >= n ? MIEN_ELIMIT : MIEN_OK;
}

enum mien_status mien_store_model_put(const char *dir, struct mien_span file, uint8_t digest[32],
                                      struct mien_err *err)
{
    char path[PATH_MAX];
    uint8_t found[32];
    enum mien_status status;

    if (file.len == 0 || file.len > MODEL_FILE_MAX_BYTES)
        return mien_err_set(err, MIEN_ELIMIT, "a model file of %zu bytes", file.len);
    status = mien_digest(file, found);
    if (status == MIEN_OK)
        status = mien_store_model_path(dir, found, path, sizeof(path));
    if (status == MIEN_OK)
        status = mien_file_replace(path, file, 0600, err);
    if (status == MIEN_OK)
        memcpy(digest, found, sizeof(found));
    return status;
}

enum mien_status mien_store_model_row(struct mien_store_tx *tx,
                                      const struct mien_store_model *model, struct mien_err *err)
{
    return mien_db_run(tx->store->db, "INSERT INTO model VALUES(?,?,?,?)",
                       (struct mien_db_value[]){
                           mien_db_int(model->version),
                           mien_db_int(model->round),
                           mien_db_blob(model->model_hash, 32),
                           mien_db_blob(model->file_digest, 32),
                       },
                       4, err);
}

enum mien_status mien_store_model(struct mien_store *store, uint64_t version,
                                  struct mien_store_model *out, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    struct mien_store_model model = {.version = version};
    enum mien_status status =
        mien_db_query(store->db, "SELECT round, model_hash, file_digest FROM model WHERE version=?",
                      (struct mien_db_value[]){mien_db_int(version)}, 1, &stmt, err);

    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    if (status == MIEN_OK && !row)
        status = mien_err_set(err, MIEN_ENOTFOUND, "there is no model version %" PRIu64, version);
    if (status == MIEN_OK) {
        model.round = mien_db_column_count(stmt, 0);
        if (!mien_db_column_fixed(stmt, 1, model.model_hash, 32) ||
            !mien_db_column_fixed(stmt, 2, model.file_digest, 32))
            status = mien_err_set(err, MIEN_ECORRUPT, "the row of model version %" PRIu64, version);
    }
    sqlite3_finalize(stmt);
    if (status == MIEN_OK)
        *out = model;
    return status;
}

enum mien_status mien_store_model_read(struct mien_store *store,
                                       const struct mien_store_model *model, struct mien_buf *out,
                                       struct mien_err *err)
{
    char path[PATH_MAX];
    uint8_t digest[32];
    size_t before = out->len;
    enum mien_status status =
        mien_store_model_path(store->dir, model->file_digest, path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, MODEL_FILE_MAX_BYTES, out, err);
    if (status == MIEN_OK)
        status = mien_digest((struct mien_span){out->data + before, out->len - before}, digest);
    if (status == MIEN_OK && memcmp(digest, model->file_digest, sizeof(digest)) != 0)
        status = mien_err_set(err, MIEN_ECORRUPT, "%s is damaged", path);
    if (status != MIEN_OK)
        out->len = before;
    return status;
}

/* ---- the optimisers' state ---- */

enum mien_status mien_store_server_state_put(struct mien_store_tx *tx,
                                             struct mien_span server_state, struct mien_err *err)
{
    return mien_db_run(tx->store->db, "INSERT OR REPLACE INTO server_state VALUES(1,?)",
                       (struct mien_db_value[]){mien_db_blob(server_state.data, server_state.len)},
                       1, err);
}

enum mien_status mien_store_server_state(struct mien_store *store, struct mien_buf *out,
                                         struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum mien_status status =
        mien_db_query(store->db, "SELECT value FROM server_state", NULL, 0, &stmt, err);

    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    if (status == MIEN_OK && row) {
        const void *value = sqlite3_column_blob(stmt, 0);
        int n = sqlite3_column_bytes(stmt, 0);
        if (n > 0)
            status = mien_buf_append(out, value, (size_t)n);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- what a crash left behind ---- */

/* Ours are named by 64 hexadecimal digits, with ".tmp" while they are written. */
static bool is_ours(const char *name, uint8_t digest[32], bool *temporary)
{
    char hex[65];

    if (strlen(name) < 64)
        return false;
    memcpy(hex, name, 64);
    hex[64] = '\0';
    *temporary = strcmp(name + 64, SUFFIX ".tmp") == 0;
    return mien_unhex(hex, 32, digest) == MIEN_OK && (*temporary || strcmp(name + 64, SUFFIX) == 0);
}

static enum mien_status sweep_one(struct mien_store *store, int dir_fd, const char *name,
                                  uint32_t *n_removed, struct mien_err *err)
{
    uint8_t digest[32];
    bool temporary = false;
    uint64_t named = 0;
    enum mien_status status = MIEN_OK;

    if (!is_ours(name, digest, &temporary))
        return MIEN_OK;
    if (!temporary)
        status = mien_db_number(store->db, "SELECT count(*) FROM model WHERE file_digest=?",
                                (struct mien_db_value[]){mien_db_blob(digest, sizeof(digest))}, 1,
                                &named, err);
    if (status != MIEN_OK || named > 0)
        return status;
    if (unlinkat(dir_fd, name, 0) != 0)
        return mien_err_set(err, mien_status_of_errno(errno), "cannot remove models/%s", name);
    (*n_removed)++;
    return MIEN_OK;
}

enum mien_status mien_store_sweep(struct mien_store *store, uint32_t *n_removed,
                                  struct mien_err *err)
{
    char path[PATH_MAX];
    DIR *dir = NULL;
    const struct dirent *entry;
    enum mien_status status = mien_path_join(store->dir, "models", path, sizeof(path));

    if (status != MIEN_OK)
        return status;
    dir = opendir(path);
    if (dir == NULL)
        return mien_err_set(err, mien_status_of_errno(errno), "cannot read %s", path);
    while (status == MIEN_OK && (entry = readdir(dir)) != NULL)
        status = sweep_one(store, dirfd(dir), entry->d_name, n_removed, err);
    (void)closedir(dir);
    return status;
}

/* ---- copies ---- */

static enum mien_status sync_file(const char *path, struct mien_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool failed = fd < 0 || fsync(fd) != 0;
    enum mien_status status = MIEN_OK;

    if (failed)
        status = mien_err_set(err, mien_status_of_errno(errno), "cannot sync %s", path);
    if (fd >= 0)
        (void)close(fd);
    return status;
}

enum mien_status mien_store_backup(struct mien_store *store, const char *path, struct mien_err *err)
{
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK && mien_path_exists(path))
        status = mien_err_set(err, MIEN_EEXIST, "%s exists already", path);
    if (status != MIEN_OK)
        return status;
    status = mien_db_run(store->db, "VACUUM INTO ?", (struct mien_db_value[]){mien_db_text(path)},
                         1, err);
    if (status == MIEN_OK)
        status = sync_file(path, err);
    if (status != MIEN_OK)
        (void)unlink(path);
    return status;
}
