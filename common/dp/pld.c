// SPDX-License-Identifier: Apache-2.0
#include "common/dp/pld.h"

#include "common/base/mem.h"
#include "common/dp/dots.h"
#include "common/dp/spectrum.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* How much of epsilon the grid may add when it is ours to choose. */
#define GRID_SHARE 2e-5

/* What folding on the circle may add to delta, relative, as a logarithm: 1e-8. */
#define FOLD_DEPTH 18.4

/* The part of delta that cut upper tails may take, and the mass cut below, which only moves up. */
#define BEYOND_SHARE 1e-8
#define BELOW_MASS 1e-20

/* How far above rounding the tilted mass should be that decides delta, and at least; what rounding
 * may have done is taken off delta. */
#define LEAST_WEIGHT 1e4
#define LAST_WEIGHT 50.0

#define MIN_POINTS ((size_t)1 << 11)
#define MAX_POINTS ((size_t)1 << 20)

/* One attempt: a tilt, and the circle that goes with it. */
struct attempt {
    const struct mien_law *law;
    struct mien_dots_tilt tilt;
    size_t n_points;
    double h;
    struct mien_law_window window;
    struct mien_dots_sums total; /* of all releases, on the grid */
    int64_t start;               /* the window's first grid index */
    double beyond;               /* delta that losses off the grid or above the window may take */
    bool precise;
    double least_weight; /* how far above rounding what decides delta must be */
    struct mien_spectrum *spectrum;
};

bool mien_pld_available(void)
{
    return mien_spectrum_available();
}

/* ---- the grid ---- */

/* The grid adds variance v to a release and so about (slope + 1) v / 2 to epsilon. */
static double allowed_variance(const struct attempt *a, size_t step)
{
    double deviation = sqrt(mien_law_cumulants(a->law, a->window.slope).second);
    double epsilon = fmax(a->window.epsilon, 0.01 * deviation);
    double count = a->law->steps[step].count * (double)a->law->n_steps;

    return 2.0 * GRID_SHARE * epsilon / ((a->window.slope + 1.0) * count);
}

/* What the grid adds, under the law that decides delta and under the one that is summed. */
static double added_variance(const struct attempt *a, size_t step, double h)
{
    return fmax(mien_law_rounding(a->law, step, a->window.slope, h),
                mien_law_rounding(a->law, step, a->tilt.theta, h));
}

/* One rare loss alone may carry it past epsilon: then a cell of width w adds w^2 (slope + 1) / 12.
 */
static double max_width(const struct attempt *a)
{
    return sqrt(6.0 * GRID_SHARE * a->window.epsilon / (a->window.slope + 1.0));
}

/* Half of what is allowed goes to the grid, half to wider cells where the loss is rare. */
static bool fine_enough(const struct attempt *a, double h)
{
    for (size_t i = 0; i < a->law->n_steps; i++) {
        if (added_variance(a, i, h) > 0.5 * allowed_variance(a, i))
            return false;
    }
    return true;
}

static void choose_grid(struct attempt *a, const struct mien_pld_options *options, double width)
{
    if (options->grid > 0.0) {
        a->h = options->grid;
        a->n_points = MIN_POINTS;
        while ((double)a->n_points * a->h < width && a->n_points < MAX_POINTS)
            a->n_points *= 2;
        return;
    }
    a->n_points = MIN_POINTS;
    while (a->n_points < MAX_POINTS && !fine_enough(a, width / (double)a->n_points))
        a->n_points *= 2;
    a->h = width / (double)a->n_points;
}

/* ---- composing ---- */

/* The step's dots on the circle and into the product. */
static enum mien_status multiply_step(struct attempt *a, const struct mien_pld_options *options,
                                      size_t step, struct mien_dots_sums *sums)
{
    double *points = mien_spectrum_points(a->spectrum);
    double count = a->law->steps[step].count;
    struct mien_dots dots = {
        .law = a->law,
        .step = step,
        .h = a->h,
        .tilt = a->tilt,
        .slope = a->window.slope,
        .variance =
            options->grid > 0.0 ? added_variance(a, step, a->h) : 0.5 * allowed_variance(a, step),
        .epsilon = a->window.epsilon,
        .max_width = max_width(a),
        .optimistic = options->optimistic,
        .points = points,
        .n_points = a->n_points,
    };

    memset(points, 0, a->n_points * sizeof(*points));
    enum mien_status status = mien_dots_fold(&dots, sums);
    if (status != MIEN_OK)
        return status;
    mien_spectrum_multiply(a->spectrum, count);
    return MIEN_OK;
}

/* The product of all steps. */
static enum mien_status compose(struct attempt *a, const struct mien_pld_options *options)
{
    struct mien_dots_sums *total = &a->total;

    *total = (struct mien_dots_sums){0};
    for (size_t i = 0; i < a->law->n_steps; i++) {
        struct mien_dots_sums sums = {0};
        double count = a->law->steps[i].count;
        enum mien_status status = multiply_step(a, options, i, &sums);

        if (status != MIEN_OK)
            return status;
        total->log_moment += count * sums.log_moment;
        total->log_moment_up += count * sums.log_moment_up;
        total->log_moment_down += count * sums.log_moment_down;
        total->beyond += count * sums.beyond;
        total->n_cells += sums.n_cells;
    }
    double high = a->window.low + (double)a->n_points * a->h;
    double log_above = total->log_moment_up - (a->tilt.theta + a->tilt.up) * high;

    a->start = (int64_t)floor(a->window.low / a->h);
    a->beyond = total->beyond + exp(log_above);
    mien_spectrum_invert(a->spectrum);
    return MIEN_OK;
}

/* What the circle may have folded onto losses above epsilon, in units of delta: from above the
 * window (Chernoff), and from below it (all there is, but carried up by the tilt over the width;
 * or, Chernoff again, the tilted mass below). */
static double folded(const struct attempt *a, double epsilon)
{
    double theta = a->tilt.theta;
    double width = (double)a->n_points * a->h;
    double above = a->total.log_moment_up - (theta + a->tilt.up) * epsilon - a->tilt.up * width;
    double below = a->total.log_moment_down + a->tilt.down * a->window.low - theta * epsilon;

    return exp(above) + exp(fmin(below, -theta * width));
}

/* ---- reading epsilon ---- */

static double point_at(const struct attempt *a, int64_t index)
{
    int64_t n = (int64_t)a->n_points;
    int64_t at = (a->start + index) % n;

    return mien_spectrum_points(a->spectrum)[at < 0 ? at + n : at];
}

/* Walks down from the window's top. With x and y the sums over losses l above the point at s of
 * p e^(-theta (l - s)) and p e^(-(theta + 1)(l - s)), delta(s) = e^(log moment - theta s)(x - y).
 */
static double read_epsilon(const struct attempt *a, double delta, double *weight)
{
    double theta = a->tilt.theta;
    double log_target = log(delta - a->beyond);
    double fade_x = exp(-theta * a->h);
    double fade_y = exp(-(theta + 1.0) * a->h);
    double x = 0.0;
    double y = 0.0;

    for (int64_t i = (int64_t)a->n_points - 1; i >= 0; i--) {
        double loss = (double)(a->start + i) * a->h;
        double log_unit = a->total.log_moment - theta * loss;

        if (log_unit + log(x - y) >= log_target) {
            double above = loss + a->h; /* where x and y count from, itself included */
            double units = exp(log_target - a->total.log_moment + theta * above);

            x /= fade_x;
            y /= fade_y;
            *weight = units;
            return above + log((x - units) / y);
        }
        double mass = point_at(a, i);
        x = (x + mass) * fade_x;
        y = (y + mass) * fade_y;
    }
    /* Below the window. */
    *weight = exp(log_target - a->total.log_moment + theta * (double)a->start * a->h);
    return -INFINITY;
}

/* ---- attempts ---- */

/* Rounding, spread over the circle and raised to the number of releases, against the
 * largest tilted mass. */
static double rounding_share(const struct attempt *a)
{
    double unit = a->precise ? (double)LDBL_EPSILON : DBL_EPSILON;
    double count = 0.0;

    for (size_t i = 0; i < a->law->n_steps; i++)
        count += a->law->steps[i].count;
    return unit * (4.0 + count);
}

/* What came of a tilt. */
enum outcome { DONE, TOO_NARROW, WRONG_TILT, HOPELESS };

/* From the composed circle to an epsilon on the safe side. */
static enum outcome read_safely(const struct attempt *a, const struct mien_pld_options *options,
                                double *epsilon)
{
    double share = rounding_share(a);
    double weight;

    *epsilon = INFINITY;
    if (!(a->beyond < 1e-3 * options->delta))
        return isfinite(a->beyond) ? TOO_NARROW : HOPELESS;
    double first = read_epsilon(a, options->delta, &weight);
    if (isnan(first))
        return HOPELESS;
    *epsilon = first;
    if (!(weight >= a->least_weight * share) || (first == -INFINITY && a->start > 0))
        return WRONG_TILT;
    if (first == -INFINITY) { /* delta is enough for epsilon 0, and the window reaches there */
        *epsilon = 0.0;
        return DONE;
    }
    double fold = folded(a, first);
    if (!(fold <= 1e-5 * options->delta))
        return TOO_NARROW;
    double slack = options->delta * (1e-9 + share / weight);
    if (options->optimistic)
        slack = -(slack + 2.0 * fold + a->beyond);
    *epsilon = fmax(read_epsilon(a, options->delta - slack, &weight), 0.0);
    return DONE;
}

/* The narrowest window in doubles; in long doubles where there is none, or a far narrower one. */
static void choose_window(struct attempt *a, const struct mien_pld_options *options, double epsilon,
                          double near)
{
    struct mien_law_wish wish = {
        .epsilon = epsilon, .near = near, .log_delta = log(options->delta), .depth = FOLD_DEPTH};
    struct mien_law_window windows[2];

    for (int j = 0; j < 2; j++) {
        a->precise = j == 1;
        wish.weight[j] = 2.0 * LEAST_WEIGHT * rounding_share(a);
    }
    a->least_weight = LEAST_WEIGHT;
    mien_law_windows(a->law, &wish, windows);
    if (windows[1].width == INFINITY) {
        a->least_weight = LAST_WEIGHT;
        wish.weight[1] *= LAST_WEIGHT / LEAST_WEIGHT;
        mien_law_windows(a->law, &wish, windows);
    }
    a->precise = windows[1].width < 0.2 * windows[0].width;
    a->window = windows[a->precise];
    a->tilt = (struct mien_dots_tilt){a->window.theta, a->window.up, a->window.down};
}

static enum mien_status try_window(struct attempt *a, const struct mien_pld_options *options,
                                   double slack, enum outcome *outcome, double *epsilon)
{
    *outcome = HOPELESS;
    choose_grid(a, options, slack * a->window.width);
    if (!(a->h > 0.0) || !isfinite(a->h) || !(fabs(a->window.low / a->h) < 1e15))
        return MIEN_OK;
    enum mien_status status = mien_spectrum_new(a->n_points, a->precise, &a->spectrum);
    if (status == MIEN_OK)
        status = compose(a, options);
    if (status == MIEN_OK)
        *outcome = read_safely(a, options, epsilon);
    mien_spectrum_free(a->spectrum);
    a->spectrum = NULL;
    return status;
}

/* `least`: what epsilon is surely not below. */
static enum mien_status attempts(const struct mien_law *law, const struct mien_pld_options *options,
                                 double least, struct mien_pld_answer *out)
{
    struct attempt a = {.law = law};
    double guess = fmax(mien_law_epsilon(law, log(options->delta)), least);
    double near = fmax(mien_law_near(law, guess), least);
    double slack = 1.02;

    for (int i = 0; i < 6; i++) {
        enum outcome outcome;
        double epsilon = guess;

        choose_window(&a, options, guess, near * (1.0 - 1e-6));
        enum mien_status status = try_window(&a, options, slack, &outcome, &epsilon);
        if (status != MIEN_OK)
            return status;
        *out = (struct mien_pld_answer){INFINITY, a.h, a.n_points, a.total.n_cells};
        if (outcome == DONE)
            out->epsilon = epsilon;
        if (outcome == DONE || outcome == HOPELESS)
            return MIEN_OK;
        if (outcome == TOO_NARROW) {
            slack *= 1.4;
        } else if (isfinite(epsilon) && epsilon > guess) {
            guess = epsilon;
        } else {
            guess = isfinite(epsilon) ? fmax(epsilon, least) : guess;
            near = least;
        }
    }
    return MIEN_OK;
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
static void check_answer(const struct mien_pld_options *options, double least,
                         struct mien_pld_answer *answer)
{
    if (options->optimistic)
        answer->epsilon = isfinite(answer->epsilon) ? fmax(answer->epsilon, least) : least;
    else if (!(answer->epsilon >= least))
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
        return MIEN_OK;
    }
    if (total_variation(steps, n_steps) <= options->delta)
        return MIEN_OK; /* epsilon 0 */
    double least = least_epsilon(steps, n_steps, options->delta);
    enum mien_status status =
        mien_law_init(&law, steps, n_steps, options->delta * BEYOND_SHARE / count, BELOW_MASS);
    if (status == MIEN_OK)
        status = attempts(&law, options, least, out);
    if (status == MIEN_OK)
        check_answer(options, least, out);
    mien_law_fini(&law);
    return status;
}
