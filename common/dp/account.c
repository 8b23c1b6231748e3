// SPDX-License-Identifier: Apache-2.0
#include "common/dp/account.h"

#include "common/dp/event.h"
#include "common/dp/gaussian.h"
#include "common/dp/pld.h"
#include "common/dp/rdp.h"

#include <math.h>

bool mien_dp_has_pld(void)
{
    return mien_pld_available();
}

/* ---- Renyi ---- */

static double log_mix(double weight, double first, double second)
{
    double high = fmax(first, second);

    if (!isfinite(high))
        return high;
    return high + log((1.0 - weight) * exp(first - high) + weight * exp(second - high));
}

/* Of noise as private as a Gaussian, but that its law may be off by so much (distributed.h). */
static double whole_moment(double mu_squared, double off, double order)
{
    return (0.5 * mu_squared * order * (order - 1.0) + (order - 0.5) * off) * (1.0 + 1e-11);
}

/* The discrete Gaussian, sampled; where a cap takes hold, replaced and not sampled. */
static void discrete_moments(const struct mien_dp_event *event, const struct mien_law_step *step,
                             double *moments)
{
    const double mu = 2.0 / event->noise;

    mien_rdp_poisson_any(event->rate, event->noise / mien_event_distance(event), mien_rdp_orders,
                         MIEN_RDP_N_ORDERS, moments);
    for (size_t i = 0; i < MIEN_RDP_N_ORDERS && step->n_parts == 2; i++)
        moments[i] = log_mix(step->parts[1].weight, moments[i],
                             whole_moment(mu * mu, 0.0, mien_rdp_orders[i]));
}

/* log moments of one release at all orders, by what is valid for it. */
static enum mien_status event_moments(const struct mien_dp_event *event, double *moments)
{
    const double *orders = mien_rdp_orders;
    const size_t n = MIEN_RDP_N_ORDERS;
    struct mien_law_step step = mien_event_step(event);
    double second[MIEN_RDP_N_ORDERS];

    if (!mien_event_has_pair(event))
        return mien_rdp_fixed_replace(event->rate, event->noise, orders, n, moments);
    if (event->kind == MIEN_DP_DISTRIBUTED) {
        const double mu = mien_event_distance(event) / event->noise;

        for (size_t i = 0; i < n; i++)
            moments[i] = whole_moment(mu * mu, event->off, orders[i]);
        return MIEN_OK;
    }
    if (event->kind == MIEN_DP_DISCRETE_GAUSSIAN) {
        discrete_moments(event, &step, moments);
        return MIEN_OK;
    }
    enum mien_status status = mien_rdp_pair(&step.parts[0].pair, orders, n, moments);
    if (status != MIEN_OK || step.n_parts == 1)
        return status;
    status = mien_rdp_pair(&step.parts[1].pair, orders, n, second);
    for (size_t i = 0; i < n && status == MIEN_OK; i++)
        moments[i] = log_mix(step.parts[1].weight, moments[i], second[i]);
    return status;
}

static enum mien_status rdp_epsilon(const struct mien_dp_event *events, size_t n_events,
                                    double delta, double *epsilon)
{
    double total[MIEN_RDP_N_ORDERS] = {0};
    double moments[MIEN_RDP_N_ORDERS];

    for (size_t j = 0; j < n_events; j++) {
        if (events[j].count == 0)
            continue;
        if (events[j].noise == 0.0) {
            *epsilon = INFINITY;
            return MIEN_OK;
        }
        enum mien_status status = event_moments(&events[j], moments);
        if (status != MIEN_OK)
            return status;
        for (size_t i = 0; i < MIEN_RDP_N_ORDERS; i++)
            total[i] += (double)events[j].count * moments[i];
    }
    *epsilon = INFINITY;
    for (size_t i = 0; i < MIEN_RDP_N_ORDERS; i++) {
        double order = mien_rdp_orders[i];

        *epsilon = fmin(*epsilon, mien_rdp_epsilon(total[i] / (order - 1.0), order, delta));
    }
    return MIEN_OK;
}

/* ---- without sampling ---- */

/* Every release counted as if everybody took part: one Gaussian of this mu. */
static double unsampled_mu(const struct mien_dp_event *events, size_t n_events)
{
    double mu_squared = 0.0;

    for (size_t j = 0; j < n_events; j++) {
        double mu = mien_event_distance(&events[j]) / events[j].noise;

        if (events[j].count > 0)
            mu_squared += (double)events[j].count * mu * mu;
    }
    return sqrt(mu_squared);
}

/* ---- privacy loss distributions ---- */

static bool same_constants(const struct mien_dp_event *a, const struct mien_dp_event *b)
{
    return a->sampling == b->sampling && a->rate == b->rate && a->population == b->population &&
           a->cap == b->cap && a->or_fewer == b->or_fewer;
}

/* Whether the list looks as if it had been fixed before the first release. */
static bool fixed_plan(const struct mien_dp_event *events, size_t n_events)
{
    const struct mien_dp_event *sampled = NULL;

    for (size_t i = 0; i < n_events; i++) {
        if (!mien_event_has_pair(&events[i]) || events[i].kind != MIEN_DP_GAUSSIAN ||
            events[i].noise != events[0].noise)
            return false;
        if (!mien_event_amplified(&events[i]))
            continue;
        if (sampled != NULL && !same_constants(sampled, &events[i]))
            return false;
        sampled = &events[i];
    }
    return true;
}

/* All sampled releases as one step, all others as one Gaussian. */
static size_t gather(const struct mien_dp_event *events, size_t n_events,
                     struct mien_law_step steps[2])
{
    struct mien_dp_event sampled = {0};
    double mu_squared = 0.0;
    size_t n = 0;

    for (size_t i = 0; i < n_events; i++) {
        double mu = mien_event_distance(&events[i]) / events[i].noise;

        if (events[i].count == 0)
            continue;
        if (mien_event_amplified(&events[i])) {
            uint64_t count = sampled.count + events[i].count;

            sampled = events[i];
            sampled.count = count;
        } else {
            mu_squared += (double)events[i].count * mu * mu;
        }
    }
    if (sampled.count > 0)
        steps[n++] = mien_event_step(&sampled);
    if (mu_squared > 0.0)
        steps[n++] = (struct mien_law_step){1.0, 1, {{1.0, {1.0 / sqrt(mu_squared), 1.0, 0.0}}}};
    return n;
}

/* The larger of both directions; the same where the pairs are their own mirror images. */
static enum mien_status both_directions(struct mien_law_step *steps, size_t n_steps,
                                        const struct mien_pld_options *options,
                                        struct mien_pld_answer *out)
{
    struct mien_pld_answer other = {0};
    bool symmetric = true;
    enum mien_status status = mien_pld_epsilon(steps, n_steps, options, out);

    for (size_t i = 0; i < n_steps; i++) {
        for (size_t j = 0; j < steps[i].n_parts; j++) {
            struct mien_pair *pair = &steps[i].parts[j].pair;
            double up = pair->up;

            symmetric = symmetric && (pair->up == pair->down || pair->up == 1.0);
            pair->up = pair->down;
            pair->down = up;
        }
    }
    if (symmetric || status != MIEN_OK || mien_pld_largest_loss(steps, n_steps) <= out->epsilon)
        return status;
    status = mien_pld_epsilon(steps, n_steps, options, &other);
    double lower = fmax(out->lower, other.lower);
    if (other.epsilon > out->epsilon)
        *out = other;
    out->lower = lower;
    return status;
}

static enum mien_status pld_cost(const struct mien_dp_event *events, size_t n_events, double delta,
                                 const struct mien_dp_options *options, struct mien_dp_cost *cost)
{
    struct mien_law_step steps[2];
    struct mien_pld_answer answer;
    const struct mien_pld_options pld = {delta, options->grid, options->lower};
    size_t n = gather(events, n_events, steps);
    enum mien_status status = both_directions(steps, n, &pld, &answer);

    if (status != MIEN_OK)
        return status;
    cost->pld = answer.epsilon;
    cost->pld_grid = answer.grid;
    if (options->lower && isfinite(answer.epsilon))
        cost->pld_lower = answer.lower;
    return MIEN_OK;
}

/* ---- all of them ---- */

/* What an account is about, beside the events. */
struct question {
    double delta;
    double mu; /* as if nobody were sampled */
    bool sampled;
    bool continuous;
    bool fixed_plan;
    double apart; /* summed over the releases */
    double off;   /* likewise */
};

static struct question question_of(const struct mien_dp_event *events, size_t n_events,
                                   double delta)
{
    struct question q = {.delta = delta,
                         .mu = unsampled_mu(events, n_events),
                         .continuous = true,
                         .fixed_plan = fixed_plan(events, n_events)};

    for (size_t i = 0; i < n_events; i++) {
        q.sampled = q.sampled || (events[i].count > 0 && mien_event_amplified(&events[i]));
        q.continuous = q.continuous && events[i].kind == MIEN_DP_GAUSSIAN;
        if (events[i].sampling != MIEN_SAMPLING_NONE)
            q.apart += (double)events[i].count * events[i].apart;
        q.off += (double)events[i].count * events[i].off;
    }
    return q;
}

/* By RDP alone, where the noise of some is off the law that zCDP is known for. */
static double unsampled_rdp(const struct question *q, double delta)
{
    double epsilon = INFINITY;

    for (size_t i = 0; i < MIEN_RDP_N_ORDERS && isfinite(q->mu); i++) {
        const double order = mien_rdp_orders[i];
        const double rdp = whole_moment(q->mu * q->mu, q->off, order) / (order - 1.0);

        epsilon = fmin(epsilon, mien_rdp_epsilon(rdp, order, delta));
    }
    return epsilon;
}

/* The cost to whom sampling hides nothing. */
static double unsampled_epsilon(const struct question *q, double delta)
{
    if (q->off > 0.0)
        return unsampled_rdp(q, delta);
    return q->continuous ? mien_dp_gaussian_epsilon(q->mu, delta)
                         : mien_dp_zcdp_epsilon(0.5 * q->mu * q->mu, delta);
}

/* The reader's figures when accountants may use `delta`. */
static enum mien_status account_reader(const struct mien_dp_event *events, size_t n_events,
                                       const struct question *q, double delta,
                                       const struct mien_dp_options *options,
                                       struct mien_dp_cost *cost)
{
    bool with_pld = q->sampled && q->fixed_plan && isfinite(q->mu) && !options->without_pld &&
                    mien_pld_available();
    enum mien_status status = rdp_epsilon(events, n_events, delta, &cost->rdp);

    /* Sampling never costs more than taking part always. */
    cost->epsilon = fmin(cost->rdp, unsampled_epsilon(q, delta));
    if (status == MIEN_OK && with_pld) {
        status = pld_cost(events, n_events, delta, options, cost);
        if (status == MIEN_OK)
            cost->epsilon = fmin(cost->epsilon, cost->pld);
    }
    return status;
}

/* As above, when `apart` of the releases may be others: a pair of worlds that is (epsilon, delta_0)
 * apart but for events of probability `apart` on either side is (epsilon, delta_0 + apart
 * (1 + e^epsilon)). Epsilon stands on both sides, so it is raised until it holds. */
static enum mien_status account_apart(const struct mien_dp_event *events, size_t n_events,
                                      const struct question *q,
                                      const struct mien_dp_options *options,
                                      struct mien_dp_cost *cost)
{
    struct mien_dp_options quick = *options;
    struct mien_dp_cost rough = *cost;
    double assumed;

    /* Where even the larger figure leaves nearly all of delta, one pass under it is enough. */
    quick.without_pld = true;
    enum mien_status status = account_reader(events, n_events, q, q->delta, &quick, &rough);
    if (status == MIEN_OK && q->apart * (1.0 + exp(rough.epsilon * 1.01)) > 1e-3 * q->delta)
        status = account_reader(events, n_events, q, q->delta, options, &rough);
    do {
        assumed = rough.epsilon * (1.0 + 1e-6);
        double left = q->delta - q->apart * (1.0 + exp(assumed));

        if (status == MIEN_OK && !(left > 0.0)) {
            cost->epsilon = cost->rdp = INFINITY;
            cost->pld = cost->pld == MIEN_DP_NOT_VALID ? MIEN_DP_NOT_VALID : INFINITY;
            return MIEN_OK;
        }
        if (status == MIEN_OK)
            status = account_reader(events, n_events, q, left, options, cost);
        rough = *cost;
    } while (status == MIEN_OK && cost->epsilon > assumed);
    return status;
}

enum mien_status mien_dp_account_by(const struct mien_dp_event *events, size_t n_events,
                                    double delta, const struct mien_dp_options *options,
                                    struct mien_dp_cost *out, struct mien_err *err)
{
    struct mien_dp_cost cost = {.gaussian = MIEN_DP_NOT_VALID,
                                .zcdp = MIEN_DP_NOT_VALID,
                                .pld = MIEN_DP_NOT_VALID,
                                .pld_lower = MIEN_DP_NOT_VALID};
    enum mien_status status = mien_event_check_list(events, n_events, delta, err);

    if (status != MIEN_OK)
        return status;
    struct question q = question_of(events, n_events, delta);
    if (q.apart > 0.0)
        status = account_apart(events, n_events, &q, options, &cost);
    else
        status = account_reader(events, n_events, &q, delta, options, &cost);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "no memory to account for %zu events", n_events);
    /* Who knows who took part learns nothing from coins; the reader sees no more than that. */
    cost.epsilon_witness = unsampled_epsilon(&q, delta);
    cost.epsilon = fmin(cost.epsilon, cost.epsilon_witness);
    if (!q.sampled) {
        cost.gaussian = q.continuous ? cost.epsilon_witness : MIEN_DP_NOT_VALID;
        if (q.off == 0.0)
            cost.zcdp = mien_dp_zcdp_epsilon(0.5 * q.mu * q.mu, delta);
    }
    *out = cost;
    return MIEN_OK;
}

enum mien_status mien_dp_account(const struct mien_dp_event *events, size_t n_events, double delta,
                                 struct mien_dp_cost *out, struct mien_err *err)
{
    const struct mien_dp_options all = {0};

    return mien_dp_account_by(events, n_events, delta, &all, out, err);
}
