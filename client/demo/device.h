/* The event loop of mien-device: one client of the device library on libuv.
 *
 * Owns the socket and the timers; training runs between events, a slice at a time, so that the
 * network and signals are served while the device computes.
 *
 * Threads: the caller's; name look-ups run on libuv's pool
 */
#ifndef MIEN_CLIENT_DEMO_DEVICE_H
#define MIEN_CLIENT_DEMO_DEVICE_H

#include "common/base/err.h"

#include <mien/client.h>

#include <stdbool.h>
#include <stdint.h>

struct mien_device_options {
    bool enrol_only;       /* end once there is a certificate */
    uint64_t rounds;       /* end after so many released rounds of this run; 0: never */
    unsigned max_failures; /* end after so many failed connections in a row; 0: never */
};

/* Serves the client until it wants to stop, the options are met, or SIGTERM or SIGINT comes.
 *
 *   client  its callbacks run in here
 *   errors  MIEN_ENET  max_failures, or what ended the client, or MIEN_EIO  no event loop
 */
MIEN_CHECK enum mien_status mien_device_run(struct mien_client *client,
                                            const struct mien_device_options *options,
                                            struct mien_err *err);

#endif
