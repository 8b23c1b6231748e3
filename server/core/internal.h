/* What the files of the coordinator's core share.
 *
 * Threads: as coordinator.h
 */
#ifndef MIEN_CORE_INTERNAL_H
#define MIEN_CORE_INTERNAL_H

#include "common/dp/correlated.h"
#include "common/dp/discrete_gaussian.h"
#include "common/dp/noise.h"
#include "common/nn/gtrainer.h"
#include "common/nn/server_optim.h"
#include "common/secagg/coordinator.h"
#include "common/secagg/quantise.h"
#include "server/core/coordinator.h"

/* How far a device is in the round that is under way. */
enum mien_part {
    MIEN_PART_NONE,     /* idle, or out of this round */
    MIEN_PART_ASSIGNED, /* training */
    MIEN_PART_READY,    /* has a vector */
    MIEN_PART_MEMBER,   /* in a session */
};

struct mien_peer {
    bool used;
    bool greeted; /* HELLO has come */
    bool shared;  /* another device of its unit is connected, or was */
    bool waiting; /* its check-in is held */
    uint64_t waiting_since_ms;
    struct mien_peer_identity identity;
    enum mien_part part;
    uint32_t session;
    uint32_t index;
    bool did;           /* has done what the current step asks for */
    uint32_t next_part; /* of the list it is sending */
    bool survivor;
    /* bulk to the device */
    enum mien_message_what what; /* 0: none */
    uint64_t offset;
    /* bulk from the device */
    bool has_slot;
    bool had_slot;   /* in this session: its vector may have left */
    uint8_t *upload; /* [packed bytes] from the slot on until it is in the sum */
    uint64_t n_upload;
    bool uploaded; /* complete, waits for its row */
};

/* The one device of a unit that was let into the round. */
struct mien_admitted {
    uint8_t unit[32];
    uint8_t device[16];
};

struct mien_group {
    struct mien_session session;
    enum mien_coordinator_phase phase; /* its step: KEYS, SHARES or INPUTS; FIXING from then on */
    struct mien_secagg_sum *sum;       /* NULL once dropped */
    uint32_t *member;    /* [n] peers, in the order of their tags; UINT32_MAX once gone */
    uint8_t (*unit)[32]; /* [n] */
    uint8_t opening[32]; /* of the session's commitment */
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    uint32_t n_survivors;
    struct mien_secagg_blame blame; /* of RELEASE */
};

enum mien_job_kind {
    MIEN_JOB_OPEN,
    MIEN_JOB_INPUTS,
    MIEN_JOB_FIX,
    MIEN_JOB_RESERVE,
    MIEN_JOB_RELEASE,
    MIEN_JOB_ABANDON,
};

/* Vectors of one session that go into the ledger and then into the sum. */
#define MIEN_JOB_MAX_INPUTS 512 /* in one job; the rest waits for the next */

struct mien_job_inputs {
    uint32_t group;
    uint32_t n;
    uint32_t peer[MIEN_JOB_MAX_INPUTS];
    uint32_t index[MIEN_JOB_MAX_INPUTS];
    uint8_t unit[MIEN_JOB_MAX_INPUTS][32];
    uint8_t *upload[MIEN_JOB_MAX_INPUTS];         /* taken from the peers, freed when done */
    enum mien_status status[MIEN_JOB_MAX_INPUTS]; /* out */
};

struct mien_job {
    enum mien_job_kind kind;
    struct mien_coordinator *home;
    enum mien_status status;      /* out */
    struct mien_err err;          /* out */
    struct mien_ledger_mark mark; /* out: after what was written */
    uint8_t coins[32];
    char reason[160];
    struct mien_job_inputs inputs;
    struct mien_budget_answer budget; /* RESERVE out */
    float metrics[MIEN_N_METRICS];    /* RELEASE out */
    bool any_session;                 /* RELEASE out: a session could be unmasked */
    uint64_t version;                 /* RELEASE out */
};

/* A drill that is wanted or under way. */
struct mien_drill {
    bool wanted;
    bool running;
    double drop;
    uint64_t wanted_ms;
    uint64_t since_ms; /* of the step */
    enum mien_drill_step step;
    struct mien_drill_report report;
};

/* The model and what belongs to it. */
struct mien_release_state {
    float *values;                     /* [n_values] */
    float *average;                    /* [n_values - n_d] */
    struct mien_moments moments;       /* over n_values; NULL when devices train the generator */
    struct mien_server_moments server; /* over n_update, as the plan's optimiser keeps them */
    double clip;                       /* S of the round that starts from it */
    uint8_t *bytes;                    /* [4 n_values] as served */
    uint8_t hash[32];
};

struct mien_coordinator {
    struct mien_coordinator_config config; /* signing_seed: secret */
    struct mien_layout layout;
    struct mien_secagg_params params;
    struct mien_buf plan_bytes;
    uint8_t plan_hash[32];
    uint8_t signing_key[32];
    struct mien_noise *noise_sampler;       /* of the rounded Gaussian; NULL without */
    struct mien_discrete_gaussian discrete; /* of the discrete one; t is 0 without */
    struct mien_strategy_table strategy;    /* of the noise; the samplers above if independent */
    uint64_t sigma;                         /* of correlated noise */
    struct mien_gtrainer *gtrainer;         /* NULL when devices train the generator */
    struct mien_release_state model;        /* served */
    struct mien_release_state next;         /* being made by RELEASE */
    int64_t *total; /* [dim] secret until noise and sum are in: noise first */
    float metrics[MIEN_N_METRICS];

    struct mien_peer *peers;
    uint32_t n_peers; /* slots in use or free */
    uint32_t n_slots; /* upload slots taken */

    enum mien_coordinator_phase phase;
    struct mien_ledger_round round;
    uint64_t started_ms;
    uint64_t deadline_ms;           /* of the phase */
    uint64_t enough_ms;             /* since when enough are waiting; 0: not */
    uint64_t next_open_ms;          /* not before */
    uint64_t answered_ms;           /* when held check-ins were last looked at */
    uint64_t min_units;             /* fewest with which a round may open */
    uint8_t coin_key[32];           /* secret, erased when all coins have fallen */
    struct mien_admitted *admitted; /* [n_admitted] units drawn for the round */
    uint32_t n_admitted;
    struct mien_ledger_part
        *parts; /* [n_parts] by unit, rising; of plans with limits of taking part */
    size_t n_parts;
    size_t room_for_parts;
    struct mien_group *groups;
    uint32_t n_groups;
    uint32_t n_regroups; /* times that sessions were formed after the first */
    struct mien_job job;
    bool job_out;
    struct mien_ledger_mark mark;
    struct mien_ledger_counts counts;
    struct mien_ledger_counts last_counts;
    struct mien_budget_answer budget;
    char reason[160]; /* why the round is abandoned */
    uint64_t version;
    uint64_t n_released;
    struct mien_drill drill;
    bool draining;
    bool exhausted;
    bool failed;
};

/* coordinator.c */
void mien_round_log(struct mien_coordinator *c, enum mien_log_level level, const char *fmt, ...)
    MIEN_PRINTF(3, 4);
void mien_round_send(struct mien_coordinator *c, uint32_t peer, const struct mien_message *message);
void mien_round_come_back(struct mien_coordinator *c, uint32_t peer,
                          enum mien_message_reason reason);
/* Answers with ERROR and closes. */
void mien_round_refuse(struct mien_coordinator *c, uint32_t peer, enum mien_message_error_code code,
                       const char *fmt, ...) MIEN_PRINTF(4, 5);
void mien_round_start_job(struct mien_coordinator *c, enum mien_job_kind kind);
/* Ends the round without a release: what is durable is said to the ledger by a job. */
void mien_round_abandon(struct mien_coordinator *c, const char *fmt, ...) MIEN_PRINTF(2, 3);
/* Forgets a round's sessions, uploads and keys; devices that were in it are idle. */
void mien_round_end_round(struct mien_coordinator *c);
/* The device leaves the round. */
void mien_round_drop_part(struct mien_coordinator *c, uint32_t peer);
uint64_t mien_round_packed_bytes(const struct mien_coordinator *c);

/* draw.c */
bool mien_round_is_sampled(const struct mien_coordinator *c);
/* Whether devices of the unit are connected; they know from here on that there are more. */
bool mien_round_share_unit(struct mien_coordinator *c, const uint8_t unit[32]);
/* Units whose check-ins are held and who may take part: N_t of the opening rule. */
uint32_t mien_round_count_units(const struct mien_coordinator *c);
/* Whether a peer is the first of its unit whose check-in is held. */
bool mien_round_stands_for_unit(const struct mien_coordinator *c, uint32_t peer);
/* Draws among them and admits who was drawn; *list, given, is their peers. Erases the coins' key.
 * errors  MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_round_draw(struct mien_coordinator *c, uint32_t **list,
                                            uint32_t *n);
enum mien_admission { MIEN_ADMITTED_NONE, MIEN_ADMITTED, MIEN_ADMITTED_OTHER };
/* Whether the peer's unit is in the round, by this device or by another one. */
enum mien_admission mien_round_admission(const struct mien_coordinator *c, uint32_t peer);
MIEN_CHECK enum mien_status mien_round_admit(struct mien_coordinator *c, uint32_t peer);
void mien_round_forget_draw(struct mien_coordinator *c);

/* noise.c */
/* The sampler of the plan.  errors  MIEN_EINVAL  sigma; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_round_make_noise(struct mien_coordinator *c, struct mien_err *err);
/* Fills c->total, after RESERVE; fails closed. */
MIEN_CHECK enum mien_status mien_round_draw_noise(struct mien_coordinator *c, struct mien_job *job);

/* parts.c: minimum separation and most participations of a unit */
MIEN_CHECK enum mien_status mien_round_load_parts(struct mien_coordinator *c, struct mien_err *err);
/* Whether a peer's unit may take part in c->round. */
bool mien_round_may_take_part(const struct mien_coordinator *c, uint32_t peer);
/* Room for the parts of all that are admitted and one more.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_round_make_room(struct mien_coordinator *c);
/* A unit's vector is durable in c->round; there is room. */
void mien_round_note_part(struct mien_coordinator *c, const uint8_t unit[32]);

/* collect.c */
void mien_round_assign(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer);
void mien_round_check_in(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer);
void mien_round_try_open(struct mien_coordinator *c, uint64_t now_ms);
void mien_round_opened(struct mien_coordinator *c, uint64_t now_ms);
void mien_round_ready(struct mien_coordinator *c, uint32_t peer,
                      const struct mien_message_ready *m);
void mien_round_get(struct mien_coordinator *c, uint32_t peer, const struct mien_message_get *m);
void mien_round_collect(struct mien_coordinator *c, uint64_t now_ms);

/* groups.c: sessions up to the masked vectors */
/* Whether groups as large as the plan allows have a graph.  errors  MIEN_EINVAL */
MIEN_CHECK enum mien_status mien_round_check_groups(const struct mien_plan *plan,
                                                    struct mien_err *err);
void mien_round_form_groups(struct mien_coordinator *c, uint64_t now_ms);
/* Adds sessions of the devices that are ready, at their step KEYS; *n, how many those are.
 * errors  MIEN_EPOLICY  fewer than group_min; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_round_add_groups(struct mien_coordinator *c, uint32_t *n);
/* Begins KEYS for the sessions from the first-th on. */
void mien_round_announce(struct mien_coordinator *c, uint64_t now_ms, uint32_t first);
void mien_round_keys(struct mien_coordinator *c, uint32_t peer, const struct mien_message_keys *m);
void mien_round_shares(struct mien_coordinator *c, uint32_t peer,
                       const struct mien_message_shares *m);
void mien_round_free_groups(struct mien_coordinator *c);
/* A step begins for all members: nobody has done it yet. */
void mien_round_begin_step(struct mien_coordinator *c, uint64_t now_ms,
                           enum mien_coordinator_phase phase);
/* Whether every member that is still here, of sessions at this step, has done what it asks for. */
bool mien_round_all_did(const struct mien_coordinator *c);
void mien_round_step_groups(struct mien_coordinator *c, uint64_t now_ms);
/* The group of a member, when the session id is its; NULL (and refused) otherwise. */
struct mien_group *mien_round_group_of(struct mien_coordinator *c, uint32_t peer,
                                       const uint8_t session_id[32]);
void mien_round_drop_group(struct mien_coordinator *c, uint32_t group, const char *why);

/* regroup.c: members of dropped sessions, into further ones of the same round */
/* A member whose masked vector cannot have left waits for another session. */
void mien_round_rejoin(struct mien_coordinator *c, uint32_t peer);
/* Whether it may: the step is one before unmasking, and it was granted no slot. */
bool mien_round_may_rejoin(const struct mien_coordinator *c, uint32_t peer);
/* Forms sessions of those that wait, when they are enough: then the step is KEYS again, for these,
 * and true is returned. Sessions that got further wait for them to catch up. */
bool mien_round_regroup(struct mien_coordinator *c, uint64_t now_ms);
/* No session comes any more: who waits for one is sent away. */
void mien_round_send_off(struct mien_coordinator *c);

/* deliver.c: lists of a session to its members, in parts */
void mien_round_send_roll(struct mien_coordinator *c, const struct mien_group *g, uint32_t index);
void mien_round_send_roster(struct mien_coordinator *c, const struct mien_group *g, uint32_t index);
void mien_round_send_deliveries(struct mien_coordinator *c, const struct mien_group *g,
                                uint32_t index);
void mien_round_send_confirmed(struct mien_coordinator *c, const struct mien_group *g,
                               uint32_t index);

/* inputs.c: upload slots, masked vectors, survivors */
void mien_round_begin_inputs(struct mien_coordinator *c, uint64_t now_ms);
void mien_round_grant_slots(struct mien_coordinator *c);
void mien_round_input(struct mien_coordinator *c, uint32_t peer,
                      const struct mien_message_input_chunk *m);
void mien_round_step_inputs(struct mien_coordinator *c, uint64_t now_ms);
void mien_round_inputs_done(struct mien_coordinator *c);
void mien_round_free_inputs(struct mien_coordinator *c);
void mien_round_fixed(struct mien_coordinator *c, uint64_t now_ms);

/* release.c: signatures of the survivors, reserve, reveals, release */
void mien_round_ask_confirms(struct mien_coordinator *c, uint64_t now_ms);
void mien_round_confirm(struct mien_coordinator *c, uint32_t peer,
                        const struct mien_message_confirm *m);
void mien_round_step_confirms(struct mien_coordinator *c, uint64_t now_ms);
void mien_round_reserved(struct mien_coordinator *c, uint64_t now_ms);
void mien_round_reveal(struct mien_coordinator *c, uint32_t peer,
                       const struct mien_message_reveal *m);
void mien_round_step_reveals(struct mien_coordinator *c, uint64_t now_ms);
void mien_round_released(struct mien_coordinator *c, uint64_t now_ms);
/* Names the members whose shares RELEASE found wrong. */
void mien_round_log_blame(struct mien_coordinator *c);

/* drill.c: a round of zeros that nothing is written about */
/* Begins one that is wanted when enough devices wait; whether it has, or must be waited for. */
bool mien_round_try_drill(struct mien_coordinator *c, uint64_t now_ms);
/* Until when a drill that is wanted waits for devices; UINT64_MAX for none. */
uint64_t mien_round_drill_due(const struct mien_coordinator *c);
/* Another step of the drill begins; nothing outside of one. */
void mien_round_drill_step(struct mien_coordinator *c, uint64_t now_ms, enum mien_drill_step step);
/* Shares are in: what the drill leaves out goes. */
void mien_round_drill_drop(struct mien_coordinator *c);
/* RELEASE's work in a drill. */
void mien_round_run_drill(struct mien_coordinator *c, struct mien_job *job);
/* It has ended, with or without a sum. */
void mien_round_end_drill(struct mien_coordinator *c, uint64_t now_ms);

/* state.c: the state between releases; moments and clip as bytes */
MIEN_CHECK enum mien_status mien_round_state_new(struct mien_coordinator *c,
                                                 struct mien_release_state *state);
void mien_round_state_free(struct mien_release_state *state);
void mien_round_state_copy(const struct mien_coordinator *c, struct mien_release_state *to,
                           const struct mien_release_state *from);
MIEN_CHECK enum mien_status mien_round_state_encode(const struct mien_coordinator *c,
                                                    const struct mien_release_state *state,
                                                    struct mien_buf *out);
/* errors  MIEN_ECORRUPT  not such bytes, or of another plan's sizes */
MIEN_CHECK enum mien_status mien_round_state_decode(const struct mien_coordinator *c,
                                                    struct mien_span bytes,
                                                    struct mien_release_state *state);

/* apply.c: RELEASE's work */
MIEN_CHECK enum mien_status mien_round_state_load(struct mien_coordinator *c);
void mien_round_run_release(struct mien_coordinator *c, struct mien_job *job);

#endif
