// SPDX-License-Identifier: Apache-2.0
#include "common/dp/account.h"

#include <math.h>
#include <string.h>

static const char *const sampling_names[] = {
    [MIEN_SAMPLING_NONE] = "none",
    [MIEN_SAMPLING_POISSON] = "poisson",
    [MIEN_SAMPLING_FIXED] = "fixed",
    [MIEN_SAMPLING_POISSON_CAPPED] = "poisson-capped",
};

/* Orders tried. The best order moves with sqrt(log(1/delta)) z / sqrt(T); the grid matters little
 * (notes: below 0.7 %), and more orders can only help. */
static const double orders[] = {
    1.01, 1.02, 1.05, 1.1,  1.15, 1.2,  1.25, 1.3,  1.4,  1.5,  1.6,  1.75, 2,    2.25, 2.5,
    2.75, 3,    3.25, 3.5,  3.75, 4,    4.25, 4.5,  4.75, 5,    5.25, 5.5,  5.75, 6,    6.25,
    6.5,  6.75, 7,    7.25, 7.5,  7.75, 8,    8.25, 8.5,  8.75, 9,    9.25, 9.5,  9.75, 10,
    10.5, 11,   11.5, 12,   13,   14,   15,   16,   17,   18,   19,   20,   21,   22,   23,
    24,   25,   26,   27,   28,   29,   30,   31,   32,   33,   34,   35,   36,   37,   38,
    39,   40,   41,   42,   43,   44,   45,   46,   47,   48,   49,   50,   51,   52,   53,
    54,   55,   56,   57,   58,   59,   60,   61,   62,   63,   64,   66,   69,   72,   75,
    78,   81,   84,   87,   90,   93,   96,   99,   102,  105,  108,  111,  114,  117,  120,
    123,  126,  136,  144,  152,  160,  168,  176,  184,  192,  200,  208,  216,  224,  232,
    240,  248,  256,  288,  320,  352,  384,  448,  512,  640,  768,  1024, 1280, 1536, 2000,
};

#define N_ORDERS (sizeof(orders) / sizeof(orders[0]))

const char *mien_sampling_name(enum mien_sampling sampling)
{
    size_t i = (size_t)sampling;

    return i < sizeof(sampling_names) / sizeof(sampling_names[0]) ? sampling_names[i] : NULL;
}

enum mien_status mien_sampling_parse(const char *name, enum mien_sampling *out,
                                     struct mien_err *err)
{
    for (size_t i = 1; i < sizeof(sampling_names) / sizeof(sampling_names[0]); i++) {
        if (strcmp(name, sampling_names[i]) == 0) {
            *out = (enum mien_sampling)i;
            return MIEN_OK;
        }
    }
    return mien_err_set(err, MIEN_EPARSE,
                        "no sampling mode \"%s\": poisson, poisson-capped, fixed or none", name);
}

static enum mien_status check_event(const struct mien_dp_event *event, struct mien_err *err)
{
    if (mien_sampling_name(event->sampling) == NULL)
        return mien_err_set(err, MIEN_EINVAL, "no sampling mode was given");
    if (!(event->rate > 0.0) || event->rate > 1.0)
        return mien_err_set(err, MIEN_EINVAL, "sampling rate %g is not in (0, 1]", event->rate);
    if (event->sampling == MIEN_SAMPLING_NONE && event->rate != 1.0)
        return mien_err_set(err, MIEN_EINVAL, "without sampling the rate is 1, not %g",
                            event->rate);
    if (!(event->noise >= 0.0) || !isfinite(event->noise))
        return mien_err_set(err, MIEN_EINVAL, "noise multiplier %g is not a finite number >= 0",
                            event->noise);
    if (!(event->apart >= 0.0) || event->apart > 1.0)
        return mien_err_set(err, MIEN_EINVAL, "probability %g of another release is not in [0, 1]",
                            event->apart);
    if (event->sampling == MIEN_SAMPLING_POISSON_CAPPED && event->apart == 0.0)
        return mien_err_set(err, MIEN_EINVAL,
                            "poisson-capped: how likely the cap is reached was not given");
    return MIEN_OK;
}

/* RDP of one release. A fixed-size sample is dominated by the Poisson pair at twice the distance.
 */
static double event_rdp(const struct mien_dp_event *event, double order)
{
    double noise = event->sampling == MIEN_SAMPLING_FIXED ? 0.5 * event->noise : event->noise;

    return mien_dp_rdp(event->rate, noise, order);
}

/* Canonne, Kamath, Steinke 2020, proposition 12. */
static double epsilon_of_rdp(double rdp, double order, double delta)
{
    if (!isfinite(rdp))
        return INFINITY;
    /* The total variation of the pair is at most sqrt(1 - exp(-KL)), and KL is at most the RDP. */
    if (delta * delta > -expm1(-rdp))
        return 0.0;
    double epsilon = rdp + log1p(-1.0 / order) - log(delta * order) / (order - 1.0);
    return epsilon > 0.0 ? epsilon : 0.0;
}

static double rdp_epsilon(const struct mien_dp_event *events, size_t n_events, double delta)
{
    double best = INFINITY;

    for (size_t i = 0; i < N_ORDERS; i++) {
        double total = 0.0;

        for (size_t j = 0; j < n_events && isfinite(total); j++) {
            if (events[j].count > 0)
                total += (double)events[j].count * event_rdp(&events[j], orders[i]);
        }
        best = fmin(best, epsilon_of_rdp(total, orders[i], delta));
    }
    return best * (1.0 + 1e-12);
}

/* Every release counted as if everybody took part: one Gaussian, exactly. A fixed-size subset's
 * witness sees a replacement at most, so it counts at twice the distance. */
static double unsampled_epsilon(const struct mien_dp_event *events, size_t n_events, double delta)
{
    double mu_squared = 0.0;

    for (size_t j = 0; j < n_events; j++) {
        double distance = events[j].sampling == MIEN_SAMPLING_FIXED ? 2.0 : 1.0;
        double mu = distance / events[j].noise;

        if (events[j].count > 0)
            mu_squared += (double)events[j].count * mu * mu;
    }
    return mien_dp_gaussian_epsilon(sqrt(mu_squared), delta);
}

/* The reader's figures when accountants may use `delta`. */
static void account_reader(const struct mien_dp_event *events, size_t n_events, double delta,
                           struct mien_dp_cost *cost)
{
    cost->rdp = rdp_epsilon(events, n_events, delta);
    /* Sampling never costs more than taking part always. */
    cost->epsilon = fmin(cost->rdp, unsampled_epsilon(events, n_events, delta));
}

/* As above, when `apart` of the releases may be others: a pair of worlds that is (epsilon, delta_0)
 * apart but for events of probability `apart` on either side is (epsilon, delta_0 + apart
 * (1 + e^epsilon)). Epsilon stands on both sides, so it is raised until it holds. */
static void account_apart(const struct mien_dp_event *events, size_t n_events, double delta,
                          double apart, struct mien_dp_cost *cost)
{
    double assumed;

    account_reader(events, n_events, delta, cost);
    do {
        assumed = cost->epsilon * (1.0 + 1e-6);
        const double left = delta - apart * (1.0 + exp(assumed));

        if (!(left > 0.0)) {
            cost->epsilon = INFINITY;
            cost->rdp = INFINITY;
            return;
        }
        account_reader(events, n_events, left, cost);
    } while (cost->epsilon > assumed);
    cost->epsilon = assumed;
}

enum mien_status mien_dp_account(const struct mien_dp_event *events, size_t n_events, double delta,
                                 struct mien_dp_cost *out, struct mien_err *err)
{
    bool sampled = false;
    double apart = 0.0;

    if (!(delta > 0.0) || !(delta < 1.0))
        return mien_err_set(err, MIEN_EINVAL, "delta %g is not in (0, 1)", delta);
    for (size_t j = 0; j < n_events; j++) {
        enum mien_status status = check_event(&events[j], err);

        if (status != MIEN_OK)
            return status;
        sampled = sampled || (events[j].count > 0 && events[j].rate < 1.0);
        if (events[j].sampling != MIEN_SAMPLING_NONE)
            apart += (double)events[j].count * events[j].apart;
    }
    struct mien_dp_cost cost = {
        .gaussian = MIEN_DP_NOT_VALID,
        /* Who knows who took part learns nothing from coins. */
        .epsilon_witness = unsampled_epsilon(events, n_events, delta),
    };
    if (apart > 0.0)
        account_apart(events, n_events, delta, apart, &cost);
    else
        account_reader(events, n_events, delta, &cost);
    /* The reader sees no more than the witness. */
    cost.epsilon = fmin(cost.epsilon, cost.epsilon_witness);
    if (!sampled)
        cost.gaussian = cost.epsilon_witness;
    *out = cost;
    return MIEN_OK;
}

static bool enough(const struct mien_dp_event *event, double noise, double epsilon, double delta)
{
    struct mien_dp_event tried = *event;
    struct mien_dp_cost cost = {0};

    tried.noise = noise;
    return mien_dp_account(&tried, 1, delta, &cost, NULL) == MIEN_OK && cost.epsilon <= epsilon;
}

enum mien_status mien_dp_solve_noise(const struct mien_dp_event *event, double epsilon,
                                     double delta, double *noise, struct mien_err *err)
{
    struct mien_dp_event checked = *event;
    struct mien_dp_cost cost = {0};

    checked.noise = 1.0;
    enum mien_status status = mien_dp_account(&checked, 1, delta, &cost, err);
    if (status != MIEN_OK)
        return status;
    if (!(epsilon > 0.0) || !isfinite(epsilon))
        return mien_err_set(err, MIEN_EINVAL, "epsilon %g is not a positive number", epsilon);
    double high = 1.0;
    while (!enough(event, high, epsilon, delta)) {
        high *= 2.0;
        if (high > 1e6)
            return mien_err_set(err, MIEN_EINVAL, "no noise multiplier up to 1e6 gives epsilon %g",
                                epsilon);
    }
    double low = high * 0.5;
    while (low > 1e-3 && enough(event, low, epsilon, delta)) {
        high = low;
        low *= 0.5;
    }
    while (high - low > 1e-6 * high) {
        double middle = 0.5 * (low + high);

        if (enough(event, middle, epsilon, delta))
            high = middle;
        else
            low = middle;
    }
    *noise = high;
    return MIEN_OK;
}
