// SPDX-License-Identifier: Apache-2.0
#include "common/dp/rdp.h"

#include "common/base/mem.h"
#include "common/dp/account.h"

#include <math.h>
#include <stdbool.h>

/* Relative, upward: above the rounding of sums of some thousand doubles in log space. */
#define ROUND_UP 1e-11

/* Largest order of the closed form. */
#define MAX_INTEGER 4096

const double mien_rdp_orders[MIEN_RDP_N_ORDERS] = {
    1.01, 1.02, 1.03, 1.05, 1.08, 1.1,  1.13, 1.16, 1.2,  1.25, 1.3,  1.35, 1.4,  1.45, 1.5,  1.55,
    1.6,  1.65, 1.7,  1.75, 1.8,  1.85, 1.9,  2,    2.1,  2.2,  2.3,  2.4,  2.5,  2.6,  2.7,  2.8,
    2.9,  3,    3.1,  3.2,  3.3,  3.4,  3.5,  3.6,  3.7,  3.8,  3.9,  4,    4.1,  4.2,  4.3,  4.4,
    4.5,  4.6,  4.7,  4.8,  4.9,  5,    5.1,  5.2,  5.3,  5.4,  5.5,  5.6,  5.7,  5.8,  5.9,  6,
    6.1,  6.2,  6.3,  6.4,  6.5,  6.6,  6.7,  6.8,  6.9,  7,    7.1,  7.2,  7.3,  7.4,  7.5,  7.6,
    7.7,  7.8,  7.9,  8,    8.1,  8.2,  8.3,  8.4,  8.5,  8.6,  8.7,  8.8,  8.9,  9,    9.1,  9.2,
    9.3,  9.4,  9.5,  9.6,  9.7,  9.8,  9.9,  10,   10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 10.7, 10.8,
    10.9, 11,   11.5, 12,   13,   14,   15,   16,   17,   18,   19,   20,   21,   22,   23,   24,
    25,   26,   27,   28,   29,   30,   31,   32,   33,   34,   35,   36,   37,   38,   39,   40,
    41,   42,   43,   44,   45,   46,   47,   48,   49,   50,   51,   52,   53,   54,   55,   56,
    57,   58,   59,   60,   61,   62,   63,   64,   71,   79,   88,   98,   110,  122,  136,  151,
    169,  188,  209,  233,  259,  289,  321,  358,  398,  444,  494,  550,  613,  682,  760,  846,
    942,  1049, 1168, 1301, 1448, 1613, 1796, 2000,
};

double mien_rdp_epsilon(double rdp, double order, double delta)
{
    if (!isfinite(rdp))
        return INFINITY;
    /* The total variation of the pair is at most sqrt(1 - exp(-KL)), and KL is at most the RDP. */
    if (delta * delta > -expm1(-rdp))
        return 0.0;
    double epsilon = rdp + log1p(-1.0 / order) - log(delta * order) / (order - 1.0);

    return fmax(epsilon, 0.0) * (1.0 + 1e-12);
}

/* ---- integer orders ----
 *
 * E[r^a] = sum_k C(a, k) (1-q)^(a-k) q^k exp((k^2 - k) / (2 z^2)). The terms k = 0 and 1 and the 1
 * in the others add up to 1; what matters is the rest, sum_k>=2 C q^k (1-q)^(a-k) (e^.. - 1), all
 * terms non-negative, so that nothing cancels. */

struct integer_table {
    unsigned n;
    double *log_factorial; /* [n + 1] */
    double *log_term;      /* [n + 1] k log q + log(e^((k^2-k) / 2 z^2) - 1) - log k! */
};

static enum mien_status integer_table_init(struct integer_table *table, double q, double z,
                                           unsigned n)
{
    table->n = n;
    table->log_factorial = mien_calloc(2 * ((size_t)n + 1), sizeof(double));
    if (table->log_factorial == NULL)
        return MIEN_ENOMEM;
    table->log_term = table->log_factorial + n + 1;
    for (unsigned k = 1; k <= n; k++) {
        double kk = (double)k;
        double exponent = (kk * kk - kk) / (2.0 * z * z);
        double log_gain = exponent > 40.0 ? exponent : log(expm1(exponent));

        table->log_factorial[k] = table->log_factorial[k - 1] + log(kk);
        table->log_term[k] = kk * log(q) + log_gain - table->log_factorial[k];
    }
    return MIEN_OK;
}

static double integer_log_moment(const struct integer_table *table, double q, unsigned order)
{
    double stay = log1p(-q);
    double high = -INFINITY;
    double sum = 0.0;

    for (unsigned k = 2; k <= order; k++) {
        double term =
            table->log_term[k] - table->log_factorial[order - k] + (double)(order - k) * stay;
        high = fmax(high, term);
    }
    for (unsigned k = 2; k <= order; k++) {
        double term =
            table->log_term[k] - table->log_factorial[order - k] + (double)(order - k) * stay;
        if (term > high - 45.0)
            sum += exp(term - high);
    }
    double log_excess = table->log_factorial[order] + high + log(sum);
    return log_excess > 40.0 ? log_excess : log1p(exp(log_excess));
}

/* ---- any order ----
 *
 * E_Q[r^a] = 1 + E_Q[r^a - 1 - a (r - 1)], which is non-negative. */

/* r^a - 1 - a (r - 1) over r^a's scale e^shift. */
static double excess(double a, double log_r, double shift)
{
    double u = expm1(log_r);

    if (fabs(a * u) < 0.05) {
        double series = 1.0;

        for (int k = 8; k >= 3; k--)
            series = 1.0 + (a - (double)k + 1.0) / (double)k * u * series;
        return 0.5 * a * (a - 1.0) * u * u * series * exp(-shift);
    }
    if (log_r < 1.0)
        return (expm1(a * log_r) - a * u) * exp(-shift);
    double rest = 1.0 - a * exp((1.0 - a) * log_r) + (a - 1.0) * exp(-a * log_r);
    return rest * exp(a * log_r - shift);
}

struct quadrature {
    size_t n;
    double step;
    double *log_r;    /* [n] */
    double *log_mass; /* [n] of Q, times the step */
    double *x;        /* [n] */
};

/* Nodes up to where the largest order has its peak. The integrand is analytic in a strip as wide
 * as its deviation and as the first zero of P or Q allow, so these steps reach rounding. */
static enum mien_status quadrature_init(struct quadrature *nodes, const struct mien_pair *pair,
                                        double order)
{
    const struct mien_pair swapped = {pair->z, pair->down, pair->up};
    double reach = (pair->down > 0.0 ? 2.0 : 1.0) * order;
    double low = -1.0 - 14.0 * pair->z;
    double high = reach + 14.0 * pair->z;

    nodes->step = fmin(pair->z / 1.8, pair->z * pair->z / 2.2);
    double n = ceil((high - low) / nodes->step);
    if (!(n < 400000.0))
        return MIEN_OK;
    nodes->n = (size_t)n;
    nodes->log_r = mien_calloc(3 * nodes->n, sizeof(double));
    if (nodes->log_r == NULL)
        return MIEN_ENOMEM;
    nodes->log_mass = nodes->log_r + nodes->n;
    nodes->x = nodes->log_mass + nodes->n;
    for (size_t i = 0; i < nodes->n; i++) {
        double x = low + (double)i * nodes->step;

        nodes->x[i] = x;
        nodes->log_r[i] = mien_pair_loss(pair, x);
        /* Q is P's mirror image with the rates swapped. */
        nodes->log_mass[i] = log(nodes->step) + mien_pair_log_density(&swapped, -x);
    }
    return MIEN_OK;
}

static double quadrature_log_moment(const struct quadrature *nodes, double order, double high)
{
    double shift = 0.0;
    double sum = 0.0;

    for (size_t i = 0; i < nodes->n && nodes->x[i] <= high; i++)
        shift = fmax(shift, order * nodes->log_r[i] + nodes->log_mass[i]);
    for (size_t i = 0; i < nodes->n && nodes->x[i] <= high; i++)
        sum += excess(order, nodes->log_r[i], shift - nodes->log_mass[i]);
    return shift > 40.0 ? shift + log(sum + exp(-shift)) : log1p(exp(shift) * sum);
}

static double round_up(double log_moment)
{
    return isnan(log_moment) ? INFINITY : log_moment * (1.0 + ROUND_UP);
}

static bool by_integers(const struct mien_pair *pair, double order)
{
    return pair->down == 0.0 && order == floor(order) && order <= MAX_INTEGER;
}

/* The largest order of either way; 0 for none. */
static double largest(const struct mien_pair *pair, const double *orders, size_t n, bool integers)
{
    double most = 0.0;

    for (size_t i = 0; i < n; i++) {
        if (by_integers(pair, orders[i]) == integers)
            most = fmax(most, orders[i]);
    }
    return most;
}

static double one_moment(const struct mien_pair *pair, const struct integer_table *table,
                         const struct quadrature *nodes, double order)
{
    double reach = (pair->down > 0.0 ? 2.0 : 1.0) * order;

    if (by_integers(pair, order))
        return round_up(integer_log_moment(table, pair->up, (unsigned)order));
    if (nodes->n == 0)
        return INFINITY;
    return round_up(quadrature_log_moment(nodes, order, reach + 14.0 * pair->z));
}

enum mien_status mien_rdp_pair(const struct mien_pair *pair, const double *orders, size_t n,
                               double *log_moment)
{
    enum mien_status status = MIEN_OK;
    struct integer_table table = {0};
    struct quadrature nodes = {0};
    double distance = (pair->up == 1.0) + (pair->down == 1.0);

    if (pair->up == 1.0 || pair->down == 1.0) { /* one Gaussian: exact */
        double mu = distance / pair->z;

        for (size_t i = 0; i < n; i++)
            log_moment[i] = round_up(0.5 * mu * mu * orders[i] * (orders[i] - 1.0));
        return MIEN_OK;
    }
    double integer = largest(pair, orders, n, true);
    double real = largest(pair, orders, n, false);
    if (integer > 0.0)
        status = integer_table_init(&table, pair->up, pair->z, (unsigned)integer);
    if (status == MIEN_OK && real > 0.0)
        status = quadrature_init(&nodes, pair, real);
    for (size_t i = 0; i < n && status == MIEN_OK; i++)
        log_moment[i] = one_moment(pair, &table, &nodes, orders[i]);
    mien_free(table.log_factorial);
    mien_free(nodes.log_r);
    return status;
}

double mien_dp_rdp(double rate, double noise, double order)
{
    const struct mien_pair pair = {noise, rate, 0.0};
    double log_moment;

    if (!(order > 1.0) || !(noise > 0.0) || !(rate > 0.0) || rate > 1.0)
        return INFINITY;
    if (mien_rdp_pair(&pair, &order, 1, &log_moment) != MIEN_OK)
        return INFINITY;
    return log_moment / (order - 1.0);
}
