// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"

#include "common/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum mien_status mien_status_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return MIEN_ENOTFOUND;
    case EEXIST:
        return MIEN_EEXIST;
    case ENOSPC:
    case EDQUOT:
        return MIEN_ENOSPC;
    case ENOMEM:
        return MIEN_ENOMEM;
    default:
        return MIEN_EIO;
    }
}

static enum mien_status failed(struct mien_err *err, const char *what, const char *path)
{
    int error = errno;

    return mien_err_set(err, mien_status_of_errno(error), "%s %s: %s", what, path, strerror(error));
}

static enum mien_status read_all(int fd, const char *path, size_t max_bytes, struct mien_buf *out,
                                 struct mien_err *err)
{
    size_t total = 0;

    for (;;) {
        enum mien_status status = mien_buf_reserve(out, 65536);

        if (status != MIEN_OK)
            return mien_err_set(err, status, "no memory to read %s", path);
        ssize_t n = read(fd, out->data + out->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(err, "cannot read", path);
        if (n == 0)
            return MIEN_OK;
        if ((size_t)n > max_bytes - total)
            return mien_err_set(err, MIEN_ELIMIT, "%s is longer than %zu bytes", path, max_bytes);
        total += (size_t)n;
        out->len += (size_t)n;
    }
}

enum mien_status mien_file_read(const char *path, size_t max_bytes, struct mien_buf *out,
                                struct mien_err *err)
{
    size_t start = out->len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return failed(err, "cannot open", path);
    enum mien_status status = read_all(fd, path, max_bytes, out, err);
    if (status != MIEN_OK)
        out->len = start;
    (void)close(fd);
    return status;
}

static enum mien_status write_all(int fd, struct mien_span data)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.data, data.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return MIEN_EIO;
        data.data += n;
        data.len -= (size_t)n;
    }
    return MIEN_OK;
}

static enum mien_status sync_parent(const char *path, struct mien_err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? 1 : (int)(slash - path);

    (void)snprintf(dir, sizeof(dir), "%.*s", n == 0 ? 1 : n, slash == NULL ? "." : path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(err, "cannot open", dir);
    int synced = fsync(fd);
    enum mien_status status = synced == 0 ? MIEN_OK : failed(err, "cannot sync", dir);
    (void)close(fd);
    return status;
}

static enum mien_status write_temporary(const char *tmp, struct mien_span data, mode_t mode,
                                        struct mien_err *err)
{
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return failed(err, "cannot create", tmp);
    enum mien_status status = MIEN_OK;
    if (write_all(fd, data) != MIEN_OK || fchmod(fd, mode) != 0 || fsync(fd) != 0)
        status = failed(err, "cannot write", tmp);
    /* Some file systems report a full disk only here. */
    if (close(fd) != 0 && status == MIEN_OK)
        status = failed(err, "cannot close", tmp);
    return status;
}

enum mien_status mien_file_replace(const char *path, struct mien_span data, mode_t mode,
                                   struct mien_err *err)
{
    char tmp[PATH_MAX];
    int n = snprintf(tmp, sizeof(tmp), "%s.tmp", path);

    if (n < 0 || (size_t)n >= sizeof(tmp))
        return mien_err_set(err, MIEN_ELIMIT, "path too long: %s", path);
    enum mien_status status = write_temporary(tmp, data, mode, err);
    if (status == MIEN_OK && rename(tmp, path) != 0)
        status = failed(err, "cannot rename to", path);
    if (status != MIEN_OK) {
        (void)unlink(tmp);
        return status;
    }
    return sync_parent(path, err);
}

enum mien_status mien_path_join(const char *dir, const char *name, char *out, size_t n)
{
    size_t len = strlen(dir);
    const char *slash = len > 0 && dir[len - 1] == '/' ? "" : "/";
    int written = snprintf(out, n, "%s%s%s", dir, slash, name);

    return written < 0 || (size_t)written >= n ? MIEN_ELIMIT : MIEN_OK;
}

enum mien_status mien_dir_make(const char *path, mode_t mode, struct mien_err *err)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return MIEN_OK;
    if (errno != EEXIST)
        return failed(err, "cannot make directory", path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return MIEN_OK;
    return mien_err_set(err, MIEN_EEXIST, "%s exists and is no directory", path);
}

bool mien_path_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}
