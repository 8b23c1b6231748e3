/* The run that `mien account` is asked about: options in, one event and its cost out.
 *
 * Threads: one
 */
#ifndef MIEN_TOOLS_ACCOUNT_RUN_H
#define MIEN_TOOLS_ACCOUNT_RUN_H

#include "common/dp/account.h"
#include "common/dp/solve.h"

/* What was asked; NAN, 0 and NULL where nothing was given. */
struct mien_account_ask {
    double noise;
    double epsilon;
    double rate;
    double delta;
    double grid;
    double clip_noise; /* deviation of the noise on the count of clipped units */
    uint64_t rounds;
    uint64_t cohort;
    uint64_t population;
    uint64_t cap;
    uint64_t separation;
    uint64_t participations;
    uint64_t restart;
    uint64_t bands;
    uint64_t shares; /* of noise by devices: how many are enough, */
    uint64_t bound;  /* B, */
    uint64_t dim;    /* and coordinates of the vector */
    const char *sampling;
    const char *relation;
    const char *mechanism;
    const char *accountant;
    const char *theta; /* "0.98,0.5" */
    const char *omega;
};

/* The answer. */
struct mien_account_run {
    struct mien_dp_event event; /* correlated: one release of noise / sensitivity */
    struct mien_dp_options options;
    const char *mechanism;
    const char *solved; /* "noise", "rounds", "rate"; NULL where an epsilon was asked for */
    double noise;       /* sigma / bound */
    double rate;
    double delta;
    double sensitivity;  /* of correlated noise; 1 for independent */
    double update_noise; /* multiplier left to the updates beside the clip bit; NAN */
    uint64_t rounds;
    uint64_t population; /* 0: not given */
    double share;        /* of noise by devices: deviation of each one's; 0 */
    struct mien_dp_cost cost;
    double epsilon; /* the reader's, by the accountant that was asked for or the smallest */
};

/* Checks, solves and accounts.
 *
 *   errors  MIEN_EINVAL, MIEN_EPARSE, MIEN_ELIMIT  (err names the option); MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_account_answer(const struct mien_account_ask *ask,
                                                struct mien_account_run *run, struct mien_err *err);

/* The same run after `rounds` of its rounds, for a curve. */
MIEN_CHECK enum mien_status mien_account_at(const struct mien_account_ask *ask,
                                            const struct mien_account_run *run, uint64_t rounds,
                                            struct mien_dp_cost *cost, struct mien_err *err);

#endif
