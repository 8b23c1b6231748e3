// SPDX-License-Identifier: Apache-2.0
/* The 3 x 3 convolution of a picture upsampled by 2, from the small picture.
 *
 * The four results under one pixel see it and its neighbours through sums of the weights w, so the
 * large picture is a transposed convolution of the small one: 4 x 4, stride 2, with weights v that
 * are sums of w. 16 multiplications instead of 36. On one axis, w = (w0, w1, w2) has
 * v = (w2, w1 + w2, w0 + w1, w0).
 */
#include "common/tensor/kernels.h"

#include "common/tensor/convolution.h"

#include <string.h>

#define TAPS 16

/* The transposed convolution; its weights v are stored [4, 4, c, o]. */
static struct mien_convolution transposed(const struct mien_conv_shapes *s)
{
    return (struct mien_convolution){
        .n = s->x.dim[0],
        .h = s->y.dim[1],
        .w = s->y.dim[2],
        .c = s->y.dim[3],
        .oh = s->x.dim[1],
        .ow = s->x.dim[2],
        .o = s->x.dim[3],
        .kh = 4,
        .kw = 4,
        .stride = 2,
        .top = 1,
        .left = 1,
        .swapped = true,
    };
}

static uint64_t n_pairs(const struct mien_conv_shapes *s)
{
    return (uint64_t)s->x.dim[3] * s->y.dim[3];
}

uint64_t mien_kernel_upconv_scratch(const struct mien_conv_shapes *shapes)
{
    const struct mien_convolution conv = transposed(shapes);

    return TAPS * n_pairs(shapes) + mien_convolution_scratch(&conv);
}

static void add(mien_real *to, const mien_real *from, uint64_t n)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* On one axis, the w that each v is the sum of. */
static const struct {
    uint8_t v;
    uint8_t w;
} terms[] = {{0, 2}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {3, 0}};

#define N_TERMS (sizeof(terms) / sizeof(terms[0]))

static uint64_t v_of(uint64_t pair)
{
    return 4u * terms[pair / N_TERMS].v + terms[pair % N_TERMS].v;
}

static uint64_t w_of(uint64_t pair)
{
    return 3u * terms[pair / N_TERMS].w + terms[pair % N_TERMS].w;
}

/* v from w, tap by tap [c, o]. */
static void fold(const mien_real *w, uint64_t n, mien_real *v)
{
    memset(v, 0, TAPS * n * sizeof(*v));
    for (uint64_t pair = 0; pair < N_TERMS * N_TERMS; pair++)
        add(v + v_of(pair) * n, w + w_of(pair) * n, n);
}

/* The adjoint. */
static void unfold(const mien_real *v, uint64_t n, mien_real *w)
{
    memset(w, 0, 9 * n * sizeof(*w));
    for (uint64_t pair = 0; pair < N_TERMS * N_TERMS; pair++)
        add(w + w_of(pair) * n, v + v_of(pair) * n, n);
}

void mien_kernel_upconv(const struct mien_conv_shapes *shapes, const mien_real *x,
                        const mien_real *w, mien_real *y, mien_real *scratch)
{
    const struct mien_convolution conv = transposed(shapes);
    const uint64_t n = n_pairs(shapes);

    fold(w, n, scratch);
    mien_convolution_input_grad(&conv, x, scratch, y, scratch + TAPS * n);
}

void mien_kernel_upconv_input_grad(const struct mien_conv_shapes *shapes, const mien_real *y,
                                   const mien_real *w, mien_real *x, mien_real *scratch)
{
    const struct mien_convolution conv = transposed(shapes);
    const uint64_t n = n_pairs(shapes);

    fold(w, n, scratch);
    mien_convolution_run(&conv, y, scratch, x, scratch + TAPS * n);
}

void mien_kernel_upconv_weight_grad(const struct mien_conv_shapes *shapes, const mien_real *x,
                                    const mien_real *y, mien_real *w, mien_real *scratch)
{
    const struct mien_convolution conv = transposed(shapes);
    const uint64_t n = n_pairs(shapes);

    mien_convolution_weight_grad(&conv, y, x, scratch, scratch + TAPS * n);
    unfold(scratch, n, w);
}
