// SPDX-License-Identifier: Apache-2.0
#include "server/store/statedir.h"

#include "common/base/clock.h"
#include "common/base/file.h"
#include "server/store/mechanism.h"
#include "server/store/start_model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* A tool holds the lock for a moment when no daemon runs; a daemon that starts then waits. */
enum { LOCK_TRIES = 40, LOCK_PAUSE_MS = 50 };

/* Far above what a mien.conf with all keys has. */
#define MAX_CONFIG_BYTES ((size_t)1 << 20)

/* ---- the lock ---- */

/* Locks of these file systems may hold on one machine only. Magic numbers: statfs(2). */
static bool on_network(int fd)
{
    static const unsigned long magics[] = {0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997};
    struct statfs fs;

    if (fstatfs(fd, &fs) != 0)
        return false;
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (((unsigned long)fs.f_type & 0xffffffffUL) == magics[i])
            return true;
    }
    return false;
}

static enum mien_status held_by(const char *dir, int fd, struct mien_err *err)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? (size_t)n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
        return mien_err_set(err, MIEN_EBUSY, "state directory %s in use by another process", dir);
    return mien_err_set(err, MIEN_EBUSY, "state directory %s in use by process %s", dir, text);
}

static enum mien_status take_lock(const char *dir, int fd, struct mien_err *err)
{
    char text[32];
    int n;

    if (on_network(fd))
        return mien_err_set(err, MIEN_EPOLICY,
                            "%s is on a network file system, where locks do not hold", dir);
    /* As an OFD lock, it belongs to the open file: it survives no process and hides no thread. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? held_by(dir, fd, err)
                   : mien_err_set(err, MIEN_EIO, "cannot lock %s: %s", dir, strerror(errno));
    n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return mien_err_set(err, mien_status_of_errno(errno), "cannot write %s/lock", dir);
    return MIEN_OK;
}

enum mien_status mien_statedir_lock(const char *dir, int *lock_fd, struct mien_err *err)
{
    char path[PATH_MAX];
    int fd;
    enum mien_status status = mien_path_join(dir, "mien.conf", path, sizeof(path));

    if (status != MIEN_OK)
        return mien_err_set(err, status, "the path of the state directory is too long");
    if (!mien_path_exists(path))
        return mien_err_set(err, MIEN_ENOTFOUND, "%s is no state directory (mien init makes one)",
                            dir);
    status = mien_path_join(dir, "lock", path, sizeof(path));
    if (status != MIEN_OK)
        return status;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return mien_err_set(err, mien_status_of_errno(errno), "cannot open %s: %s", path,
                            strerror(errno));
    status = take_lock(dir, fd, err);
    if (status != MIEN_OK) {
        (void)close(fd);
        return status;
    }
    *lock_fd = fd;
    return MIEN_OK;
}

void mien_statedir_unlock(int lock_fd)
{
    if (lock_fd >= 0)
        (void)close(lock_fd);
}

/* ---- opening ---- */

static enum mien_status open_all(struct mien_statedir *state, struct mien_err *err)
{
    char path[PATH_MAX];
    enum mien_status status = mien_path_join(state->path, "mien.conf", path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_config_read(path, &state->config, err);
    if (status == MIEN_OK)
        status = mien_pki_read(state->path, &state->pki, err);
    if (status == MIEN_OK)
        status = mien_store_open(state->path, state->pki.signing_seed, &state->store, err);
    return status;
}

enum mien_status mien_statedir_open(const char *dir, struct mien_statedir *out,
                                    struct mien_err *err)
{
    enum mien_status status;

    memset(out, 0, sizeof(*out));
    out->lock_fd = -1;
    if (strlen(dir) >= sizeof(out->path))
        return mien_err_set(err, MIEN_ELIMIT, "the path of the state directory is too long");
    memcpy(out->path, dir, strlen(dir) + 1);
    status = mien_statedir_lock(dir, &out->lock_fd, err);
    for (int i = 1; i < LOCK_TRIES && status == MIEN_EBUSY; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
        status = mien_statedir_lock(dir, &out->lock_fd, err);
    }
    if (status == MIEN_OK)
        status = open_all(out, err);
    if (status != MIEN_OK)
        mien_statedir_close(out);
    return status;
}

void mien_statedir_close(struct mien_statedir *state)
{
    mien_store_close(state->store);
    state->store = NULL;
    mien_pki_fini(&state->pki);
    mien_statedir_unlock(state->lock_fd);
    state->lock_fd = -1;
}

/* ---- making ---- */

static enum mien_status refuse_existing(const char *dir, bool *existed, struct mien_err *err)
{
    DIR *handle = opendir(dir);
    const struct dirent *entry;
    size_t n = 0;

    *existed = handle != NULL;
    if (handle == NULL && errno == ENOENT)
        return MIEN_OK;
    if (handle == NULL)
        return mien_err_set(err, MIEN_EEXIST, "%s: %s", dir, strerror(errno));
    while ((entry = readdir(handle)) != NULL)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(handle);
    if (n > 0)
        return mien_err_set(err, MIEN_EEXIST, "%s is there already and is not empty", dir);
    return MIEN_OK;
}

/* Everything in a directory of ours; sub-directories one level deep. */
static void remove_inside(const char *dir)
{
    char path[PATH_MAX];
    DIR *handle = opendir(dir);
    const struct dirent *entry;

    if (handle == NULL)
        return;
    while ((entry = readdir(handle)) != NULL) {
        bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (!dots && mien_path_join(dir, entry->d_name, path, sizeof(path)) == MIEN_OK)
            (void)unlink(path);
    }
    (void)closedir(handle);
}

static void remove_all(const char *dir, bool existed)
{
    char models[PATH_MAX];

    if (mien_path_join(dir, "models", models, sizeof(models)) == MIEN_OK) {
        remove_inside(models);
        (void)rmdir(models);
    }
    remove_inside(dir);
    if (!existed)
        (void)rmdir(dir);
}

static enum mien_status write_config(const char *dir, const struct mien_config *config,
                                     struct mien_err *err)
{
    char path[PATH_MAX];
    struct mien_buf text = {0};
    enum mien_status status = mien_path_join(dir, "mien.conf", path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_config_write(config, &text);
    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&text), 0600, err);
    mien_buf_fini(&text);
    return status;
}

static bool is_correlated(const struct mien_config *config)
{
    return config->plan.strategy != MIEN_PLAN_INDEPENDENT;
}

enum mien_status mien_statedir_begin_noise(const char *dir, const struct mien_config *config,
                                           const struct mien_run_key_id *id, struct mien_rng *rng,
                                           struct mien_err *err)
{
    char path[PATH_MAX];

    if (!is_correlated(config))
        return MIEN_OK;
    enum mien_status status = mien_run_key_path(dir, config->key_file, path, sizeof(path), err);
    return status == MIEN_OK ? mien_run_key_begin(path, id, rng, err) : status;
}

/* Before a run is in the ledger for good. */
static enum mien_status may_begin_noise(const char *dir, const struct mien_config *config,
                                        const struct mien_run_key_id *id, struct mien_err *err)
{
    char path[PATH_MAX];

    if (!is_correlated(config))
        return MIEN_OK;
    enum mien_status status = mien_run_key_path(dir, config->key_file, path, sizeof(path), err);
    return status == MIEN_OK ? mien_run_key_may_begin(path, id, err) : status;
}

enum mien_status mien_statedir_open_noise(const struct mien_statedir *state,
                                          struct mien_run_key *out, struct mien_err *err)
{
    const struct mien_store *store = state->store;
    struct mien_run_key_id id = {.run = mien_store_plan(store)->run};
    char path[PATH_MAX];

    *out = (struct mien_run_key){.fd = -1};
    if (!is_correlated(&state->config))
        return MIEN_OK;
    memcpy(id.run_id, mien_store_genesis(store)->run_id, sizeof(id.run_id));
    enum mien_status status =
        mien_run_key_path(state->path, state->config.key_file, path, sizeof(path), err);
    if (status == MIEN_OK)
        status = mien_run_key_open(path, &id, mien_store_n_steps(store), out, err);
    return status;
}

/* After a failure: of a run that never was. */
static void remove_noise(const char *dir, const struct mien_config *config)
{
    char path[PATH_MAX];

    if (is_correlated(config) &&
        mien_run_key_path(dir, config->key_file, path, sizeof(path), NULL) == MIEN_OK)
        (void)unlink(path);
}

/* The plan and its start model, whose bytes go into `file`. */
static enum mien_status prepare_run(const struct mien_config *config, struct mien_rng *rng,
                                    struct mien_store_create *create, struct mien_buf *file,
                                    struct mien_err *err)
{
    enum mien_status status = mien_mechanism_of_plan(&config->plan, &create->plan, err);

    if (status == MIEN_OK)
        status =
            mien_start_model(&config->plan, config->init_from, rng, file, create->model_hash, err);
    create->model_file = mien_buf_span(file);
    return status;
}

static enum mien_status create_store(const char *dir, const struct mien_config *config,
                                     const struct mien_pki *pki, struct mien_rng *rng,
                                     bool *noise_begun, struct mien_err *err)
{
    struct mien_store_create create = {0};
    struct mien_buf file = {0};
    enum mien_status status = mien_rng_fill(rng, create.run_id, sizeof(create.run_id));

    memcpy(create.ca_fingerprint, pki->ca_fingerprint, sizeof(create.ca_fingerprint));
    if (status == MIEN_OK)
        status = prepare_run(config, rng, &create, &file, err);
    if (status == MIEN_OK)
        status = mien_store_create(dir, &create, pki->signing_seed, rng, err);
    if (status == MIEN_OK) {
        struct mien_run_key_id id = {.run = create.plan.run};

        memcpy(id.run_id, create.run_id, sizeof(id.run_id));
        status = mien_statedir_begin_noise(dir, config, &id, rng, err);
        *noise_begun = status == MIEN_OK;
    }
    mien_buf_fini(&file);
    return status;
}

enum mien_status mien_statedir_create(const char *dir, const struct mien_config *config,
                                      struct mien_rng *rng, struct mien_err *err)
{
    struct mien_config checked = *config;
    struct mien_pki pki = {0};
    bool existed = false;
    bool noise_begun = false;
    enum mien_status status = mien_config_check(&checked, err);

    if (status == MIEN_OK)
        status = refuse_existing(dir, &existed, err);
    if (status == MIEN_OK)
        status = mien_dir_make(dir, 0700, err);
    if (status != MIEN_OK)
        return status;
    status = mien_pki_create(checked.host, mien_clock_unix_s(), rng, &pki, err);
    if (status == MIEN_OK)
        status = mien_pki_write(&pki, dir, err);
    if (status == MIEN_OK)
        status = create_store(dir, &checked, &pki, rng, &noise_begun, err);
    /* Last: a directory with mien.conf is a whole one. */
    if (status == MIEN_OK)
        status = write_config(dir, &checked, err);
    mien_pki_fini(&pki);
    if (status != MIEN_OK && noise_begun)
        remove_noise(dir, &checked);
    if (status != MIEN_OK)
        remove_all(dir, existed);
    return status;
}

/* ---- another run ---- */

/* mien.conf goes first: a crash before the ledger has the run leaves a plan that the daemon refuses
 * as one of a new run, and the operator begins it again; the other way round an old plan would be
 * refused, and a second try begin a third run. */
static enum mien_status begin_run(struct mien_statedir *state, const struct mien_store_create *run,
                                  bool write, struct mien_err *err)
{
    char path[PATH_MAX];
    struct mien_buf before = {0};
    enum mien_status status = mien_path_join(state->path, "mien.conf", path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, MAX_CONFIG_BYTES, &before, err);
    if (status == MIEN_OK && write)
        status = write_config(state->path, &state->config, err);
    if (status == MIEN_OK) {
        const uint32_t earlier = mien_store_plan(state->store)->run;

        status = mien_store_begin_run(state->store, run, err);
        /* What failed may have been the anchor, with the run in the ledger. */
        const bool began = mien_store_plan(state->store)->run != earlier;
        if (!began && write &&
            mien_file_replace(path, mien_buf_span(&before), 0600, NULL) != MIEN_OK)
            status = mien_err_set(err, status, "the run did not begin, but %s has its plan", path);
    }
    mien_buf_fini(&before);
    return status;
}

enum mien_status mien_statedir_begin_run(struct mien_statedir *state, bool write,
                                         struct mien_rng *rng, struct mien_err *err)
{
    struct mien_store_recovery recovery;
    struct mien_store_create run = {0};
    struct mien_buf file = {0};
    struct mien_run_key_id id = {.run = mien_store_plan(state->store)->run + 1};
    enum mien_status status = mien_config_check(&state->config, err);

    memcpy(id.run_id, mien_store_genesis(state->store)->run_id, sizeof(id.run_id));
    if (status == MIEN_OK)
        status = may_begin_noise(state->path, &state->config, &id, err);
    if (status == MIEN_OK)
        status = prepare_run(&state->config, rng, &run, &file, err);
    if (status == MIEN_OK)
        status = mien_store_start(state->store, &recovery, err);
    if (status == MIEN_OK)
        status = begin_run(state, &run, write, err);
    /* A crash before this leaves a run without a key, which the daemon refuses: another one. */
    if (status == MIEN_OK)
        status = mien_statedir_begin_noise(state->path, &state->config, &id, rng, err);
    mien_buf_fini(&file);
    return status;
}
