// SPDX-License-Identifier: Apache-2.0
#include "common/dp/dots.h"

#include "common/base/mem.h"
#include "common/dp/fold.h"

#include <math.h>
#include <stdint.h>

/* A cell is never wider than this, so that what is linear in e^loss stays a small error. */
#define MAX_WIDTH 0.5

void mien_fold_emit(struct mien_fold *fold, int64_t k, double mass)
{
    const struct mien_dots *dots = fold->dots;
    double loss = dots->offset + (double)k * dots->h;
    int64_t n = (int64_t)dots->n_points;
    int64_t at = k % n;

    if (mass <= 0.0)
        return;
    double tilted = mass * exp(dots->tilt.theta * loss - fold->log_scale[0]);
    dots->points[at < 0 ? at + n : at] += tilted;
    fold->sums[0] += tilted;
    fold->sums[1] += mass * exp((dots->tilt.theta + dots->tilt.up) * loss - fold->log_scale[1]);
    fold->sums[2] += mass * exp((dots->tilt.theta - dots->tilt.down) * loss - fold->log_scale[2]);
}

/* ---- how wide ---- */

/* Cells in inverse proportion to the cube root of the tilted density: the fewest for a given
 * added variance (each adds mass width^2 / 6). */
static enum mien_status find_widths(const struct mien_fold *fold, struct mien_fold_part *part)
{
    const struct mien_law_nodes *nodes = part->nodes;
    const struct mien_dots *dots = fold->dots;
    double log_total = mien_law_step_cumulants(dots->law, dots->step, dots->slope).value;
    double integral = 0.0;

    part->width = mien_calloc(nodes->n, sizeof(double));
    if (part->width == NULL)
        return MIEN_ENOMEM;
    for (size_t i = 0; i < nodes->n; i++) {
        size_t below = i > 0 ? i - 1 : 0;
        size_t above = i + 1 < nodes->n ? i + 1 : i;
        double span = (nodes->loss[above] - nodes->loss[below]) / (double)(above - below);
        double log_mass = nodes->log_mass[i] + dots->slope * nodes->loss[i] - log_total;

        /* The cube root of the width over the mass: 1 / density^(1/3). */
        part->width[i] = cbrt(span) * exp(-log_mass / 3.0);
        if (span > 0.0)
            integral += span / part->width[i];
    }
    double scale = integral > 0.0 ? sqrt(6.0 * dots->variance / integral) : 0.0;
    for (size_t i = 0; i < nodes->n; i++)
        part->width[i] = fmin(part->width[i] * scale, MAX_WIDTH);
    return MIEN_OK;
}

double mien_fold_width(const struct mien_fold *fold, const struct mien_fold_part *part, double loss,
                       double sign, size_t *at)
{
    const struct mien_dots *dots = fold->dots;
    const struct mien_law_nodes *nodes = part->nodes;
    double near = fmax(dots->max_width, 0.005 * fabs(loss - dots->epsilon));
    size_t i = *at;

    while (i + 1 < nodes->n && nodes->loss[i + 1] <= loss)
        i++;
    while (i > 0 && nodes->loss[i] > loss)
        i--;
    *at = i;
    double width = fmin(part->width[i], near);
    while (width > dots->h && (sign > 0.0 ? i + 1 < nodes->n : i > 0)) {
        i = sign > 0.0 ? i + 1 : i - 1;
        width = fmin(width, part->width[i]);
        if (sign * (nodes->loss[i] - loss) > width)
            break;
    }
    return fmax(width, dots->h);
}

/* ---- one part ---- */

/* The cell between two dots. */
struct span {
    int64_t k;
    int64_t next;
    double x0;
    double x1;
};

/* Connect the dots: a cell's mass to its two ends. `rest` is what it leaves for the upper one. */
static void connect(struct mien_fold *fold, const struct mien_law_part *part,
                    const struct span *span, double *rest)
{
    double h = fold->dots->h;
    struct mien_pair_cell cell = mien_pair_cell(
        &part->pair, (double)span->k * h, (double)(span->next - span->k) * h, span->x0, span->x1);

    mien_fold_emit(fold, span->k, *rest + part->weight * (cell.total - cell.upper));
    *rest = part->weight * cell.upper;
}

static void fold_connected(struct mien_fold *fold, const struct mien_fold_part *of)
{
    const struct mien_law_part *part = of->part;
    double h = fold->dots->h;
    double low = floor(mien_pair_loss(&part->pair, of->nodes->x_low) / h);
    double high = ceil(mien_pair_loss(&part->pair, of->nodes->x_high) / h);
    size_t at = 0;

    if (!(fabs(low) < MIEN_FOLD_MAX_INDEX) || !(fabs(high) < MIEN_FOLD_MAX_INDEX)) {
        fold->beyond = INFINITY;
        return;
    }
    struct span span = {.next = (int64_t)low};
    span.x1 = mien_pair_at(&part->pair, low * h);
    double rest = part->weight * exp(mien_pair_log_below(&part->pair, span.x1));
    while (span.next < (int64_t)high) {
        span.k = span.next;
        span.x0 = span.x1;
        span.next += (int64_t)(mien_fold_width(fold, of, (double)span.k * h, 1.0, &at) / h);
        if (span.next > (int64_t)high)
            span.next = (int64_t)high;
        span.x1 = fmax(mien_pair_at(&part->pair, (double)span.next * h), span.x0);
        connect(fold, part, &span, &rest);
        if (++fold->n_cells > MIEN_FOLD_MAX_CELLS) {
            fold->beyond = INFINITY;
            return;
        }
    }
    mien_fold_emit(fold, span.next, rest);
    fold->beyond += part->weight * exp(mien_pair_log_above(&part->pair, span.x1));
}

static enum mien_status fold_part(struct mien_fold *fold, size_t j)
{
    const struct mien_dots *dots = fold->dots;
    struct mien_fold_part part = {.part = &dots->law->steps[dots->step].parts[j],
                                  .nodes = &dots->law->nodes[2 * dots->step + j]};
    enum mien_status status = find_widths(fold, &part);

    if (status != MIEN_OK)
        return status;
    if (dots->optimistic)
        mien_fold_merged(fold, &part);
    else
        fold_connected(fold, &part);
    mien_free(part.width);
    return MIEN_OK;
}

enum mien_status mien_dots_fold(const struct mien_dots *dots, struct mien_dots_sums *sums)
{
    const struct mien_dots_tilt *tilt = &dots->tilt;
    const double at[3] = {tilt->theta, tilt->theta + tilt->up, tilt->theta - tilt->down};
    struct mien_fold fold = {.dots = dots};

    for (int i = 0; i < 3; i++)
        fold.log_scale[i] = mien_law_step_cumulants(dots->law, dots->step, at[i]).value;
    for (size_t j = 0; j < dots->law->steps[dots->step].n_parts; j++) {
        enum mien_status status = fold_part(&fold, j);

        if (status != MIEN_OK)
            return status;
    }
    double scale = 1.0 / fold.sums[0];
    for (size_t i = 0; i < dots->n_points; i++)
        dots->points[i] *= scale;
    *sums = (struct mien_dots_sums){
        .log_moment = fold.log_scale[0] + log(fold.sums[0]),
        .log_moment_up = fold.log_scale[1] + log(fold.sums[1]),
        .log_moment_down = fold.log_scale[2] + log(fold.sums[2]),
        .beyond = fold.beyond,
        .n_cells = fold.n_cells,
    };
    return MIEN_OK;
}
