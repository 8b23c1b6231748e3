/* The law of a run's total privacy loss, roughly: what to tilt by, how wide, how fine.
 *
 * Every step's loss is held on the nodes of a quadrature; its cumulants choose the numbers with
 * which pld.h then does the rigorous work, and nothing here enters a result.
 *
 * Threads: a law belongs to one thread at a time
 */
#ifndef MIEN_DP_LAW_H
#define MIEN_DP_LAW_H

#include "common/base/compiler.h"
#include "common/base/status.h"
#include "common/dp/pair.h"

#include <stddef.h>

/* With probability `weight` the release is this pair's. */
struct mien_law_part {
    double weight;
    struct mien_pair pair;
};

/* `count` releases; which part made each is taken as known. */
struct mien_law_step {
    double count;
    size_t n_parts; /* 1 or 2, weights sum to 1 */
    struct mien_law_part parts[2];
};

/* A part's nodes, in growing order of the loss. */
struct mien_law_nodes {
    size_t n;
    double *loss;     /* [n] */
    double *log_mass; /* [n] the weight included */
    double x_low;     /* losses below and above these are cut */
    double x_high;
};

struct mien_law {
    const struct mien_law_step *steps; /* borrowed */
    size_t n_steps;
    struct mien_law_nodes *nodes; /* [2 n_steps] */
};

/* `beyond` and `below` bound the mass cut at each end of each step.
 *
 *   steps   lent until fini
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_law_init(struct mien_law *law, const struct mien_law_step *steps,
                                          size_t n_steps, double beyond, double below);
void mien_law_fini(struct mien_law *law);

/* The cumulant generating function of one step or of the total, and its derivatives. */
struct mien_law_cumulants {
    double value;
    double first;
    double second;
};
struct mien_law_cumulants mien_law_step_cumulants(const struct mien_law *law, size_t step,
                                                  double theta);
struct mien_law_cumulants mien_law_cumulants(const struct mien_law *law, double theta);

/* About the epsilon at which log delta is `log_delta`. */
double mien_law_epsilon(const struct mien_law *law, double log_delta);

/* A tilt and a stretch of losses that decides delta at every epsilon from its low end up: what a
 * circle of this width folds onto it is below e^-`depth` of delta. The exponents are those of the
 * Chernoff bounds by which that is checked on the grid. */
struct mien_law_window {
    double epsilon; /* the one it is made for */
    double slope;   /* how fast log delta falls there: the tilt whose mean is epsilon */
    double theta;   /* the tilt to use */
    double low;
    double width;
    double up;   /* > 0 */
    double down; /* > 0 */
};

/* What a window is wanted for. */
struct mien_law_wish {
    double epsilon; /* about where */
    double near;    /* surely not below: the window reaches down to it */
    double log_delta;
    double depth;
    double most;      /* the largest exponent of a bound: a grid blurs what larger ones see */
    double weight[2]; /* least share of the tilted mass that decides delta */
};

/* The narrowest window for each of the two least weights. The tilt whose mean is epsilon is not
 * always the best: where single losses are large and rare, it fills the window with them. Its width
 * is infinite where no tilt will do.
 */
void mien_law_windows(const struct mien_law *law, const struct mien_law_wish *wish,
                      struct mien_law_window best[2]);

/* Epsilon less what a guess by mien_law_epsilon may be off. */
double mien_law_near(const struct mien_law *law, double epsilon);

/* The variance that rounding to multiples of h adds to one release of a step, tilted. */
double mien_law_rounding(const struct mien_law *law, size_t step, double theta, double h);

#endif
