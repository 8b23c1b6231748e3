/* The rules by which units are drawn, as numbers: when a round may open, and how far what is
 * released can be from an ideal sample.
 *
 * Amplification is claimed for independent coins. Two things could make a unit's part depend on the
 * coins of others: that a round is released only when enough reported, and that a cap leaves drawn
 * units out. The opening rule makes the first a six-sigma event, counted before any coin; this
 * module bounds its probability from constants of the run, and delta pays for it (account.h,
 * `apart`). The second is part of what the accountants charge (event.h).
 *
 * Source:  design section 4, "Sampling"; Hoeffding 1963 (samples without replacement)
 * Threads: any; no state
 */
#ifndef MIEN_DP_SAMPLING_H
#define MIEN_DP_SAMPLING_H

#include "common/dp/account.h"

/* Constants of a run that decide who is drawn. */
struct mien_dp_draw {
    enum mien_sampling sampling;
    double rate; /* q; of MIEN_SAMPLING_FIXED cohort / population */

    /* Units that a round draws from: at least so many for a fixed-size sample; at most, of the
     * capped one, more being left out at random before any coin; else not used. */
    uint64_t population;
    uint32_t cohort;      /* of MIEN_SAMPLING_FIXED: the size of the sample */
    uint32_t cap;         /* of MIEN_SAMPLING_POISSON_CAPPED: units of a round at most */
    uint32_t min_reports; /* fewer: nothing is released */
    double drop_out;      /* planned share of units that leave, in [0, 1) */
};

/* No round opens: too many units would be needed. */
#define MIEN_DP_NEVER UINT64_MAX

/* Fewest units, eligible and counted before any coin, with which a round may open:
 * q N (1 - drop_out) - 6 sqrt(q N) >= min_reports; without the root where nothing is drawn; the
 * population of a fixed-size sample. MIEN_DP_NEVER where no number is enough. */
uint64_t mien_dp_draw_min_units(const struct mien_dp_draw *draw);

/* A bound on the probability, for one round that opened by the rule, that its release is not that
 * of an ideal sample: q p_pivotal, the coin being drawn while exactly min_reports - 1 others
 * report. It stands on the planned drop-out: more units leaving than that is outside of it. 0
 * without sampling. */
double mien_dp_draw_apart(const struct mien_dp_draw *draw);

/* P(Bin(n, q) = k), rounded up. */
double mien_dp_binomial_at(uint64_t n, double q, uint64_t k);

#endif
