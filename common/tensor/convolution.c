// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/convolution.h"

#include "common/base/num.h"
#include "common/tensor/frame.h"
#include "common/tensor/minimal.h"
#include "common/tensor/patches.h"
#include "common/tensor/product.h"
#include "common/tensor/tile.h"

#include <string.h>

struct mien_convolution mien_convolution_of(const struct mien_conv_shapes *shapes)
{
    return (struct mien_convolution){
        .n = shapes->x.dim[0],
        .h = shapes->x.dim[1],
        .w = shapes->x.dim[2],
        .c = shapes->x.dim[3],
        .oh = shapes->y.dim[1],
        .ow = shapes->y.dim[2],
        .o = shapes->y.dim[3],
        .kh = shapes->w.dim[0],
        .kw = shapes->w.dim[1],
        .stride = shapes->conv.stride,
        .top = shapes->conv.pad_top,
        .left = shapes->conv.pad_left,
    };
}

/* Places of y as rows of a result, and of what lies under them in a frame of x. */
static struct mien_stride rows_of_y(const struct mien_convolution *s)
{
    return (struct mien_stride){(ptrdiff_t)(s->oh * s->ow * s->o), (ptrdiff_t)(s->ow * s->o),
                                (ptrdiff_t)s->o};
}

static struct mien_stride places_in(const struct mien_convolution *s, const struct mien_frame *f)
{
    const uint64_t row = s->stride * f->fw * f->c;

    return (struct mien_stride){(ptrdiff_t)(f->fh * f->fw * f->c), (ptrdiff_t)row,
                                (ptrdiff_t)(s->stride * f->c)};
}

/* y[place, o] = sum over ky, kx, c of frame[place + (ky, kx), c] w[ky, kx, c, o] */
static void run(const struct mien_convolution *s, const mien_real *x, const mien_real *w,
                mien_real *y, mien_real *scratch)
{
    const struct mien_frame f = mien_frame_of_x(s);
    const ptrdiff_t tap = (ptrdiff_t)(s->c * s->o);
    const ptrdiff_t frame_row = (ptrdiff_t)(f.fw * s->c);
    struct mien_product product = {
        .rows = {0, s->oh, s->ow},
        .a_rows = places_in(s, &f),
        .c_rows = rows_of_y(s),
        .n_columns = s->o,
    };

    if (s->swapped) {
        product.sum = (struct mien_extent){s->kh, s->kw, s->c};
        product.a_sum = (struct mien_stride){frame_row, (ptrdiff_t)s->c, 1};
        product.b_sum = (struct mien_stride){(ptrdiff_t)s->kw * tap, tap, 1};
        product.b_column = (ptrdiff_t)s->c;
    } else {
        /* A row of the window is a run of kw c neighbours in both. */
        product.sum = (struct mien_extent){1, s->kh, s->kw * s->c};
        product.a_sum = (struct mien_stride){0, frame_row, 1};
        product.b_sum = (struct mien_stride){0, (ptrdiff_t)s->kw * tap, (ptrdiff_t)s->o};
        product.b_column = 1;
    }
    for (uint64_t i = 0; i < s->n; i += f.n_per_go) {
        const uint64_t n = mien_min_size(f.n_per_go, s->n - i);
        const mien_real *a = mien_framed(&f, x + i * s->h * s->w * s->c, n, scratch);

        product.rows.outer = n;
        mien_product_run(&product, a, w, y + i * s->oh * s->ow * s->o);
    }
}

/* w[ky, kx, c, o] = sum over places of frame[place + (ky, kx), c] y[place, o] */
static void weight_grad_rows(const struct mien_convolution *s, const struct mien_frame *f,
                             struct mien_product *product, const mien_real *a, const mien_real *y,
                             mien_real *w)
{
    const ptrdiff_t window_row = (ptrdiff_t)(s->kw * s->c * s->o);

    product->rows = (struct mien_extent){1, s->kh, s->kw * s->c};
    product->a_rows = (struct mien_stride){0, (ptrdiff_t)(f->fw * s->c), 1};
    product->c_rows = (struct mien_stride){0, window_row, (ptrdiff_t)s->o};
    product->a_sum = places_in(s, f);
    product->b_sum = rows_of_y(s);
    product->n_columns = s->o;
    mien_product_run(product, a, y, w);
}

/* The same with o before c: one product for each ky, kx. */
static void weight_grad_swapped(const struct mien_convolution *s, const struct mien_frame *f,
                                struct mien_product *product, const mien_real *b,
                                const mien_real *y, mien_real *w)
{
    product->rows = (struct mien_extent){1, 1, s->o};
    product->a_rows = (struct mien_stride){0, 0, 1};
    product->c_rows = (struct mien_stride){0, 0, (ptrdiff_t)s->c};
    product->a_sum = rows_of_y(s);
    product->b_sum = places_in(s, f);
    product->n_columns = s->c;
    for (uint64_t tap = 0; tap < s->kh * s->kw; tap++) {
        const uint64_t at = (tap / s->kw * f->fw + tap % s->kw) * s->c;

        mien_product_run(product, y, b + at, w + tap * s->c * s->o);
    }
}

static void weight_grad(const struct mien_convolution *s, const mien_real *x, const mien_real *y,
                        mien_real *w, mien_real *scratch)
{
    const struct mien_frame f = mien_frame_of_x(s);
    struct mien_product product = {.b_column = 1};

    for (uint64_t i = 0; i < s->n; i += f.n_per_go) {
        const uint64_t n = mien_min_size(f.n_per_go, s->n - i);
        const mien_real *pictures = mien_framed(&f, x + i * s->h * s->w * s->c, n, scratch);
        const mien_real *from = y + i * s->oh * s->ow * s->o;

        product.sum = (struct mien_extent){n, s->oh, s->ow};
        product.add = i > 0;
        if (s->swapped)
            weight_grad_swapped(s, &f, &product, pictures, from, w);
        else
            weight_grad_rows(s, &f, &product, pictures, from, w);
    }
}

/* One axis of the adjoint. Rows of x that meet weight row ky lie `stride` apart; those of one phase
 * meet ky = first, first + stride, ... and, with each of these further, a row of y before. */
struct phase {
    uint64_t x0; /* first row of x of this phase, and their number */
    uint64_t n;
    uint64_t k0; /* first weight row, and their number */
    uint64_t n_taps;
    uint64_t y0; /* row of the framed y that x0 meets under k0 */
};

/* Rows of zeros that y needs before its first row so that every phase stays inside its frame. */
static uint64_t rows_before(uint64_t kernel, uint64_t stride, uint64_t before)
{
    uint64_t most = 0;

    for (uint64_t x0 = 0; x0 < stride; x0++) {
        const uint64_t k0 = (x0 + before) % stride;
        const uint64_t n_taps = kernel > k0 ? (kernel - k0 + stride - 1) / stride : 0;
        const uint64_t at = (x0 + before) / stride;

        if (n_taps > at + 1)
            most = mien_max_size(most, n_taps - 1 - at);
    }
    return most;
}

static struct phase phase_of(uint64_t x0, uint64_t size, uint64_t kernel, uint64_t stride,
                             uint64_t before)
{
    struct phase p = {.x0 = x0, .k0 = (x0 + before) % stride};

    p.n = size > x0 ? (size - x0 + stride - 1) / stride : 0;
    p.n_taps = kernel > p.k0 ? (kernel - p.k0 + stride - 1) / stride : 0;
    p.y0 = (x0 + before) / stride + rows_before(kernel, stride, before);
    return p;
}

static struct mien_frame frame_of_y(const struct mien_convolution *s)
{
    const uint64_t top = rows_before(s->kh, s->stride, s->top);
    const uint64_t left = rows_before(s->kw, s->stride, s->left);
    /* The last row of x lies under row (h - 1 + before) / stride of y, if there is one. */
    const uint64_t fh = mien_max_size((s->h - 1 + s->top) / s->stride + 1, 1) + top;
    const uint64_t fw = mien_max_size((s->w - 1 + s->left) / s->stride + 1, 1) + left;

    return mien_frame_of(
        s->n, fh, fw,
        (struct mien_frame){.h = s->oh, .w = s->ow, .c = s->o, .top = top, .left = left});
}

/* One phase of rows and one of columns. */
struct phases {
    struct phase down;
    struct phase across;
};

/* x of these phases, from n framed pictures y. */
static struct mien_product product_of(const struct mien_convolution *s, const struct mien_frame *f,
                                      const struct phases *p, uint64_t n)
{
    const ptrdiff_t row = (ptrdiff_t)(f->fw * s->o);
    const ptrdiff_t o = (ptrdiff_t)s->o;
    const ptrdiff_t c = (ptrdiff_t)s->c;
    const ptrdiff_t step = (ptrdiff_t)s->stride;
    const ptrdiff_t x_row = (ptrdiff_t)s->w * c;

    return (struct mien_product){
        .rows = {n, p->down.n, p->across.n},
        .a_rows = {(ptrdiff_t)f->fh * row, row, o},
        .c_rows = {(ptrdiff_t)s->h * x_row, step * x_row, step * c},
        .sum = {p->down.n_taps, p->across.n_taps, s->o},
        .a_sum = {-row, -o, 1},
        .b_sum = {step * (ptrdiff_t)s->kw * c * o, step * c * o, s->swapped ? c : 1},
        .n_columns = s->c,
        .b_column = s->swapped ? 1 : o,
    };
}

/* Fewer channels than half a panel has columns: one product y w', as patches of x, then their sum,
 * wastes less than phases whose columns are mostly padding. */
static bool sums_patches(const struct mien_convolution *s)
{
    return s->c < MIEN_TILE_HALF && !s->swapped;
}

static uint64_t patches_per_go(const struct mien_convolution *s)
{
    const uint64_t each = s->oh * s->ow * s->kh * s->kw * s->c;

    return mien_max_size(1, mien_min_size(s->n, MIEN_FRAME_ELEMENTS / each));
}

static void input_grad_patches(const struct mien_convolution *s, const mien_real *y,
                               const mien_real *w, mien_real *x, mien_real *scratch)
{
    const uint64_t places = s->oh * s->ow;
    const uint64_t per_go = patches_per_go(s);
    const struct mien_window window = {.h = s->h,
                                       .w = s->w,
                                       .c = s->c,
                                       .kh = s->kh,
                                       .kw = s->kw,
                                       .oh = s->oh,
                                       .ow = s->ow,
                                       .stride = s->stride,
                                       .top = (int64_t)s->top,
                                       .left = (int64_t)s->left};

    memset(x, 0, s->n * s->h * s->w * s->c * sizeof(*x));
    for (uint64_t i = 0; i < s->n; i += per_go) {
        const uint64_t n = mien_min_size(per_go, s->n - i);
        const struct mien_matrices product = {
            .m = n * places, .n = s->kh * s->kw * s->c, .k = s->o, .right = true};

        mien_product_matrices(&product, y + i * places * s->o, w, scratch);
        mien_patches_add(&window, scratch, n, x + i * s->h * s->w * s->c);
    }
}

static void input_grad_phases(const struct mien_convolution *s, const mien_real *y,
                              const mien_real *w, mien_real *x, mien_real *scratch)
{
    const struct mien_frame f = frame_of_y(s);

    /* A stride longer than the kernel leaves rows of x that nothing meets. */
    if (s->kh < s->stride || s->kw < s->stride)
        memset(x, 0, s->n * s->h * s->w * s->c * sizeof(*x));
    for (uint64_t i = 0; i < s->n; i += f.n_per_go) {
        const uint64_t n = mien_min_size(f.n_per_go, s->n - i);
        const mien_real *from = mien_framed(&f, y + i * s->oh * s->ow * s->o, n, scratch);

        for (uint64_t at = 0; at < s->stride * s->stride; at++) {
            const struct phases p = {phase_of(at / s->stride, s->h, s->kh, s->stride, s->top),
                                     phase_of(at % s->stride, s->w, s->kw, s->stride, s->left)};
            const struct mien_product product = product_of(s, &f, &p, n);

            if (p.down.n * p.across.n * p.down.n_taps * p.across.n_taps == 0)
                continue;
            mien_product_run(&product, from + (p.down.y0 * f.fw + p.across.y0) * s->o,
                             w + (p.down.k0 * s->kw + p.across.k0) * s->c * s->o,
                             x + ((i * s->h + p.down.x0) * s->w + p.across.x0) * s->c);
        }
    }
}

void mien_convolution_input_grad(const struct mien_convolution *conv, const mien_real *y,
                                 const mien_real *w, mien_real *x, mien_real *scratch)
{
    if (mien_minimal_fits(conv))
        mien_minimal_input_grad(conv, y, w, x, scratch);
    else if (sums_patches(conv))
        input_grad_patches(conv, y, w, x, scratch);
    else
        input_grad_phases(conv, y, w, x, scratch);
}

/* A convolution of stride 1 with few results a place, which fill a panel badly, is the adjoint, in
 * x, of a convolution with its weights turned round, whose few are the rows instead. */
static bool is_better_flipped(const struct mien_convolution *s)
{
    return s->o < MIEN_TILE_HALF && s->c >= MIEN_TILE_HALF && s->stride == 1 && !s->swapped &&
           s->top < s->kh && s->left < s->kw;
}

static struct mien_convolution flipped(const struct mien_convolution *s)
{
    struct mien_convolution f = *s;

    f.h = s->oh;
    f.w = s->ow;
    f.c = s->o;
    f.oh = s->h;
    f.ow = s->w;
    f.o = s->c;
    f.top = s->kh - 1 - s->top;
    f.left = s->kw - 1 - s->left;
    return f;
}

/* Weights [taps, c, o] to [taps, o, c], last tap first. */
static void flip_weights(uint64_t n_taps, uint64_t c, uint64_t o, const mien_real *w,
                         mien_real *out)
{
    for (uint64_t tap = 0; tap < n_taps; tap++) {
        const struct mien_turn turn = {
            w + (n_taps - 1 - tap) * c * o, (ptrdiff_t)o, c, o, out + tap * c * o, (ptrdiff_t)c};

        mien_tile_native()->turn(&turn);
    }
}

void mien_convolution_run(const struct mien_convolution *conv, const mien_real *x,
                          const mien_real *w, mien_real *y, mien_real *scratch)
{
    if (mien_minimal_fits(conv)) {
        mien_minimal_run(conv, x, w, y, scratch);
        return;
    }
    if (!is_better_flipped(conv)) {
        run(conv, x, w, y, scratch);
        return;
    }
    const struct mien_convolution f = flipped(conv);
    const uint64_t n_taps = conv->kh * conv->kw;
    flip_weights(n_taps, conv->c, conv->o, w, scratch);
    input_grad_patches(&f, x, scratch, y, scratch + n_taps * conv->c * conv->o);
}

void mien_convolution_weight_grad(const struct mien_convolution *conv, const mien_real *x,
                                  const mien_real *y, mien_real *w, mien_real *scratch)
{
    if (mien_minimal_fits(conv)) {
        mien_minimal_weight_grad(conv, x, y, w, scratch);
        return;
    }
    if (!is_better_flipped(conv)) {
        weight_grad(conv, x, y, w, scratch);
        return;
    }
    const struct mien_convolution f = flipped(conv);
    const uint64_t n_taps = conv->kh * conv->kw;
    weight_grad(&f, y, x, scratch, scratch + n_taps * conv->c * conv->o);
    flip_weights(n_taps, conv->o, conv->c, scratch, w);
}

static uint64_t scratch_of(const struct mien_convolution *s)
{
    const struct mien_frame x = mien_frame_of_x(s);
    const struct mien_frame y = frame_of_y(s);
    const uint64_t patches = patches_per_go(s) * s->oh * s->ow * s->kh * s->kw * s->c;

    return mien_max_size(mien_frame_scratch(&x),
                         sums_patches(s) ? patches : mien_frame_scratch(&y));
}

uint64_t mien_convolution_scratch(const struct mien_convolution *conv)
{
    const struct mien_convolution f = flipped(conv);

    if (mien_minimal_fits(conv))
        return mien_minimal_scratch(conv);
    if (!is_better_flipped(conv))
        return scratch_of(conv);
    return mien_max_size(scratch_of(conv),
                         scratch_of(&f) + conv->kh * conv->kw * conv->c * conv->o);
}
