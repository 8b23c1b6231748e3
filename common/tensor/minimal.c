// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/minimal.h"

#include "common/base/num.h"
#include "common/tensor/elements.h"
#include "common/tensor/frame.h"
#include "common/tensor/product.h"

#include <string.h>

/* Products a tile of 2 x 2 results takes: one for each pair of the three on each axis. */
#define N_PARTS 9

/* Elements of one operand of a product at a time: a quarter of a second-level cache. */
#define CHUNK_ELEMENTS (UINT64_C(1) << 16)

/* Added to the length of rows, so that rows of a power of two do not share lines of a cache. */
#define ROW_GAP 16

/* With fewer, sums and products of short rows take what is saved. */
#define FEWEST_CHANNELS 32

/* One axis of a part: which of a tile's places it takes, the second one added or taken away. */
struct term {
    int first;
    int second; /* -1: none */
};

static const struct term terms_of_x[3] = {{0, 1}, {1, -1}, {2, 1}};   /* the second taken away */
static const struct term terms_of_wy[3] = {{0, -1}, {0, 1}, {1, -1}}; /* weights, and results */

/* Where the tiles of a tensor lie, and what of each goes into a part. */
struct tiles {
    const struct mien_elements *elements;
    const struct term *terms;
    enum mien_op second; /* ADD or SUBTRACT */
    uint64_t n;          /* neighbours that go together */
    uint64_t n_runs;     /* of these in a tile, `run` apart */
    ptrdiff_t run;
    ptrdiff_t down; /* from one place of a tile to the next */
    ptrdiff_t across;
    ptrdiff_t picture; /* from one tile to the next */
    ptrdiff_t row;
    ptrdiff_t column;
};

/* A convolution cut into tiles. */
struct cut {
    const struct mien_convolution *s;
    struct mien_frame x;
    struct mien_frame y;  /* an even number of rows and columns */
    uint64_t n_per_go;    /* pictures */
    uint64_t th, tw;      /* tiles of a picture */
    uint64_t rows_per_go; /* of tiles, in a product */
    struct tiles x_tiles;
    struct tiles y_tiles;
    struct tiles w_tiles; /* one tile: all weights */
    ptrdiff_t x_row;      /* length of a row of a part of x, and of y */
    ptrdiff_t y_row;
};

/* The scratch space of a cut. */
struct space {
    mien_real *x_frame;
    mien_real *y_frame;
    mien_real *x; /* [tiles of a go, x_row] a part of x, of y, and of w */
    mien_real *y;
    mien_real *w; /* [2, 2, c, o], or [2, 2, o, c] */
};

bool mien_minimal_fits(const struct mien_convolution *conv)
{
    return conv->kh == 4 && conv->kw == 4 && conv->stride == 2 && conv->c >= FEWEST_CHANNELS &&
           conv->o >= FEWEST_CHANNELS && conv->oh > 1 && conv->ow > 1;
}

/* A tile of x is 6 x 6 pixels, the even and the odd ones of a row and of a column apart. */
static struct tiles tiles_of_x(const struct mien_frame *frame)
{
    const ptrdiff_t c = (ptrdiff_t)frame->c;
    const ptrdiff_t line = (ptrdiff_t)frame->fw * c;

    return (struct tiles){
        .elements = mien_elements_native(),
        .terms = terms_of_x,
        .second = MIEN_OP_SUBTRACT,
        .n = 2 * frame->c,
        .n_runs = 2,
        .run = line,
        .down = 2 * line,
        .across = 2 * c,
        .picture = (ptrdiff_t)frame->fh * line,
        .row = 4 * line,
        .column = 4 * c,
    };
}

/* A tile of y is 2 x 2 results. */
static struct tiles tiles_of_y(const struct mien_frame *frame)
{
    const ptrdiff_t o = (ptrdiff_t)frame->c;
    const ptrdiff_t line = (ptrdiff_t)frame->fw * o;

    return (struct tiles){
        .elements = mien_elements_native(),
        .terms = terms_of_wy,
        .second = MIEN_OP_ADD,
        .n = frame->c,
        .n_runs = 1,
        .down = line,
        .across = o,
        .picture = (ptrdiff_t)frame->fh * line,
        .row = 2 * line,
        .column = 2 * o,
    };
}

/* All weights: 4 x 4, even and odd apart. */
static struct tiles tiles_of_w(const struct mien_convolution *s)
{
    const ptrdiff_t tap = (ptrdiff_t)(s->c * s->o);

    return (struct tiles){
        .elements = mien_elements_native(),
        .terms = terms_of_wy,
        .second = MIEN_OP_ADD,
        .n = 2 * s->c * s->o,
        .n_runs = 2,
        .run = 4 * tap,
        .down = 8 * tap,
        .across = 2 * tap,
    };
}

static struct cut cut_of(const struct mien_convolution *s)
{
    struct cut k = {.s = s, .th = (s->oh + 1) / 2, .tw = (s->ow + 1) / 2};

    k.x = mien_frame_of(
        s->n, 4 * k.th + 2, 4 * k.tw + 2,
        (struct mien_frame){.h = s->h, .w = s->w, .c = s->c, .top = s->top, .left = s->left});
    k.y = mien_frame_of(s->n, 2 * k.th, 2 * k.tw,
                        (struct mien_frame){.h = s->oh, .w = s->ow, .c = s->o});
    k.n_per_go = mien_min_size(k.x.n_per_go, k.y.n_per_go);
    k.x.n_per_go = k.n_per_go;
    k.y.n_per_go = k.n_per_go;
    k.rows_per_go = mien_max_size(1, CHUNK_ELEMENTS / (k.tw * mien_max_size(4 * s->c, s->o)));
    k.x_row = (ptrdiff_t)(4 * s->c + ROW_GAP);
    k.y_row = (ptrdiff_t)(s->o + ROW_GAP);
    k.x_tiles = tiles_of_x(&k.x);
    k.y_tiles = tiles_of_y(&k.y);
    k.w_tiles = tiles_of_w(s);
    return k;
}

static uint64_t tiles_per_go(const struct cut *k)
{
    return mien_min_size(k->rows_per_go, k->n_per_go * k->th) * k->tw;
}

static struct space space_of(const struct cut *k, mien_real *scratch)
{
    struct space space = {.x_frame = scratch};

    space.y_frame = space.x_frame + k->n_per_go * mien_frame_size(&k->x);
    space.x = space.y_frame + mien_frame_scratch(&k->y);
    space.y = space.x + tiles_per_go(k) * (uint64_t)k->x_row;
    space.w = space.y + tiles_per_go(k) * (uint64_t)k->y_row;
    return space;
}

uint64_t mien_minimal_scratch(const struct mien_convolution *conv)
{
    const struct cut k = cut_of(conv);

    return k.n_per_go * mien_frame_size(&k.x) + mien_frame_scratch(&k.y) +
           tiles_per_go(&k) * (uint64_t)(k.x_row + k.y_row) + 4 * conv->c * conv->o;
}

/* The places of a tile that a part takes. */
struct places {
    ptrdiff_t at[4]; /* first and second across, then the same further down */
    bool across;     /* there is a second one */
    bool down;
};

static struct places places_of(const struct tiles *t, uint32_t part)
{
    const struct term rows = t->terms[part / 3];
    const struct term columns = t->terms[part % 3];
    const ptrdiff_t first = rows.first * t->down;
    const ptrdiff_t second = rows.second * t->down;

    return (struct places){
        .at = {first + columns.first * t->across, first + columns.second * t->across,
               second + columns.first * t->across, second + columns.second * t->across},
        .across = columns.second >= 0,
        .down = rows.second >= 0,
    };
}

/* A part of one run of a tile. */
static void take(const struct tiles *t, const struct places *p, const mien_real *tile,
                 mien_real *out)
{
    const struct mien_elements *e = t->elements;

    if (!p->across && !p->down) {
        memcpy(out, tile + p->at[0], t->n * sizeof(*out));
        return;
    }
    e->rows(t->second, tile + p->at[0], tile + p->at[p->across ? 1 : 2], t->n, out);
    if (!p->across || !p->down)
        return;
    e->rows(t->second, out, tile + p->at[2], t->n, out);
    e->rows(MIEN_OP_ADD, out, tile + p->at[3], t->n, out);
}

/* The adjoint: adds a part to the places that it comes from. */
static void put(const struct tiles *t, const struct places *p, const mien_real *part,
                mien_real *tile)
{
    const struct mien_elements *e = t->elements;

    e->rows(MIEN_OP_ADD, tile + p->at[0], part, t->n, tile + p->at[0]);
    if (p->across)
        e->rows(t->second, tile + p->at[1], part, t->n, tile + p->at[1]);
    if (p->down)
        e->rows(t->second, tile + p->at[2], part, t->n, tile + p->at[2]);
    if (p->across && p->down)
        e->rows(MIEN_OP_ADD, tile + p->at[3], part, t->n, tile + p->at[3]);
}

/* Rows of tiles, th to a picture. */
struct range {
    uint64_t first;
    uint64_t n;
};

static ptrdiff_t row_at(const struct cut *k, const struct tiles *t, uint64_t row)
{
    return (ptrdiff_t)(row / k->th) * t->picture + (ptrdiff_t)(row % k->th) * t->row;
}

static void take_rows(const struct cut *k, const struct tiles *t, uint32_t part,
                      const struct range *rows, const mien_real *tensor, mien_real *out)
{
    const struct places p = places_of(t, part);
    const uint64_t gap = ROW_GAP;

    for (uint64_t i = 0; i < rows->n; i++) {
        const mien_real *tile = tensor + row_at(k, t, rows->first + i);

        for (uint64_t j = 0; j < k->tw; j++, tile += t->column, out += gap) {
            for (uint64_t r = 0; r < t->n_runs; r++, out += t->n)
                take(t, &p, tile + (ptrdiff_t)r * t->run, out);
        }
    }
}

static void put_rows(const struct cut *k, const struct tiles *t, uint32_t part,
                     const struct range *rows, const mien_real *parts, mien_real *tensor)
{
    const struct places p = places_of(t, part);

    for (uint64_t i = 0; i < rows->n; i++) {
        mien_real *tile = tensor + row_at(k, t, rows->first + i);

        for (uint64_t j = 0; j < k->tw; j++, tile += t->column, parts += ROW_GAP) {
            for (uint64_t r = 0; r < t->n_runs; r++, parts += t->n)
                put(t, &p, parts, tile + (ptrdiff_t)r * t->run);
        }
    }
}

static void take_weights(const struct cut *k, uint32_t part, const mien_real *w, mien_real *out)
{
    const struct places p = places_of(&k->w_tiles, part);

    for (uint64_t r = 0; r < k->w_tiles.n_runs; r++)
        take(&k->w_tiles, &p, w + (ptrdiff_t)r * k->w_tiles.run, out + r * k->w_tiles.n);
}

static void put_weights(const struct cut *k, uint32_t part, const mien_real *from, mien_real *w)
{
    const struct places p = places_of(&k->w_tiles, part);

    for (uint64_t r = 0; r < k->w_tiles.n_runs; r++)
        put(&k->w_tiles, &p, from + r * k->w_tiles.n, w + (ptrdiff_t)r * k->w_tiles.run);
}

/* y [tile, o] = sum over four pixels and c of x [tile, 4, c] w [4, c, o] */
static void multiply(const struct cut *k, const struct space *space, uint64_t n_tiles)
{
    const ptrdiff_t c = (ptrdiff_t)k->s->c;
    const ptrdiff_t o = (ptrdiff_t)k->s->o;
    const struct mien_product product = {
        .rows = {1, 1, n_tiles},
        .a_rows = {0, 0, k->x_row},
        .c_rows = {0, 0, k->y_row},
        .sum = {1, 4, k->s->c},
        .a_sum = {0, c, 1},
        .b_sum = {0, c * o, k->s->swapped ? 1 : o},
        .n_columns = k->s->o,
        .b_column = k->s->swapped ? c : 1,
    };

    mien_product_run(&product, space->x, space->w, space->y);
}

/* x [tile, 4, c] = sum over o of y [tile, o] w [4, c, o] */
static void multiply_back(const struct cut *k, const struct space *space, uint64_t n_tiles)
{
    const uint64_t c = k->s->c;
    const uint64_t o = k->s->o;
    const bool swapped = k->s->swapped;
    const struct mien_product product = {
        .rows = {1, 1, n_tiles},
        .a_rows = {0, 0, k->y_row},
        .c_rows = {0, 0, k->x_row},
        .sum = {1, 1, o},
        .a_sum = {0, 0, 1},
        .b_sum = {0, 0, swapped ? (ptrdiff_t)c : 1},
        .n_columns = swapped ? c : 4 * c,
        .b_column = swapped ? 1 : (ptrdiff_t)o,
    };

    for (uint64_t i = 0; i < (swapped ? 4 : 1); i++)
        mien_product_run(&product, space->y, space->w + i * c * o, space->x + i * c);
}

/* w [4, c, o] = sum over tiles of x [tile, 4, c] y [tile, o] */
static void multiply_across(const struct cut *k, const struct space *space, uint64_t n_tiles,
                            bool add)
{
    const uint64_t c = k->s->c;
    const uint64_t o = k->s->o;
    struct mien_product product = {
        .sum = {1, 1, n_tiles},
        .a_rows = {0, 0, 1},
        .b_column = 1,
        .add = add,
    };

    if (!k->s->swapped) {
        product.rows = (struct mien_extent){1, 1, 4 * c};
        product.a_sum.step = k->x_row;
        product.b_sum.step = k->y_row;
        product.c_rows.step = (ptrdiff_t)o;
        product.n_columns = o;
        mien_product_run(&product, space->x, space->y, space->w);
        return;
    }
    product.rows = (struct mien_extent){1, 1, o};
    product.a_sum.step = k->y_row;
    product.b_sum.step = k->x_row;
    product.c_rows.step = (ptrdiff_t)c;
    product.n_columns = c;
    for (uint64_t i = 0; i < 4; i++)
        mien_product_run(&product, space->y, space->x + i * c, space->w + i * c * o);
}

/* The next rows of tiles after `rows`, out of n pictures; false after the last. */
static bool next_rows(const struct cut *k, uint64_t n, struct range *rows)
{
    rows->first += rows->n;
    rows->n = mien_min_size(k->rows_per_go, n * k->th - rows->first);
    return rows->n > 0;
}

void mien_minimal_run(const struct mien_convolution *conv, const mien_real *x, const mien_real *w,
                      mien_real *y, mien_real *scratch)
{
    const struct cut k = cut_of(conv);
    const struct space space = space_of(&k, scratch);
    const bool is_even = mien_frame_scratch(&k.y) == 0;

    for (uint64_t i = 0; i < conv->n; i += k.n_per_go) {
        const uint64_t n = mien_min_size(k.n_per_go, conv->n - i);
        mien_real *to = y + i * conv->oh * conv->ow * conv->o;
        mien_real *results = is_even ? to : space.y_frame;
        const mien_real *framed =
            mien_framed(&k.x, x + i * conv->h * conv->w * conv->c, n, space.x_frame);

        memset(results, 0, n * mien_frame_size(&k.y) * sizeof(*results));
        for (uint32_t part = 0; part < N_PARTS; part++) {
            take_weights(&k, part, w, space.w);
            for (struct range rows = {0, 0}; next_rows(&k, n, &rows);) {
                take_rows(&k, &k.x_tiles, part, &rows, framed, space.x);
                multiply(&k, &space, rows.n * k.tw);
                put_rows(&k, &k.y_tiles, part, &rows, space.y, results);
            }
        }
        if (!is_even)
            mien_frame_undo(&k.y, results, n, to);
    }
}

void mien_minimal_input_grad(const struct mien_convolution *conv, const mien_real *y,
                             const mien_real *w, mien_real *x, mien_real *scratch)
{
    const struct cut k = cut_of(conv);
    const struct space space = space_of(&k, scratch);

    for (uint64_t i = 0; i < conv->n; i += k.n_per_go) {
        const uint64_t n = mien_min_size(k.n_per_go, conv->n - i);
        const mien_real *framed =
            mien_framed(&k.y, y + i * conv->oh * conv->ow * conv->o, n, space.y_frame);

        memset(space.x_frame, 0, n * mien_frame_size(&k.x) * sizeof(*x));
        for (uint32_t part = 0; part < N_PARTS; part++) {
            take_weights(&k, part, w, space.w);
            for (struct range rows = {0, 0}; next_rows(&k, n, &rows);) {
                take_rows(&k, &k.y_tiles, part, &rows, framed, space.y);
                multiply_back(&k, &space, rows.n * k.tw);
                put_rows(&k, &k.x_tiles, part, &rows, space.x, space.x_frame);
            }
        }
        mien_frame_undo(&k.x, space.x_frame, n, x + i * conv->h * conv->w * conv->c);
    }
}

void mien_minimal_weight_grad(const struct mien_convolution *conv, const mien_real *x,
                              const mien_real *y, mien_real *w, mien_real *scratch)
{
    const struct cut k = cut_of(conv);
    const struct space space = space_of(&k, scratch);

    memset(w, 0, 16 * conv->c * conv->o * sizeof(*w));
    for (uint64_t i = 0; i < conv->n; i += k.n_per_go) {
        const uint64_t n = mien_min_size(k.n_per_go, conv->n - i);
        const mien_real *xs =
            mien_framed(&k.x, x + i * conv->h * conv->w * conv->c, n, space.x_frame);
        const mien_real *ys =
            mien_framed(&k.y, y + i * conv->oh * conv->ow * conv->o, n, space.y_frame);

        for (uint32_t part = 0; part < N_PARTS; part++) {
            for (struct range rows = {0, 0}; next_rows(&k, n, &rows);) {
                take_rows(&k, &k.x_tiles, part, &rows, xs, space.x);
                take_rows(&k, &k.y_tiles, part, &rows, ys, space.y);
                multiply_across(&k, &space, rows.n * k.tw, rows.first > 0);
            }
            put_weights(&k, part, space.w, w);
        }
    }
}
