/* The simulator: a fleet of real device cores and the real coordinator core in one process, under
 * virtual time.
 *
 * Messages are encoded and decoded on their way and take a seeded delay; devices leave and lie as
 * asked. Training runs on several threads; what devices say is put in order by device, so the
 * result does not depend on their number.
 *
 * Threads: one, but for training inside mien_fleet_work
 */
#ifndef MIEN_TESTS_SIM_SIM_H
#define MIEN_TESTS_SIM_SIM_H

#include "client/core.h"
#include "common/data/procedural.h"
#include "server/core/coordinator.h"

#include <stdbool.h>

struct sim_faces;
struct sim_world;

/* What a run is. */
struct sim_options {
    const char *preset; /* that the plan starts from */
    struct mien_plan plan;
    const char *faces; /* a folder of folders, or "procedural" */
    const char *init;  /* a model to start from; NULL for fresh values */
    uint64_t n_devices;
    uint64_t n_rounds;
    uint64_t seed;
    uint64_t n_threads;
    double drop;       /* share of assigned devices that leave in a round */
    double lie;        /* share whose messages are damaged */
    bool secure_sum;   /* false: compute only */
    bool grouped;      /* compute only: devices take their one step together (nn/cohort.h) */
    bool check;        /* keep vectors, to compare sums */
    bool drill;        /* one before the first round, */
    double drill_drop; /* which leaves out so many */
};

struct sim_round {
    uint32_t drawn;
    uint32_t reported;
    uint32_t survived;
    bool released;
    double clip;    /* S of the round that follows */
    double seconds; /* of this machine */
    bool checked;
    bool sum_exact;
};

/* What comes of it. */
struct sim_result {
    struct sim_round *rounds; /* [n_rounds] given: mien_free */
    size_t n_rounds;
    uint64_t n_trained; /* devices that trained */
    double seconds;
    double epsilon;
    float *values;        /* [n_values] given */
    float *average;       /* [n_values - n_d] given */
    uint64_t n_refused;   /* times the coordinator refused a message */
    uint64_t n_regrouped; /* times it formed sessions again within a round */
    uint64_t n_named;     /* times it named a member whose share was wrong */
    struct mien_drill_report drill;
    /* Over TLS only: */
    uint64_t n_broken;       /* connections that were broken on purpose */
    uint64_t peak_rss_bytes; /* of the coordinator's process */
};

void sim_result_fini(struct sim_result *result);

/* faces.c: pictures of all devices, in memory as bytes. */
MIEN_CHECK enum mien_status sim_faces_open(const struct sim_options *options,
                                           struct sim_faces **out, struct mien_err *err);
void sim_faces_free(struct sim_faces *faces);
/* Device number `device`'s examples; lent by faces and `slot`. */
struct sim_slot {
    struct sim_faces *faces;
    size_t device;
    char text[MIEN_FACE_TEXT_BYTES]; /* of the attribute asked for last */
};
struct mien_client_examples sim_faces_examples(struct sim_slot *slot);

/* ledger.c: in memory, the budget included. */
struct sim_ledger {
    const struct mien_plan *plan;
    struct mien_ledger_round round;
    struct mien_ledger_mark at;
    uint64_t version;
    uint64_t n_charged;
    bool opened;
    bool reserved;
    uint8_t *survivors; /* [n_survivors * 32] units of the round */
    size_t n_survivors;
    size_t session_end[8]; /* survivors up to and with each session, in the order they were fixed */
    size_t n_sessions;
    uint8_t *inputs; /* [n_inputs * 32] units whose vectors came in the round */
    size_t n_inputs;
    size_t n_broken; /* calls out of order, a unit twice: a bug of the core */
    uint8_t key[32]; /* of correlated noise; zeros unless set after init */
    uint64_t n_used; /* steps of it */
};

void sim_ledger_init(struct sim_ledger *ledger, const struct mien_plan *plan);
void sim_ledger_fini(struct sim_ledger *ledger);
struct mien_ledger sim_ledger_table(struct sim_ledger *ledger);
/* Epsilon of what was charged. */
double sim_ledger_epsilon(const struct sim_ledger *ledger);

/* world.c: the whole run with the secure sum. */
MIEN_CHECK enum mien_status sim_run(const struct sim_options *options, struct sim_faces *faces,
                                    struct sim_result *out, struct mien_err *err);

/* plain.c: the whole run with a plain sum. */
MIEN_CHECK enum mien_status sim_run_plain(const struct sim_options *options,
                                          struct sim_faces *faces, struct sim_result *out,
                                          struct mien_err *err);

/* start.c: values to start from. */
MIEN_CHECK enum mien_status sim_start_values(const struct sim_options *options, float **values,
                                             float **average, struct mien_err *err);

#endif
