// SPDX-License-Identifier: Apache-2.0
#include "common/dp/binomial.h"

#include <math.h>

#define ROUND_UP 1e-9

static const double log_two_pi = 1.83787706640934548356;

/* log n! less Stirling's formula. */
static double stirling_rest(double n)
{
    double square = n * n;

    if (n < 16.0)
        return lgamma(n + 1.0) - (n + 0.5) * log(n) + n - 0.5 * log_two_pi;
    return (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / square) / square) / square) /
           n;
}

/* x log(x / m) + m - x, without cancellation where they are near. */
static double deviance(double x, double m)
{
    double v = (x - m) / (x + m);

    if (fabs(v) >= 0.1)
        return x * log(x / m) + m - x;
    /* log(x / m) = 2 (v + v^3 / 3 + v^5 / 5 + ...) */
    double sum = (x - m) * v;
    double power = 2.0 * x * v;
    for (int i = 3; i < 40; i += 2) {
        power *= v * v;
        sum += power / (double)i;
    }
    return sum;
}

static double log_mass(double n, double p, double k)
{
    if (k == 0.0)
        return n * log1p(-p);
    if (k == n)
        return n * log(p);
    double rest = stirling_rest(n) - stirling_rest(k) - stirling_rest(n - k) - deviance(k, n * p) -
                  deviance(n - k, n * (1.0 - p));

    return rest + 0.5 * (log(n / (k * (n - k))) - log_two_pi);
}

/* The sum of masses from k away from the mean, over the mass at k. */
static double tail_ratio(double n, double p, double k, double sign)
{
    double sum = 1.0;
    double term = 1.0;

    for (double i = k; term > 1e-18 * sum; i += sign) {
        term *= sign > 0.0 ? (n - i) / (i + 1.0) * (p / (1.0 - p))
                           : i / (n - i + 1.0) * ((1.0 - p) / p);
        sum += term;
    }
    return sum;
}

double mien_binomial_tail(uint64_t n, double p, uint64_t k)
{
    double nn = (double)n;
    double kk = (double)k;
    double tail;

    if (k == 0)
        return 1.0;
    if (k > n)
        return 0.0;
    if (kk > nn * p)
        tail = exp(log_mass(nn, p, kk)) * tail_ratio(nn, p, kk, 1.0);
    else
        tail = 1.0 - exp(log_mass(nn, p, kk - 1.0)) * tail_ratio(nn, p, kk - 1.0, -1.0);
    return fmin(tail * (1.0 + ROUND_UP), 1.0);
}
