/* One attempt at an epsilon: losses tilted, on a circle, convolved and read (pld.h says why).
 *
 * Threads: a circle belongs to one thread at a time
 */
#ifndef MIEN_DP_CIRCLE_H
#define MIEN_DP_CIRCLE_H

#include "common/dp/dots.h"
#include "common/dp/law.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIEN_CIRCLE_MAX_POINTS ((size_t)1 << 20)

/* What came of an attempt. */
enum mien_circle_outcome {
    MIEN_CIRCLE_DONE,
    MIEN_CIRCLE_TOO_NARROW, /* too much was folded onto the window */
    MIEN_CIRCLE_WRONG_TILT, /* what decides delta is too near rounding */
    MIEN_CIRCLE_BELOW,      /* epsilon is below the window */
    MIEN_CIRCLE_NO_WINDOW,  /* no tilt would do */
    MIEN_CIRCLE_HOPELESS,   /* the grid would be too large */
};

struct mien_circle {
    /* To be set: */
    const struct mien_law *law;
    double delta;
    double grid;       /* uniform spacing of the losses; 0: chosen */
    bool optimistic;   /* dots that the releases dominate: the lower bound */
    size_t max_points; /* at most MIEN_CIRCLE_MAX_POINTS */
    double most;       /* largest exponent of the bounds on what is folded */

    /* What was chosen and computed: */
    size_t n_points;
    double h;
    struct mien_dots_sums total; /* of all releases, on the grid */

    /* Its own: */
    struct mien_law_window window;
    struct mien_dots_tilt tilt;
    double max_width;    /* of cells near epsilon */
    double origin;       /* losses of the sum are origin + k h ... */
    int64_t start;       /* ... and the window's first is this k */
    double beyond;       /* delta that losses off the grid or above the window may take */
    bool precise;        /* long doubles */
    double least_weight; /* how far above rounding what decides delta must be */
    struct mien_spectrum *spectrum;
};

/* All releases of a law. */
double mien_circle_releases(const struct mien_law *law);

/* Chooses tilt and window for an epsilon of about `guess`, surely not below `near`. */
void mien_circle_choose(struct mien_circle *circle, double guess, double near);

/* Composes and reads, the window widened by `slack` >= 1.
 *
 *   outcome  what came of it
 *   epsilon  the bound when it is done; below the window its start, where that is a proven upper
 *            bound, else -infinity; otherwise a hint
 *   errors   MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_circle_try(struct mien_circle *circle, double slack,
                                            enum mien_circle_outcome *outcome, double *epsilon);

#endif
