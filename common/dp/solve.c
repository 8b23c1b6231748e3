// SPDX-License-Identifier: Apache-2.0
#include "common/dp/solve.h"

#include <math.h>

#define MAX_NOISE 1e6
#define MAX_COUNT ((uint64_t)1 << 40)
#define MIN_RATE 1e-9

static enum mien_status cost_of(const struct mien_dp_event *event,
                                const struct mien_dp_target *target, double *epsilon,
                                struct mien_err *err)
{
    struct mien_dp_cost cost = {0};
    enum mien_status status =
        mien_dp_account_by(event, 1, target->delta, &target->options, &cost, err);

    *epsilon = cost.epsilon;
    return status;
}

static enum mien_status check_target(const struct mien_dp_target *target, struct mien_err *err)
{
    if (!(target->epsilon > 0.0) || !isfinite(target->epsilon))
        return mien_err_set(err, MIEN_EINVAL, "epsilon %g is not a positive number",
                            target->epsilon);
    return MIEN_OK;
}

/* ---- noise ---- */

/* A bracket [low, high] in log z, with log(cost / target) at both ends. */
struct bracket {
    double low;
    double high;
    double above; /* at low: > 0 */
    double below; /* at high: <= 0 */
};

static enum mien_status log_excess(const struct mien_dp_event *event,
                                   const struct mien_dp_target *target, double log_noise,
                                   double *out, struct mien_err *err)
{
    struct mien_dp_event tried = *event;
    double epsilon;

    tried.noise = exp(log_noise);
    enum mien_status status = cost_of(&tried, target, &epsilon, err);
    *out = log(epsilon / target->epsilon);
    return status;
}

static enum mien_status find_bracket(const struct mien_dp_event *event,
                                     const struct mien_dp_target *target, struct bracket *b,
                                     struct mien_err *err)
{
    enum mien_status status = log_excess(event, target, 0.0, &b->above, err);

    *b = (struct bracket){0.0, 0.0, b->above, b->above};
    for (double step = 0.25; status == MIEN_OK && b->below > 0.0; step *= 1.5) {
        b->low = b->high;
        b->above = b->below;
        b->high += step;
        if (b->high > log(MAX_NOISE))
            return mien_err_set(err, MIEN_EINVAL, "no noise multiplier up to %g gives epsilon %g",
                                MAX_NOISE, target->epsilon);
        status = log_excess(event, target, b->high, &b->below, err);
    }
    for (double step = 0.25; status == MIEN_OK && b->above <= 0.0; step *= 1.5) {
        b->high = b->low;
        b->below = b->above;
        b->low -= step;
        if (b->low < log(1e-4))
            break; /* less noise than this is as good as none */
        status = log_excess(event, target, b->low, &b->above, err);
    }
    return status;
}

/* Regula falsi (Illinois) with a step of bisection where it stalls: log cost is nearly linear in
 * log z. */
static enum mien_status narrow(const struct mien_dp_event *event,
                               const struct mien_dp_target *target, struct bracket *b,
                               struct mien_err *err)
{
    int side = 0;
    double above = b->above;
    double below = b->below;

    for (int i = 0; i < 200 && b->high - b->low > 1e-7; i++) {
        double share = above / (above - below);
        double at = b->low + share * (b->high - b->low);
        double value;

        if (!isfinite(share) || i % 4 == 3)
            at = 0.5 * (b->low + b->high);
        /* Near the end, ask on the other side of the answer too. */
        at = fmin(fmax(at, b->low + 4e-8), b->high - 4e-8);
        enum mien_status status = log_excess(event, target, at, &value, err);
        if (status != MIEN_OK)
            return status;
        if (value <= 0.0) {
            b->high = at;
            b->below = below = value;
            above = side == 1 ? 0.5 * above : above;
            side = 1;
        } else {
            b->low = at;
            b->above = above = value;
            below = side == -1 ? 0.5 * below : below;
            side = -1;
        }
    }
    return MIEN_OK;
}

enum mien_status mien_dp_solve_noise(const struct mien_dp_event *event,
                                     const struct mien_dp_target *target, double *noise,
                                     struct mien_err *err)
{
    struct bracket b = {0};
    enum mien_status status = check_target(target, err);

    if (status == MIEN_OK)
        status = find_bracket(event, target, &b, err);
    if (status == MIEN_OK)
        status = narrow(event, target, &b, err);
    if (status != MIEN_OK)
        return status;
    *noise = exp(b.high);
    return MIEN_OK;
}

/* ---- releases ---- */

enum mien_status mien_dp_solve_count(const struct mien_dp_event *event,
                                     const struct mien_dp_target *target, uint64_t *count,
                                     struct mien_err *err)
{
    struct mien_dp_event tried = *event;
    double epsilon = 0.0;
    uint64_t fits = 0;
    uint64_t too_many = 1;
    enum mien_status status = check_target(target, err);

    for (; status == MIEN_OK; too_many *= 2) {
        tried.count = too_many;
        status = cost_of(&tried, target, &epsilon, err);
        if (epsilon > target->epsilon || too_many == MAX_COUNT)
            break;
        fits = too_many;
    }
    while (status == MIEN_OK && too_many - fits > 1) {
        tried.count = fits + (too_many - fits) / 2;
        status = cost_of(&tried, target, &epsilon, err);
        if (epsilon > target->epsilon)
            too_many = tried.count;
        else
            fits = tried.count;
    }
    if (status == MIEN_OK && fits == 0)
        status =
            mien_err_set(err, MIEN_EINVAL, "not even one release fits epsilon %g", target->epsilon);
    if (status == MIEN_OK)
        *count = fits;
    return status;
}

/* ---- the rate ---- */

enum mien_status mien_dp_solve_rate(const struct mien_dp_event *event,
                                    const struct mien_dp_target *target, double *rate,
                                    struct mien_err *err)
{
    struct mien_dp_event tried = *event;
    double epsilon = 0.0;
    double fits = MIN_RATE;
    double too_much = 1.0;
    enum mien_status status = check_target(target, err);

    if (status == MIEN_OK && event->sampling == MIEN_SAMPLING_NONE)
        return mien_err_set(err, MIEN_EINVAL, "without sampling there is no rate to solve for");
    tried.rate = 1.0;
    if (status == MIEN_OK)
        status = cost_of(&tried, target, &epsilon, err);
    if (status == MIEN_OK && epsilon <= target->epsilon)
        fits = 1.0;
    tried.rate = fits;
    if (status == MIEN_OK)
        status = cost_of(&tried, target, &epsilon, err);
    if (status == MIEN_OK && epsilon > target->epsilon)
        status = mien_err_set(err, MIEN_EINVAL, "no rate above %g fits epsilon %g", MIN_RATE,
                              target->epsilon);
    while (status == MIEN_OK && too_much / fits > 1.0 + 1e-6) {
        tried.rate = sqrt(fits * too_much);
        status = cost_of(&tried, target, &epsilon, err);
        if (epsilon > target->epsilon)
            too_much = tried.rate;
        else
            fits = tried.rate;
    }
    if (status == MIEN_OK)
        *rate = fits;
    return status;
}
