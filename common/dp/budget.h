/* May one more release be made?
 *
 * Recomputes the whole cost from the events each time; nothing is ever subtracted.
 *
 * Threads: any; no state
 */
#ifndef MIEN_DP_BUDGET_H
#define MIEN_DP_BUDGET_H

#include "common/dp/account.h"

/* What the cap applies to: the reader's epsilon at this delta. */
struct mien_budget {
    double epsilon_cap; /* > 0; infinity for none */
    double delta;
};

struct mien_budget_answer {
    bool allowed;
    struct mien_dp_cost before; /* of the events so far (zeros for none) */
    struct mien_dp_cost after;  /* with the next one */
};

/* Whether `next` fits under the cap after `spent`. An infinite or undefined cost never fits, unless
 * the cap itself is infinite.
 *
 *   errors  MIEN_EINVAL  an event, the cap or delta out of range (named in err); MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_budget_check(const struct mien_budget *budget,
                                              const struct mien_dp_event *spent, size_t n_spent,
                                              const struct mien_dp_event *next,
                                              struct mien_budget_answer *out, struct mien_err *err);

/* The same where one more release is not one more event: what was spent, and all with it.
 *
 *   before, after  [n_before], [n_after]; none costs nothing
 *   errors         as above
 */
struct mien_budget_events {
    const struct mien_dp_event *before;
    size_t n_before;
    const struct mien_dp_event *after;
    size_t n_after;
};
MIEN_CHECK enum mien_status mien_budget_compare(const struct mien_budget *budget,
                                                const struct mien_budget_events *events,
                                                struct mien_budget_answer *out,
                                                struct mien_err *err);

#endif
