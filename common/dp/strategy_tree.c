// SPDX-License-Identifier: Apache-2.0
/* All nodes of a level look alike, so one table a level is enough: best[c][a][e] is the most that a
 * node of 2^level rounds and everything below it can add up to with c participations, none before
 * offset a, and so that the next one may come e rounds after the node's end at the latest. A node
 * is its two halves, joined where the left one's e is the right one's a, and its own c^2. Nodes no
 * larger than the separation have at most one participation and a closed form. */
#include "common/dp/strategy_tree.h"

#include "common/base/mem.h"

#include <math.h>

#define MAX_LEVELS 24
#define MAX_WORK 6e10
#define MAX_TABLE ((size_t)1 << 25)

struct level {
    uint64_t size;
    size_t n_counts; /* c = 0 .. n_counts - 1 */
    double *best;    /* [n_counts][b + 1][b + 1]; NULL for the closed form */
};

struct search {
    size_t b;
    size_t k;
    size_t n_levels;
    struct level level[MAX_LEVELS];
};

/* One participation in a node of at most b rounds: it lies at a or later, and b rounds after it is
 * at most e after the end. */
static double closed_form(const struct search *s, size_t level, size_t c, size_t a, size_t e)
{
    uint64_t size = s->level[level].size;

    if (c == 0)
        return 0.0;
    return a < size && a + s->b <= size + e ? (double)level + 1.0 : -INFINITY;
}

static double best_of(const struct search *s, size_t level, size_t c, size_t a, size_t e)
{
    const struct level *of = &s->level[level];

    if (of->best == NULL)
        return closed_form(s, level, c, a, e);
    return of->best[(c * (s->b + 1) + a) * (s->b + 1) + e];
}

/* Both halves with participations: best over where the left one lets the right one begin. */
static void join(const struct search *s, size_t level, size_t left, size_t right, double *best)
{
    size_t width = s->b + 1;
    double own = (double)(left + right) * (double)(left + right);

    for (size_t a = 0; a < width; a++) {
        for (size_t between = 0; between < width; between++) {
            double first = best_of(s, level - 1, left, a, between) + own;

            if (first == -INFINITY)
                continue;
            for (size_t e = 0; e < width; e++) {
                double both = first + best_of(s, level - 1, right, between, e);

                best[a * width + e] = fmax(best[a * width + e], both);
            }
        }
    }
}

/* All participations in one half. */
static void join_one(const struct search *s, size_t level, size_t c, double *best)
{
    size_t width = s->b + 1;
    size_t half = (size_t)s->level[level - 1].size;
    double own = (double)c * (double)c;

    for (size_t a = 0; a < width; a++) {
        for (size_t e = 0; e < width; e++) {
            size_t later = e + half < s->b ? e + half : s->b;
            double left = best_of(s, level - 1, c, a, later);
            double right = best_of(s, level - 1, c, a > half ? a - half : 0, e);

            best[a * width + e] = fmax(best[a * width + e], fmax(left, right) + own);
        }
    }
}

static size_t most_counts(const struct search *s, uint64_t size)
{
    size_t fit = (size_t)((size - 1) / s->b) + 1;

    return (fit < s->k ? fit : s->k) + 1;
}

static enum mien_status fill_level(struct search *s, size_t level)
{
    struct level *to = &s->level[level];
    size_t width = s->b + 1;
    size_t below = s->level[level - 1].n_counts;

    to->best = mien_calloc(to->n_counts * width, width * sizeof(double));
    if (to->best == NULL)
        return MIEN_ENOMEM;
    for (size_t c = 1; c < to->n_counts; c++) {
        double *best = to->best + c * width * width;

        for (size_t i = 0; i < width * width; i++)
            best[i] = -INFINITY;
        if (c < below)
            join_one(s, level, c, best);
        for (size_t left = 1; left < c; left++) {
            if (left < below && c - left < below)
                join(s, level, left, c - left, best);
        }
    }
    return MIEN_OK;
}

/* `in` participations in the next tree and the rest before it. */
static double with_tree(const struct search *s, size_t level, const double *before, size_t in,
                        size_t e)
{
    double best = -INFINITY;

    for (size_t a = 0; a <= s->b; a++)
        best = fmax(best, before[a] + best_of(s, level, in, a, e));
    return best;
}

/* The complete trees side by side, largest first; `so_far` is [k + 1][b + 1] by count and e. */
static void append_tree(const struct search *s, size_t level, const double *so_far, double *next)
{
    size_t width = s->b + 1;
    size_t size = (size_t)s->level[level].size;

    for (size_t i = 0; i < (s->k + 1) * width; i++) {
        size_t c = i / width;
        size_t e = i % width;
        double best = so_far[c * width + (e + size < s->b ? e + size : s->b)];

        for (size_t in = 1; in <= c && in < s->level[level].n_counts; in++)
            best = fmax(best, with_tree(s, level, so_far + (c - in) * width, in, e));
        next[i] = best;
    }
}

static enum mien_status join_trees(const struct search *s, uint64_t rounds, double *squared)
{
    size_t n = (s->k + 1) * (s->b + 1);
    double *so_far = mien_calloc(2 * n, sizeof(double));
    double *spare = so_far + n;
    double *mine = so_far;

    if (mine == NULL)
        return MIEN_ENOMEM;
    for (size_t i = s->b + 1; i < n; i++)
        so_far[i] = -INFINITY;
    for (size_t level = s->n_levels; level-- > 0;) {
        double *swap = so_far;

        if ((rounds >> level & 1) == 0)
            continue;
        append_tree(s, level, so_far, spare);
        so_far = spare;
        spare = swap;
    }
    *squared = 0.0;
    for (size_t c = 0; c <= s->k; c++)
        *squared = fmax(*squared, so_far[c * (s->b + 1) + s->b]);
    mien_free(mine);
    return MIEN_OK;
}

static enum mien_status check_size(const struct search *s, struct mien_err *err)
{
    double width = (double)s->b + 1.0;
    double work = 0.0;
    double table = 0.0;

    for (size_t i = 0; i < s->n_levels; i++) {
        double counts = (double)s->level[i].n_counts;

        if (s->level[i].size <= s->b)
            continue;
        table += counts * width * width;
        work += 0.25 * counts * counts * width * width * width;
    }
    if (work > MAX_WORK || table > (double)MAX_TABLE)
        return mien_err_set(err, MIEN_ELIMIT,
                            "the worst rounds at a separation of %zu would take too long to find: "
                            "a smaller separation or count of rounds, or a restart",
                            s->b);
    return MIEN_OK;
}

enum mien_status mien_strategy_tree_search(const struct mien_strategy_limits *limits,
                                           double *squared, struct mien_err *err)
{
    struct search s = {.b = (size_t)limits->separation, .k = (size_t)limits->participations};

    while (s.n_levels < MAX_LEVELS && (limits->rounds >> s.n_levels) > 0) {
        struct level *level = &s.level[s.n_levels];

        level->size = (uint64_t)1 << s.n_levels++;
        level->n_counts = most_counts(&s, level->size);
    }
    enum mien_status status = check_size(&s, err);
    for (size_t i = 0; i < s.n_levels && status == MIEN_OK; i++) {
        if (s.level[i].size > s.b)
            status = fill_level(&s, i);
    }
    if (status == MIEN_OK)
        status = join_trees(&s, limits->rounds, squared);
    for (size_t i = 0; i < s.n_levels; i++)
        mien_free(s.level[i].best);
    return status;
}
