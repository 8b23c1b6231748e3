// SPDX-License-Identifier: Apache-2.0
#include "client/guard.h"

#include "common/dp/distributed.h"
#include "common/plan/noise.h"
#include "common/secagg/session.h"
#include "common/wire/vector.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define UNLIMITED_STEPS 100000

struct mien_client_limits mien_client_limits_default(void)
{
    return (struct mien_client_limits){.max_memory_bytes = UINT64_C(48) << 20,
                                       .min_cohort = 2,
                                       .min_group = 2,
                                       .max_local_steps = UNLIMITED_STEPS};
}

/* Whether `name` is one of the comma-separated words of `list`. */
static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = list; *at != '\0';) {
        size_t len = strcspn(at, ", ");

        if (len == n && memcmp(at, name, n) == 0)
            return true;
        at += len;
        at += strspn(at, ", ");
    }
    return false;
}

static enum mien_status guard_privacy(const struct mien_client_limits *limits,
                                      const struct mien_plan *plan, struct mien_err *err)
{
    if (plan->cohort < limits->min_cohort)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the plan's cohort of %" PRIu32 " is under this device's %" PRIu32,
                            plan->cohort, limits->min_cohort);
    if (plan->group_min < limits->min_group)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the plan sums groups of %" PRIu32 ", this device wants %" PRIu32,
                            plan->group_min, limits->min_group);
    if (plan->sum_class != MIEN_PLAN_SEMI_MALICIOUS && !limits->allow_curious)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the plan's secure sum holds against a curious coordinator only, this "
                            "device wants more");
    if (!(limits->max_epsilon > 0))
        return MIEN_OK;
    if (!(plan->noise_multiplier > 0) || !(plan->epsilon_cap > 0))
        return mien_err_set(err, MIEN_EPOLICY, "the plan bounds no epsilon, this device allows %g",
                            limits->max_epsilon);
    if (plan->epsilon_cap > limits->max_epsilon)
        return mien_err_set(err, MIEN_EPOLICY, "the plan's epsilon of %g is over this device's %g",
                            plan->epsilon_cap, limits->max_epsilon);
    return MIEN_OK;
}

enum mien_status mien_client_guard(const struct mien_client_limits *limits,
                                   const struct mien_plan *plan, uint64_t need_bytes,
                                   struct mien_err *err)
{
    const char *family = mien_family_name(plan->family);

    if (limits->families[0] != '\0' && !listed(limits->families, family))
        return mien_err_set(err, MIEN_EPOLICY, "the plan's family %s is not among this device's %s",
                            family, limits->families);
    if (need_bytes > limits->max_memory_bytes)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the plan needs %" PRIu64 " MiB, this device gives %" PRIu64,
                            (need_bytes + (1 << 20) - 1) >> 20, limits->max_memory_bytes >> 20);
    if (limits->max_local_steps > 0 && plan->local_steps > limits->max_local_steps)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the plan takes %" PRIu32 " steps, this device allows %" PRIu32,
                            plan->local_steps, limits->max_local_steps);
    return guard_privacy(limits, plan, err);
}

double mien_client_device_noise(const struct mien_plan *plan,
                                const struct mien_secagg_params *params)
{
    const double corrupt =
        plan->corrupt > MIEN_GUARD_MIN_CORRUPT ? plan->corrupt : MIEN_GUARD_MIN_CORRUPT;
    double least = (double)plan->group_max;

    if (params->share == 0)
        return 0.0;
    for (uint32_t n = plan->group_min; n <= plan->group_max; n++)
        least = fmin(least, (double)mien_plan_min_survivors(plan, n) - ceil(corrupt * (double)n));
    return least < 1.0
               ? 0.0
               : mien_distributed_noise((double)params->share, params->bound, (uint64_t)least);
}

enum mien_status mien_client_guard_noise(const struct mien_client_limits *limits,
                                         const struct mien_plan *plan,
                                         const struct mien_secagg_params *params,
                                         struct mien_err *err)
{
    const double noise = mien_client_device_noise(plan, params);

    if (noise >= limits->min_device_noise)
        return MIEN_OK;
    if (params->share == 0)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the plan leaves the noise to the coordinator, this device wants %g of "
                            "devices' own",
                            limits->min_device_noise);
    return mien_err_set(err, MIEN_EPOLICY,
                        "the devices' noise would be %g times a vector's bound, this device wants "
                        "%g",
                        noise, limits->min_device_noise);
}

enum mien_status mien_client_guard_session(const struct mien_plan *plan,
                                           const struct mien_session *session, struct mien_err *err)
{
    struct mien_design_goal goal = mien_design_goal_of_plan(plan);
    const struct mien_design design = {.k = session->k, .t = session->t};
    const bool complete = session->k == session->n - 1;

    if (goal.corrupt < MIEN_GUARD_MIN_CORRUPT)
        goal.corrupt = MIEN_GUARD_MIN_CORRUPT;
    if (complete ? session->t >= mien_design_complete_threshold(session->n)
                 : mien_design_is_private(&goal, session->n, design))
        return MIEN_OK;
    return mien_err_set(err, MIEN_EPOLICY,
                        "%" PRIu32 " neighbours and threshold %" PRIu32 " do not protect a member "
                        "among %" PRIu32,
                        session->k, session->t, session->n);
}
