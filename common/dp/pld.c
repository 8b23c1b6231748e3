// SPDX-License-Identifier: Apache-2.0
#include "common/dp/pld.h"

#include "common/dp/circle.h"
#include "common/dp/spectrum.h"

#include <math.h>
#include <stdint.h>

/* The part of delta that cut upper tails may take, and the mass cut below, which only moves up. */
#define BEYOND_SHARE 1e-8
#define BELOW_MASS 1e-20

/* Points of a circle that will do while it is not known where epsilon is. */
#define SEARCH_POINTS ((size_t)1 << 15)

#define MAX_ATTEMPTS 24

bool mien_pld_available(void)
{
    return mien_spectrum_available();
}

/* ---- where epsilon is ---- */

/* Between which losses epsilon is looked for. */
struct search {
    double least;  /* epsilon is surely not below */
    double near;   /* where windows start: below epsilon ... */
    double lowest; /* ... but above this, from where no tilt reaches what decides delta */
    double guess;
    double slack; /* on the windows' widths */
    bool again;   /* with a grid for the epsilon that was found */
};

/* From a start that was too low or too high to one between. */
static void start_between(struct search *s, double low, double high)
{
    s->near = low > 0.0 ? sqrt(low * high) : 0.25 * high;
    if (s->near < 1.1 * s->least && s->lowest < s->least)
        s->near = s->least;
}

/* What an attempt says about the next. False where there is nothing more to try. */
static bool look_on(struct search *s, struct mien_circle *a, enum mien_circle_outcome outcome,
                    double epsilon)
{
    bool coarse = a->n_points == a->max_points && a->max_points < MIEN_CIRCLE_MAX_POINTS;

    switch (outcome) {
    case MIEN_CIRCLE_DONE:
        /* Once more, where the grid was made for another epsilon. */
        if (epsilon == 0.0 || s->again || (!coarse && epsilon > 0.9 * s->guess))
            return false;
        s->again = true;
        s->guess = epsilon;
        s->near = fmax(0.9 * epsilon, fmax(s->least, s->lowest));
        a->max_points = MIEN_CIRCLE_MAX_POINTS;
        return true;
    case MIEN_CIRCLE_TOO_NARROW:
        /* Losses that the grid moved, each release's by up to h, may have been the reason. */
        s->slack *= 1.2;
        a->most = fmin(0.5 * a->most, 1.0 / (a->h * sqrt(mien_circle_releases(a->law))));
        if (epsilon > s->least && epsilon < s->guess)
            s->guess = epsilon;
        s->near = fmin(s->near, s->guess);
        return true;
    case MIEN_CIRCLE_WRONG_TILT:
        if (!(epsilon > s->guess))
            s->near = fmax(s->least, s->lowest);
        s->guess = isfinite(epsilon) ? fmax(epsilon, s->least) : s->guess;
        return true;
    case MIEN_CIRCLE_BELOW:
        if (s->near <= (s->again ? 1.02 : 1.0) * fmax(s->least, s->lowest))
            return false;
        s->guess = s->near;
        start_between(s, fmax(s->least, s->lowest), s->near);
        a->max_points = s->again ? MIEN_CIRCLE_MAX_POINTS : SEARCH_POINTS;
        return true;
    case MIEN_CIRCLE_NO_WINDOW:
        s->lowest = s->near;
        start_between(s, s->near, s->guess);
        return s->guess > 1.001 * s->near;
    case MIEN_CIRCLE_HOPELESS:
        break;
    }
    return false;
}

/* Epsilon by dots that dominate, or by dominated ones; as it was if all fails. */
static enum mien_status find_epsilon(struct mien_circle *a, struct search *s,
                                     struct mien_pld_answer *out)
{
    enum mien_status status = MIEN_OK;
    bool go_on = true;

    for (int i = 0; i < MAX_ATTEMPTS && go_on; i++) {
        enum mien_circle_outcome outcome;
        double epsilon = s->guess;

        mien_circle_choose(a, s->guess, s->near * (1.0 - 1e-6));
        status = mien_circle_try(a, s->slack, &outcome, &epsilon);
        if (status != MIEN_OK)
            break;
        bool bound = outcome == MIEN_CIRCLE_DONE ||
                     (outcome == MIEN_CIRCLE_BELOW && isfinite(epsilon) && !a->optimistic);
        if (bound && a->optimistic)
            out->lower = epsilon;
        else if (bound)
            *out =
                (struct mien_pld_answer){epsilon, out->lower, a->h, a->n_points, a->total.n_cells};
        go_on = look_on(s, a, outcome, epsilon);
    }
    return status;
}

/* `least`: what epsilon is surely not below. */
static enum mien_status both_bounds(const struct mien_law *law,
                                    const struct mien_pld_options *options, double least,
                                    struct mien_pld_answer *out)
{
    struct mien_circle a = {.law = law,
                            .delta = options->delta,
                            .grid = options->grid,
                            .max_points = MIEN_CIRCLE_MAX_POINTS,
                            .most = INFINITY};
    struct search s = {.least = least, .slack = 1.02};

    s.guess = fmax(mien_law_epsilon(law, log(options->delta)), least);
    s.near = fmax(mien_law_near(law, s.guess), least);
    *out = (struct mien_pld_answer){.epsilon = INFINITY, .lower = -INFINITY};
    enum mien_status status = find_epsilon(&a, &s, out);
    if (status != MIEN_OK || !options->lower || !isfinite(out->epsilon))
        return status;
    /* The other bound is near; the window is there already. */
    a.optimistic = true;
    s.again = true;
    s.guess = out->epsilon;
    return find_epsilon(&a, &s, out);
}

/* ---- one release ---- */

/* The closed form: the smallest epsilon at which the pair's divergence is at most delta. */
static double single_epsilon(const struct mien_pair *pair, double delta)
{
    double log_delta = log(delta);
    double low = 0.0;
    double high = 1.0;

    if (mien_pair_log_delta(pair, 0.0) <= log_delta)
        return 0.0;
    while (!(mien_pair_log_delta(pair, high) <= log_delta)) {
        low = high;
        high *= 2.0;
        if (high > 1e12)
            return INFINITY;
    }
    while (high - low > 1e-13 * high) {
        double middle = 0.5 * (low + high);

        if (middle <= low || middle >= high)
            break;
        if (mien_pair_log_delta(pair, middle) <= log_delta)
            high = middle;
        else
            low = middle;
    }
    return high * (1.0 + 1e-11);
}

/* A bound on delta at epsilon 0: total variations add up. */
static double total_variation(const struct mien_law_step *steps, size_t n_steps)
{
    double sum = 0.0;

    for (size_t i = 0; i < n_steps; i++) {
        for (size_t j = 0; j < steps[i].n_parts; j++) {
            const struct mien_law_part *part = &steps[i].parts[j];

            sum += steps[i].count * part->weight * exp(mien_pair_log_delta(&part->pair, 0.0));
        }
    }
    return sum * (1.0 + 1e-9);
}

double mien_pld_largest_loss(const struct mien_law_step *steps, size_t n_steps)
{
    double sum = 0.0;

    for (size_t i = 0; i < n_steps; i++) {
        double largest = 0.0;

        for (size_t j = 0; j < steps[i].n_parts; j++) {
            const struct mien_pair *pair = &steps[i].parts[j].pair;

            largest = fmax(largest, pair->up == 0.0 ? -log1p(-pair->down) : INFINITY);
        }
        sum += steps[i].count * largest;
    }
    return sum * (1.0 + 1e-12);
}

/* log of P(E) - e^epsilon Q(E) for E: some release has a loss above epsilon. */
static double log_any_above(const struct mien_pair *pair, double count, double epsilon)
{
    double x = mien_pair_at(pair, epsilon);
    double p = -expm1(count * log1p(-exp(mien_pair_log_above(pair, x))));
    double q = -expm1(count * log1p(-exp(mien_pair_log_above_q(pair, x))));

    return x == INFINITY ? -INFINITY : log(fmax(p - exp(epsilon) * q, 0.0));
}

/* A lower bound on epsilon that owes nothing to grids: no result may be below it. */
static double least_epsilon(const struct mien_law_step *steps, size_t n_steps, double delta)
{
    double least = 0.0;

    for (size_t i = 0; i < n_steps; i++) {
        double low = 0.0;
        double high = 1e4;

        while (steps[i].n_parts == 1 && high - low > 1e-9 * high && high > 1e-9) {
            double middle = 0.5 * (low + high);

            if (log_any_above(&steps[i].parts[0].pair, steps[i].count, middle) >= log(delta))
                low = middle;
            else
                high = middle;
        }
        least = fmax(least, low * (1.0 - 1e-8));
    }
    return least;
}

/* The bounds cross-checked: what is below a proven bound was computed wrongly. */
static void check_answer(double least, double most, struct mien_pld_answer *answer)
{
    answer->epsilon = fmin(answer->epsilon, most);
    answer->lower = fmin(fmax(answer->lower, least), answer->epsilon);
    if (!(answer->epsilon >= least))
        answer->epsilon = INFINITY;
}

enum mien_status mien_pld_epsilon(const struct mien_law_step *steps, size_t n_steps,
                                  const struct mien_pld_options *options,
                                  struct mien_pld_answer *out)
{
    struct mien_law law;
    double count = 0.0;

    if (!mien_spectrum_available())
        return MIEN_ESTATE;
    *out = (struct mien_pld_answer){0};
    for (size_t i = 0; i < n_steps; i++)
        count += steps[i].count;
    if (n_steps == 1 && count == 1.0 && steps[0].n_parts == 1) {
        out->epsilon = single_epsilon(&steps[0].parts[0].pair, options->delta);
        out->lower = isfinite(out->epsilon) ? out->epsilon * (1.0 - 1e-10) : 0.0;
        return MIEN_OK;
    }
    if (total_variation(steps, n_steps) <= options->delta)
        return MIEN_OK; /* epsilon 0 */
    double least = least_epsilon(steps, n_steps, options->delta);
    enum mien_status status =
        mien_law_init(&law, steps, n_steps, options->delta * BEYOND_SHARE / count, BELOW_MASS);
    if (status == MIEN_OK)
        status = both_bounds(&law, options, least, out);
    if (status == MIEN_OK)
        check_answer(least, mien_pld_largest_loss(steps, n_steps), out);
    mien_law_fini(&law);
    return status;
}
