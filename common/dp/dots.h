/* One release's loss as masses on a grid, tilted and folded on a circle.
 *
 * Threads: any; no state
 */
#ifndef MIEN_DP_DOTS_H
#define MIEN_DP_DOTS_H

#include "common/dp/law.h"

#include <stdbool.h>

/* The tilt e^(theta loss), and the two exponents beside it whose moments bound the window. */
struct mien_dots_tilt {
    double theta;
    double up;
    double down;
};

struct mien_dots {
    const struct mien_law *law;
    size_t step;
    double h;      /* the grid: losses offset + k h */
    double offset; /* 0 for dots that dominate */
    struct mien_dots_tilt tilt;
    double slope;     /* the tilt of the law under which cells may be wider than h ... */
    double variance;  /* ... as long as that adds no more variance */
    double epsilon;   /* near this loss ... */
    double max_width; /* ... no cell is wider, farther away in proportion; but at least h */
    bool optimistic;
    double *points; /* [n_points] zeroed; out: tilted masses, sum 1, loss offset + k h at k mod
                       n_points */
    size_t n_points;
};

/* Moments of the dots: log E[e^(t L)] at theta, theta + up and theta - down. */
struct mien_dots_sums {
    double log_moment;
    double log_moment_up;
    double log_moment_down;
    double beyond; /* P(loss above the grid) */
    size_t n_cells;
};

/* Fills `points`.
 *
 *   sums    out; not finite where the grid would be too large
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_dots_fold(const struct mien_dots *dots,
                                           struct mien_dots_sums *sums);

#endif
