/* What a run of noisy sums costs: (epsilon, delta) by every accountant that is valid for it.
 *
 * A run is a list of events; each event is `count` releases of an integer sum whose units have L2
 * bound B, with rounded Gaussian noise of standard deviation sigma (both integers; z = sigma / B),
 * the units drawn as `sampling` says. On an integer sum the rounded Gaussian is post-processing of
 * the continuous one, so the Gaussian's accountants are proofs for it in any dimension.
 *
 * Two figures: the reader's (sees releases and the public ledger; amplified by sampling) and the
 * witness' (also knows who took part: no amplification). Relation: zero-out. Every truncation is
 * against us: a figure here is never below the true one by more than rounding, and what cannot be
 * computed is infinite.
 *
 * Sources: Mironov 2017 (RDP); Mironov, Talwar, Zhang 2019, "Renyi Differential Privacy of the
 *          Sampled Gaussian Mechanism", section 3; Canonne, Kamath, Steinke 2020, proposition 12
 *          (conversion); Balle, Wang 2018, theorem 8 (exact Gaussian); Zhu, Dong, Wang 2022
 *          (fixed-size samples as a Poisson pair of twice the distance)
 * Threads: any; no state
 */
#ifndef MIEN_DP_ACCOUNT_H
#define MIEN_DP_ACCOUNT_H

#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the units of a release are drawn. There is no default: 0 is no sampling mode. */
enum mien_sampling {
    MIEN_SAMPLING_NONE = 1,    /* everybody, or by a rule that is not random: q counts as 1 */
    MIEN_SAMPLING_POISSON = 2, /* an independent coin of probability q per unit */
    MIEN_SAMPLING_FIXED = 3,   /* a uniform subset of fixed size, a share q of all units */
    MIEN_SAMPLING_POISSON_CAPPED = 4, /* coins; above a cap, drawn units are left out at random */
};

/* "none", "poisson", "fixed", "poisson-capped", or NULL. Static storage. */
const char *mien_sampling_name(enum mien_sampling sampling);

/* The mode of a name.  errors  MIEN_EPARSE  no such name (the sentence lists them) */
MIEN_CHECK enum mien_status mien_sampling_parse(const char *name, enum mien_sampling *out,
                                                struct mien_err *err);

/* `count` releases under the same constants. */
struct mien_dp_event {
    enum mien_sampling sampling;
    double rate;    /* q in (0, 1]; 1 for MIEN_SAMPLING_NONE */
    double noise;   /* z = sigma / B, at least 0; 0 costs infinity */
    uint64_t count; /* releases */

    /* Probability, a release, that it is not one of an ideal sample: a coin decided whether
     * anything was released at all, or a cap was reached (sampling.h). Delta pays
     * count apart (1 + e^epsilon) for it, so that the rest is all that accountants may use. */
    double apart;
};

/* A figure that no accountant of this set gave. */
#define MIEN_DP_NOT_VALID (-1.0)

/* Costs at one delta; infinity where there is no bound. */
struct mien_dp_cost {
    double epsilon;         /* reader: the smallest of the valid accountants */
    double epsilon_witness; /* no amplification */
    double rdp;             /* MIEN_DP_NOT_VALID where the accountant does not apply */
    double gaussian;        /* exact; only where no event is sampled */
};

/* The cost of all events together.
 *
 *   delta   in (0, 1)
 *   errors  MIEN_EINVAL  a sampling mode, rate, noise or delta out of range (named in err)
 */
MIEN_CHECK enum mien_status mien_dp_account(const struct mien_dp_event *events, size_t n_events,
                                            double delta, struct mien_dp_cost *out,
                                            struct mien_err *err);

/* The smallest noise multiplier (to 1e-6 relative, rounded up) with which `event` (its `noise` is
 * ignored) costs the reader at most `epsilon`.
 *
 *   errors  MIEN_EINVAL  as above, or no multiplier up to 10^6 is enough
 */
MIEN_CHECK enum mien_status mien_dp_solve_noise(const struct mien_dp_event *event, double epsilon,
                                                double delta, double *noise, struct mien_err *err);

/* RDP of one release of the Poisson-sampled Gaussian at one order > 1, any real: closed form for
 * integers, quadrature between. Infinity where it does not converge. */
double mien_dp_rdp(double rate, double noise, double order);

/* The smallest epsilon >= 0 with which a Gaussian of sensitivity / deviation = mu is
 * (epsilon, delta)-private, rounded up; infinity for what cannot be computed. */
double mien_dp_gaussian_epsilon(double mu, double delta);

#endif
