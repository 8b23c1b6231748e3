// SPDX-License-Identifier: Apache-2.0
#include "common/dp/circle.h"

#include "common/dp/fold.h"
#include "common/dp/spectrum.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* How much of epsilon the grid may add when it is ours to choose. */
#define GRID_SHARE 2e-5

/* What folding on the circle may add to delta, relative, as a logarithm: 1e-8. */
#define FOLD_DEPTH 18.4

/* How far above rounding the tilted mass should be that decides delta, and at least; what rounding
 * may have done is taken off delta. */
#define LEAST_WEIGHT 1e4
#define LAST_WEIGHT 50.0

#define MIN_POINTS ((size_t)1 << 11)

/* ---- the grid ---- */

/* The grid adds variance v to a release and so about (slope + 1) v / 2 to epsilon. */
static double allowed_variance(const struct mien_circle *a, size_t step)
{
    double deviation = sqrt(mien_law_cumulants(a->law, a->window.slope).second);
    double epsilon = fmax(a->window.epsilon, 0.002 * deviation);
    double count = a->law->steps[step].count * (double)a->law->n_steps;

    return 2.0 * GRID_SHARE * epsilon / ((a->window.slope + 1.0) * count);
}

/* What the grid adds, under the law that decides delta and under the one that is summed. */
static double added_variance(const struct mien_circle *a, size_t step, double h)
{
    return fmax(mien_law_rounding(a->law, step, a->window.slope, h),
                mien_law_rounding(a->law, step, a->tilt.theta, h));
}

/* How fast log delta falls at epsilon where one rare loss alone decides it; 0 where many do. */
static double slope_of_one(const struct mien_circle *a, double log_delta)
{
    double epsilon = a->window.epsilon;
    double slope = 0.0;

    for (size_t i = 0; i < a->law->n_steps; i++) {
        const struct mien_law_step *step = &a->law->steps[i];

        for (size_t j = 0; j < step->n_parts; j++) {
            const struct mien_pair *pair = &step->parts[j].pair;
            double one = mien_pair_log_delta(pair, epsilon);
            double above = mien_pair_log_above_q(pair, mien_pair_at(pair, epsilon));

            /* d/d epsilon of P - e^epsilon Q above epsilon is -e^epsilon Q. */
            if (log(step->count * step->parts[j].weight) + one > log_delta - 1.0)
                slope = fmax(slope, exp(epsilon + above - one));
        }
    }
    return slope;
}

/* Where one rare loss alone may carry the sum past epsilon a cell of width w adds w^2 (slope + 1)
 * / 12. */
static double max_width(const struct mien_circle *a, double log_delta)
{
    double slope = fmax(a->window.slope, slope_of_one(a, log_delta));

    return sqrt(6.0 * GRID_SHARE * a->window.epsilon / (slope + 1.0));
}

/* Half of what is allowed goes to the grid, half to wider cells where the loss is rare. */
static bool fine_enough(const struct mien_circle *a, double h)
{
    if (h > 2.0 * a->max_width)
        return false;
    for (size_t i = 0; i < a->law->n_steps; i++) {
        if (added_variance(a, i, h) > 0.5 * allowed_variance(a, i))
            return false;
    }
    return true;
}

static void choose_grid(struct mien_circle *a, double width)
{
    if (a->grid > 0.0) {
        a->h = a->grid;
        a->n_points = MIN_POINTS;
        while ((double)a->n_points * a->h < width && a->n_points < a->max_points)
            a->n_points *= 2;
        return;
    }
    a->n_points = MIN_POINTS;
    while (a->n_points < a->max_points && !fine_enough(a, width / (double)a->n_points))
        a->n_points *= 2;
    a->h = width / (double)a->n_points;
}

/* ---- composing ---- */

/* The step's dots on the circle and into the product. */
static enum mien_status multiply_step(struct mien_circle *a, size_t step,
                                      struct mien_dots_sums *sums)
{
    double *points = mien_spectrum_points(a->spectrum);
    double count = a->law->steps[step].count;
    struct mien_dots dots = {
        .law = a->law,
        .step = step,
        .h = a->h,
        .offset = a->optimistic ? mien_fold_offset(&a->law->steps[step].parts[0], a->h) : 0.0,
        .tilt = a->tilt,
        .slope = a->window.slope,
        .variance = a->grid > 0.0 ? added_variance(a, step, a->h) : 0.5 * allowed_variance(a, step),
        .epsilon = a->window.epsilon,
        .max_width = a->max_width,
        .optimistic = a->optimistic,
        .points = points,
        .n_points = a->n_points,
    };

    memset(points, 0, a->n_points * sizeof(*points));
    enum mien_status status = mien_dots_fold(&dots, sums);
    if (status != MIEN_OK)
        return status;
    mien_spectrum_multiply(a->spectrum, count);
    a->origin += count * dots.offset;
    return MIEN_OK;
}

/* The product of all steps. */
static enum mien_status compose(struct mien_circle *a)
{
    struct mien_dots_sums *total = &a->total;

    *total = (struct mien_dots_sums){0};
    a->origin = 0.0;
    for (size_t i = 0; i < a->law->n_steps; i++) {
        struct mien_dots_sums sums = {0};
        double count = a->law->steps[i].count;
        enum mien_status status = multiply_step(a, i, &sums);

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

    a->start = (int64_t)floor((a->window.low - a->origin) / a->h);
    a->beyond = total->beyond + exp(log_above);
    mien_spectrum_invert(a->spectrum);
    return MIEN_OK;
}

/* What the circle may have folded onto losses above epsilon, in units of delta: from above the
 * window (Chernoff), and from below it (all there is, but carried up by the tilt over the width;
 * or, Chernoff again, the tilted mass below). */
static double folded(const struct mien_circle *a, double epsilon)
{
    double theta = a->tilt.theta;
    double width = (double)a->n_points * a->h;
    double above = a->total.log_moment_up - (theta + a->tilt.up) * epsilon - a->tilt.up * width;
    double below = a->total.log_moment_down + a->tilt.down * a->window.low - theta * epsilon;

    return exp(above) + exp(fmin(below, -theta * width));
}

/* ---- reading epsilon ---- */

static double point_at(const struct mien_circle *a, int64_t index)
{
    int64_t n = (int64_t)a->n_points;
    int64_t at = (a->start + index) % n;

    return mien_spectrum_points(a->spectrum)[at < 0 ? at + n : at];
}

static double loss_at(const struct mien_circle *a, int64_t index)
{
    return a->origin + (double)(a->start + index) * a->h;
}

/* Walks down from the window's top. With x and y the sums over losses l above the point at s of
 * p e^(-theta (l - s)) and p e^(-(theta + 1)(l - s)), delta(s) = e^(log moment - theta s)(x - y).
 */
static double read_epsilon(const struct mien_circle *a, double delta, double *weight)
{
    double theta = a->tilt.theta;
    double log_target = log(delta - a->beyond);
    double fade_x = exp(-theta * a->h);
    double fade_y = exp(-(theta + 1.0) * a->h);
    double x = 0.0;
    double y = 0.0;

    for (int64_t i = (int64_t)a->n_points - 1; i >= 0; i--) {
        double loss = loss_at(a, i);
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
    *weight = exp(log_target - a->total.log_moment + theta * loss_at(a, 0));
    return -INFINITY;
}

/* ---- an attempt ---- */

double mien_circle_releases(const struct mien_law *law)
{
    double count = 0.0;

    for (size_t i = 0; i < law->n_steps; i++)
        count += law->steps[i].count;
    return count;
}

/* Rounding, spread over the circle and raised to the number of releases, against the
 * largest tilted mass. */
static double rounding_share(const struct mien_circle *a)
{
    double unit = a->precise ? (double)LDBL_EPSILON : DBL_EPSILON;

    return unit * (4.0 + mien_circle_releases(a->law));
}

/* Epsilon below a window that starts above 0: the start is a bound, if what decides delta there is
 * far above rounding and nothing was folded onto it. */
static enum mien_circle_outcome read_below(const struct mien_circle *a, double share,
                                           double *epsilon)
{
    double start = loss_at(a, 0);
    double weight;
    double first = read_epsilon(a, a->delta, &weight);
    double slack = a->delta * (1e-9 + share / weight);

    *epsilon = -INFINITY;
    if (first == -INFINITY && weight >= a->least_weight * share &&
        folded(a, start) <= 1e-5 * a->delta &&
        read_epsilon(a, a->delta - slack, &weight) == -INFINITY)
        *epsilon = start;
    return MIEN_CIRCLE_BELOW;
}

/* From the composed circle to an epsilon on the safe side. */
static enum mien_circle_outcome read_safely(const struct mien_circle *a, double *epsilon)
{
    double share = rounding_share(a);
    double weight;

    *epsilon = INFINITY;
    if (!(a->beyond < 1e-3 * a->delta))
        return isfinite(a->beyond) ? MIEN_CIRCLE_TOO_NARROW : MIEN_CIRCLE_HOPELESS;
    double first = read_epsilon(a, a->delta, &weight);
    if (isnan(first))
        return MIEN_CIRCLE_HOPELESS;
    *epsilon = first;
    if (first == -INFINITY && loss_at(a, 0) > 0.0)
        return read_below(a, share, epsilon);
    if (!(weight >= a->least_weight * share))
        return MIEN_CIRCLE_WRONG_TILT;
    if (first == -INFINITY) { /* delta is enough for epsilon 0, and the window reaches there */
        *epsilon = 0.0;
        return MIEN_CIRCLE_DONE;
    }
    double fold = folded(a, first);
    if (!(fold <= 1e-5 * a->delta))
        return MIEN_CIRCLE_TOO_NARROW;
    double slack = a->delta * (1e-9 + share / weight);
    if (a->optimistic)
        slack = -(slack + 2.0 * fold + a->beyond);
    *epsilon = fmax(read_epsilon(a, a->delta - slack, &weight), 0.0);
    return MIEN_CIRCLE_DONE;
}

/* The narrowest window in doubles; in long doubles where there is none, or a far narrower one. */
void mien_circle_choose(struct mien_circle *a, double guess, double near)
{
    struct mien_law_wish wish = {.epsilon = guess,
                                 .near = near,
                                 .log_delta = log(a->delta),
                                 .depth = FOLD_DEPTH,
                                 .most = a->most};
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

enum mien_status mien_circle_try(struct mien_circle *a, double slack,
                                 enum mien_circle_outcome *outcome, double *epsilon)
{
    *outcome = isinf(a->window.width) ? MIEN_CIRCLE_NO_WINDOW : MIEN_CIRCLE_HOPELESS;
    if (*outcome == MIEN_CIRCLE_NO_WINDOW)
        return MIEN_OK;
    a->max_width = max_width(a, log(a->delta));
    choose_grid(a, slack * a->window.width);
    if (!(a->h > 0.0) || !isfinite(a->h) || !(fabs(a->window.low / a->h) < 1e15))
        return MIEN_OK;
    enum mien_status status = mien_spectrum_new(a->n_points, a->precise, &a->spectrum);
    if (status == MIEN_OK)
        status = compose(a);
    if (status == MIEN_OK)
        *outcome = read_safely(a, epsilon);
    mien_spectrum_free(a->spectrum);
    a->spectrum = NULL;
    return status;
}
