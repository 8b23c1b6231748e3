// SPDX-License-Identifier: Apache-2.0
#include "tests/support/disk.h"

#include "tests/support/disk_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

struct disk_state disk = {.fail_in = -1};

/* ---- recording ---- */

static const char *below(const char *path)
{
    const size_t n = strlen(disk.dir);

    if (!disk.on || strncmp(path, disk.dir, n) != 0)
        return NULL;
    if (path[n] == '\0')
        return "";
    return path[n] == '/' ? path + n + 1 : NULL;
}

/* Whether this step is to fail. */
static bool fails(void)
{
    if (!disk.on || disk.fail_in < 0 || disk.fail_in-- > 0)
        return false;
    errno = disk.fail_error;
    return true;
}

static struct step *add(enum step_kind kind)
{
    if (disk.steps == NULL)
        disk.steps = calloc(MAX_STEPS, sizeof(*disk.steps));
    assert(disk.steps != NULL && disk.n < MAX_STEPS);
    disk.steps[disk.n].kind = kind;
    return &disk.steps[disk.n++];
}

void disk_set_name(char out[NAME_BYTES], const char *name)
{
    assert(strlen(name) < NAME_BYTES);
    memcpy(out, name, strlen(name) + 1);
}

static int file_of(const char *name)
{
    for (int i = 0; i < disk.n_files; i++) {
        if (strcmp(disk.names[i], name) == 0)
            return i;
    }
    assert(disk.n_files < MAX_FILES);
    disk_set_name(disk.names[disk.n_files], name);
    disk_set_name(disk.first[disk.n_files], name);
    disk.created[disk.n_files] = false;
    return disk.n_files++;
}

static struct open_file *opened(int fd)
{
    return fd >= 0 && fd < MAX_FDS && disk.on && disk.fds[fd].file >= 0 ? &disk.fds[fd] : NULL;
}

void disk_record(const char *dir)
{
    disk_fini();
    assert(strlen(dir) < sizeof(disk.dir));
    memcpy(disk.dir, dir, strlen(dir) + 1);
    for (size_t i = 0; i < MAX_FDS; i++)
        disk.fds[i].file = -1;
    disk.on = true;
}

void disk_stop(void)
{
    disk.on = false;
}

size_t disk_n_steps(void)
{
    return disk.n;
}

void disk_promise(uint64_t value)
{
    add(PROMISE)->at = value;
}

void disk_fail_at(long k, int error)
{
    disk.fail_in = k;
    disk.fail_error = error;
}

void disk_fini(void)
{
    for (size_t i = 0; i < disk.n; i++)
        free(disk.steps[i].data);
    free(disk.steps);
    disk.steps = NULL;
    disk.n = 0;
    disk.n_files = 0;
    disk.on = false;
    disk.fail_in = -1;
}

/* ---- the calls, for the whole program ---- */

static int do_open(const char *path, int flags, mode_t mode)
{
    const char *name = below(path);
    const bool creates = name != NULL && (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
    const bool cuts = name != NULL && (flags & O_TRUNC) != 0 && !creates;
    struct stat about;

    if ((creates || cuts) && fails())
        return -1;
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd < 0 || fd >= MAX_FDS)
        return fd;
    disk.fds[fd].file = -1;
    if (name == NULL)
        return fd;
    disk.fds[fd].is_dir = fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
    disk_set_name(disk.fds[fd].name, name);
    disk.fds[fd].file = disk.fds[fd].is_dir ? 0 : file_of(name);
    if (creates || cuts) {
        struct step *s = add(creates ? CREATE : TRUNCATE);

        s->file = disk.fds[fd].file;
        disk_set_name(s->name, name);
        disk.created[s->file] = disk.created[s->file] || creates;
    }
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return do_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return do_open(path, flags, mode);
}

static ssize_t do_write(int fd, const void *data, size_t n, off_t at, bool here)
{
    const struct open_file *file = opened(fd);

    if (file == NULL)
        return here ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, at);
    if (fails())
        return -1;
    if (here)
        at = lseek(fd, 0, SEEK_CUR);
    const ssize_t done =
        here ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, at);
    if (done > 0) {
        struct step *s = add(WRITE);

        s->file = file->file;
        s->at = (uint64_t)at;
        s->len = (size_t)done;
        s->data = malloc(s->len);
        assert(s->data != NULL);
        memcpy(s->data, data, s->len);
    }
    return done;
}

ssize_t write(int fd, const void *data, size_t n)
{
    return do_write(fd, data, n, 0, true);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return do_write(fd, data, n, at, false);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return do_write(fd, data, n, at, false);
}

int ftruncate(int fd, off_t len)
{
    const struct open_file *file = opened(fd);

    if (file != NULL && fails())
        return -1;
    const int result = (int)syscall(SYS_ftruncate, fd, len);
    if (file != NULL && result == 0) {
        struct step *s = add(TRUNCATE);

        s->file = file->file;
        s->at = (uint64_t)len;
    }
    return result;
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

int fsync(int fd)
{
    const struct open_file *file = opened(fd);

    if (file == NULL)
        return 0;
    if (fails())
        return -1;
    struct step *s = add(file->is_dir ? SYNC_DIR : SYNC);
    s->file = file->file;
    disk_set_name(s->name, file->name);
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int rename(const char *from, const char *to)
{
    const char *name = below(from);
    const char *to_name = below(to);

    if (name != NULL && fails())
        return -1;
    const int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (name != NULL && to_name != NULL && result == 0) {
        struct step *s = add(RENAME);

        s->file = file_of(name);
        disk_set_name(s->name, name);
        disk_set_name(s->to, to_name);
        for (int i = 0; i < disk.n_files; i++) {
            if (strcmp(disk.names[i], to_name) == 0)
                disk.names[i][0] = '\0';
        }
        disk_set_name(disk.names[s->file], to_name);
    }
    return result;
}

static void record_unlink(const char *name)
{
    struct step *s = add(UNLINK);

    s->file = file_of(name);
    disk_set_name(s->name, name);
    disk.names[s->file][0] = '\0';
}

int unlink(const char *path)
{
    const char *name = below(path);

    if (name != NULL && fails())
        return -1;
    const int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (name != NULL && result == 0)
        record_unlink(name);
    return result;
}

int unlinkat(int dir_fd, const char *path, int flags)
{
    const struct open_file *dir = opened(dir_fd);
    char name[2 * NAME_BYTES];

    if (dir != NULL && fails())
        return -1;
    const int result = (int)syscall(SYS_unlinkat, dir_fd, path, flags);
    if (dir != NULL && result == 0) {
        (void)snprintf(name, sizeof(name), "%s/%s", dir->name, path);
        record_unlink(name);
    }
    return result;
}
