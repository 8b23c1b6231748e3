/* A device as a pure state machine over messages.
 *
 * Messages and time in, messages out through a callback; no bytes, sockets, clocks or files. The
 * library (mien/client.h) puts TLS and frames around it, the simulator drives thousands of them
 * in one process. An idle one holds no model, plan or vector of its own beyond what `cache` says.
 *
 * One round:
 *   CHECK_IN -> ASSIGN (signature, ledger, limits) -> GET/CHUNK plan and model -> guard
 *   -> work: local steps, clip, quantise -> READY -> SESSION .. SHARES -> DELIVER, SLOT
 *   -> record saved -> INPUT_CHUNK .. -> INPUT_OK -> SURVIVORS -> REVEAL -> CLOSED -> CHECK_IN
 * A message that does not fit the state, or is not what it claims, is answered with ERROR and the
 * wish to close. What the examples say is decided in `work` and shows as a zero vector only.
 *
 * Source:  Bonawitz et al. 2019, "Towards Federated Learning at Scale" (the device's life);
 *          docs/protocol.md
 * Threads: one at a time; callbacks run inside the calls, and must not call the core
 */
#ifndef MIEN_CLIENT_CORE_H
#define MIEN_CLIENT_CORE_H

#include "client/guard.h"
#include "client/record.h"
#include "client/train.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/secagg/known.h"

struct mien_message;
struct mien_client_core;

/* What the core asks of its surroundings. */
struct mien_client_core_host {
    void *self;

    /* Sends a message, borrowed. An error ends the call that sent with that status. */
    enum mien_status (*send)(void *self, const struct mien_message *message);

    /* Keeps the record, durable when it returns. An error ends the call; nothing that depends on
     * the record was sent. */
    enum mien_status (*save)(void *self, const struct mien_client_record *record);

    /* The bytes with this SHA-256 if the surroundings have them (the simulator shares one model
     * among all devices): lent until the core leaves the round. May be NULL: the core fetches
     * and keeps the last plan and model itself. */
    bool (*find)(void *self, const uint8_t hash[32], struct mien_span *out);

    /* The part of a model that stays on the device (share = decoder), as core_own.c spells it:
     * reads up to cap bytes, *len = 0 when none was kept; keeps it, durable when it returns. Both
     * may be NULL: a plan that has such a part is refused then. */
    enum mien_status (*load_own)(void *self, uint8_t *bytes, size_t cap, size_t *len);
    enum mien_status (*save_own)(void *self, struct mien_span bytes);

    struct mien_client_examples examples;

    /* Seconds since 1970, for the validity of peers' credentials. May be NULL: not checked. */
    int64_t (*now_s)(void *self);

    /* May be NULL. `line` is "event key=value ...". */
    void (*log)(void *self, enum mien_log_level level, const char *line);
};

/* Who the device is. From enrolment. */
struct mien_client_identity {
    uint8_t run_id[16];
    uint8_t device_key[32];      /* secret: Ed25519 seed of the certificate's key */
    uint8_t ca_key[32];          /* Ed25519 key under which peers' credentials must hold */
    uint8_t coordinator_key[32]; /* Ed25519 key under which assignments must hold */
    uint8_t credential[MIEN_CREDENTIAL_BYTES];
};

struct mien_client_core_config {
    struct mien_client_core_host host;
    struct mien_client_limits limits;
    struct mien_client_identity identity;
    struct mien_client_record record;
    struct mien_rng rng;  /* keys, shares, rounding, jitter: mien_rng_system() on devices */
    const char *software; /* for HELLO; lent until _free */
    /* Peers' credentials that held before; lent until _free. NULL: each is checked in full. */
    struct mien_known *known;
};

/* What the core wants; every flag is a fact that stays until it is met. */
struct mien_client_core_wish {
    bool connect;         /* wants a connection from at_ms on; then call _connected */
    bool close;           /* wants the connection closed; call _disconnected then */
    bool pump;            /* has more to upload: call _pump when there is room */
    bool work;            /* wants _work */
    bool renew;           /* the certificate is due; the surroundings exchange RENEW/RENEWED */
    bool stopped;         /* for good: stop was asked for, rounds are done, or `why` */
    uint64_t at_ms;       /* call _tick at this moment at the latest; UINT64_MAX for never */
    enum mien_status why; /* of stopped */
};

/* Counters and facts for status lines and tests. */
struct mien_client_core_info {
    uint64_t round;             /* in hand, 0 for none */
    uint64_t memory_bytes;      /* what the plan in hand needs at its peak, 0 for none */
    bool welcome;               /* the coordinator has answered HELLO on this connection */
    enum mien_client_note note; /* of the last vector made */
};

/* Makes a disconnected core; it wants a connection at once.
 *
 *   config  copied; what its callbacks stand on is lent until _free
 *   out     given: end it with mien_client_core_free
 *   errors  MIEN_EINVAL, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_client_core_new(const struct mien_client_core_config *config,
                                                 struct mien_client_core **out);

/* Wipes and frees; NULL is fine. */
void mien_client_core_free(struct mien_client_core *core);

/* A connection to the coordinator is there: says HELLO.
 * errors  MIEN_ESTATE  connected already, or what `send` returned */
MIEN_CHECK enum mien_status mien_client_core_connected(struct mien_client_core *core,
                                                       uint64_t now_ms);

/* The connection ended, or could not be made: forgets the round in hand and wants another one
 * after a pause with jitter. */
void mien_client_core_disconnected(struct mien_client_core *core, uint64_t now_ms);

/* Takes one message. A message that is wrong is answered with ERROR and the wish to close, and
 * MIEN_OK is returned: a status says that the device itself could not.
 * errors  MIEN_ESTATE  not connected, MIEN_ENOMEM, MIEN_ECRYPTO, or what a callback returned;
 *         the wish is then to close */
MIEN_CHECK enum mien_status mien_client_core_receive(struct mien_client_core *core, uint64_t now_ms,
                                                     const struct mien_message *message);

/* One slice of computing.
 *
 *   train   memory for the plan in hand, lent from the first slice of a round to the last (the
 *           wish no longer says work); NULL lets the core make its own
 *   errors  as _receive
 */
MIEN_CHECK enum mien_status mien_client_core_work(struct mien_client_core *core, uint64_t now_ms,
                                                  struct mien_client_train *train);

/* Sends the next piece of the upload.  errors  as _receive */
MIEN_CHECK enum mien_status mien_client_core_pump(struct mien_client_core *core, uint64_t now_ms);

/* Lets time pass: checks in when the pause is over.  errors  as _receive */
MIEN_CHECK enum mien_status mien_client_core_tick(struct mien_client_core *core, uint64_t now_ms);

/* Asks it to end: it wants to close where connected, then is stopped with MIEN_OK. */
void mien_client_core_stop(struct mien_client_core *core, uint64_t now_ms);

/* The certificate was renewed: the identity from here on. Wants to close, since the connection is
 * the old certificate's. */
void mien_client_core_renewed(struct mien_client_core *core,
                              const struct mien_client_identity *identity);

struct mien_client_core_wish mien_client_core_wish(const struct mien_client_core *core);

struct mien_client_core_info mien_client_core_info(const struct mien_client_core *core);

/* One sentence about the last thing that was refused or failed, "" for none. Borrowed until the
 * next call. */
const char *mien_client_core_explain(const struct mien_client_core *core);

/* What it remembers, borrowed until the next call. */
const struct mien_client_record *mien_client_core_record(const struct mien_client_core *core);

#endif
