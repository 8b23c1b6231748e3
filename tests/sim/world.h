/* Inside the simulated world: devices, messages under way, virtual time.
 *
 * Threads: as sim.h
 */
#ifndef MIEN_TESTS_SIM_WORLD_H
#define MIEN_TESTS_SIM_WORLD_H

#include "common/base/rng_seeded.h"
#include "common/nn/model.h"
#include "common/secagg/params.h"
#include "server/shell/crew.h"
#include "tests/sim/sim.h"

enum sim_event_kind {
    SIM_TO_COORDINATOR,
    SIM_TO_DEVICE,
    SIM_CONNECT,
    SIM_WAKE,
    SIM_CLOSE, /* the coordinator closes the device's connection */
};

struct sim_event {
    uint64_t at_ms;
    uint64_t number; /* of two at the same time the earlier one first */
    enum sim_event_kind kind;
    uint32_t device;
    uint32_t link; /* the device's connection it belongs to */
    struct mien_buf frame;
};

struct sim_device {
    struct mien_client_core *core;
    struct mien_rng_seeded *seeded;
    struct sim_slot slot;
    struct sim_world *world;
    struct mien_peer_identity identity;
    uint32_t number;
    uint32_t peer; /* the coordinator's number; UINT32_MAX without a connection */
    uint32_t link;
    uint64_t wake_ms; /* that is scheduled */
    uint64_t up_ms;   /* when the last frame to the coordinator arrives: frames keep their order */
    uint64_t down_ms; /* and the last one to the device */
    bool connecting;
    bool wants_work;
    bool lies;
    uint32_t leaves_in;     /* frames until it leaves; 0: stays */
    struct mien_buf outbox; /* frames of the call under way */
    struct mien_buf own;    /* the part of the model that stays with it */
    int32_t *vector;        /* [dim] kept to check sums; NULL when not */
};

struct sim_world {
    const struct sim_options *options;
    struct mien_layout layout;
    struct mien_secagg_params params;
    struct sim_ledger ledger;
    struct mien_rng_seeded *seeded; /* delays, drops, lies */
    struct mien_rng_seeded *core_seeded;
    struct mien_coordinator *core;
    struct mien_job *job;
    struct sim_device *devices;
    uint32_t *by_peer; /* [n_by_peer] devices */
    uint32_t n_by_peer;
    struct sim_event *events; /* a heap */
    size_t n_events;
    size_t cap_events;
    uint64_t n_made;
    uint64_t now_ms;
    struct mien_client_train **trains; /* [n_threads] */
    struct mien_crew_threads crew;     /* as many */
    struct mien_buf model[2];          /* bytes of the last two versions */
    uint8_t model_hash[2][32];
    unsigned model_at;
    struct mien_buf plan;
    uint8_t plan_hash[32];
    uint64_t closed_round;   /* the one that ended last */
    enum mien_status failed; /* the first failure inside a callback */
    uint64_t n_trained;
    uint64_t n_refused;
    uint64_t n_regrouped;
    uint64_t n_named;
    float *before; /* [n_values] model before the round, to check sums */
};

/* events.c */
MIEN_CHECK enum mien_status sim_push(struct sim_world *w, struct sim_event event);
struct sim_event sim_pop(struct sim_world *w);

/* devices.c */
/* When a message sent now arrives: after 5 to 54 ms, and not before the one sent before it. */
uint64_t sim_arrival_ms(struct sim_world *w, uint64_t *last_ms);
MIEN_CHECK enum mien_status sim_make_devices(struct sim_world *w, struct sim_faces *faces);
void sim_free_devices(struct sim_world *w);
/* After a call of the device's core: its frames on their way, its wishes noted. */
void sim_settle(struct sim_world *w, struct sim_device *d);
void sim_disconnect(struct sim_world *w, struct sim_device *d);
/* All devices that want to compute do so, on all threads. */
void sim_work(struct sim_world *w);

#endif
