// SPDX-License-Identifier: Apache-2.0
/* Renyi differential privacy of the Poisson-sampled Gaussian.
 *
 * With mu_0 = N(0, z^2) and r(x) = 1 - q + q exp((2x - 1) / (2 z^2)), the divergence at order a is
 * log E_{mu_0}[r^a] / (a - 1); it bounds both directions (Mironov, Talwar, Zhang 2019, theorem 5).
 */
#include "common/dp/account.h"

#include <math.h>

/* Trapezoids per standard deviation: the integrand is analytic, so the error falls faster than any
 * power of the step; 16 reach rounding (checked against the quadrature column of the table). */
#define STEPS_PER_DEVIATION 16
#define WINDOW_DEVIATIONS 14.0

/* Relative, upward: above the rounding of sums of up to 2^21 doubles in log space. */
#define ROUND_UP 1e-11

static const double two_pi = 6.28318530717958647693;

static double log_add(double a, double b)
{
    double high = fmax(a, b);

    if (high == -INFINITY)
        return -INFINITY;
    return high + log1p(exp(fmin(a, b) - high));
}

/* log sum_k C(a, k) (1-q)^(a-k) q^k exp((k^2 - k) / (2 z^2)), integer a: section 3.3. The terms
 * k = 0 and 1 add up to about 1; what matters is the rest: sum_k>=2 C q^k (1-q)^(a-k) (e^.. - 1)
 * is the expectation minus 1, all terms non-negative, so that nothing cancels. */
static double integer_log_moment(double q, double z, unsigned order)
{
    double log_excess = -INFINITY;
    double a = (double)order;

    for (unsigned k = 2; k <= order; k++) {
        double kk = (double)k;
        double log_binomial = lgamma(a + 1) - lgamma(kk + 1) - lgamma(a - kk + 1);
        double exponent = (kk * kk - kk) / (2.0 * z * z);
        /* log(e^x - 1) */
        double log_gain = exponent > 40.0 ? exponent : log(expm1(exponent));
        double tail = q < 1.0 ? (a - kk) * log1p(-q) : 0.0;

        log_excess = log_add(log_excess, log_binomial + kk * log(q) + tail + log_gain);
    }
    return log_add(0.0, log_excess);
}

/* log E[r^a] for any a > 1: log1p of the integral of r^a - 1 - a (r - 1), which is non-negative,
 * while E[r - 1] = 0. */
static double real_log_moment(double q, double z, double order)
{
    double low = -WINDOW_DEVIATIONS * z;
    double high = order + WINDOW_DEVIATIONS * z;
    double step = fmin(z, 1.0) / STEPS_PER_DEVIATION;
    double n_steps = ceil((high - low) / step);
    double log_norm = -log(z) - 0.5 * log(two_pi);
    double log_sum = -INFINITY;

    if (!(n_steps < 2e6))
        return INFINITY;
    step = (high - low) / n_steps;
    for (double i = 0.0; i <= n_steps; i += 1.0) {
        double x = low + i * step;
        double loss = (2.0 * x - 1.0) / (2.0 * z * z);
        double log_r =
            loss > 40.0 ? loss + log(q + (1.0 - q) * exp(-loss)) : log1p(q * expm1(loss));
        double power = order * log_r;
        double log_term;

        if (power > 300.0) {
            log_term = power;
        } else {
            double excess = expm1(power) - order * expm1(log_r);
            log_term = excess > 0.0 ? log(excess) : -INFINITY;
        }
        log_sum = log_add(log_sum, log_term - x * x / (2.0 * z * z) + log_norm);
    }
    double log_integral = log_sum + log(step);
    return log_add(0.0, log_integral);
}

double mien_dp_rdp(double rate, double noise, double order)
{
    if (!(order > 1.0) || !(noise > 0.0) || !(rate > 0.0) || rate > 1.0)
        return INFINITY;
    if (rate == 1.0)
        return order / (2.0 * noise * noise) * (1.0 + ROUND_UP);
    double log_moment;
    if (order == floor(order) && order <= 4096.0)
        log_moment = integer_log_moment(rate, noise, (unsigned)order);
    else
        log_moment = real_log_moment(rate, noise, order);
    double rdp = log_moment / (order - 1.0) * (1.0 + ROUND_UP);
    return isnan(rdp) ? INFINITY : rdp;
}
