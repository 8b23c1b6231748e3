/* What filling a circle with dots needs, whichever way the dots are made (dots.c, merged.c).
 *
 * Threads: a fold belongs to one thread at a time
 */
#ifndef MIEN_DP_FOLD_H
#define MIEN_DP_FOLD_H

#include "common/dp/dots.h"

#include <stdint.h>

/* More cells would take seconds; with indices below 2^50, k h keeps its digits. */
#define MIEN_FOLD_MAX_CELLS ((size_t)1 << 24)
#define MIEN_FOLD_MAX_INDEX 1e15

struct mien_fold {
    const struct mien_dots *dots;
    double log_scale[3]; /* about the log moments, so that nothing overflows */
    double sums[3];
    double beyond;
    size_t n_cells;
};

/* A part of the step, and the widest cells at each of its nodes. */
struct mien_fold_part {
    const struct mien_law_part *part;
    const struct mien_law_nodes *nodes;
    double *width; /* [nodes->n] */
};

/* Puts mass on the dot at offset + k h. */
void mien_fold_emit(struct mien_fold *fold, int64_t k, double mass);

/* The widest cell that goes from `loss` up (sign 1) or down (-1): the least of the widths within
 * it, but at least h. `at` is a place among the nodes, 0 at first, that follows. */
double mien_fold_width(const struct mien_fold *fold, const struct mien_fold_part *part, double loss,
                       double sign, size_t *at);

/* Dots that the release dominates (merged.c). `beyond` becomes infinite where there would be too
 * many cells. */
void mien_fold_merged(struct mien_fold *fold, const struct mien_fold_part *part);

/* The offset of their grid: the loss of the cell in which half of P is. */
double mien_fold_offset(const struct mien_law_part *part, double h);

#endif
