/* A disk under the test's control: what is written below one directory is recorded, a step can be
 * made to fail, and the directory can be rebuilt as a power cut after any step could leave it.
 *
 * Linked into a test, this defines open, write, pwrite, ftruncate, fsync, fdatasync, rename, unlink
 * and unlinkat for the whole program, shared libraries (SQLite) included. Nothing is really synced,
 * which makes tests fast: what a sync would have saved is part of the model.
 *
 * The model is what POSIX allows, and stricter than any one file system: a file's bytes are safe
 * after fsync or fdatasync of it, a name after fsync of its directory; of all else any part may be
 * lost, writes in sectors of 512 bytes. Files that were there when recording began are safe.
 *
 * Source:  Pillai et al. 2014, "All File Systems Are Not Created Equal" (ALICE)
 * Threads: one
 */
#ifndef MIEN_TESTS_SUPPORT_DISK_H
#define MIEN_TESTS_SUPPORT_DISK_H

#include <stddef.h>
#include <stdint.h>

/* Records steps below `dir` (an absolute path, no link in it) from now on; forgets earlier ones. */
void disk_record(const char *dir);
void disk_stop(void);

/* Steps recorded so far. */
size_t disk_n_steps(void);

/* Something was promised to the outside: a step that no cut may come before. `value` grows. */
void disk_promise(uint64_t value);

/* What a cut does to steps that no sync has made safe. */
enum disk_cut {
    DISK_KILL,   /* nothing: only the process dies */
    DISK_LOSE,   /* all are lost */
    DISK_RANDOM, /* each is lost or kept by the seed */
};

/* Rebuilds the directory in `to`, which holds a copy of it from when recording began, as a cut
 * after the first `n` steps leaves it; the highest promise made by then (0: none). */
uint64_t disk_rebuild(size_t n, enum disk_cut cut, uint64_t seed, const char *to);

/* The k-th step from now on (0: the next) does nothing and fails with `error`; -1: none does. */
void disk_fail_at(long k, int error);

/* Frees the record. */
void disk_fini(void);

#endif
