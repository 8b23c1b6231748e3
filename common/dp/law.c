// SPDX-License-Identifier: Apache-2.0
#include "common/dp/law.h"

#include "common/base/mem.h"
#include "common/dp/gaussian.h"

#include <math.h>
#include <stdbool.h>

#define NODES_PER_DEVIATION 10.0
#define MIN_NODES 64.0
#define MAX_NODES 8192.0

/* ---- nodes ---- */

typedef double log_tail(const struct mien_pair *pair, double x);

/* The x nearest the middle with tail(x) <= bound, to a part in a thousand of z. */
static double cut(const struct mien_pair *pair, log_tail *tail, double sign, double log_bound)
{
    double inside = 0.0;
    double outside = 1.0 + 60.0 * pair->z;

    while (outside - inside > 1e-3 * pair->z) {
        double middle = 0.5 * (inside + outside);

        if (tail(pair, sign * middle) <= log_bound)
            outside = middle;
        else
            inside = middle;
    }
    return sign * outside;
}

static enum mien_status fill_nodes(const struct mien_law_part *part, double beyond, double below,
                                   struct mien_law_nodes *nodes)
{
    const struct mien_pair *pair = &part->pair;

    nodes->x_high = cut(pair, mien_pair_log_above, 1.0, log(beyond / part->weight));
    nodes->x_low = cut(pair, mien_pair_log_below, -1.0, log(below / part->weight));
    double range = nodes->x_high - nodes->x_low;
    double n = fmin(fmax(ceil(range / pair->z * NODES_PER_DEVIATION), MIN_NODES), MAX_NODES);
    double dx = range / n;
    nodes->n = (size_t)n + 1;
    nodes->loss = mien_calloc(nodes->n, sizeof(double));
    nodes->log_mass = mien_calloc(nodes->n, sizeof(double));
    if (nodes->loss == NULL || nodes->log_mass == NULL)
        return MIEN_ENOMEM;
    for (size_t i = 0; i < nodes->n; i++) {
        double x = nodes->x_low + (double)i * dx;

        nodes->loss[i] = mien_pair_loss(pair, x);
        nodes->log_mass[i] = log(part->weight * dx) + mien_pair_log_density(pair, x);
    }
    return MIEN_OK;
}

enum mien_status mien_law_init(struct mien_law *law, const struct mien_law_step *steps,
                               size_t n_steps, double beyond, double below)
{
    enum mien_status status = MIEN_OK;

    *law = (struct mien_law){.steps = steps, .n_steps = n_steps};
    law->nodes = mien_calloc(2 * n_steps, sizeof(*law->nodes));
    if (law->nodes == NULL)
        return MIEN_ENOMEM;
    for (size_t i = 0; i < n_steps && status == MIEN_OK; i++) {
        for (size_t j = 0; j < steps[i].n_parts && status == MIEN_OK; j++)
            status = fill_nodes(&steps[i].parts[j], beyond, below, &law->nodes[2 * i + j]);
    }
    if (status != MIEN_OK)
        mien_law_fini(law);
    return status;
}

void mien_law_fini(struct mien_law *law)
{
    for (size_t i = 0; law->nodes != NULL && i < 2 * law->n_steps; i++) {
        mien_free(law->nodes[i].loss);
        mien_free(law->nodes[i].log_mass);
    }
    mien_free(law->nodes);
    *law = (struct mien_law){0};
}

/* ---- cumulants ---- */

static double highest(const struct mien_law_nodes *nodes, double theta)
{
    double high = -INFINITY;

    for (size_t i = 0; i < nodes->n; i++)
        high = fmax(high, nodes->log_mass[i] + theta * nodes->loss[i]);
    return high;
}

struct mien_law_cumulants mien_law_step_cumulants(const struct mien_law *law, size_t step,
                                                  double theta)
{
    double high = -INFINITY;
    double sum = 0.0;
    double first = 0.0;
    double second = 0.0;

    for (size_t j = 0; j < law->steps[step].n_parts; j++)
        high = fmax(high, highest(&law->nodes[2 * step + j], theta));
    for (size_t j = 0; j < law->steps[step].n_parts; j++) {
        const struct mien_law_nodes *nodes = &law->nodes[2 * step + j];

        for (size_t i = 0; i < nodes->n; i++) {
            double mass = exp(nodes->log_mass[i] + theta * nodes->loss[i] - high);

            sum += mass;
            first += mass * nodes->loss[i];
            second += mass * nodes->loss[i] * nodes->loss[i];
        }
    }
    first /= sum;
    return (struct mien_law_cumulants){high + log(sum), first,
                                       fmax(second / sum - first * first, 0.0)};
}

struct mien_law_cumulants mien_law_cumulants(const struct mien_law *law, double theta)
{
    struct mien_law_cumulants total = {0};

    for (size_t i = 0; i < law->n_steps; i++) {
        struct mien_law_cumulants one = mien_law_step_cumulants(law, i, theta);

        total.value += law->steps[i].count * one.value;
        total.first += law->steps[i].count * one.first;
        total.second += law->steps[i].count * one.second;
    }
    return total;
}

/* ---- the tilt ---- */

/* log of E[e^(-a U); U > 0] for U normal with mean 0 and deviation 1. */
static double log_half_moment(double a)
{
    return 0.5 * a * a + mien_log_normal_tail(a);
}

/* log delta at the mean of the tilted total, which is taken as normal. */
static double log_delta_at(const struct mien_law *law, double theta)
{
    struct mien_law_cumulants k = mien_law_cumulants(law, theta);
    double deviation = sqrt(k.second);
    double first = log_half_moment(theta * deviation);
    double second = log_half_moment((theta + 1.0) * deviation);

    if (!(second < first))
        return -INFINITY;
    return k.value - theta * k.first + first + log(-expm1(second - first));
}

typedef double of_tilt(const struct mien_law *law, double theta);

/* Where a falling function of the tilt meets `target`; 0 where it starts below. */
static double solve_tilt(const struct mien_law *law, of_tilt *f, double target)
{
    double low = -20.0; /* log theta */
    double high = 30.0;

    if (f(law, exp(low)) <= target)
        return 0.0;
    while (high - low > 1e-4) {
        double middle = 0.5 * (low + high);

        if (f(law, exp(middle)) > target)
            low = middle;
        else
            high = middle;
    }
    return exp(low);
}

static double minus_mean(const struct mien_law *law, double theta)
{
    return -mien_law_cumulants(law, theta).first;
}

double mien_law_epsilon(const struct mien_law *law, double log_delta)
{
    return mien_law_cumulants(law, solve_tilt(law, log_delta_at, log_delta)).first;
}

/* ---- window and grid ---- */

/* w = (K(theta + sign s) - (theta + sign s) at - log_bound) / s: mass above at + w (sign 1), or
 * that many below it, with e^(theta w) before it, is below the bound. */
struct chernoff {
    const struct mien_law *law;
    double theta;
    double sign;
    double at;
    double log_bound;
    double most; /* largest s */
};

static double chernoff_at(const struct chernoff *c, double s)
{
    double t = c->theta + c->sign * s;

    if (s > c->most)
        return INFINITY;
    return (mien_law_cumulants(c->law, t).value - t * c->at - c->log_bound) / s;
}

/* The smallest w over s > 0: it falls and then rises in s (a convex function over s), so one walks
 * down from a guess, in growing steps where losses are rare and their variance says little. Of
 * exponents that are about as good the smallest: a grid blurs what large ones see. */
static double chernoff(const struct chernoff *c, double *exponent)
{
    double variance = mien_law_cumulants(c->law, c->theta).second;
    double s = fmin(sqrt(40.0 / fmax(variance, 1e-300)), c->most);
    double least = chernoff_at(c, s);

    for (int i = 0; i < 2; i++) { /* to smaller s, then to larger */
        double factor = i == 0 ? 0.5 : 2.0;
        double value = chernoff_at(c, s * factor);

        while (value < least) {
            least = value;
            s *= factor;
            factor = fmin(fmax(factor * factor, 1.0 / 1024.0), 1024.0);
            value = chernoff_at(c, s * factor);
        }
    }
    for (double factor = 32.0; factor > 1.2; factor = sqrt(factor)) {
        double below = chernoff_at(c, s / factor);
        double above = below < least ? INFINITY : chernoff_at(c, s * factor);

        if (fmin(below, above) < least) {
            s = below < least ? s / factor : s * factor;
            least = fmin(below, above);
        }
    }
    double enough = least + 0.02 * fabs(least);
    double value = chernoff_at(c, 0.25 * s);
    for (int i = 0; i < 30 && isfinite(enough) && value <= enough; i++) {
        least = value;
        s *= 0.25;
        value = chernoff_at(c, 0.25 * s);
    }
    *exponent = s;
    return least;
}

static struct mien_law_window window_at(const struct mien_law *law, double theta,
                                        const struct mien_law_wish *wish, double log_weight)
{
    double near = wish->near;
    double bound = wish->log_delta - wish->depth;
    struct mien_law_window window = {.theta = theta, .low = near};
    struct chernoff c = {law, theta, 1.0, near, bound, wish->most};
    double up = chernoff(&c, &window.up);

    /* Either the circle is so wide that all mass below, folded up, weighs nothing there ... */
    window.width = fmax(up, theta > 0.0 ? -bound / theta : INFINITY);
    /* ... or the window starts below it. */
    c.sign = -1.0;
    c.log_bound = mien_law_cumulants(law, theta).value - theta * near - wish->depth + log_weight;
    double down = chernoff(&c, &window.down);
    double exponent;
    c = (struct chernoff){law, theta, 1.0, near - fmax(down, 0.0), bound, wish->most};
    double width = chernoff(&c, &exponent);
    if (width < window.width) {
        window.low = c.at;
        window.width = width;
        window.up = exponent;
    }
    return window;
}

double mien_law_near(const struct mien_law *law, double epsilon)
{
    double tilt = solve_tilt(law, minus_mean, -epsilon);
    double near = epsilon - 2.0 * sqrt(mien_law_cumulants(law, tilt).second);

    return tilt > 0.0 ? fmax(near, epsilon - 3.0 / tilt) : near;
}

void mien_law_windows(const struct mien_law *law, const struct mien_law_wish *wish,
                      struct mien_law_window best[2])
{
    double mean_tilt = solve_tilt(law, minus_mean, -wish->epsilon);

    best[0] = best[1] = (struct mien_law_window){.width = INFINITY};
    for (int i = 0; i < 22; i++) {
        double theta = i < 16 ? mean_tilt * (1.0 - 0.06 * i) : mean_tilt * pow(8.0, 14 - i);
        double log_weight =
            wish->log_delta + theta * wish->near - mien_law_cumulants(law, theta).value;

        if (log_weight < log(fmin(wish->weight[0], wish->weight[1])))
            continue;
        struct mien_law_window window = window_at(law, theta, wish, log_weight);
        for (int j = 0; j < 2; j++) {
            if (log_weight >= log(wish->weight[j]) && window.width < best[j].width)
                best[j] = window;
        }
    }
    for (int j = 0; j < 2; j++) {
        best[j].epsilon = wish->epsilon;
        best[j].slope = mean_tilt;
    }
}

double mien_law_rounding(const struct mien_law *law, size_t step, double theta, double h)
{
    double log_total = mien_law_step_cumulants(law, step, theta).value;
    double sum = 0.0;

    for (size_t j = 0; j < law->steps[step].n_parts; j++) {
        const struct mien_law_nodes *nodes = &law->nodes[2 * step + j];

        for (size_t i = 0; i < nodes->n; i++) {
            double loss = nodes->loss[i];
            double next = nodes->loss[i + 1 < nodes->n ? i + 1 : i - 1];
            double into = loss - h * floor(loss / h);
            bool smooth = fabs(next - loss) > h;
            double added = smooth ? h * h / 6.0 : into * (h - into);

            sum += added * exp(nodes->log_mass[i] + theta * loss - log_total);
        }
    }
    return sum;
}
