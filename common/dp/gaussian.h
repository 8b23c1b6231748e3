/* Logarithms of the normal distribution's tail, for accountants.
 *
 * Threads: any
 */
#ifndef MIEN_DP_GAUSSIAN_H
#define MIEN_DP_GAUSSIAN_H

/* log P(N(0, 1) > x) for any x, without underflow (Mills' ratio as a continued fraction where
 * erfc would vanish). Relative error of the probability below 1e-13. */
double mien_log_normal_tail(double x);

/* log delta(epsilon) of a Gaussian pair at distance mu: Balle, Wang 2018, theorem 8. */
double mien_gaussian_log_delta(double mu, double epsilon);

#endif
