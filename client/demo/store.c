// SPDX-License-Identifier: Apache-2.0
#include "client/demo/store.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum mien_status take_lock(struct mien_store *store, const char *path, struct mien_err *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return mien_err_set(err, mien_status_of_errno(errno), "cannot open %s: %s", path,
                            strerror(errno));
    if (fcntl(fd, F_SETLK, &whole) != 0) {
        (void)close(fd);
        return mien_err_set(err, MIEN_EBUSY, "%s is held: another process is this device", path);
    }
    store->lock_fd = fd;
    return MIEN_OK;
}

enum mien_status mien_store_open(struct mien_store *store, const char *dir, bool make,
                                 struct mien_err *err)
{
    char lock[sizeof(store->path)];
    struct mien_store opened = {.lock_fd = -1};
    enum mien_status status = MIEN_OK;

    if (make)
        status = mien_dir_make(dir, 0700, err);
    else if (!mien_path_exists(dir))
        return mien_err_set(err, MIEN_ENOTFOUND, "no state directory %s: run mien-device enrol",
                            dir);
    if (status != MIEN_OK)
        return status;
    if (mien_path_join(dir, "device.state", opened.path, sizeof(opened.path)) != MIEN_OK ||
        mien_path_join(dir, "own.model", opened.model, sizeof(opened.model)) != MIEN_OK ||
        mien_path_join(dir, "lock", lock, sizeof(lock)) != MIEN_OK)
        return mien_err_set(err, MIEN_ELIMIT, "the path %s is too long", dir);
    status = take_lock(&opened, lock, err);
    if (status == MIEN_OK)
        *store = opened;
    return status;
}

void mien_store_close(struct mien_store *store)
{
    if (store->path[0] == '\0')
        return;
    (void)close(store->lock_fd);
    store->path[0] = '\0';
}

/* A file's bytes; none when it is not there. */
static enum mien_status load(const char *path, void *buf, size_t cap, size_t *len)
{
    struct mien_buf bytes = {0};
    struct mien_err err = {0};
    enum mien_status status;

    *len = 0;
    if (!mien_path_exists(path))
        return MIEN_OK;
    /* Reserved whole, so that no copy of a secret stays behind in a block that grew away. */
    status = mien_buf_reserve(&bytes, cap + 65536);
    if (status == MIEN_OK)
        status = mien_file_read(path, cap, &bytes, &err);
    if (status == MIEN_OK) {
        memcpy(buf, bytes.data, bytes.len);
        *len = bytes.len;
    } else {
        mien_log(MIEN_ERROR, "state.load", "error=\"%s\"", mien_err_text(&err, status));
    }
    mien_buf_wipe(&bytes);
    return status;
}

static enum mien_status save(const char *path, const void *data, size_t len)
{
    struct mien_err err = {0};
    enum mien_status status = mien_file_replace(path, (struct mien_span){data, len}, 0600, &err);

    if (status != MIEN_OK)
        mien_log(MIEN_ERROR, "state.save", "error=\"%s\"", mien_err_text(&err, status));
    return status;
}

enum mien_status mien_store_load(void *self, void *buf, size_t cap, size_t *len)
{
    return load(((const struct mien_store *)self)->path, buf, cap, len);
}

enum mien_status mien_store_save(void *self, const void *state, size_t len)
{
    return save(((const struct mien_store *)self)->path, state, len);
}

enum mien_status mien_store_load_model(void *self, void *buf, size_t cap, size_t *len)
{
    enum mien_status status = load(((const struct mien_store *)self)->model, buf, cap, len);

    /* A larger one belongs to another plan. */
    return status == MIEN_ELIMIT ? MIEN_OK : status;
}

enum mien_status mien_store_save_model(void *self, const void *model, size_t len)
{
    return save(((const struct mien_store *)self)->model, model, len);
}
