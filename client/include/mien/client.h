/* A device of a mien deployment as a library: it trains on examples that never leave it.
 *
 * The library has no thread, no global variable and does no input or output. The host owns the
 * socket, the clock and the storage (the time of day is read for the dates of certificates only):
 *
 *   - it asks mien_client_poll what the client wants: a connection, bytes to send, time to
 *     compute, to be called again at a moment, or nothing any more;
 *   - it feeds what comes from the network to mien_client_input and sends what
 *     mien_client_output holds;
 *   - it calls mien_client_work when asked: one call is one slice (one local training step), so
 *     that a host can stop between any two;
 *   - it gives examples, and loads and saves a small state, through callbacks.
 *
 * What leaves the device: messages of the protocol (docs/protocol.md) inside TLS 1.3, and in them
 * an update only clipped, quantised and masked. What depends on the examples (too few, not
 * finite) shows as a zero vector in messages of the usual number and size, and as a line in the
 * host's own log. The device refuses a plan over the host's limits, a ledger that went back, a
 * signature that does not hold, a second set of survivors; and it never sends one update twice,
 * over a restart neither.
 *
 * Every misuse (NULL, a call in the wrong state, a call from inside a callback) returns a status.
 * C99 and C++; needs OpenSSL 3 and protobuf-c at link time (pkg-config mien-client).
 *
 * Threads: a client belongs to one thread at a time; different clients are independent
 */
#ifndef MIEN_CLIENT_H
#define MIEN_CLIENT_H

#include "mien/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MIEN_CLIENT_API __attribute__((visibility("default")))
#define MIEN_CLIENT_USE_RESULT __attribute__((warn_unused_result))

/* No state is larger than this. */
#define MIEN_CLIENT_STATE_BYTES 16384

/* "Never" as a moment. */
#define MIEN_CLIENT_NEVER UINT64_MAX

struct mien_client;

enum mien_client_level {
    MIEN_CLIENT_ERROR, /* a person must act */
    MIEN_CLIENT_WARN,
    MIEN_CLIENT_INFO, /* a few lines a round */
    MIEN_CLIENT_DEBUG
};

/* What the host does for the client. Callbacks run inside calls of the client only, never later;
 * a callback that calls the client gets MIEN_ESTATE from it. A pointer they are given is valid
 * during the callback. */
struct mien_client_host {
    void *self; /* handed back to every callback */

    /* Reads the saved state into `buf` and its length into *len; *len = 0 when none was saved.
     * Anything but MIEN_OK ends the call that asked with that status. */
    enum mien_status (*load)(void *self, void *buf, size_t cap, size_t *len);

    /* Keeps the state, in place of the one before. It must be durable, whole or not at all, when
     * this returns: a client sends nothing that its state does not know yet. The state holds the
     * device's private key: keep it from other users of the machine. */
    enum mien_status (*save)(void *self, const void *state, size_t len);

    /* How many examples there are now. Asked when a round begins and then constant for it. */
    size_t (*n_examples)(void *self);

    /* Writes example `index` as `size` x `size` x `channels` numbers in [-1, 1], row by row, the
     * channels of a pixel side by side (1 grey, 3 red green blue). An error leaves this example
     * out of the round; the round goes on. */
    enum mien_status (*example)(void *self, size_t index, unsigned size, unsigned channels,
                                float *pixels);

    /* The value of an attribute of example `index` as text ("1", "brown", "34"), or NULL when it
     * is not known. Models of text ask for "text", and for no pixels. The answer is read before
     * the next callback. May be NULL: nothing is known. */
    const char *(*attribute)(void *self, size_t index, const char *name);

    /* One line of log: an event and key=value pairs, no newline. May be NULL. */
    void (*log)(void *self, enum mien_client_level level, const char *line);

    /* The part of a model that never leaves this device (plans that share a decoder only): reads it
     * into `buf` and its length into *len, *len = 0 when none was saved or it has more than cap
     * bytes (it is another plan's then); keeps it, durable and whole when it returns. It was
     * trained on the examples: keep it from others as you keep those. Both may be NULL: such a plan
     * is refused then. */
    enum mien_status (*load_model)(void *self, void *buf, size_t cap, size_t *len);
    enum mien_status (*save_model)(void *self, const void *model, size_t len);
};

/* How a client is made. Start from MIEN_CLIENT_CONFIG_INIT, so that fields that a later version
 * adds have their defaults. Limits are the device's guard: a plan over one of them is refused,
 * and a refusal depends on nothing else. */
struct mien_client_config {
    size_t struct_bytes;       /* sizeof(struct mien_client_config) */
    const char *software;      /* name and version of the host for the operator, at most 64 bytes */
    uint64_t max_memory_bytes; /* what training and the secure sum may hold; default 48 MiB */
    double max_epsilon;        /* the highest cap of a plan; one without noise or cap is
                                * refused then; default: any (0) */
    uint32_t min_cohort;       /* the smallest planned cohort; default 2 */
    uint32_t min_group;        /* the smallest group that is summed; default 2 */
    uint32_t max_local_steps;  /* default 100000 */
    uint32_t max_rounds;       /* rounds to take part in, over restarts; default: any (0) */
    const char *families;      /* allowed model families, "gan,vae"; default NULL: any */
    struct mien_client_host host;
    uint32_t allow_curious;  /* 1: also takes plans with secure_sum.class = curious, whose sums hold
                              * against a coordinator that follows the protocol only; default 0 */
    double min_device_noise; /* the least noise that devices add by themselves, so that the
                              * coordinator sees no sum without: its deviation in any sum, over the
                              * bound of one device's part, with 5 % of a group colluding at least;
                              * default 0: the coordinator may add it all */

    /* Protection of single examples by the device itself, for a device that holds many people's:
     * each example is in a local step by a coin of probability local_rate, its gradient is clipped
     * to local_clip, and the sum gets Gaussian noise of local_noise times the clip, exact on
     * integers, before anything is learned from it. In the other world of the claim one example's
     * gradient is zero. What all steps of this device's life cost is kept in its state and never
     * passes local_epsilon at local_delta: a plan that would pass it ends the client with
     * MIEN_EPOLICY. Default all 0: none. Else all must be given, local_noise from 0.3 on. A step
     * takes as long as local_rate times the examples do, one after another. */
    double local_clip;
    double local_noise;
    double local_rate;
    double local_epsilon;
    double local_delta;
};

#define MIEN_CLIENT_CONFIG_INIT                                                                    \
    {                                                                                              \
        sizeof(struct mien_client_config), "", (uint64_t)48 << 20, 0, 2, 2, 100000, 0, NULL,       \
            {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}, 0, 0, 0, 0, 0, 0, 0            \
    }

/* What a client wants; bits of mien_client_wish.flags. */
enum mien_client_flag {
    MIEN_CLIENT_CONNECT = 1, /* open a TCP connection to host:port, then call _connected */
    MIEN_CLIENT_SEND = 2,    /* mien_client_output has bytes */
    MIEN_CLIENT_WORK = 4,    /* call mien_client_work when there is time to compute */
    MIEN_CLIENT_CLOSE = 8,   /* send what is there, close the connection, then call _closed */
    MIEN_CLIENT_STOP = 16    /* nothing to do any more: free the client */
};

struct mien_client_wish {
    unsigned flags;
    uint64_t at_ms;   /* call mien_client_poll again at this moment at the latest */
    const char *host; /* with MIEN_CLIENT_CONNECT: name or address, valid until the next call */
    uint16_t port;
};

/* Facts for the host. More fields may follow; struct_bytes says how many the caller knows. */
struct mien_client_info {
    size_t struct_bytes;   /* in: sizeof(struct mien_client_info) */
    int enrolled;          /* 1 when there is a certificate */
    int connected;         /* 1 when the coordinator has welcomed this device */
    uint64_t rounds;       /* released rounds whose sum this device's update was part of */
    uint64_t updates;      /* masked vectors that have left this device, over restarts */
    uint64_t memory_bytes; /* what the plan in hand needs at its peak; 0: no plan yet */
    char device_id[33];    /* 32 hexadecimal digits, "" before enrolment */
    double local_epsilon;  /* what single examples have cost over this device's life, at
                            * config.local_delta; 0 without protection, infinite when unknown */
};

/* Makes a client from the saved state, if there is one.
 *
 *   config  borrowed, except host.self and what the callbacks stand on: lent until _free
 *   out     given: end it with mien_client_free
 *   errors  MIEN_EINVAL    a needed callback is NULL, a limit makes no sense
 *           MIEN_ECORRUPT  the saved state is not one
 *           MIEN_ENOMEM, MIEN_ECRYPTO, or what `load` returned
 */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_new(
    const struct mien_client_config *config, struct mien_client **out);

/* Ends a client; NULL is fine. Secrets are wiped. Saves nothing: state is saved as it changes. */
MIEN_CLIENT_API void mien_client_free(struct mien_client *client);

/* Enrols with a token (one printable line from the operator) in place of the identity there was.
 * From here on the client wants a connection to the enrolment port that the token names, checks
 * the authority's fingerprint in the token, has a certificate made for a key that it draws, saves
 * it, and goes on to take part. A refusal (wrong, used or expired token) ends the client: it wants
 * MIEN_CLIENT_STOP and mien_client_result says why.
 *
 *   errors  MIEN_EINVAL, MIEN_EPARSE  not a token, MIEN_ESTATE  connected, or stopped
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_enrol(
    struct mien_client *client, const char *token);

/* What the client wants now. Never blocks and never computes.
 *
 *   now_ms  a clock that never goes back, the same in all calls of this client
 *   errors  MIEN_EINVAL, MIEN_ESTATE  neither enrolled nor asked to, or inside a callback
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_poll(
    struct mien_client *client, uint64_t now_ms, struct mien_client_wish *wish);

/* Says that the connection that was wanted is open.
 * errors  MIEN_ESTATE  none was wanted, MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_connected(
    struct mien_client *client, uint64_t now_ms);

/* Says that the connection is closed, by whomever, or could not be opened. The client then wants
 * another after a pause that grows, with jitter, or that the coordinator asked for.
 * errors  MIEN_EINVAL, MIEN_ESTATE  inside a callback */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_closed(
    struct mien_client *client, uint64_t now_ms);

/* Takes n bytes from the network. A peer that breaks the protocol makes the client want
 * MIEN_CLIENT_CLOSE and leaves a line in the log; that is no error of this call.
 *
 *   errors  MIEN_EINVAL, MIEN_ESTATE  not connected
 *           MIEN_ENOMEM, or what `save` returned: the client wants MIEN_CLIENT_CLOSE
 */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_input(
    struct mien_client *client, uint64_t now_ms, const void *data, size_t n);

/* The bytes to send next: *n of them at *data, valid until the next call; *n = 0 for none. At
 * most 64 KiB wait at a time: what follows is made as they are sent.
 * errors  MIEN_EINVAL, MIEN_ESTATE  inside a callback, MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_output(
    struct mien_client *client, uint64_t now_ms, const void **data, size_t *n);

/* Says that the first n of those bytes are on their way.
 * errors  MIEN_EINVAL  more than there were, MIEN_ESTATE  inside a callback */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_sent(struct mien_client *client,
                                                                         size_t n);

/* Computes one slice: one local training step, or what comes before or after them.
 * errors  MIEN_ESTATE  no work was wanted, MIEN_ENOMEM, or what `save` returned */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_work(struct mien_client *client,
                                                                         uint64_t now_ms);

/* Asks the client to end: it says goodbye where it is connected and then wants MIEN_CLIENT_STOP.
 * errors  MIEN_EINVAL, MIEN_ESTATE  inside a callback */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_stop(struct mien_client *client,
                                                                         uint64_t now_ms);

/* Why the client wants MIEN_CLIENT_STOP: MIEN_OK (asked to, or its rounds are done), MIEN_EAUTH
 * (token refused, revoked, wrong authority), MIEN_EEXPIRED (token or certificate), MIEN_EPOLICY
 * and so on. */
MIEN_CLIENT_API enum mien_status mien_client_result(const struct mien_client *client);

/* One sentence about the last thing that went wrong, "" when nothing did. Borrowed until the next
 * call. NULL gives "". */
MIEN_CLIENT_API const char *mien_client_explain(const struct mien_client *client);

/* Fills info; set info->struct_bytes before.  errors  MIEN_EINVAL */
MIEN_CLIENT_API MIEN_CLIENT_USE_RESULT enum mien_status mien_client_info(
    const struct mien_client *client, struct mien_client_info *info);

/* One short phrase that says what a status means. Static storage. (mien_status_text of
 * mien/status.h lives inside the library and is not exported.) */
MIEN_CLIENT_API const char *mien_client_status_text(enum mien_status status);

/* The library's version, "0.1.0". Static storage. */
MIEN_CLIENT_API const char *mien_client_version(void);

#ifdef __cplusplus
}
#endif

#endif
