// SPDX-License-Identifier: Apache-2.0
/* Renyi moments where no pair is known that dominates: general amplification bounds. */
#include "common/base/mem.h"
#include "common/dp/rdp.h"

#include <math.h>
#include <stdbool.h>

/* Central moments are computed up to here; above it the plain bound stands in. */
#define MAX_CENTRAL 256

#define ROUND_UP 1e-9

static double log_add(double a, double b)
{
    double high = fmax(a, b);

    return high == -INFINITY || high == INFINITY ? high : high + log1p(exp(fmin(a, b) - high));
}

static double log_binomial(double n, double k)
{
    return lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0);
}

typedef double integer_moment(const void *self, unsigned order);

/* (a - 1) x RDP(a) is convex in a: linear between integers it is an upper bound. */
static void interpolate(integer_moment *moment, const void *self, const double *orders, size_t n,
                        double *log_moment)
{
    for (size_t i = 0; i < n; i++) {
        unsigned below = (unsigned)floor(orders[i]);
        double share = orders[i] - (double)below;
        double low = below > 1 && share < 1.0 ? moment(self, below) : 0.0;
        double value = share > 0.0 ? (1.0 - share) * low + share * moment(self, below + 1) : low;

        log_moment[i] = isnan(value) ? INFINITY : value * (1.0 + ROUND_UP);
    }
}

/* ---- fixed-size samples, one unit replaced ---- */

struct fixed_replace {
    double q;
    double z;            /* of the whole move: half the multiplier */
    double *log_central; /* [MAX_CENTRAL + 1] log E[(p / q - 1)^l], l even */
};

/* log E_{N(0, z^2)}[(e^((2 x - 1) / (2 z^2)) - 1)^l] for even l: non-negative, so it is summed. */
static double log_central(double z, unsigned l)
{
    double step = fmin(z, 1.0) / 4.0;
    double high = (double)l + 14.0 * z;
    double sum = -INFINITY;

    for (double x = -14.0 * z; x <= high; x += step) {
        double loss = (2.0 * x - 1.0) / (2.0 * z * z);
        double log_r = loss > 30.0 ? loss : log(fabs(expm1(loss)));

        sum = log_add(sum, (double)l * log_r - x * x / (2.0 * z * z));
    }
    return sum + log(step / z) - 0.91893853320467274178;
}

/* The j-th term over q^j C(a, j). */
static double fixed_term(const struct fixed_replace *f, unsigned j)
{
    double jj = (double)j;
    double plain = log(2.0) + (jj - 1.0) * jj / (2.0 * f->z * f->z); /* 2 e^((j-1) eps(j)) */

    if (j == 2)
        return fmin(plain, log(4.0 * expm1(1.0 / (f->z * f->z))));
    if (j > MAX_CENTRAL - 1)
        return plain;
    double low = f->log_central[j - j % 2];
    double high = f->log_central[j + j % 2];
    return fmin(plain, log(4.0) + 0.5 * (low + high));
}

static double fixed_moment(const void *self, unsigned order)
{
    const struct fixed_replace *f = self;
    double sum = 0.0; /* log 1 */

    for (unsigned j = 2; j <= order; j++) {
        double term = (double)j * log(f->q) + log_binomial((double)order, (double)j);

        sum = log_add(sum, term + fixed_term(f, j));
    }
    return sum;
}

enum mien_status mien_rdp_fixed_replace(double q, double z, const double *orders, size_t n,
                                        double *log_moment)
{
    struct fixed_replace f = {.q = q, .z = 0.5 * z};

    f.log_central = mien_calloc(MAX_CENTRAL + 1, sizeof(double));
    if (f.log_central == NULL)
        return MIEN_ENOMEM;
    for (unsigned l = 2; l <= MAX_CENTRAL; l += 2)
        f.log_central[l] = log_central(f.z, l);
    interpolate(fixed_moment, &f, orders, n, log_moment);
    mien_free(f.log_central);
    /* Never worse than everybody taking part. */
    for (size_t i = 0; i < n; i++)
        log_moment[i] = fmin(log_moment[i], orders[i] * (orders[i] - 1.0) / (2.0 * f.z * f.z));
    return MIEN_OK;
}

/* ---- Poisson before any mechanism ---- */

struct poisson_any {
    double q;
    double z;
};

static double poisson_moment(const void *self, unsigned order)
{
    const struct poisson_any *p = self;
    double a = (double)order;
    double stay = log1p(-p->q);
    double sum = (a - 1.0) * stay + log1p((a - 1.0) * p->q);

    for (unsigned j = 2; j <= order; j++) {
        double jj = (double)j;
        double moment = (jj - 1.0) * jj / (2.0 * p->z * p->z);

        sum = log_add(sum, log_binomial(a, jj) + jj * log(p->q) + (a - jj) * stay + moment +
                               (j > 2 ? log(3.0) : 0.0));
    }
    return fmax(sum, 0.0);
}

void mien_rdp_poisson_any(double q, double z, const double *orders, size_t n, double *log_moment)
{
    const struct poisson_any p = {q, z};

    if (q < 1.0)
        interpolate(poisson_moment, &p, orders, n, log_moment);
    for (size_t i = 0; i < n; i++) {
        double whole = orders[i] * (orders[i] - 1.0) / (2.0 * z * z) * (1.0 + ROUND_UP);

        log_moment[i] = q < 1.0 ? fmin(log_moment[i], whole) : whole;
    }
}
