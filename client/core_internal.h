/* The parts of the device core, shared by core*.c only.
 *
 * core.c has its life (connection, pauses, check-in), core_round.c a round up to READY,
 * core_session.c a session of the secure sum up to its shares, core_sum.c the masked vector and
 * what follows.
 *
 * Threads: as core.h
 */
#ifndef MIEN_CLIENT_CORE_INTERNAL_H
#define MIEN_CLIENT_CORE_INTERNAL_H

#include "client/core.h"
#include "common/base/buf.h"
#include "common/plan/plan.h"
#include "common/secagg/device.h"
#include "common/secagg/params.h"
#include "common/wire/message.h"

enum mien_core_phase {
    MIEN_CORE_DOWN,       /* no connection */
    MIEN_CORE_GREETING,   /* HELLO is out */
    MIEN_CORE_IDLE,       /* welcome; checks in at check_in_at_ms */
    MIEN_CORE_RENEWING,   /* the surroundings exchange RENEW and RENEWED */
    MIEN_CORE_CHECKED_IN, /* CHECK_IN is out */
    MIEN_CORE_FETCHING,   /* assigned; plan or model is coming */
    MIEN_CORE_TRAINING,   /* wants work */
    MIEN_CORE_READY,      /* READY is out */
    MIEN_CORE_ROLL,       /* KEYS is out */
    MIEN_CORE_ROSTER,     /* the roll is in */
    MIEN_CORE_DELIVER,    /* SHARES is out */
    MIEN_CORE_SLOT,       /* every share is in; waits for its turn to upload */
    MIEN_CORE_MASKING,    /* wants work */
    MIEN_CORE_UPLOADING,  /* wants pump */
    MIEN_CORE_UPLOADED,   /* waits for INPUT_OK */
    MIEN_CORE_SURVIVORS,
    MIEN_CORE_CONFIRMED, /* CONFIRM is out */
    MIEN_CORE_REVEALED,  /* waits for CLOSED */
};

/* Bytes that are named by their SHA-256 and come in chunks. */
struct mien_core_blob {
    uint8_t hash[32];
    struct mien_span bytes; /* into `own`, or lent by host.find; empty until whole */
    struct mien_buf own;
    uint64_t total; /* expected; 0 when nothing is being fetched */
};

/* What belongs to one attempt of a round. */
struct mien_core_round {
    struct mien_message_assign assign;
    uint64_t report_by_ms;
    struct mien_plan plan;
    struct mien_secagg_params params;
    uint64_t memory_bytes;
    struct mien_client_train *train; /* in use: lent by the caller, or own_train */
    struct mien_client_train *own_train;
    int32_t *vector; /* secret: [dim], masked in place */
    size_t dim;
    struct mien_secagg_device *session; /* NULL outside a session */
    uint32_t n_sessions;                /* begun in this round */
    uint8_t session_id[32];
    uint32_t n_members;
    uint32_t n_roster; /* entries of the roster so far */
    uint32_t n_parts;  /* of the list that is coming in; 0 before its first part */
    uint32_t next_part;
    uint8_t *chunk;      /* the piece that is uploaded */
    uint64_t n_uploaded; /* bytes of the packed vector */
};

struct mien_client_core {
    struct mien_client_core_config config;
    enum mien_core_phase phase;
    bool close;    /* wants the connection closed */
    bool stopping; /* asked to, or `why` */
    enum mien_status why;
    unsigned n_failures;     /* connections in a row without an answer to a check-in */
    uint64_t connect_at_ms;  /* not before */
    uint64_t check_in_at_ms; /* not before */
    uint64_t watchdog_at_ms; /* the coordinator must have said something by then */
    uint64_t renew_at_ms;
    uint64_t last_round;
    uint8_t consented[32]; /* hash of the plan that device.consent was said about */
    enum mien_client_note note;
    char sentence[MIEN_MESSAGE_SENTENCE_BYTES + 1];
    struct mien_core_blob plan;
    struct mien_core_blob model;
    struct mien_core_round *round; /* NULL outside of one */
};

/* Refuses what the coordinator sent: logs it, sends ERROR, wants to close. MIEN_OK, or what `send`
 * returned. */
MIEN_CHECK enum mien_status mien_core_refuse(struct mien_client_core *core,
                                             enum mien_message_error_code code, const char *fmt,
                                             ...) MIEN_PRINTF(3, 4);

/* Ends the core for good, with a reason for its host. */
void mien_core_end(struct mien_client_core *core, enum mien_status why, const char *text);

MIEN_CHECK enum mien_status mien_core_send(struct mien_client_core *core,
                                           const struct mien_message *message);

void mien_core_log(struct mien_client_core *core, enum mien_log_level level, const char *fmt, ...)
    MIEN_PRINTF(3, 4);

/* Judges the ledger's place and saves it when it is new; *good is false after a refusal. */
MIEN_CHECK enum mien_status mien_core_see(struct mien_client_core *core,
                                          const struct mien_message_mark *mark, bool *good);

/* Enters a phase in which the coordinator has to say something within `patience_ms`. */
void mien_core_wait(struct mien_client_core *core, enum mien_core_phase phase, uint64_t now_ms,
                    uint64_t patience_ms);

/* core_round.c */
MIEN_CHECK enum mien_status mien_core_on_assign(struct mien_client_core *core, uint64_t now_ms,
                                                const struct mien_message_assign *assign);
MIEN_CHECK enum mien_status mien_core_on_chunk(struct mien_client_core *core, uint64_t now_ms,
                                               const struct mien_message_chunk *chunk);
MIEN_CHECK enum mien_status mien_core_train(struct mien_client_core *core, uint64_t now_ms,
                                            struct mien_client_train *train);

/* core_own.c: the part of the model that stays here. Whether the host has no place for it; the
 * bytes it takes; what was kept (empty: nothing) with its values; keeping what was trained. */
bool mien_core_own_missing(const struct mien_client_core *core);
uint64_t mien_core_own_bytes(const struct mien_plan *plan);
MIEN_CHECK enum mien_status mien_core_own_load(struct mien_client_core *core, struct mien_buf *out);
struct mien_span mien_core_own_values(const struct mien_buf *own);
MIEN_CHECK enum mien_status mien_core_own_save(struct mien_client_core *core);

/* core_local.c: protection of single examples. Whether the steps of the round's plan fit the
 * device's own budget, saying what they cost; noting them as spent, durable.
 * errors  MIEN_EPOLICY  they do not (named in err); MIEN_ENOMEM, or what `save` returned */
MIEN_CHECK enum mien_status mien_core_local_check(struct mien_client_core *core,
                                                  struct mien_err *err);
MIEN_CHECK enum mien_status mien_core_local_spend(struct mien_client_core *core);

/* Wipes and frees the vector: it is of no use any more, and must be of none. */
void mien_core_drop_vector(struct mien_core_round *round);

/* Wipes and frees what belongs to the round; none is fine. */
void mien_core_leave_round(struct mien_client_core *core);

/* core_session.c: each message of the secure sum; core_sum.c those from SLOT on. */
MIEN_CHECK enum mien_status mien_core_on_session(struct mien_client_core *core, uint64_t now_ms,
                                                 const struct mien_message *message);
MIEN_CHECK enum mien_status mien_core_mask(struct mien_client_core *core, uint64_t now_ms);
MIEN_CHECK enum mien_status mien_core_upload(struct mien_client_core *core, uint64_t now_ms);
void mien_core_leave_session(struct mien_core_round *round);
MIEN_CHECK enum mien_status mien_core_on_sum(struct mien_client_core *core, uint64_t now_ms,
                                             const struct mien_message *message);

/* Refuses a message that does not fit the phase. */
MIEN_CHECK enum mien_status mien_core_refuse_order(struct mien_client_core *core, const char *what);

/* What a step of the secure sum said: a coordinator or peer that is wrong is refused, what this
 * device could not do is passed up. */
MIEN_CHECK enum mien_status mien_core_judge(struct mien_client_core *core, enum mien_status status,
                                            const struct mien_err *err);

/* Whether the message is of the session that is under way. */
bool mien_core_of_session(const struct mien_client_core *core, const uint8_t session_id[32]);

/* Whether this part of a list comes next; whether that was the last, the next list starting anew.
 */
bool mien_core_next_part(struct mien_core_round *round, uint32_t part, uint32_t n_parts);
bool mien_core_list_ended(struct mien_core_round *round);

/* How long the coordinator may wait for the slowest of the group, and for sessions of the round
 * that were formed later to catch up. */
#define MIEN_CORE_STEP_MS (600 * 1000)

#endif
