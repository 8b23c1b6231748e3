/* Pairs of distributions on the line that dominate one release.
 *
 * In units of the sensitivity, with noise multiplier z and densities N_c of N(c, z^2):
 *
 *     P = (1 - up) N_0 + up N_1        Q = (1 - down) N_0 + down N_-1
 *
 * Poisson sampling at rate q, a unit removed: up = q, down = 0; added: up = 0, down = q (mirrored,
 * so that the loss always grows with x); replaced: up = down = q. Without sampling q = 1. The
 * privacy loss log P(x) / Q(x) grows with x, and every question about a loss becomes one about x.
 *
 * Sources: Mironov, Talwar, Zhang 2019; Zhu, Dong, Wang 2022 (dominating pairs)
 * Threads: any; no state
 */
#ifndef MIEN_DP_PAIR_H
#define MIEN_DP_PAIR_H

struct mien_pair {
    double z;    /* > 0 */
    double up;   /* in [0, 1] */
    double down; /* in [0, 1]; not both 0 */
};

/* The privacy loss at x. */
double mien_pair_loss(const struct mien_pair *pair, double x);

/* Where the loss is `loss`; -infinity or infinity where all losses are above or below it. */
double mien_pair_at(const struct mien_pair *pair, double loss);

/* log P(X > x), log Q(X > x) and log P(X < x). */
double mien_pair_log_above(const struct mien_pair *pair, double x);
double mien_pair_log_above_q(const struct mien_pair *pair, double x);
double mien_pair_log_below(const struct mien_pair *pair, double x);

/* log of the density of P at x. */
double mien_pair_log_density(const struct mien_pair *pair, double x);

/* log of the hockey-stick divergence P(A) - e^epsilon Q(A), A = {loss > epsilon}. */
double mien_pair_log_delta(const struct mien_pair *pair, double epsilon);

/* P - e^loss Q between x0 and x1, without cancellation where it is small, and P there (`total`).
 * Not finite where e^loss overflows. */
double mien_pair_excess(const struct mien_pair *pair, double loss, double x0, double x1,
                        double *total);

/* P's mass in a cell, and how it is shared between the cell's ends so that both P and Q keep their
 * mass: "connect the dots" (Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022). */
struct mien_pair_cell {
    double total; /* P(x0 < X < x1) */
    double upper; /* the part that goes to the upper end; the rest goes to the lower */
};

/* The cell of losses from `loss` to `loss + width`, whose ends are at x0 <= x1. */
struct mien_pair_cell mien_pair_cell(const struct mien_pair *pair, double loss, double width,
                                     double x0, double x1);

#endif
