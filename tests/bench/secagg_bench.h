/* What the files of the session's bench share: bench_secagg.c runs it, secagg_report.c says what it
 * took.
 *
 * Threads: one
 */
#ifndef MIEN_TESTS_BENCH_SECAGG_BENCH_H
#define MIEN_TESTS_BENCH_SECAGG_BENCH_H

#include "common/secagg/coordinator.h"
#include "common/secagg/device.h"
#include "common/secagg/quantise.h"
#include "tests/bench/bench.h"
#include "tests/support/mem_count.h"

/* What a device does, in order. */
enum step {
    STEP_KEYS,
    STEP_ROSTER,       /* of devices with even indices, half of the places */
    STEP_ROSTER_KNOWN, /* of the others */
    STEP_SHARES,
    STEP_OPEN,
    STEP_QUANTISE,
    STEP_MASK,
    STEP_PACK,
    STEP_SIGN,
    STEP_CHECK,
    STEP_REVEAL,
    N_STEPS
};

/* Whose memory is counted. */
enum owner { OTHERS, COORDINATOR, DEVICE };

struct bench {
    struct mien_rng rng;
    struct mien_session session;
    uint8_t ca_seed[32];
    uint8_t ca_key[32];
    struct mien_known *known;
    uint8_t (*identity_seed)[32];
    uint8_t (*credential)[MIEN_CREDENTIAL_BYTES];
    uint8_t *tags;
    uint8_t opening[32];
    struct mien_secagg_device **device;
    struct mien_secagg_sum *sum;
    uint32_t *vector;
    uint8_t *packed;
    float *update;
    uint8_t *sealed; /* [k + 1] x MIEN_SEALED_SHARES_BYTES of one device */
    struct mien_secagg_params params;
    double *step_ms[N_STEPS]; /* [n] of each device */
    double *ingest_ms;        /* [n] of each vector */
    double keys_ms;           /* of the coordinator: keys and shares of all */
    double coordinator_ms;    /* from the last vector on, without the unmasking */
    size_t peak_bytes[3];     /* of the coordinator: ciphertexts, shares, masks */
};

/* Medians of the devices that stayed, which sorts the times; and of the coordinator. */
void secagg_print_times(struct bench *b, uint32_t n_stay);

/* What the masks of those that stayed and left take, by the kernel alone. */
void secagg_print_limit(struct bench *b, const uint8_t *bitmap);

/* What was counted, beside the formula: an accumulator, and k x 70 bytes a member. */
void secagg_print_memory(const struct bench *b);

#endif
