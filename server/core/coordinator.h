/* The coordinator, decided: devices, rounds, sessions, releases. Sends nothing itself, opens
 * nothing, reads no clock.
 *
 * Events come in as calls with now_ms; what is to be done goes out through the host's callbacks,
 * which run inside the calls and must not call the core. Heavy or durable work goes out as jobs: at
 * most one is under way, mien_job_run does it on any thread, mien_coordinator_job_done brings it
 * back. The libuv shell and the simulator drive this very code.
 *
 * One round: WAITING (check-ins are held) -> OPEN, durable -> COLLECT: assignments, training, READY
 * until the deadline -> sessions of all that are ready: KEYS, SHARES, INPUTS -> survivors durable,
 * and signed by them: CONFIRMS -> RESERVE with the cap check, noise drawn -> REVEALS -> RELEASE:
 * masks off, noise on, model applied, file, COMMIT -> CLOSED to the survivors. Below min_reports,
 * or when a step fails, the round is abandoned; after RESERVE the charge stays.
 *
 * Source:  design section 4; Bonawitz et al. 2019, "Towards Federated Learning at Scale"
 * Threads: one; mien_job_run on any other meanwhile
 */
#ifndef MIEN_CORE_COORDINATOR_H
#define MIEN_CORE_COORDINATOR_H

#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/plan/plan.h"
#include "common/secagg/credential.h"
#include "common/secagg/crew.h"
#include "common/wire/message.h"
#include "server/core/ledger.h"

struct mien_coordinator;
struct mien_job;

struct mien_coordinator_host {
    void *self;

    /* Queues a message, borrowed. When it cannot, the host closes the peer later. */
    void (*send)(void *self, uint32_t peer, const struct mien_message *message);

    /* The connection is to be closed once what was sent is out; mien_coordinator_disconnect
     * follows. */
    void (*close)(void *self, uint32_t peer);

    /* Runs mien_job_run(job) somewhere, then calls mien_coordinator_job_done. */
    void (*run)(void *self, struct mien_job *job);

    /* "event key=value ..." */
    void (*log)(void *self, enum mien_log_level level, const char *line);
};

struct mien_coordinator_limits {
    uint32_t upload_slots; /* masked vectors in transfer at once */
    uint32_t step_ms;      /* for one step of the secure sum */
    uint32_t gather_ms;    /* waits this long for the whole cohort once enough are there */
    uint32_t hold_ms;      /* a check-in is answered within this */
    uint32_t come_back_ms; /* until a device that was sent away asks again */
};

/* What a run starts from. */
struct mien_coordinator_config {
    struct mien_coordinator_host host;
    struct mien_ledger ledger;
    struct mien_coordinator_limits limits;
    struct mien_plan plan;
    struct mien_rng rng; /* coins, nonces, noise: mien_rng_system() but in simulations */
    uint8_t run_id[16];
    uint8_t signing_seed[32];      /* secret */
    uint64_t version;              /* of the model */
    const float *values;           /* [n_values] copied */
    const float *average;          /* [n_values - n_d] copied */
    struct mien_span server_state; /* as the last release kept it; empty at first */
    bool simulated;                /* releases are marked "simulated, not private" */
    uint64_t n_rounds;             /* releases after which it stops by itself; 0 for none */
    struct mien_crew crew; /* for the heavy part of jobs; run NULL: the job's thread alone */
};

/* Starts a coordinator.
 *
 *   config  copied, but for what says otherwise
 *   out     given: end it with mien_coordinator_free
 *   errors  MIEN_EINVAL  the plan, or a noise that cannot be drawn (err says why)
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_coordinator_new(const struct mien_coordinator_config *config,
                                                 struct mien_coordinator **out,
                                                 struct mien_err *err);

/* Wipes and frees; no job may be under way. NULL is fine. */
void mien_coordinator_free(struct mien_coordinator *c);

/* Who has connected, from the verified certificate and the register. */
struct mien_peer_identity {
    uint8_t device_id[16];
    uint8_t key[32];         /* Ed25519, that of the certificate */
    uint8_t unit_digest[32]; /* of the unit, as in the credential */
    uint8_t credential[MIEN_CREDENTIAL_BYTES];
    uint32_t renew_after_s;
};

/* A device has connected; an older connection of the same device is closed.
 *
 *   peer    out: its number until mien_coordinator_disconnect
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_coordinator_connect(struct mien_coordinator *c, uint64_t now_ms,
                                                     const struct mien_peer_identity *identity,
                                                     uint32_t *peer);

/* A message has come. What breaks the protocol is answered with ERROR and close. */
void mien_coordinator_message(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer,
                              const struct mien_message *message);

/* Whether a bulk transfer to the peer has more to send, and the next chunk of it. */
bool mien_coordinator_has_chunk(const struct mien_coordinator *c, uint32_t peer);
void mien_coordinator_send_chunk(struct mien_coordinator *c, uint32_t peer);

/* The connection is gone. */
void mien_coordinator_disconnect(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer);

/* Time has passed; call at mien_coordinator_deadline at the latest. */
void mien_coordinator_tick(struct mien_coordinator *c, uint64_t now_ms);
uint64_t mien_coordinator_deadline(const struct mien_coordinator *c);

/* Does a job's work. Any thread. */
void mien_job_run(struct mien_job *job);

/* The job has been run. */
void mien_coordinator_job_done(struct mien_coordinator *c, uint64_t now_ms, struct mien_job *job);

/* Finish or abandon the round, admit nobody; stopped is then true. */
void mien_coordinator_drain(struct mien_coordinator *c, uint64_t now_ms);

enum mien_coordinator_phase {
    MIEN_PHASE_WAITING,
    MIEN_PHASE_OPENING,
    MIEN_PHASE_COLLECT,
    MIEN_PHASE_KEYS,
    MIEN_PHASE_SHARES,
    MIEN_PHASE_INPUTS,
    MIEN_PHASE_FIXING,
    MIEN_PHASE_CONFIRMS,
    MIEN_PHASE_RESERVING,
    MIEN_PHASE_REVEALS,
    MIEN_PHASE_RELEASING,
    MIEN_PHASE_ABANDONING,
    MIEN_PHASE_STOPPED,
};

/* A drill: the devices that wait run the secure sum on zeros, and some of them are left out after
 * their shares as if they had gone. Nothing enters the ledger and no model changes.
 *
 *   drop    share of the members that are left out, 0 to 0.9
 *   number  out: of the drill, from 1; its report has it
 *   errors  MIEN_EINVAL  drop; MIEN_EBUSY  a drill is under way; MIEN_ESTATE  stopping
 */
MIEN_CHECK enum mien_status mien_coordinator_drill(struct mien_coordinator *c, uint64_t now_ms,
                                                   double drop, uint64_t *number,
                                                   struct mien_err *err);

enum mien_drill_step {
    MIEN_DRILL_COLLECT,
    MIEN_DRILL_KEYS,
    MIEN_DRILL_SHARES,
    MIEN_DRILL_INPUTS,
    MIEN_DRILL_CONFIRMS,
    MIEN_DRILL_REVEALS,
    MIEN_DRILL_UNMASK,
    MIEN_DRILL_N_STEPS
};

struct mien_drill_report {
    uint64_t number;  /* 0: there was none */
    bool done;        /* what follows is complete */
    bool right;       /* there was a sum, and it was that of the survivors' zeros */
    char failed[160]; /* why there was none; "" */
    uint32_t n_assigned;
    uint32_t n_ready;
    uint32_t n_sessions;
    uint32_t n_summed; /* sessions that came to a sum */
    uint32_t n_members;
    uint32_t n_left_out; /* by the drill itself */
    uint32_t n_survived;
    double survivable; /* the largest share that could have left after the shares (random order) */
    uint64_t step_ms[MIEN_DRILL_N_STEPS];
};

/* The drill under way, or the last one. */
const struct mien_drill_report *mien_coordinator_drill_report(const struct mien_coordinator *c);

/* "waiting", ... Static storage. */
const char *mien_coordinator_phase_name(enum mien_coordinator_phase phase);

struct mien_coordinator_status {
    enum mien_coordinator_phase phase;
    uint64_t round; /* the one under way, or the next */
    uint64_t version;
    uint64_t n_released; /* since the start */
    uint32_t n_connected;
    uint32_t n_waiting;               /* check-ins held */
    bool exhausted;                   /* the cap refused a round */
    bool failed;                      /* storage failed: nothing more is done */
    struct mien_budget_answer budget; /* of the last reserve */
    struct mien_ledger_counts last_round;
    double clip;      /* S of the next round */
    float metrics[4]; /* of the last release, averaged over the planned cohort */
};

/* The fewest units, eligible and connected, with which a round of the plan opens (the opening rule
 * of docs/privacy.md); MIEN_DP_NEVER where no number is enough. */
uint64_t mien_coordinator_min_units(const struct mien_plan *plan);

struct mien_coordinator_status mien_coordinator_status(const struct mien_coordinator *c);

/* The model as served: values [n_values], and the generator's average. Valid until the next
 * call. */
const float *mien_coordinator_values(const struct mien_coordinator *c);
const float *mien_coordinator_average(const struct mien_coordinator *c);

#endif
