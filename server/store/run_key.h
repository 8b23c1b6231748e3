/* The secret key of a run of correlated noise: a file of its own.
 *
 * Noise of step t is expanded from this key and t (common/dp/correlated.h). Two sums with the noise
 * of one step would give each other away, so the file is where nothing is put back from a copy:
 * outside of the state directory and of its backups. It holds the key and, appended to and synced
 * before the noise is drawn, one record for each step that was used. A run ends (another one has to
 * be begun) when
 *
 *   - the file is missing, or is a copy: it says which inode it was written as;
 *   - it has used more steps than the ledger has charged: the ledger was put back;
 *   - it has used fewer by more than the one that a crash between RESERVE and its use leaves: the
 *     file was put back.
 *
 * The bytes are written down in docs/file-formats.md.
 *
 * Threads: a key belongs to one thread at a time; calls may block on the disk
 */
#ifndef MIEN_STORE_RUN_KEY_H
#define MIEN_STORE_RUN_KEY_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/rng.h"

#include <stddef.h>
#include <stdint.h>

/* Whose key it is. */
struct mien_run_key_id {
    uint8_t run_id[16]; /* of the ledger's GENESIS */
    uint32_t run;       /* of its PLAN */
};

struct mien_run_key {
    int fd;          /* -1 when closed */
    uint8_t key[32]; /* secret */
    uint64_t n_used;
};

/* Where the key of a state directory is: `configured` (noise.key_file) if it is not empty, else
 * DIR.run-key beside it.
 *
 *   errors  MIEN_ELIMIT   too long
 *           MIEN_EINVAL   `configured` is no absolute path, or DIR ends in "." or ".."
 *           MIEN_EPOLICY  inside of the directory, where backups would take it along
 */
MIEN_CHECK enum mien_status mien_run_key_path(const char *dir, const char *configured, char *out,
                                              size_t n, struct mien_err *err);

/* Begins a run: makes the file, mode 0600, durable when it returns. The file of an earlier run of
 * the same ledger is wiped and replaced.
 *
 *   errors  MIEN_EEXIST  there is a file that is not of an earlier run of this ledger
 *           MIEN_EINVAL  there is a link or a directory; MIEN_EIO, MIEN_ENOSPC, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_run_key_begin(const char *path, const struct mien_run_key_id *id,
                                               struct mien_rng *rng, struct mien_err *err);

/* Whether mien_run_key_begin would, as far as can be seen; nothing is changed.
 *
 *   errors  its own
 */
MIEN_CHECK enum mien_status mien_run_key_may_begin(const char *path,
                                                   const struct mien_run_key_id *id,
                                                   struct mien_err *err);

/* Opens the key of a run of whose steps the ledger has charged n_charged. A step that a crash left
 * charged and unused is marked as used.
 *
 *   out     given: end it with mien_run_key_close
 *   errors  MIEN_EPOLICY  the run has ended (err says why and what to do), or others may read it
 *           MIEN_EBUSY    another coordinator has it open: it is locked until it is closed
 *           MIEN_EINVAL   a link or a directory
 *           MIEN_ECORRUPT no such file; MIEN_EIO, MIEN_ENOSPC
 */
MIEN_CHECK enum mien_status mien_run_key_open(const char *path, const struct mien_run_key_id *id,
                                              uint64_t n_charged, struct mien_run_key *out,
                                              struct mien_err *err);

/* Uses a step, durably, before its noise is drawn: once, and in order.
 *
 *   errors  MIEN_ESTATE  it was used, or is not the next; MIEN_EIO, MIEN_ENOSPC
 */
MIEN_CHECK enum mien_status mien_run_key_use(struct mien_run_key *key, uint64_t step,
                                             struct mien_err *err);

/* Wipes and closes; a closed one is fine. */
void mien_run_key_close(struct mien_run_key *key);

#endif
