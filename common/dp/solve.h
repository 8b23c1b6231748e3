/* What a budget allows: the noise, the number of releases or the rate that fits an epsilon.
 *
 * Threads: any; no state
 */
#ifndef MIEN_DP_SOLVE_H
#define MIEN_DP_SOLVE_H

#include "common/dp/account.h"

/* The reader's epsilon to stay within. */
struct mien_dp_target {
    double epsilon; /* > 0 */
    double delta;
    struct mien_dp_options options;
};

/* The smallest noise multiplier (to 1e-7 relative, rounded up; its cost was computed and fits) with
 * which `event` (its `noise` is ignored) costs at most the target.
 *
 *   errors  MIEN_EINVAL  as mien_dp_account, or no multiplier up to 10^6 is enough; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_dp_solve_noise(const struct mien_dp_event *event,
                                                const struct mien_dp_target *target, double *noise,
                                                struct mien_err *err);

/* The most releases (`count` is ignored) that cost at most the target, up to 2^40.
 *
 *   errors  MIEN_EINVAL  as above, or not even one fits; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_dp_solve_count(const struct mien_dp_event *event,
                                                const struct mien_dp_target *target,
                                                uint64_t *count, struct mien_err *err);

/* The largest rate (to 1e-6 relative, rounded down; `rate` is ignored) that costs at most the
 * target, 1 where everybody may always take part.
 *
 *   errors  MIEN_EINVAL  as above, an unsampled event, or no rate above 10^-9 fits; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_dp_solve_rate(const struct mien_dp_event *event,
                                               const struct mien_dp_target *target, double *rate,
                                               struct mien_err *err);

#endif
