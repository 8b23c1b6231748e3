// SPDX-License-Identifier: Apache-2.0
#include "common/dp/gaussian.h"

#include "common/dp/account.h"

#include <math.h>

/* Added to every solved epsilon, relative: far above the rounding of what is summed here. */
#define ROUND_UP 1e-11

static const double half_log_two_pi = 0.91893853320467274178;
static const double root_half = 0.70710678118654752440;

double mien_log_normal_tail(double x)
{
    if (x < 8.0)
        return log(0.5 * erfc(x * root_half));
    /* P(X > x) = phi(x) / (x + 1 / (x + 2 / (x + 3 / ...))) */
    double fraction = x;

    for (int k = 200; k >= 1; k--)
        fraction = x + (double)k / fraction;
    return -0.5 * x * x - half_log_two_pi - log(fraction);
}

double mien_gaussian_log_delta(double mu, double epsilon)
{
    /* delta = P(N > eps/mu - mu/2) - e^eps P(N > eps/mu + mu/2) */
    double first = mien_log_normal_tail(epsilon / mu - 0.5 * mu);
    double second = epsilon + mien_log_normal_tail(epsilon / mu + 0.5 * mu);

    if (!(second < first))
        return -INFINITY;
    return first + log(-expm1(second - first));
}

double mien_dp_gaussian_epsilon(double mu, double delta)
{
    double log_delta = log(delta);

    if (mu == 0.0)
        return 0.0;
    if (!(mu > 0.0) || !isfinite(mu) || !(delta > 0.0))
        return INFINITY;
    if (mien_gaussian_log_delta(mu, 0.0) <= log_delta)
        return 0.0;
    double low = 0.0;
    double high = 1.0;
    while (!(mien_gaussian_log_delta(mu, high) <= log_delta)) {
        low = high;
        high *= 2.0;
        if (high > 1e15)
            return INFINITY;
    }
    while (high - low > 1e-13 * high) {
        double middle = 0.5 * (low + high);

        if (middle <= low || middle >= high)
            break;
        if (mien_gaussian_log_delta(mu, middle) <= log_delta)
            high = middle;
        else
            low = middle;
    }
    /* Where mu is small delta is a difference of near numbers, and rounding weighs more. */
    return high * (1.0 + ROUND_UP + 1e-15 / fmin(mu, 1.0));
}

/* Canonne, Kamath, Steinke 2020, proposition 12, at the order 1 + excess. Every order is a bound.
 */
static double zcdp_at(double rho, double delta, double excess)
{
    double order = 1.0 + excess;

    return order * rho + log1p(-1.0 / order) - (log(delta) + log1p(excess)) / excess;
}

double mien_dp_zcdp_epsilon(double rho, double delta)
{
    static const double golden = 0.61803398874989484820;

    if (rho == 0.0)
        return 0.0;
    if (!(rho > 0.0) || !isfinite(rho) || !(delta > 0.0))
        return INFINITY;
    if (delta * delta > -expm1(-rho))
        return 0.0;
    double middle = 0.5 * log(-log(delta) / rho);
    double low = middle - 5.0;
    double high = middle + 5.0;
    while (high - low > 1e-9) {
        double a = high - golden * (high - low);
        double b = low + golden * (high - low);

        if (zcdp_at(rho, delta, exp(a)) < zcdp_at(rho, delta, exp(b)))
            high = b;
        else
            low = a;
    }
    return fmax(zcdp_at(rho, delta, exp(0.5 * (low + high))), 0.0) * (1.0 + ROUND_UP);
}
