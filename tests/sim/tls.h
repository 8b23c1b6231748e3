/* The simulated fleet over real TLS: the daemon in a process of its own, every device a client of
 * the public library on one event loop of this process, on loopback.
 *
 * Nothing of the protocol is simulated here; what is simulated are the people: their faces, and
 * connections that break in mid-round.
 *
 * Threads: the loop's, but for training, which runs on libuv's pool
 */
#ifndef MIEN_TESTS_SIM_TLS_H
#define MIEN_TESTS_SIM_TLS_H

#include "common/base/buf.h"
#include "common/base/rng_seeded.h"
#include "tests/sim/sim.h"

#include <limits.h>
#include <mien/client.h>
#include <sys/types.h>
#include <uv.h>

/* ---- tls_daemon.c: the coordinator and its state directory ---- */

struct sim_daemon {
    char dir[PATH_MAX]; /* the state directory */
    bool temporary;     /* it goes when the daemon is freed */
    pid_t pid;          /* 0 while not running */
    int go_fd;          /* where the process waits for the name of its directory; -1 for none */
    int log_fd;         /* the daemon's log lines, to be read; -1 for none */
    int exit_status;    /* once it has ended */
    uint64_t peak_rss_bytes;
    struct mien_buf tokens; /* one a line; secret */
};

/* Makes the daemon's process, which waits. Call before threads start and before much memory is
 * taken: it would count as the daemon's.
 *
 *   n_rounds  released rounds after which it ends
 *   errors    MIEN_EIO  no pipes, no process
 */
MIEN_CHECK enum mien_status sim_daemon_fork(struct sim_daemon *daemon, uint64_t n_rounds,
                                            struct mien_err *err);

/* Makes a state directory for the run and one token for each device, and lets the daemon begin.
 *
 *   parent  where to make it; NULL for a directory that is removed again
 *   errors  MIEN_EEXIST  there is a state already, and those of mien_statedir_create
 */
MIEN_CHECK enum mien_status sim_daemon_start(struct sim_daemon *daemon,
                                             const struct sim_options *options, const char *parent,
                                             struct mien_err *err);

/* Waits for its end, asking it to end first when `stop` is set. */
void sim_daemon_wait(struct sim_daemon *daemon, bool stop);

/* Kills what still runs and removes what is temporary; zeroed storage is not fine. */
void sim_daemon_free(struct sim_daemon *daemon);

/* ---- tls_device.c: one device ---- */

struct sim_fleet;

enum sim_link { SIM_LINK_DOWN, SIM_LINK_CONNECTING, SIM_LINK_UP, SIM_LINK_CLOSING };

struct sim_tls_device {
    struct sim_fleet *fleet;
    struct sim_slot slot;
    struct mien_client *client;
    struct mien_buf state; /* what the client saved; holds its key */
    struct mien_buf model; /* the part of a model that stays on the device */
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    uv_work_t work;
    uint8_t *written; /* bytes of the write under way; NULL for none */
    enum sim_link link;
    bool has_timer;     /* the timer is open */
    bool working;       /* the client belongs to a worker */
    bool training;      /* in a round */
    uint32_t leaves_in; /* events until its connection breaks; 0: it holds */
    enum mien_status worked;
};

struct sim_fleet {
    uv_loop_t loop;
    const struct sim_options *options;
    struct sim_tls_device *devices; /* [n_devices] */
    struct mien_rng_seeded *seeded; /* who leaves, and when */
    uint64_t n_trained;
    uint64_t n_broken; /* connections that were broken on purpose */
    bool ending;       /* everything closes */
    enum mien_status failed;
    char sentence[256]; /* of the first failure */
    char in[65536];     /* what was read last: used up before the next read */
};

/* Makes a device that will enrol with `token`. */
MIEN_CHECK enum mien_status sim_tls_device_init(struct sim_tls_device *d, struct sim_fleet *fleet,
                                                struct sim_faces *faces, size_t number,
                                                const char *token);
/* Does what its client wants now; every event of the device ends here. */
void sim_tls_device_advance(struct sim_tls_device *d);
/* Closes what it has open; the loop then runs empty. */
void sim_tls_device_end(struct sim_tls_device *d);
void sim_tls_device_fini(struct sim_tls_device *d);

/* ---- tls_run.c ---- */

/* The whole run, faces included.
 *
 *   out_dir  where the state directory is kept as out_dir/state; NULL to keep nothing
 *   errors   those of sim_faces_open and sim_run; MIEN_EPOLICY  the budget refused a round
 */
MIEN_CHECK enum mien_status sim_run_tls(const struct sim_options *options, const char *out_dir,
                                        struct sim_result *out, struct mien_err *err);

#endif
