/* Correlated noise: how far one unit can move what is released, in units of its bound.
 *
 * With noise C^-1 z on a sum, or z on C x, the release is one Gaussian whose sensitivity is the
 * most that a unit's rows of C add up to, over all rounds that it may take part in. A unit takes
 * part at most `participations` times, and rounds s < t of its only with t - s >= `separation` (so
 * 1 is every round; some libraries count the rounds between, which is one less). Adaptivity is
 * covered (Denisov et al. 2022), sampling is not used, the relation is zero-out.
 *
 * Sources: Kairouz et al. 2021 (trees); Denisov et al. 2022; Choquette-Choo et al. 2023 (banded);
 *          Kalinin, Lampert 2024, theorem 2 (Toeplitz: the worst rounds are 0, b, 2 b, ...);
 *          McMahan, Xu, Zhang 2024 (BLT)
 * Threads: any; no state
 */
#ifndef MIEN_DP_STRATEGY_H
#define MIEN_DP_STRATEGY_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/dp/account.h"
#include "common/dp/strategy_table.h"

#include <stddef.h>
#include <stdint.h>

/* Who may take part when. */
struct mien_strategy_limits {
    uint64_t rounds;         /* n, 1 to 2^20 */
    uint64_t separation;     /* b >= 1 */
    uint64_t participations; /* k >= 1; more than fit into n are as many as fit */
};

/* The square of the sensitivity of independent noise: the participations that fit. */
double mien_strategy_independent(const struct mien_strategy_limits *limits);

/* ... of a binary tree over all rounds, every complete node released: exact, by a dynamic program
 * over the dyadic levels.
 *
 *   errors  MIEN_EINVAL; MIEN_ELIMIT  separation so large that it would take minutes; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_strategy_tree(const struct mien_strategy_limits *limits,
                                               double *squared, struct mien_err *err);

/* ... of trees that start anew every `restart` rounds, a unit being in each tree at most once: the
 * depths of the trees, summed (the last may be smaller; of more trees than participations, the
 * deepest).
 *
 *   errors  MIEN_EINVAL  also: the separation lets a unit into a tree twice
 */
MIEN_CHECK enum mien_status mien_strategy_tree_restarted(const struct mien_strategy_limits *limits,
                                                         uint64_t restart, double *squared,
                                                         struct mien_err *err);

/* ... of a lower triangular Toeplitz matrix with first column c, not negative and not growing;
 * coefficients from `n` on are 0 (a banded matrix).
 *
 *   errors  MIEN_EINVAL  also: c grows, or is negative; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_strategy_toeplitz(const struct mien_strategy_limits *limits,
                                                   const double *c, size_t n, double *squared,
                                                   struct mien_err *err);

/* ... of a strategy that a run names: of independent noise and trees as above, of a table in exact
 * integers, in units of c_0, rounded up only when it becomes a double.
 *
 *   errors  those of the kind
 */
MIEN_CHECK enum mien_status mien_strategy_of_table(const struct mien_strategy_limits *limits,
                                                   const struct mien_strategy_table *table,
                                                   double *squared, struct mien_err *err);

/* All of limits->rounds releases as the accountant's one event: with independent noise as many
 * releases as a unit can be part of; else one Gaussian whose noise is `noise` over the sensitivity,
 * rounded down. What cannot be bounded has no noise, which costs infinity.
 *
 *   limits  rounds may be 0: nothing was released
 *   noise   z = sigma / B of a release
 */
struct mien_dp_event mien_strategy_event(const struct mien_strategy_limits *limits,
                                         const struct mien_strategy_table *table, double noise);

/* First columns: of the square root of the matrix of prefix sums, c_i = c_(i-1) (2 i - 1) / (2 i);
 * and of a buffered linear Toeplitz matrix, c_0 = 1, c_i = sum_j omega_j theta_j^(i-1).
 *
 *   c  [n] out
 */
void mien_strategy_square_root(double *c, size_t n);
void mien_strategy_blt(const double *theta, const double *omega, size_t n_buffers, double *c,
                       size_t n);

#endif
