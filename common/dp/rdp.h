/* Renyi moments log E_Q[(P / Q)^a] of one release; the divergence is that over a - 1.
 *
 * What a bound cannot say is infinite.
 *
 * Sources: Mironov, Talwar, Zhang 2019, section 3.3 (integer orders; the removal bounds the
 *          addition, theorem 5); Wang, Balle, Kasiviswanathan 2019, theorem 27 (fixed-size
 * samples); Zhu, Wang 2019, theorem 5 (any mechanism, Poisson); Canonne, Kamath, Steinke 2020,
 *          proposition 12 (conversion)
 * Threads: any; no state
 */
#ifndef MIEN_DP_RDP_H
#define MIEN_DP_RDP_H

#include "common/base/compiler.h"
#include "common/base/status.h"
#include "common/dp/pair.h"

#include <stddef.h>

/* The orders of the accountants: 1.01 to 2000, growing. */
#define MIEN_RDP_N_ORDERS 200
extern const double mien_rdp_orders[MIEN_RDP_N_ORDERS];

/* A pair's moments at `n` orders above 1, growing: closed form at integers (for the removal),
 * quadrature without cancellation between.
 *
 *   log_moment  [n] out
 *   errors      MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_rdp_pair(const struct mien_pair *pair, const double *orders,
                                          size_t n, double *log_moment);

/* The moments of one unit replaced in a uniform subset of fixed size, a share q, with Gaussian
 * noise of multiplier z on a sum in which that moves by 2: theorem 27, between integers linear in
 * the moment, which is convex.
 *
 *   errors      MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_rdp_fixed_replace(double q, double z, const double *orders,
                                                   size_t n, double *log_moment);

/* The moments of Poisson sampling before any mechanism that is as private as a Gaussian of
 * multiplier z at integer orders (the discrete Gaussian): theorem 5 of Zhu and Wang. */
void mien_rdp_poisson_any(double q, double z, const double *orders, size_t n, double *log_moment);

/* The epsilon of a divergence at one order. */
double mien_rdp_epsilon(double rdp, double order, double delta);

#endif
