/* What the core needs of durable storage, as a table of functions.
 *
 * The daemon fills it from server/store (ledger_store.c); the simulator may keep it in memory. Each
 * call returns when what it wrote is durable. Calls come from jobs, one at a time.
 *
 * Source:  design section 4, "Order"
 * Threads: one call at a time, from whatever thread runs jobs
 */
#ifndef MIEN_CORE_LEDGER_H
#define MIEN_CORE_LEDGER_H

#include "common/base/err.h"
#include "common/base/span.h"
#include "common/dp/budget.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place in the ledger's chain. */
struct mien_ledger_mark {
    uint64_t epoch;
    uint64_t seq;
    uint8_t head[32];
};

struct mien_ledger_round {
    uint64_t round;
    uint32_t attempt;
};

struct mien_ledger_input {
    uint8_t unit[32];
    uint8_t digest[32];
};

struct mien_ledger_counts {
    uint32_t drawn;
    uint32_t assigned;
    uint32_t reported;
    uint32_t survived;
    double seconds;
};

/* What a unit has taken part in, ever. */
struct mien_ledger_part {
    uint8_t unit[32];
    uint64_t n;          /* vectors that it gave */
    uint64_t last_round; /* of the last one */
};

struct mien_ledger_release {
    uint8_t model_hash[32];
    struct mien_span file;         /* the model's safetensors bytes */
    struct mien_span server_state; /* the coordinator's optimiser */
};

struct mien_ledger {
    void *self;
    struct mien_ledger_round (*next)(void *self);
    struct mien_ledger_mark (*mark)(void *self);
    /* MIEN_EPOLICY: the run is over. */
    enum mien_status (*round_open)(void *self, struct mien_ledger_round round,
                                   const uint8_t coins[32], struct mien_err *err);
    /* Only of a plan that limits who takes part when: all units that have, by digest, rising;
     * *parts, given: mien_free. */
    enum mien_status (*parts)(void *self, struct mien_ledger_part **parts, size_t *n,
                              struct mien_err *err);
    /* MIEN_EEXIST: a unit has an input in this session already. */
    enum mien_status (*put_inputs)(void *self, struct mien_ledger_round round, uint32_t session,
                                   const struct mien_ledger_input *inputs, size_t n,
                                   struct mien_err *err);
    enum mien_status (*put_survivors)(void *self, struct mien_ledger_round round, uint32_t session,
                                      const uint8_t *units, size_t n, struct mien_err *err);
    enum mien_status (*drop_session)(void *self, struct mien_ledger_round round, uint32_t session,
                                     struct mien_err *err);
    /* MIEN_EPOLICY: the cap refuses; `answer` is filled all the same. */
    enum mien_status (*reserve)(void *self, struct mien_ledger_round round,
                                struct mien_budget_answer *answer, struct mien_err *err);
    /* Only of a plan with correlated noise: after RESERVE of the round, uses its step of the run,
     * for good; *step from 0, key [32] secret: the run's. */
    enum mien_status (*use_step)(void *self, struct mien_ledger_round round, uint64_t *step,
                                 uint8_t key[32], struct mien_err *err);
    /* Model file, then COMMIT. */
    enum mien_status (*publish)(void *self, struct mien_ledger_round round,
                                const struct mien_ledger_release *release, uint64_t *version,
                                struct mien_err *err);
    enum mien_status (*abandon)(void *self, struct mien_ledger_round round, const char *reason,
                                struct mien_err *err);
    enum mien_status (*put_counts)(void *self, struct mien_ledger_round round,
                                   const struct mien_ledger_counts *counts, struct mien_err *err);
};

#endif
