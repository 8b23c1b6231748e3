// SPDX-License-Identifier: Apache-2.0
#include "server/store/run_key.h"

#include "common/base/bytes.h"
#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* magic 8 | run id 16 | run 4 | inode 8 | key 32 | SHA-256 of all before 32, then records. */
enum { AT_RUN_ID = 8, AT_RUN = 24, AT_INODE = 28, AT_KEY = 36, AT_DIGEST = 68, HEADER_BYTES = 100 };
enum { RECORD_BYTES = 16 };

static const uint8_t magic[8] = {'m', 'i', 'e', 'n', 'k', 'e', 'y', 1};

static const char ended[] = "the run has ended, since noise must never be drawn twice: begin "
                            "another run";

static enum mien_status failed(const char *path, const char *what, struct mien_err *err)
{
    return mien_err_set(err, mien_status_of_errno(errno), "cannot %s %s: %s", what, path,
                        strerror(errno));
}

static enum mien_status failed_to_open(const char *path, struct mien_err *err)
{
    if (errno == ELOOP || errno == EISDIR)
        return mien_err_set(err, MIEN_EINVAL, "%s is a link or a directory: expected a file", path);
    return failed(path, "open", err);
}

/* ---- where ---- */

/* Whether a path leads into a directory, by way of links or not: one of its parents is the
 * directory. A parent that cannot be looked at is none. */
static bool is_inside(const char *path, const char *dir)
{
    char at[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 1 : (size_t)(slash - path) + 1; /* with the slash: "/" too */
    struct stat home;
    struct stat here = {0};

    if (stat(dir, &home) != 0 || n >= sizeof(at))
        return false;
    memcpy(at, slash == NULL ? "." : path, n);
    for (at[n] = '\0'; stat(at, &here) == 0; n += 3) {
        const ino_t was = here.st_ino;
        const dev_t was_on = here.st_dev;

        if (here.st_ino == home.st_ino && here.st_dev == home.st_dev)
            return true;
        if (n + 4 > sizeof(at))
            return false;
        memcpy(at + n, "/..", 4);
        if (stat(at, &here) != 0 || (here.st_ino == was && here.st_dev == was_on))
            return false; /* the root */
    }
    return false;
}

/* Whether a path ends in "." or "..", which is no name to put another beside. */
static bool ends_in_dots(const char *dir, size_t len)
{
    const char *end = dir + len;
    size_t dots = 0;

    while (dots < len && dots < 3 && end[-1 - (ptrdiff_t)dots] == '.')
        dots++;
    return (dots == 1 || dots == 2) && (dots == len || end[-1 - (ptrdiff_t)dots] == '/');
}

enum mien_status mien_run_key_path(const char *dir, const char *configured, char *out, size_t n,
                                   struct mien_err *err)
{
    size_t len = strlen(dir);

    if (configured[0] != '\0' && configured[0] != '/')
        return mien_err_set(err, MIEN_EINVAL, "noise.key_file: \"%s\" is no absolute path",
                            configured);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    if (configured[0] == '\0' && ends_in_dots(dir, len))
        return mien_err_set(err, MIEN_EINVAL,
                            "\"%s\" has no name that the run's key file could stand beside: call "
                            "the state directory by its name, or set noise.key_file",
                            dir);
    const int written = configured[0] != '\0' ? snprintf(out, n, "%s", configured)
                                              : snprintf(out, n, "%.*s.run-key", (int)len, dir);
    if (written < 0 || (size_t)written >= n)
        return mien_err_set(err, MIEN_ELIMIT, "the path of the run's key file is too long");
    if (is_inside(out, dir))
        return mien_err_set(err, MIEN_EPOLICY,
                            "noise.key_file: %s is inside of the state directory, with whose "
                            "backups it would be put back",
                            out);
    return MIEN_OK;
}

static enum mien_status parent_of(const char *path, char dir[PATH_MAX], struct mien_err *err)
{
    const char *slash = strrchr(path, '/');
    const size_t n = slash == NULL ? 0 : (size_t)(slash - path);

    if (n >= PATH_MAX)
        return mien_err_set(err, MIEN_ELIMIT, "the path of the run's key file is too long");
    memcpy(dir, path, n);
    dir[n] = '\0';
    if (n == 0)
        memcpy(dir, slash == NULL ? "." : "/", 2);
    return MIEN_OK;
}

/* Makes what was done to the directory of a file durable. */
static enum mien_status sync_directory(const char *path, struct mien_err *err)
{
    char dir[PATH_MAX];
    const enum mien_status status = parent_of(path, dir, err);

    if (status != MIEN_OK)
        return status;
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(path, "open the directory of", err);
    const int synced = fsync(fd);
    (void)close(fd);
    return synced == 0 ? MIEN_OK : failed(path, "sync the directory of", err);
}

static enum mien_status write_at(int fd, const char *path, struct mien_span bytes, uint64_t at,
                                 struct mien_err *err)
{
    ssize_t n = pwrite(fd, bytes.data, bytes.len, (off_t)at);

    if (n >= 0 && (size_t)n != bytes.len)
        errno = ENOSPC;
    if (n != (ssize_t)bytes.len || fsync(fd) != 0)
        return failed(path, "write", err);
    return MIEN_OK;
}

/* ---- the header ---- */

static enum mien_status fill_header(const struct mien_run_key_id *id, uint64_t inode,
                                    struct mien_rng *rng, uint8_t header[HEADER_BYTES])
{
    memcpy(header, magic, sizeof(magic));
    memcpy(header + AT_RUN_ID, id->run_id, sizeof(id->run_id));
    mien_store_be32(header + AT_RUN, id->run);
    mien_store_be64(header + AT_INODE, inode);
    enum mien_status status = mien_rng_fill(rng, header + AT_KEY, 32);
    return status == MIEN_OK
               ? mien_digest((struct mien_span){header, AT_DIGEST}, header + AT_DIGEST)
               : status;
}

static enum mien_status read_header(int fd, const char *path, uint8_t header[HEADER_BYTES],
                                    struct mien_err *err)
{
    uint8_t digest[32];

    if (pread(fd, header, HEADER_BYTES, 0) != HEADER_BYTES ||
        memcmp(header, magic, sizeof(magic)) != 0 ||
        mien_digest((struct mien_span){header, AT_DIGEST}, digest) != MIEN_OK ||
        !mien_ct_equal(digest, header + AT_DIGEST, sizeof(digest)))
        return mien_err_set(err, MIEN_ECORRUPT, "%s is no key file of a run, or is damaged", path);
    return MIEN_OK;
}

static bool is_of(const uint8_t header[HEADER_BYTES], const struct mien_run_key_id *id)
{
    return memcmp(header + AT_RUN_ID, id->run_id, sizeof(id->run_id)) == 0;
}

/* ---- beginning ---- */

/* Opens the file of an earlier run of the same ledger; fd is -1 when there is none. */
static enum mien_status open_earlier(const char *path, const struct mien_run_key_id *id, int *fd,
                                     struct mien_err *err)
{
    uint8_t header[HEADER_BYTES];

    *fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return errno == ENOENT ? MIEN_OK : failed_to_open(path, err);
    enum mien_status status = read_header(*fd, path, header, err);
    if (status == MIEN_ECORRUPT)
        status = mien_err_set(err, MIEN_EEXIST, "%s is there already and is no key file", path);
    else if (!is_of(header, id) || mien_load_be32(header + AT_RUN) >= id->run)
        status = mien_err_set(err, MIEN_EEXIST,
                              "%s is the key of another run: remove it if that run is over, or set "
                              "noise.key_file",
                              path);
    mien_wipe(header, sizeof(header));
    if (status != MIEN_OK)
        (void)close(*fd);
    return status;
}

enum mien_status mien_run_key_may_begin(const char *path, const struct mien_run_key_id *id,
                                        struct mien_err *err)
{
    char dir[PATH_MAX];
    int fd;
    enum mien_status status = open_earlier(path, id, &fd, err);

    if (status == MIEN_OK && fd >= 0)
        (void)close(fd);
    if (status == MIEN_OK)
        status = parent_of(path, dir, err);
    if (status == MIEN_OK && access(dir, W_OK | X_OK) != 0)
        status = failed(path, "make", err);
    return status;
}

/* Wipes and removes the file of an earlier run of the same ledger; none is fine. */
static enum mien_status remove_earlier(const char *path, const struct mien_run_key_id *id,
                                       struct mien_err *err)
{
    static const uint8_t zeros[HEADER_BYTES];
    int fd;
    enum mien_status status = open_earlier(path, id, &fd, err);

    if (status != MIEN_OK || fd < 0)
        return status;
    status = write_at(fd, path, (struct mien_span){zeros, sizeof(zeros)}, 0, err);
    (void)close(fd);
    if (status == MIEN_OK && unlink(path) != 0)
        status = failed(path, "remove", err);
    return status;
}

enum mien_status mien_run_key_begin(const char *path, const struct mien_run_key_id *id,
                                    struct mien_rng *rng, struct mien_err *err)
{
    uint8_t header[HEADER_BYTES];
    struct stat about;

    if (path == NULL)
        return mien_err_set(err, MIEN_EINVAL, "a run key needs a path");
    enum mien_status status = remove_earlier(path, id, err);
    if (status != MIEN_OK)
        return status;
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(path, "make", err);
    if (fchmod(fd, 0600) != 0 || fstat(fd, &about) != 0)
        status = failed(path, "make", err);
    if (status == MIEN_OK)
        status = fill_header(id, (uint64_t)about.st_ino, rng, header);
    if (status == MIEN_OK)
        status = write_at(fd, path, (struct mien_span){header, sizeof(header)}, 0, err);
    mien_wipe(header, sizeof(header));
    (void)close(fd);
    if (status == MIEN_OK)
        status = sync_directory(path, err);
    if (status != MIEN_OK)
        (void)unlink(path);
    return status;
}

/* ---- opening ---- */

static enum mien_status judge_file(const char *path, const uint8_t header[HEADER_BYTES],
                                   const struct stat *about, const struct mien_run_key_id *id,
                                   struct mien_err *err)
{
    if ((about->st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return mien_err_set(
            err, MIEN_EPOLICY,
            "%s, the secret key of the run's noise, may be read by others: expected "
            "mode 0600",
            path);
    if (!is_of(header, id) || mien_load_be32(header + AT_RUN) != id->run)
        return mien_err_set(err, MIEN_EPOLICY, "%s is the key of another run; %s", path, ended);
    if (mien_load_be64(header + AT_INODE) != (uint64_t)about->st_ino)
        return mien_err_set(err, MIEN_EPOLICY, "%s was copied or put back; %s", path, ended);
    return MIEN_OK;
}

static enum mien_status judge_steps(const char *path, uint64_t n_used, uint64_t n_charged,
                                    struct mien_err *err)
{
    if (n_used > n_charged)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the ledger was put back: noise of %" PRIu64
                            " steps was drawn, it has charged %" PRIu64 "; %s",
                            n_used, n_charged, ended);
    if (n_charged - n_used > 1)
        return mien_err_set(err, MIEN_EPOLICY,
                            "%s was put back: it has used %" PRIu64 " steps of the %" PRIu64
                            " that the ledger has charged; %s",
                            path, n_used, n_charged, ended);
    return MIEN_OK;
}

/* A record that a crash cut short counts: its noise may have been next. */
static uint64_t count_used(const struct stat *about)
{
    return ((uint64_t)about->st_size - HEADER_BYTES + RECORD_BYTES - 1) / RECORD_BYTES;
}

enum mien_status mien_run_key_open(const char *path, const struct mien_run_key_id *id,
                                   uint64_t n_charged, struct mien_run_key *out,
                                   struct mien_err *err)
{
    uint8_t header[HEADER_BYTES];
    struct stat about = {0};
    struct mien_run_key key = {.fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)};

    if (key.fd < 0 && errno == ENOENT)
        return mien_err_set(err, MIEN_EPOLICY, "%s, the secret key of the run's noise, is lost; %s",
                            path, ended);
    if (key.fd < 0)
        return failed_to_open(path, err);
    enum mien_status status = read_header(key.fd, path, header, err);
    if (status == MIEN_OK && fstat(key.fd, &about) != 0)
        status = failed(path, "read", err);
    if (status == MIEN_OK)
        status = judge_file(path, header, &about, id, err);
    /* A second state directory with the same key would draw the same noise. */
    if (status == MIEN_OK && flock(key.fd, LOCK_EX | LOCK_NB) != 0)
        status = mien_err_set(err, MIEN_EBUSY, "%s is in use by another coordinator", path);
    if (status == MIEN_OK && fstat(key.fd, &about) != 0)
        status = failed(path, "read", err);
    if (status == MIEN_OK) {
        key.n_used = count_used(&about);
        status = judge_steps(path, key.n_used, n_charged, err);
    }
    memcpy(key.key, header + AT_KEY, sizeof(key.key));
    mien_wipe(header, sizeof(header));
    if (status == MIEN_OK && key.n_used < n_charged)
        status = mien_run_key_use(&key, key.n_used, err);
    if (status == MIEN_OK)
        *out = key;
    else
        mien_run_key_close(&key);
    mien_wipe(&key, sizeof(key));
    return status;
}

enum mien_status mien_run_key_use(struct mien_run_key *key, uint64_t step, struct mien_err *err)
{
    uint8_t record[RECORD_BYTES];

    if (step != key->n_used)
        return mien_err_set(err, MIEN_ESTATE,
                            "step %" PRIu64 " of the noise where step %" PRIu64 " is next", step,
                            key->n_used);
    mien_store_be64(record, step);
    mien_store_be64(record + 8, ~step);
    /* Used whether or not the write succeeds: nobody knows what a failed one left. */
    key->n_used++;
    return write_at(key->fd, "the run's key file", (struct mien_span){record, sizeof(record)},
                    HEADER_BYTES + step * RECORD_BYTES, err);
}

void mien_run_key_close(struct mien_run_key *key)
{
    if (key->fd >= 0)
        (void)close(key->fd);
    mien_wipe(key, sizeof(*key));
    key->fd = -1;
}
