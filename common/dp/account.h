/* What a run of noisy sums costs: (epsilon, delta) by every accountant that is valid for it.
 *
 * A run is a list of events; each event is `count` releases of an integer sum whose units have L2
 * bound B, with noise of standard deviation sigma (both integers; z = sigma / B), the units drawn
 * as `sampling` says. On an integer sum the rounded Gaussian is post-processing of the continuous
 * one, so the Gaussian's accountants are proofs for it in any dimension. Correlated noise (trees,
 * matrices) is one unsampled event with z over the sensitivity of strategy.h. Noise that devices
 * add (distributed.h) is charged by RDP, and never as sampled: how much of it there is depends on
 * who was drawn.
 *
 * Two figures: the reader's (sees releases and the public ledger; amplified by sampling) and the
 * witness' (also knows who took part: no amplification). Every truncation is against us: a figure
 * here is never below the true one by more than rounding, and what cannot be computed is infinite.
 *
 * Privacy loss distributions need a list that was fixed before the first release; they count only
 * where all events that are sampled have the same constants and all noise is the same, which is
 * what a run without changes looks like. Renyi and Gaussian figures hold for any list.
 *
 * Sources: Mironov 2017 (RDP); Mironov, Talwar, Zhang 2019, "Renyi Differential Privacy of the
 *          Sampled Gaussian Mechanism", section 3; Canonne, Kamath, Steinke 2020, proposition 12
 *          (conversion); Balle, Wang 2018, theorem 8 (exact Gaussian); Doroshenko et al. 2022
 *          (privacy loss distributions); Zhu, Dong, Wang 2022 (fixed-size samples as a Poisson pair
 *          of twice the distance); Wang, Balle, Kasiviswanathan 2019, theorem 27 (the same, one
 *          replaced); Ganesh et al. 2025 (a capped Poisson sample)
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
    MIEN_SAMPLING_POISSON_CAPPED = 4, /* coins; above a cap the drawn are dropped at random */
};

/* What differs between the two worlds that must look alike. */
enum mien_relation {
    MIEN_RELATION_ZERO_OUT = 1,   /* one unit's vector is zero: this project's */
    MIEN_RELATION_ADD_REMOVE = 2, /* one unit more or less */
    MIEN_RELATION_REPLACE = 3,    /* one unit's vector is any other: it moves by 2 B */
};

/* How the noise is distributed. */
enum mien_dp_noise {
    MIEN_DP_GAUSSIAN = 0,          /* rounded_gaussian: every Gaussian accountant is a proof */
    MIEN_DP_DISCRETE_GAUSSIAN = 1, /* zCDP; sampled, RDP by a bound for any mechanism */
    MIEN_DP_DISTRIBUTED = 2,       /* a sum of discrete Gaussians (distributed.h): RDP, unsampled */
};

/* "none", "poisson", "fixed", "poisson-capped", or NULL. Static storage. */
const char *mien_sampling_name(enum mien_sampling sampling);

/* The mode of a name.  errors  MIEN_EPARSE  no such name (the sentence lists them) */
MIEN_CHECK enum mien_status mien_sampling_parse(const char *name, enum mien_sampling *out,
                                                struct mien_err *err);

/* "zero-out", "add-remove", "replace", or NULL; and back. As above. */
const char *mien_relation_name(enum mien_relation relation);
MIEN_CHECK enum mien_status mien_relation_parse(const char *name, enum mien_relation *out,
                                                struct mien_err *err);

/* `count` releases under the same constants. */
struct mien_dp_event {
    enum mien_sampling sampling;
    double rate;    /* q in (0, 1]; 1 for MIEN_SAMPLING_NONE */
    double noise;   /* z = sigma / B, at least 0; 0 costs infinity */
    uint64_t count; /* releases */

    /* Probability, a release, that it is not one of an ideal sample, since a coin decided whether
     * anything was released at all (sampling.h). Delta pays count apart (1 + e^epsilon) for it, so
     * that the rest is all that accountants may use. */
    double apart;
    enum mien_relation relation; /* 0: zero-out */
    enum mien_dp_noise kind;

    /* Of a capped sample: coins are drawn for `population` units (with `or_fewer`, for any number
     * up to that), and at most `cap` of the drawn are in a release. */
    uint64_t population;
    bool or_fewer;
    uint64_t cap;

    /* Of MIEN_DP_DISTRIBUTED: tau times the coordinates, what the noise's law is off a discrete
     * Gaussian's. 0 of others. */
    double off;
};

/* A figure that no accountant of this set gave. */
#define MIEN_DP_NOT_VALID (-1.0)

/* Costs at one delta; infinity where there is no bound. */
struct mien_dp_cost {
    double epsilon;         /* reader: the smallest of the valid accountants */
    double epsilon_witness; /* no amplification */
    double rdp;             /* MIEN_DP_NOT_VALID where the accountant does not apply */
    double gaussian;        /* exact; only where no event is sampled */
    double zcdp;            /* from the sum of rho alone; only where no event is sampled */
    double pld;             /* privacy loss distributions, the upper bound */
    double pld_lower;       /* the lower, where asked for: the true epsilon is between */
    double pld_grid;        /* spacing of the losses; 0 for a closed form */
};

/* How to account. Zeroed: all accountants, grids chosen. */
struct mien_dp_options {
    bool without_pld; /* Renyi and closed forms only */
    bool lower;       /* pld_lower too: twice the work */
    double grid;      /* of the privacy loss distributions; 0: chosen for 2e-5 of epsilon */
};

/* The cost of all events together.
 *
 *   delta   in (0, 1)
 *   errors  MIEN_EINVAL  a sampling mode, rate, noise, cap or delta out of range, or relations
 *                        that differ (named in err); MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_dp_account(const struct mien_dp_event *events, size_t n_events,
                                            double delta, struct mien_dp_cost *out,
                                            struct mien_err *err);

/* The same with a choice of accountants. */
MIEN_CHECK enum mien_status mien_dp_account_by(const struct mien_dp_event *events, size_t n_events,
                                               double delta, const struct mien_dp_options *options,
                                               struct mien_dp_cost *out, struct mien_err *err);

/* Whether this build has privacy loss distributions (FFTW, a build option). */
bool mien_dp_has_pld(void);

/* RDP of one release of the Poisson-sampled Gaussian at one order > 1, any real: closed form for
 * integers, quadrature between. Infinity where it does not converge. */
double mien_dp_rdp(double rate, double noise, double order);

/* The smallest epsilon >= 0 with which a Gaussian of sensitivity / deviation = mu is
 * (epsilon, delta)-private, rounded up; infinity for what cannot be computed. */
double mien_dp_gaussian_epsilon(double mu, double delta);

/* The smallest epsilon >= 0 that rho-zCDP implies at delta by the conversion of Canonne, Kamath and
 * Steinke over all orders, rounded up. */
double mien_dp_zcdp_epsilon(double rho, double delta);

#endif
