// SPDX-License-Identifier: Apache-2.0
#include "common/dp/budget.h"

#include "common/base/mem.h"

#include <string.h>

enum mien_status mien_budget_compare(const struct mien_budget *budget,
                                     const struct mien_budget_events *events,
                                     struct mien_budget_answer *out, struct mien_err *err)
{
    struct mien_budget_answer answer = {0};
    enum mien_status status = MIEN_OK;

    if (!(budget->epsilon_cap > 0.0))
        return mien_err_set(err, MIEN_EINVAL, "epsilon cap %g is not above 0", budget->epsilon_cap);
    if (events->n_before > 0)
        status =
            mien_dp_account(events->before, events->n_before, budget->delta, &answer.before, err);
    if (status == MIEN_OK && events->n_after > 0)
        status = mien_dp_account(events->after, events->n_after, budget->delta, &answer.after, err);
    if (status != MIEN_OK)
        return status;
    answer.allowed = answer.after.epsilon <= budget->epsilon_cap;
    *out = answer;
    return MIEN_OK;
}

enum mien_status mien_budget_check(const struct mien_budget *budget,
                                   const struct mien_dp_event *spent, size_t n_spent,
                                   const struct mien_dp_event *next, struct mien_budget_answer *out,
                                   struct mien_err *err)
{
    struct mien_dp_event *events = mien_calloc(n_spent + 1, sizeof(*events));

    if (events == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for %zu events", n_spent + 1);
    if (n_spent > 0)
        memcpy(events, spent, n_spent * sizeof(*events));
    events[n_spent] = *next;
    const struct mien_budget_events both = {spent, n_spent, events, n_spent + 1};
    enum mien_status status = mien_budget_compare(budget, &both, out, err);
    mien_free(events);
    return status;
}
