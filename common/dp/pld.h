/* Privacy loss distributions: epsilon of a fixed list of releases, between two proven bounds.
 *
 * Every release is replaced by a pair of discrete distributions on a grid of losses, once by
 * "connect the dots" (each cell's mass goes to the cell's ends so that P and Q keep theirs: it
 * dominates the release) and once, for the lower bound, by merging cells (it is dominated).
 * The discrete losses are tilted by e^(theta loss), folded on a circle, convolved by FFT and tilted
 * back: theta puts the middle of the sum where delta is decided, so rounding is relative to delta
 * and not to 1. Losses above the window, by a Chernoff bound, and above the grid count as infinite.
 *
 * Valid for a list that was fixed before the first release: neither noise nor rates chosen after
 * looking at a release (docs/privacy.md).
 *
 * Sources: Koskela, Jaelkoe, Honkela 2020; Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022
 * Threads: any; no state
 */
#ifndef MIEN_DP_PLD_H
#define MIEN_DP_PLD_H

#include "common/dp/law.h"

#include <stdbool.h>

struct mien_pld_options {
    double delta; /* in (0, 1) */
    double grid;  /* uniform spacing of the losses; 0 lets the accountant choose */
    bool lower;   /* the lower bound too */
};

/* What was computed, for those who ask. */
struct mien_pld_answer {
    double epsilon; /* infinity where the grid would be too large or rounding too coarse */
    double lower;   /* where it was asked for: the true epsilon is not below */
    double grid;
    size_t n_points; /* of the circle; 0 where a closed form was used */
    size_t n_cells;  /* of all steps together */
};

/* Whether this build can (FFTW is an option). */
bool mien_pld_available(void);

/* The largest loss that all steps together can have: no epsilon is larger, at any delta. Infinity
 * where losses have no bound (they have one where a unit is added to a Poisson sample). */
double mien_pld_largest_loss(const struct mien_law_step *steps, size_t n_steps);

/* Epsilon at delta of all steps together, in one direction (swap the pairs for the other).
 *
 *   errors  MIEN_ENOMEM; MIEN_ESTATE  this build cannot
 */
MIEN_CHECK enum mien_status mien_pld_epsilon(const struct mien_law_step *steps, size_t n_steps,
                                             const struct mien_pld_options *options,
                                             struct mien_pld_answer *out);

#endif
