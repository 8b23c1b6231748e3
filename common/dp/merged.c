// SPDX-License-Identifier: Apache-2.0
/* Dots that a release dominates: the line is cut into cells each of which, P's mass over Q's, has
 * exactly the ratio of a dot. Saying only which cell an outcome fell into is post-processing, so
 * the dots are below the release; neither P nor Q loses mass, and the error is of second order in
 * the width.
 *
 * The grid starts at the ratio of a first cell, at the end of the losses or in the middle of P. So
 * where nearly all releases have nearly the same loss and the grid is wider than that, they are
 * exactly one dot. From there cells follow in both directions.
 */
#include "common/dp/fold.h"

#include <math.h>
#include <stdbool.h>

#define MAX_STEPS 60

/* Tails beyond so many deviations weigh next to nothing. */
#define FAR 8.0

/* ---- the first cell ---- */

struct cell {
    double x0;
    double x1;
    double loss; /* of the whole cell: log of P's mass over Q's */
    double mass;
};

static double median(const struct mien_pair *pair)
{
    double low = -1.0 - 10.0 * pair->z;
    double high = 2.0 + 10.0 * pair->z;

    while (high - low > 1e-6 * pair->z) {
        double middle = 0.5 * (low + high);

        if (mien_pair_log_below(pair, middle) < log(0.5))
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The last step of losses before their end, where they have one (a cell there might find no dot to
 * meet); else half a step to both sides of the median. */
static struct cell first_cell(const struct mien_pair *pair, double h)
{
    struct cell cell;
    double loss;

    if (pair->down == 0.0 && pair->up < 1.0) {
        double x = mien_pair_at(pair, log1p(-pair->up) + h);

        cell = (struct cell){.x0 = -INFINITY, .x1 = fmax(x, -FAR * pair->z)};
        loss = log1p(-pair->up);
    } else if (pair->up == 0.0 && pair->down < 1.0) {
        double x = mien_pair_at(pair, -log1p(-pair->down) - h);

        cell = (struct cell){.x0 = fmin(x, FAR * pair->z), .x1 = INFINITY};
        loss = -log1p(-pair->down);
    } else {
        loss = mien_pair_loss(pair, median(pair));
        cell = (struct cell){.x0 = mien_pair_at(pair, loss - 0.5 * h),
                             .x1 = mien_pair_at(pair, loss + 0.5 * h)};
    }
    /* log P / Q = loss - log(1 - (P - e^loss Q) / P) */
    double excess = mien_pair_excess(pair, loss, cell.x0, cell.x1, &cell.mass);
    cell.loss = loss - log1p(-excess / cell.mass);
    if (!isfinite(cell.loss))
        cell.loss = mien_pair_loss(pair, fmax(cell.x0, -FAR * pair->z));
    return cell;
}

double mien_fold_offset(const struct mien_law_part *part, double h)
{
    return first_cell(&part->pair, h).loss;
}

/* ---- those that follow ---- */

/* A walk away from the first cell, up (sign 1) or down (-1). */
struct walk {
    struct mien_fold *fold;
    const struct mien_fold_part *of;
    double sign;
    double x; /* where the last cell ended */
    size_t at;
};

/* The far end x of a cell that starts at the walk's place, where the loss is `loss`, and has the
 * ratio of `dot`: P - e^dot Q first goes away from 0 and comes back where as much is on the other
 * side of the dot. The ratio is above the dot's by up to a hundred millionth of the cell, never
 * below. False where it never comes back, or cannot be computed. */
static bool far_end(const struct walk *w, double dot, double loss, double *end, double *total)
{
    const struct mien_pair *pair = &w->of->part->pair;
    double x = mien_pair_at(pair, 2.0 * dot - loss);
    double inside = mien_pair_at(pair, dot); /* before the root */
    double outside = w->sign > 0.0 ? w->of->nodes->x_high : w->of->nodes->x_low;

    for (int i = 0; i < MAX_STEPS; i++) {
        if (!(w->sign * (x - inside) > 0.0) || !(w->sign * (outside - x) > 0.0))
            x = 0.5 * (inside + outside);
        double excess = mien_pair_excess(pair, dot, fmin(w->x, x), fmax(w->x, x), total);
        double slope = exp(mien_pair_log_density(pair, x)) * -expm1(dot - mien_pair_loss(pair, x));
        double enough = 1e-8 * fabs(dot - loss) * *total;

        *end = x;
        if (excess >= 0.0 && excess <= enough)
            return true;
        if (!isfinite(excess) || !(slope != 0.0))
            return false;
        if (w->sign * excess < 0.0)
            inside = x;
        else
            outside = x;
        x -= w->sign * (excess - 0.5 * enough) / slope;
    }
    return false;
}

/* What is left of P counts at the dot below it; a last tail below, whose losses have no end, not at
 * all. */
static void end_walk(const struct walk *w)
{
    const struct mien_dots *dots = w->fold->dots;
    const struct mien_law_part *part = w->of->part;
    double x_low = w->of->nodes->x_low;
    double x = w->sign > 0.0 ? w->x : x_low;
    double k = floor((mien_pair_loss(&part->pair, x) - dots->offset) / dots->h);
    double mass = w->sign > 0.0 ? exp(mien_pair_log_above(&part->pair, w->x))
                                : exp(mien_pair_log_below(&part->pair, w->x)) -
                                      exp(mien_pair_log_below(&part->pair, x_low));

    if (fabs(k) < MIEN_FOLD_MAX_INDEX)
        mien_fold_emit(w->fold, (int64_t)k, part->weight * mass);
}

/* The next cell, about `width` of losses wide; narrower where the mass beyond is too little to meet
 * its dot. False where not even the nearest can be met. */
static bool next_cell(struct walk *w, double loss, double width)
{
    const struct mien_dots *dots = w->fold->dots;
    double here = (loss - dots->offset) / dots->h;
    double nearest = w->sign > 0.0 ? floor(here) + 1.0 : ceil(here) - 1.0;
    double k = floor(here + w->sign * 0.5 * width / dots->h + 0.5);
    double end;
    double total;

    /* A quarter of a step away at least, so that no cell shrinks to nothing without need. */
    if (w->sign * (k - here) < 0.25)
        k += w->sign;
    if (!(fabs(k) < MIEN_FOLD_MAX_INDEX))
        return false;
    while (!far_end(w, dots->offset + k * dots->h, loss, &end, &total)) {
        if (k == nearest)
            return false;
        k = nearest + trunc(0.5 * (k - nearest));
    }
    mien_fold_emit(w->fold, (int64_t)k, w->of->part->weight * total);
    w->x = end;
    return true;
}

static void walk(struct walk *w)
{
    double until = w->sign > 0.0 ? w->of->nodes->x_high : w->of->nodes->x_low;

    while (w->sign * (until - w->x) > 0.0) {
        double loss = mien_pair_loss(&w->of->part->pair, w->x);

        if (!next_cell(w, loss, mien_fold_width(w->fold, w->of, loss, w->sign, &w->at)))
            break;
        if (++w->fold->n_cells > MIEN_FOLD_MAX_CELLS) {
            w->fold->beyond = INFINITY;
            return;
        }
    }
    end_walk(w);
}

void mien_fold_merged(struct mien_fold *fold, const struct mien_fold_part *of)
{
    const struct mien_dots *dots = fold->dots;
    struct cell first = first_cell(&of->part->pair, dots->h);
    struct walk up = {.fold = fold, .of = of, .sign = 1.0, .x = first.x1};
    struct walk down = {.fold = fold, .of = of, .sign = -1.0, .x = first.x0};
    /* The dot 0, of the step's first part. */
    double k = floor((first.loss - dots->offset) / dots->h + 1e-9);

    if (fabs(k) < MIEN_FOLD_MAX_INDEX)
        mien_fold_emit(fold, (int64_t)k, of->part->weight * first.mass);
    walk(&up);
    walk(&down);
}
