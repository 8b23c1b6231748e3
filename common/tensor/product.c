// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/product.h"

#include "common/base/num.h"
#include "common/tensor/tile.h"

#include <string.h>

#define BLOCK MIEN_PRODUCT_BLOCK
#define PANEL MIEN_TILE_COLUMNS

/* With fewer tiles than this under a panel of b, copying the panel costs more than it saves. */
#define FEW_ROWS (4 * MIEN_TILE_GROUPS * MIEN_TILE_GROUP)

/* Terms of a block then: so many rows of b are read together, each a stream of its own from memory,
 * too many for a processor to follow. So every tile asks for the panel after the next. */
#define FEW_TERMS 64
#define AHEAD (2 * PANEL)

/* Sums shorter than this are no more work than writing them down: results go out a few rows at a
 * time, in the order in which they lie. */
#define SHORT_SUM 48
#define SHORT_SUM_ROWS (MIEN_TILE_GROUPS * MIEN_TILE_GROUP)

/* Rows of a large transposed b that are multiplied at a time. */
#define TURNED_ROWS 120

/* Terms of the sums that are done together: runs of neighbours. */
struct block {
    uint32_t n_runs;
    uint32_t run_len;
    ptrdiff_t a[BLOCK]; /* where each run begins in a, and in b */
    ptrdiff_t b[BLOCK];
};

/* Where the sums stand: term `at` of run `run` is the next. */
struct progress {
    uint64_t run;
    uint64_t at;
};

struct job {
    const struct mien_product *p;
    const mien_real *a;
    const mien_real *b;
    mien_real *c;
    const struct mien_tile_set *tiles;
    struct block block;
    mien_real *panel; /* [BLOCK, PANEL] */
    uint64_t n_terms; /* of a block at most */
};

/* The next block, or false after the last. */
static bool next_block(struct job *job, struct progress *progress)
{
    const struct mien_product *p = job->p;
    const uint64_t n_runs = p->sum.outer * p->sum.inner;
    struct block *block = &job->block;

    if (progress->run == n_runs)
        return false;
    const uint64_t left = p->sum.len - progress->at;
    const uint64_t pieces = (p->sum.len + job->n_terms - 1) / job->n_terms;
    const uint64_t piece = (p->sum.len + pieces - 1) / pieces;

    block->run_len = (uint32_t)mien_min_size(piece, left);
    block->n_runs =
        pieces > 1 ? 1 : (uint32_t)mien_min_size(job->n_terms / p->sum.len, n_runs - progress->run);
    for (uint32_t i = 0; i < block->n_runs; i++) {
        const ptrdiff_t outer = (ptrdiff_t)((progress->run + i) / p->sum.inner);
        const ptrdiff_t inner = (ptrdiff_t)((progress->run + i) % p->sum.inner);
        const ptrdiff_t at = (ptrdiff_t)progress->at;

        block->a[i] = outer * p->a_sum.outer + inner * p->a_sum.inner + at * p->a_sum.step;
        block->b[i] = outer * p->b_sum.outer + inner * p->b_sum.inner + at * p->b_sum.step;
    }
    progress->at += block->run_len;
    if (progress->at >= p->sum.len) {
        progress->run += block->n_runs;
        progress->at = 0;
    }
    return true;
}

static uint64_t padded(uint64_t n)
{
    return n <= MIEN_TILE_HALF ? MIEN_TILE_HALF : PANEL;
}

/* `n` terms of b's columns into a panel, from rows that lie side by side. */
static void pack_rows(const mien_real *b, ptrdiff_t b_step, uint64_t n, uint64_t n_columns,
                      mien_real *panel)
{
    const uint64_t width = padded(n_columns);

    for (uint64_t k = 0; k < n; k++, b += b_step, panel += width) {
        memcpy(panel, b, n_columns * sizeof(*panel));
        for (uint64_t j = n_columns; j < width; j++)
            panel[j] = 0;
    }
}

/* The same from columns that lie side by side, b_column apart. */
static void pack_columns(const struct job *job, const mien_real *b, uint64_t n_columns,
                         mien_real *panel)
{
    const uint64_t width = padded(n_columns);
    const uint64_t n = job->block.run_len;
    const struct mien_turn turn = {
        b, job->p->b_column, n_columns, n, panel, (ptrdiff_t)width,
    };

    job->tiles->turn(&turn);
    if (n_columns == width)
        return;
    for (uint64_t k = 0; k < n; k++)
        memset(panel + k * width + n_columns, 0, (width - n_columns) * sizeof(*panel));
}

static void pack(const struct job *job, const mien_real *b, uint64_t n_columns)
{
    const struct block *block = &job->block;
    const uint64_t run = block->run_len * padded(n_columns);

    for (uint32_t i = 0; i < block->n_runs; i++) {
        mien_real *to = job->panel + i * run;

        if (job->p->b_column == 1)
            pack_rows(b + block->b[i], job->p->b_sum.step, block->run_len, n_columns, to);
        else
            pack_columns(job, b + block->b[i], n_columns, to);
    }
}

/* Whether the kernel can read this panel of b where it is. */
static bool reads_in_place(const struct job *job, uint64_t n_columns, uint64_t n_rows)
{
    const struct mien_product *p = job->p;
    const bool even =
        job->block.n_runs == 1 || (p->b_sum.inner == (ptrdiff_t)p->sum.len * p->b_sum.step &&
                                   p->b_sum.outer == (ptrdiff_t)p->sum.inner * p->b_sum.inner);

    return p->b_column == 1 && even && (n_columns == MIEN_TILE_HALF || n_columns == PANEL) &&
           n_rows <= FEW_ROWS;
}

/* All rows of one panel. Lines of fewer rows than a group has go one row at a time; the last group
 * of a longer line is moved back into it, and writes only what the one before it has not. */
static void run_panel(const struct job *job, struct mien_tile *tile, mien_real *c)
{
    const struct mien_product *p = job->p;
    const uint64_t len = p->rows.len;
    const bool single = len < MIEN_TILE_GROUP;
    const uint64_t n_groups = single ? len : (len + MIEN_TILE_GROUP - 1) / MIEN_TILE_GROUP;

    tile->a_row = single ? 0 : p->a_rows.step;
    tile->c_row = p->c_rows.step;
    tile->n_groups = 0;
    for (uint64_t line = 0; line < p->rows.outer * p->rows.inner; line++) {
        const ptrdiff_t outer = (ptrdiff_t)(line / p->rows.inner);
        const ptrdiff_t inner = (ptrdiff_t)(line % p->rows.inner);
        const mien_real *line_a = job->a + outer * p->a_rows.outer + inner * p->a_rows.inner;
        mien_real *line_c = c + outer * p->c_rows.outer + inner * p->c_rows.inner;

        for (uint64_t i = 0; i < n_groups; i++) {
            const uint64_t wanted = single ? i : i * MIEN_TILE_GROUP;
            const uint64_t at = single ? i : mien_min_size(wanted, len - MIEN_TILE_GROUP);
            const uint32_t g = tile->n_groups++;

            tile->a[g] = line_a + (ptrdiff_t)at * p->a_rows.step;
            tile->c[g] = line_c + (ptrdiff_t)at * p->c_rows.step;
            tile->first[g] = (uint32_t)(wanted - at);
            tile->end[g] = single ? 1 : MIEN_TILE_GROUP;
            if (g + 1 < MIEN_TILE_GROUPS)
                continue;
            job->tiles->run(tile);
            tile->n_groups = 0;
        }
    }
    if (tile->n_groups > 0)
        job->tiles->run(tile);
}

/* One block of the sums under columns at .. at + PANEL - 1. */
static void run_block(const struct job *job, uint64_t at, bool add)
{
    const struct mien_product *p = job->p;
    const uint64_t n_columns = mien_min_size(PANEL, p->n_columns - at);
    const uint64_t n_rows = p->rows.outer * p->rows.inner * p->rows.len;
    const mien_real *b = job->b + (ptrdiff_t)at * p->b_column;
    struct mien_tile tile = {
        .a_step = p->a_sum.step,
        .run = job->block.a,
        .n_runs = job->block.n_runs,
        .run_len = job->block.run_len,
        .n_columns = (uint32_t)n_columns,
        .add = add,
    };

    if (reads_in_place(job, n_columns, n_rows)) {
        tile.b = b + job->block.b[0];
        tile.b_step = p->b_sum.step;
        tile.b_ahead = AHEAD;
    } else {
        pack(job, b, n_columns);
        tile.b = job->panel;
        tile.b_step = (ptrdiff_t)padded(n_columns);
    }
    run_panel(job, &tile, job->c + at);
}

void mien_product_run(const struct mien_product *product, const mien_real *a, const mien_real *b,
                      mien_real *c)
{
    _Alignas(64) mien_real panel[BLOCK * PANEL];
    const uint64_t n_rows = product->rows.outer * product->rows.inner * product->rows.len;
    struct job job = {
        .p = product,
        .a = a,
        .b = b,
        .c = c,
        .tiles = mien_tile_native(),
        .panel = panel,
        .n_terms = n_rows <= FEW_ROWS ? FEW_TERMS : BLOCK,
    };
    const uint64_t n = product->n_columns;
    struct progress progress = {0, 0};

    /* Few rows: b is read once, in the order in which it lies. Many: a panel's results stay near.
     */
    const uint64_t panels_at_once = n_rows <= FEW_ROWS ? n : PANEL;
    for (uint64_t first = 0; first < n; first += panels_at_once) {
        progress = (struct progress){0, 0};
        for (bool add = product->add; next_block(&job, &progress); add = true) {
            for (uint64_t at = first; at < mien_min_size(n, first + panels_at_once); at += PANEL)
                run_block(&job, at, add);
        }
    }
}

static struct mien_product matrices_as_product(const struct mien_matrices *s)
{
    return (struct mien_product){
        .rows = {1, 1, s->m},
        .a_rows = {0, 0, s->left ? 1 : (ptrdiff_t)s->k},
        .c_rows = {0, 0, (ptrdiff_t)s->n},
        .sum = {1, 1, s->k},
        .a_sum = {0, 0, s->left ? (ptrdiff_t)s->m : 1},
        .b_sum = {0, 0, s->right ? 1 : (ptrdiff_t)s->n},
        .n_columns = s->n,
        .b_column = s->right ? (ptrdiff_t)s->k : 1,
        .add = s->add,
    };
}

/* c' = b' a', for few rows of a and a large b stored transposed: b is read where it lies. */
static void run_turned(const struct mien_matrices *s, const mien_real *a, const mien_real *b,
                       mien_real *c)
{
    mien_real part[TURNED_ROWS * PANEL];
    struct mien_product product = {
        .rows = {1, 1, 0},
        .a_rows = {0, 0, (ptrdiff_t)s->k},
        .c_rows = {0, 0, (ptrdiff_t)s->m},
        .sum = {1, 1, s->k},
        .a_sum = {0, 0, 1},
        .b_sum = {0, 0, s->left ? (ptrdiff_t)s->m : 1},
        .n_columns = s->m,
        .b_column = s->left ? 1 : (ptrdiff_t)s->k,
    };

    for (uint64_t i = 0; i < s->n; i += TURNED_ROWS) {
        product.rows.len = mien_min_size(TURNED_ROWS, s->n - i);
        mien_product_run(&product, b + i * s->k, a, part);
        const struct mien_turn turn = {part, (ptrdiff_t)s->m, product.rows.len,
                                       s->m, c + i,           (ptrdiff_t)s->n};
        mien_tile_native()->turn(&turn);
    }
}

void mien_product_matrices(const struct mien_matrices *matrices, const mien_real *a,
                           const mien_real *b, mien_real *c)
{
    const struct mien_matrices *s = matrices;
    struct mien_product product = matrices_as_product(s);

    if (s->right && !s->add && s->m <= PANEL && s->n > TURNED_ROWS) {
        run_turned(s, a, b, c);
        return;
    }
    const uint64_t band = s->k <= SHORT_SUM && !s->right ? SHORT_SUM_ROWS : s->m;
    for (uint64_t i = 0; i < s->m; i += band) {
        product.rows.len = mien_min_size(band, s->m - i);
        mien_product_run(&product, a + (ptrdiff_t)i * product.a_rows.step, b, c + i * s->n);
    }
}
