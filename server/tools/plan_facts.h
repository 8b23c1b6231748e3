/* What a plan asks of a device and of a unit's privacy, computed before anything runs.
 *
 * Threads: any
 */
#ifndef MIEN_TOOLS_PLAN_FACTS_H
#define MIEN_TOOLS_PLAN_FACTS_H

#include "common/nn/trainer.h"
#include "common/plan/plan.h"

struct mien_plan_facts {
    /* Networks. */
    uint64_t n_parameters;
    uint64_t n_first; /* of the first network, conditioning included; 0 without one */

    /* The vector. */
    uint32_t dim;            /* coordinates: the update and metrics, as they are summed */
    uint32_t bits;           /* of a coordinate */
    uint64_t upload_bytes;   /* of a packed vector: once a round */
    uint64_t download_bytes; /* of a model: once a version */

    /* Memory of a device at its peak. */
    struct mien_trainer_cost training;
    uint64_t vector_bytes;
    uint64_t session_bytes; /* of the secure sum; not at the same time as training */
    uint64_t device_bytes;  /* all of it, as a device's guard counts; within 1 % */

    /* Work of a round, the generator's steps at the coordinator not counted. */
    uint64_t round_flops;

    /* All planned rounds, sampled as planned. Infinite without noise. */
    uint64_t share;    /* where devices add the noise: variance of each one's, else 0, */
    uint32_t n_shares; /* and how many of a group are enough */
    double noise;      /* z as it is charged: sigma / B */
    double epsilon;
    double epsilon_witness;
};

/* errors  MIEN_EINVAL, MIEN_ELIMIT  the plan; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_plan_facts(const struct mien_plan *plan,
                                            struct mien_plan_facts *out, struct mien_err *err);

/* Floating-point operations a second of one thread on this machine, measured by steps of this very
 * plan on random examples: at least one, about half a second of them, CPU time.
 *
 *   errors  as mien_trainer_new and mien_trainer_step
 */
MIEN_CHECK enum mien_status mien_plan_measure(const struct mien_plan *plan,
                                              const struct mien_plan_facts *facts, double *out);

#endif
