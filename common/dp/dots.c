// SPDX-License-Identifier: Apache-2.0
#include "common/dp/dots.h"

#include "common/base/mem.h"

#include <math.h>
#include <stdint.h>

/* A cell is never wider than this, so that what is linear in e^loss stays a small error. */
#define MAX_WIDTH 0.5

/* More would take seconds; with indices below 2^50, k h keeps its digits. */
#define MAX_CELLS ((size_t)1 << 24)
#define MAX_INDEX 1e15

struct fold {
    const struct mien_dots *dots;
    double log_scale[3]; /* about the log moments, so that nothing overflows */
    double sums[3];
    double beyond;
    size_t n_cells;
};

static void emit(struct fold *fold, int64_t k, double mass)
{
    const struct mien_dots *dots = fold->dots;
    double loss = (double)k * dots->h;
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

/* The widest cells between nodes, and a place in them that only moves up. */
struct widths {
    const struct mien_law_nodes *nodes;
    double *width; /* [nodes->n] */
    size_t at;
};

/* Cells in inverse proportion to the cube root of the tilted density: the fewest for a given
 * added variance (each adds mass width^2 / 6). */
static enum mien_status find_widths(const struct fold *fold, const struct mien_law_nodes *nodes,
                                    struct widths *widths)
{
    const struct mien_dots *dots = fold->dots;
    double log_total = mien_law_step_cumulants(dots->law, dots->step, dots->slope).value;
    double integral = 0.0;

    *widths = (struct widths){.nodes = nodes};
    widths->width = mien_calloc(nodes->n, sizeof(double));
    if (widths->width == NULL)
        return MIEN_ENOMEM;
    for (size_t i = 0; i < nodes->n; i++) {
        size_t below = i > 0 ? i - 1 : 0;
        size_t above = i + 1 < nodes->n ? i + 1 : i;
        double span = (nodes->loss[above] - nodes->loss[below]) / (double)(above - below);
        double log_mass = nodes->log_mass[i] + dots->slope * nodes->loss[i] - log_total;

        /* The cube root of the width over the mass: 1 / density^(1/3). */
        widths->width[i] = cbrt(span) * exp(-log_mass / 3.0);
        if (span > 0.0)
            integral += span / widths->width[i];
    }
    double scale = integral > 0.0 ? sqrt(6.0 * dots->variance / integral) : 0.0;
    for (size_t i = 0; i < nodes->n; i++)
        widths->width[i] = fmin(widths->width[i] * scale, MAX_WIDTH);
    return MIEN_OK;
}

/* How many grid steps the cell that starts at `loss` takes: the least width within it. */
static int64_t cell_steps(const struct mien_dots *dots, struct widths *widths, double loss)
{
    const struct mien_law_nodes *nodes = widths->nodes;
    double near = fmax(dots->max_width, 0.005 * fabs(loss - dots->epsilon));
    double h = dots->h;

    while (widths->at + 1 < nodes->n && nodes->loss[widths->at + 1] <= loss)
        widths->at++;
    double width = fmin(widths->width[widths->at], near);
    for (size_t i = widths->at + 1; i < nodes->n && width > h; i++) {
        width = fmin(width, widths->width[i]);
        if (nodes->loss[i] > loss + width)
            break;
    }
    return width > h ? (int64_t)(width / h) : 1;
}

/* ---- one part ---- */

/* The cell between two dots. */
struct span {
    int64_t k;
    int64_t next;
    double x0;
    double x1;
};

/* What a cell leaves for the dot at its upper end. */
struct rest {
    double mass;
    double deficit; /* dominated dots only: e^loss Q - P of that mass */
    int64_t k;      /* the cell's lower dot */
};

/* Connect the dots: a cell's mass to its two ends. */
static void connect(struct fold *fold, const struct mien_law_part *part, const struct span *span,
                    struct rest *rest)
{
    double h = fold->dots->h;
    struct mien_pair_cell cell = mien_pair_cell(
        &part->pair, (double)span->k * h, (double)(span->next - span->k) * h, span->x0, span->x1);

    emit(fold, span->k, rest->mass + part->weight * (cell.total - cell.upper));
    rest->mass = part->weight * cell.upper;
}

/* Dots that the release dominates: the half cells on both sides of a dot are merged into it where
 * their ratio is the dot's; what is left of one half goes down to the nearest dot, and P's surplus
 * there is dropped. */
static void merge(struct fold *fold, const struct mien_law_part *part, const struct span *span,
                  struct rest *rest)
{
    double h = fold->dots->h;
    double loss = (double)span->k * h;
    double half = 0.5 * (double)(span->next - span->k) * h;
    double middle = fmin(fmax(mien_pair_at(&part->pair, loss + half), span->x0), span->x1);
    struct mien_pair_cell lower = mien_pair_cell(&part->pair, loss, half, span->x0, middle);
    struct mien_pair_cell upper = mien_pair_cell(&part->pair, loss + half, half, middle, span->x1);
    double mass = part->weight * lower.total;
    double surplus = part->weight * lower.upper * -expm1(-half); /* P - e^loss Q */

    if (surplus >= rest->deficit) {
        double share = surplus > 0.0 ? rest->deficit / surplus : 0.0;

        emit(fold, span->k, rest->mass + share * mass + (1.0 - share) * (mass - surplus));
    } else {
        double share = surplus / rest->deficit;
        double floored = (rest->mass + rest->deficit) * exp((double)(rest->k - span->k) * h);

        emit(fold, span->k, mass + share * rest->mass);
        emit(fold, rest->k, (1.0 - share) * floored);
    }
    rest->mass = part->weight * upper.total;
    rest->deficit = part->weight * (upper.total - upper.upper) * expm1(half);
    rest->k = span->k;
}

static void end_part(struct fold *fold, const struct mien_law_part *part, const struct span *last,
                     const struct rest *rest)
{
    if (fold->dots->optimistic) {
        /* Down to the last dot but one. */
        double loss = (double)(rest->k - last->k) * fold->dots->h;

        emit(fold, rest->k, (rest->mass + rest->deficit) * exp(loss));
        return;
    }
    emit(fold, last->k, rest->mass);
    fold->beyond += part->weight * exp(mien_pair_log_above(&part->pair, last->x0));
}

static enum mien_status fold_part(struct fold *fold, size_t j)
{
    const struct mien_dots *dots = fold->dots;
    const struct mien_law_part *part = &dots->law->steps[dots->step].parts[j];
    const struct mien_law_nodes *nodes = &dots->law->nodes[2 * dots->step + j];
    double low = floor(mien_pair_loss(&part->pair, nodes->x_low) / dots->h);
    double high = ceil(mien_pair_loss(&part->pair, nodes->x_high) / dots->h);
    struct widths widths;
    enum mien_status status = find_widths(fold, nodes, &widths);

    if (status != MIEN_OK)
        return status;
    if (!(fabs(low) < MAX_INDEX) || !(fabs(high) < MAX_INDEX)) {
        fold->beyond = INFINITY;
        goto out;
    }
    struct span span = {.next = (int64_t)low};
    struct rest rest = {.k = (int64_t)low};
    span.x1 = mien_pair_at(&part->pair, low * dots->h);
    if (!dots->optimistic)
        rest.mass = part->weight * exp(mien_pair_log_below(&part->pair, span.x1));
    while (span.next < (int64_t)high) {
        span.k = span.next;
        span.x0 = span.x1;
        span.next += cell_steps(dots, &widths, (double)span.k * dots->h);
        if (span.next > (int64_t)high)
            span.next = (int64_t)high;
        span.x1 = fmax(mien_pair_at(&part->pair, (double)span.next * dots->h), span.x0);
        if (dots->optimistic)
            merge(fold, part, &span, &rest);
        else
            connect(fold, part, &span, &rest);
        if (++fold->n_cells > MAX_CELLS) {
            fold->beyond = INFINITY;
            goto out;
        }
    }
    span.k = span.next;
    span.x0 = span.x1;
    end_part(fold, part, &span, &rest);
out:
    mien_free(widths.width);
    return MIEN_OK;
}

enum mien_status mien_dots_fold(const struct mien_dots *dots, struct mien_dots_sums *sums)
{
    const struct mien_dots_tilt *tilt = &dots->tilt;
    const double at[3] = {tilt->theta, tilt->theta + tilt->up, tilt->theta - tilt->down};
    struct fold fold = {.dots = dots};

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
