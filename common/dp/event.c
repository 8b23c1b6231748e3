// SPDX-License-Identifier: Apache-2.0
#include "common/dp/event.h"

#include "common/dp/binomial.h"

#include <math.h>
#include <string.h>

static const char *const sampling_names[] = {
    [MIEN_SAMPLING_NONE] = "none",
    [MIEN_SAMPLING_POISSON] = "poisson",
    [MIEN_SAMPLING_FIXED] = "fixed",
    [MIEN_SAMPLING_POISSON_CAPPED] = "poisson-capped",
};

static const char *const relation_names[] = {
    [MIEN_RELATION_ZERO_OUT] = "zero-out",
    [MIEN_RELATION_ADD_REMOVE] = "add-remove",
    [MIEN_RELATION_REPLACE] = "replace",
};

#define N_SAMPLING (sizeof(sampling_names) / sizeof(sampling_names[0]))
#define N_RELATION (sizeof(relation_names) / sizeof(relation_names[0]))

const char *mien_sampling_name(enum mien_sampling sampling)
{
    return (size_t)sampling < N_SAMPLING ? sampling_names[sampling] : NULL;
}

const char *mien_relation_name(enum mien_relation relation)
{
    return (size_t)relation < N_RELATION ? relation_names[relation] : NULL;
}

enum mien_status mien_sampling_parse(const char *name, enum mien_sampling *out,
                                     struct mien_err *err)
{
    for (size_t i = 1; i < N_SAMPLING; i++) {
        if (strcmp(name, sampling_names[i]) == 0) {
            *out = (enum mien_sampling)i;
            return MIEN_OK;
        }
    }
    return mien_err_set(err, MIEN_EPARSE,
                        "no sampling mode \"%s\": poisson, poisson-capped, fixed or none", name);
}

enum mien_status mien_relation_parse(const char *name, enum mien_relation *out,
                                     struct mien_err *err)
{
    for (size_t i = 1; i < N_RELATION; i++) {
        if (strcmp(name, relation_names[i]) == 0) {
            *out = (enum mien_relation)i;
            return MIEN_OK;
        }
    }
    return mien_err_set(err, MIEN_EPARSE, "no relation \"%s\": zero-out, add-remove or replace",
                        name);
}

/* ---- ranges ---- */

static enum mien_relation relation_of(const struct mien_dp_event *event)
{
    return event->relation == 0 ? MIEN_RELATION_ZERO_OUT : event->relation;
}

static enum mien_status check_apart(const struct mien_dp_event *event, struct mien_err *err)
{
    bool capped = event->sampling == MIEN_SAMPLING_POISSON_CAPPED;

    if (!(event->apart >= 0.0) || event->apart > 1.0)
        return mien_err_set(err, MIEN_EINVAL, "probability %g of another release is not in [0, 1]",
                            event->apart);
    if (capped && event->population == 0)
        return mien_err_set(err, MIEN_EINVAL, "poisson-capped: the population was not given");
    if (capped && event->cap == 0)
        return mien_err_set(err, MIEN_EINVAL, "poisson-capped: the cap was not given");
    return MIEN_OK;
}

static enum mien_status check_event(const struct mien_dp_event *event, struct mien_err *err)
{
    if (mien_sampling_name(event->sampling) == NULL)
        return mien_err_set(err, MIEN_EINVAL, "no sampling mode was given");
    if (mien_relation_name(relation_of(event)) == NULL)
        return mien_err_set(err, MIEN_EINVAL, "no such relation between worlds");
    if (!(event->rate > 0.0) || event->rate > 1.0)
        return mien_err_set(err, MIEN_EINVAL, "sampling rate %g is not in (0, 1]", event->rate);
    if (event->sampling == MIEN_SAMPLING_NONE && event->rate != 1.0)
        return mien_err_set(err, MIEN_EINVAL, "without sampling the rate is 1, not %g",
                            event->rate);
    if (!(event->noise >= 0.0) || !isfinite(event->noise))
        return mien_err_set(err, MIEN_EINVAL, "noise multiplier %g is not a finite number >= 0",
                            event->noise);
    if (event->kind != MIEN_DP_DISTRIBUTED && event->off != 0.0)
        return mien_err_set(err, MIEN_EINVAL, "only noise by devices is off its law");
    if (event->kind == MIEN_DP_DISTRIBUTED && event->sampling != MIEN_SAMPLING_NONE)
        return mien_err_set(err, MIEN_EINVAL, "noise by devices is not amplified by sampling");
    if (!(event->off >= 0.0))
        return mien_err_set(err, MIEN_EINVAL, "noise that is off its law by %g", event->off);
    return check_apart(event, err);
}

enum mien_status mien_event_check_list(const struct mien_dp_event *events, size_t n_events,
                                       double delta, struct mien_err *err)
{
    if (!(delta > 0.0) || !(delta < 1.0))
        return mien_err_set(err, MIEN_EINVAL, "delta %g is not in (0, 1)", delta);
    for (size_t i = 0; i < n_events; i++) {
        enum mien_status status = check_event(&events[i], err);

        if (status != MIEN_OK)
            return status;
        if (relation_of(&events[i]) != relation_of(&events[0]))
            return mien_err_set(err, MIEN_EINVAL, "events under %s and %s do not add up",
                                mien_relation_name(relation_of(&events[0])),
                                mien_relation_name(relation_of(&events[i])));
    }
    return MIEN_OK;
}

/* ---- what they are ---- */

bool mien_event_amplified(const struct mien_dp_event *event)
{
    return event->sampling != MIEN_SAMPLING_NONE && event->rate < 1.0;
}

double mien_event_distance(const struct mien_dp_event *event)
{
    bool in_place = event->sampling == MIEN_SAMPLING_FIXED && event->rate < 1.0 &&
                    event->relation == MIEN_RELATION_ADD_REMOVE;

    return event->relation == MIEN_RELATION_REPLACE || in_place ? 2.0 : 1.0;
}

bool mien_event_has_pair(const struct mien_dp_event *event)
{
    return event->sampling != MIEN_SAMPLING_FIXED || event->rate == 1.0 ||
           event->relation == MIEN_RELATION_ADD_REMOVE;
}

static struct mien_pair pair_of(const struct mien_dp_event *event)
{
    double q = event->rate;
    struct mien_pair pair = {event->noise, q, 0.0};

    if (event->sampling == MIEN_SAMPLING_FIXED && q < 1.0)
        pair.z = 0.5 * event->noise;
    else if (event->relation == MIEN_RELATION_REPLACE && q < 1.0)
        pair.down = q;
    else if (event->relation == MIEN_RELATION_REPLACE)
        pair.z = 0.5 * event->noise;
    return pair;
}

struct mien_law_step mien_event_step(const struct mien_dp_event *event)
{
    struct mien_law_step step = {.count = (double)event->count, .n_parts = 1};
    double q = event->rate;

    step.parts[0] = (struct mien_law_part){1.0, pair_of(event)};
    if (event->sampling != MIEN_SAMPLING_POISSON_CAPPED || q == 1.0 || event->cap == 0)
        return step;
    double capped = mien_binomial_tail(event->population - 1, q, event->cap);
    if (capped == 0.0)
        return step;
    double q_capped = q;
    if (!event->or_fewer) {
        double over = mien_binomial_tail(event->population, q, event->cap + 1);
        double taken = over * (double)event->cap / ((double)event->population * capped);

        q_capped = fmin(taken * (1.0 + 1e-8), q);
    }
    step.n_parts = 2;
    step.parts[0].weight = 1.0 - capped;
    step.parts[1] = (struct mien_law_part){capped, {0.5 * event->noise, q_capped, q_capped}};
    return step;
}
