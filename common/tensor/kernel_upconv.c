// SPDX-License-Identifier: Apache-2.0
/* The 3 x 3 convolution of a picture upsampled by 2, from the small picture.
 *
 * Under a 2 x 2 window of the small picture lie, in the large one, the four results whose 3 x 3
 * neighbourhoods come from these four pixels alone. So y is a 2 x 2 convolution with four times the
 * channels, whose weights v are sums of w; its results, [2, 2, o] at each of (h + 1) (w + 1)
 * places, are the patches of y under a 2 x 2 window of stride 2. 16 multiplications instead of 36.
 */
#include "common/tensor/kernels.h"

#include "common/base/num.h"
#include "common/tensor/gemm.h"
#include "common/tensor/patches.h"

#include <string.h>

struct sizes {
    struct mien_window small; /* over x */
    struct mien_window large; /* over y, in the same places */
    uint64_t n;
    uint64_t n_per_go;
    uint64_t picture_x;
    uint64_t picture_y;
    uint64_t places;
    uint64_t patch_x; /* 4 c */
    uint64_t patch_y; /* 4 o */
};

static struct sizes sizes_of(const struct mien_conv_shapes *s)
{
    const uint64_t h = s->x.dim[1];
    const uint64_t w = s->x.dim[2];
    struct sizes z = {
        .small = {.h = h, .w = w, .c = s->x.dim[3], .kh = 2, .kw = 2, .stride = 1},
        .large = {.h = 2 * h, .w = 2 * w, .c = s->y.dim[3], .kh = 2, .kw = 2, .stride = 2},
        .n = s->x.dim[0],
        .places = (h + 1) * (w + 1),
    };

    z.small.oh = z.large.oh = h + 1;
    z.small.ow = z.large.ow = w + 1;
    z.small.top = z.small.left = z.large.top = z.large.left = 1;
    z.picture_x = h * w * z.small.c;
    z.picture_y = 4 * h * w * z.large.c;
    z.patch_x = 4 * z.small.c;
    z.patch_y = 4 * z.large.c;
    const uint64_t per_picture = z.places * (z.patch_x + z.patch_y);
    z.n_per_go = mien_max_size(1, mien_min_size(z.n, MIEN_PATCH_ELEMENTS / per_picture));
    return z;
}

/* The scratch space: v [4 c, 4 o], then patches of x, then patches of y. */
struct scratch {
    mien_real *v;
    mien_real *patches_x;
    mien_real *patches_y;
};

static struct scratch divide(const struct sizes *z, mien_real *scratch)
{
    mien_real *patches_x = scratch + z->patch_x * z->patch_y;

    return (struct scratch){scratch, patches_x, patches_x + z->n_per_go * z->places * z->patch_x};
}

uint64_t mien_kernel_upconv_scratch(const struct mien_conv_shapes *shapes)
{
    const struct sizes z = sizes_of(shapes);

    return z.patch_x * z.patch_y + z.n_per_go * z.places * (z.patch_x + z.patch_y);
}

/* Weight w[ky, kx] works on result [a, b] of a place through the window's pixel [p, q], with
 * p = (ky + a) / 2 and q = (kx + b) / 2. There are 36 such pairs of [ky, kx] and [a, b].
 * Returns where the pair's numbers begin in v: rows of o, one for each channel, patch_y apart. */
static uint64_t place_in_v(const struct sizes *z, uint64_t pair)
{
    const uint64_t a = pair / 2 % 2;
    const uint64_t b = pair % 2;
    const uint64_t p = (pair / 12 + a) / 2;
    const uint64_t q = (pair / 4 % 3 + b) / 2;

    return (p * 2 + q) * z->small.c * z->patch_y + (a * 2 + b) * z->large.c;
}

static void add_row(mien_real *to, const mien_real *from, uint64_t n)
{
    MIEN_INDEPENDENT
    for (uint64_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* v from w [3, 3, c, o] */
static void fold_weights(const struct sizes *z, const mien_real *w, mien_real *v)
{
    const uint64_t o = z->large.c;

    memset(v, 0, z->patch_x * z->patch_y * sizeof(*v));
    for (uint64_t pair = 0; pair < 36; pair++) {
        const mien_real *from = w + pair / 4 * z->small.c * o;
        mien_real *to = v + place_in_v(z, pair);

        for (uint64_t c = 0; c < z->small.c; c++)
            add_row(to + c * z->patch_y, from + c * o, o);
    }
}

/* The adjoint. */
static void unfold_weights(const struct sizes *z, const mien_real *v, mien_real *w)
{
    const uint64_t o = z->large.c;

    memset(w, 0, 9 * z->small.c * o * sizeof(*w));
    for (uint64_t pair = 0; pair < 36; pair++) {
        const mien_real *from = v + place_in_v(z, pair);
        mien_real *to = w + pair / 4 * z->small.c * o;

        for (uint64_t c = 0; c < z->small.c; c++)
            add_row(to + c * o, from + c * z->patch_y, o);
    }
}

/* patches of y = patches of x v */
void mien_kernel_upconv(const struct mien_conv_shapes *shapes, const mien_real *x,
                        const mien_real *w, mien_real *y, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);
    const struct scratch s = divide(&z, scratch);

    fold_weights(&z, w, s.v);
    memset(y, 0, z.n * z.picture_y * sizeof(*y));
    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct mien_product product = {.m = n * z.places, .n = z.patch_y, .k = z.patch_x};

        mien_patches_make(&z.small, x + i * z.picture_x, n, s.patches_x);
        mien_gemm(&product, s.patches_x, s.v, 0, s.patches_y);
        mien_patches_add(&z.large, s.patches_y, n, y + i * z.picture_y);
    }
}

/* patches of x = patches of y v' */
void mien_kernel_upconv_input_grad(const struct mien_conv_shapes *shapes, const mien_real *y,
                                   const mien_real *w, mien_real *x, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);
    const struct scratch s = divide(&z, scratch);

    fold_weights(&z, w, s.v);
    memset(x, 0, z.n * z.picture_x * sizeof(*x));
    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct mien_product product = {
            .m = n * z.places, .n = z.patch_x, .k = z.patch_y, .right = true};

        mien_patches_make(&z.large, y + i * z.picture_y, n, s.patches_y);
        mien_gemm(&product, s.patches_y, s.v, 0, s.patches_x);
        mien_patches_add(&z.small, s.patches_x, n, x + i * z.picture_x);
    }
}

/* v = (patches of x)' (patches of y) */
void mien_kernel_upconv_weight_grad(const struct mien_conv_shapes *shapes, const mien_real *x,
                                    const mien_real *y, mien_real *w, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);
    const struct scratch s = divide(&z, scratch);

    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct mien_product product = {
            .m = z.patch_x, .n = z.patch_y, .k = n * z.places, .left = true};

        mien_patches_make(&z.small, x + i * z.picture_x, n, s.patches_x);
        mien_patches_make(&z.large, y + i * z.picture_y, n, s.patches_y);
        mien_gemm(&product, s.patches_x, s.patches_y, i == 0 ? 0 : 1, s.v);
    }
    unfold_weights(&z, s.v, w);
}
