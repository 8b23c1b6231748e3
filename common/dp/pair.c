// SPDX-License-Identifier: Apache-2.0
#include "common/dp/pair.h"

#include "common/dp/gaussian.h"

#include <math.h>

static const double root_half = 0.70710678118654752440;
static const double inverse_root_two_pi = 0.39894228040143267794;

/* Below this width, in deviations and against how fast the density falls, three Gauss points are
 * exact to rounding; above it the difference of two tails has 14 digits. */
#define NARROW 0.02

/* log(1 - q + q e^v). */
static double log_mix(double q, double v)
{
    if (q == 0.0)
        return 0.0;
    if (q == 1.0)
        return v;
    return v > 30.0 ? v + log(q + (1.0 - q) * exp(-v)) : log1p(q * expm1(v));
}

/* The v with log_mix(q, v) = loss; -infinity below the range. */
static double unmix(double q, double loss)
{
    if (q == 1.0)
        return loss;
    if (loss > 30.0)
        return loss - log(q) + log1p(-(1.0 - q) * exp(-loss));
    double u = expm1(loss) / q;

    return u > -1.0 ? log1p(u) : -INFINITY;
}

double mien_pair_loss(const struct mien_pair *pair, double x)
{
    double half = 0.5 / (pair->z * pair->z);

    return log_mix(pair->up, (2.0 * x - 1.0) * half) - log_mix(pair->down, (-2.0 * x - 1.0) * half);
}

/* Both sides mixed at the same rate: a quadratic equation in e^(x / z^2), for loss >= 0. */
static double at_symmetric(const struct mien_pair *pair, double loss)
{
    double half = 0.5 / (pair->z * pair->z);
    double q = pair->up;
    double half_loss = 0.5 * loss;
    double log_sinh = half_loss > 20.0 ? half_loss : log(2.0 * sinh(half_loss));
    double log_a = log1p(-q) + log_sinh;
    double log_b = log(2.0 * q) - half;
    double top = fmax(log_a, log_b);

    /* log((a + sqrt(a^2 + b^2)) / (2 q)) */
    double log_root = top + log(exp(log_a - top) + hypot(exp(log_a - top), exp(log_b - top)));
    return pair->z * pair->z * (half_loss + log_root - log(2.0 * q) + half);
}

double mien_pair_at(const struct mien_pair *pair, double loss)
{
    double z2 = pair->z * pair->z;

    if (pair->down == 0.0)
        return z2 * unmix(pair->up, loss) + 0.5;
    if (pair->up == 0.0)
        return -(z2 * unmix(pair->down, -loss) + 0.5);
    if (pair->up == 1.0)
        return 0.5 * z2 * loss;
    return loss < 0.0 ? -at_symmetric(pair, -loss) : at_symmetric(pair, loss);
}

static double log_add(double a, double b)
{
    double high = fmax(a, b);

    return high == -INFINITY ? high : high + log1p(exp(fmin(a, b) - high));
}

static double log_mixture(double weight, double log_first, double log_second)
{
    if (weight == 0.0)
        return log_first;
    if (weight == 1.0)
        return log_second;
    return log_add(log1p(-weight) + log_first, log(weight) + log_second);
}

double mien_pair_log_above(const struct mien_pair *pair, double x)
{
    return log_mixture(pair->up, mien_log_normal_tail(x / pair->z),
                       mien_log_normal_tail((x - 1.0) / pair->z));
}

double mien_pair_log_above_q(const struct mien_pair *pair, double x)
{
    return log_mixture(pair->down, mien_log_normal_tail(x / pair->z),
                       mien_log_normal_tail((x + 1.0) / pair->z));
}

double mien_pair_log_below(const struct mien_pair *pair, double x)
{
    return log_mixture(pair->up, mien_log_normal_tail(-x / pair->z),
                       mien_log_normal_tail((1.0 - x) / pair->z));
}

static double density_0(double z, double x)
{
    double t = x / z;

    return inverse_root_two_pi / z * exp(-0.5 * t * t);
}

double mien_pair_log_density(const struct mien_pair *pair, double x)
{
    double t = x / pair->z;
    double log_ratio = log_mix(pair->up, (2.0 * x - 1.0) * 0.5 / (pair->z * pair->z));

    return log(inverse_root_two_pi / pair->z) - 0.5 * t * t + log_ratio;
}

double mien_pair_log_delta(const struct mien_pair *pair, double epsilon)
{
    double x = mien_pair_at(pair, epsilon);
    double first = mien_pair_log_above(pair, x);
    double second = epsilon + mien_pair_log_above_q(pair, x);

    if (x == INFINITY || !(second < first))
        return -INFINITY;
    return first + log(-expm1(second - first));
}

/* ---- cells ---- */

/* N_0's mass in a cell, and how much more N_1 and N_-1 have there. */
struct masses {
    double zero;
    double plus;
    double minus;
};

/* Mass of N_c between x0 < x1 from the two tails on the side where they are small. */
static double between(double z, double c, double x0, double x1)
{
    double t0 = (x0 - c) / z;
    double t1 = (x1 - c) / z;
    double tail0 = 0.5 * erfc(fabs(t0) * root_half);
    double tail1 = 0.5 * erfc(fabs(t1) * root_half);

    return (t0 < 0.0) == (t1 < 0.0) ? fabs(tail0 - tail1) : 1.0 - tail0 - tail1;
}

static struct masses wide_masses(const struct mien_pair *pair, double x0, double x1)
{
    double zero = between(pair->z, 0.0, x0, x1);

    return (struct masses){
        .zero = zero,
        .plus = pair->up > 0.0 ? between(pair->z, 1.0, x0, x1) - zero : 0.0,
        .minus = pair->down > 0.0 ? between(pair->z, -1.0, x0, x1) - zero : 0.0,
    };
}

static struct masses narrow_masses(const struct mien_pair *pair, double x0, double x1)
{
    static const double points[] = {-0.77459666924148337704, 0.0, 0.77459666924148337704};
    static const double weights[] = {5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0};
    double half = 0.5 / (pair->z * pair->z);
    struct masses sum = {0};

    for (int i = 0; i < 3; i++) {
        double x = 0.5 * (x0 + x1) + 0.5 * (x1 - x0) * points[i];
        double mass = weights[i] * (x1 - x0) * density_0(pair->z, x);

        sum.zero += mass;
        if (pair->up > 0.0)
            sum.plus += mass * expm1((2.0 * x - 1.0) * half);
        if (pair->down > 0.0)
            sum.minus += mass * expm1((-2.0 * x - 1.0) * half);
    }
    return sum;
}

double mien_pair_excess(const struct mien_pair *pair, double loss, double x0, double x1,
                        double *total)
{
    double z = pair->z;
    double dx = (x1 - x0) / z;
    double steep = 1.0 + (fmax(fabs(x0), fabs(x1)) + 1.0) / z;
    struct masses m = dx * steep < NARROW ? narrow_masses(pair, x0, x1) : wide_masses(pair, x0, x1);
    /* In the differences that do not cancel. */
    double excess = -expm1(loss) * m.zero + pair->up * m.plus;

    if (pair->down > 0.0)
        excess -= exp(loss) * pair->down * m.minus;
    *total = fmax(m.zero + pair->up * m.plus, 0.0);
    return excess;
}

struct mien_pair_cell mien_pair_cell(const struct mien_pair *pair, double loss, double width,
                                     double x0, double x1)
{
    struct mien_pair_cell cell = {0};
    double excess = mien_pair_excess(pair, loss, x0, x1, &cell.total);
    /* What is above the lower end's ratio, over what the upper end's has above it: in [0, 1]. */
    double upper = -excess / expm1(-width);

    /* Where e^loss overflows, and for anything that is no number: up. */
    cell.upper = upper < cell.total ? fmax(upper, 0.0) : cell.total;
    return cell;
}
