// SPDX-License-Identifier: Apache-2.0
/* Products: matrices, and convolutions as matrices of patches, made for a few pictures at a time.
 */
#include "common/tensor/kernels.h"

#include "common/base/num.h"
#include "common/tensor/gemm.h"
#include "common/tensor/patches.h"

#include <string.h>

void mien_kernel_matmul(const struct mien_node *node, const mien_real *a,
                        const struct mien_shape *shape_a, const mien_real *b, mien_real *out)
{
    const bool left = (node->flags & MIEN_TRANSPOSE_LEFT) != 0;
    const struct mien_product product = {
        .m = node->shape.dim[0],
        .n = node->shape.dim[1],
        .k = shape_a->dim[left ? 0 : 1],
        .left = left,
        .right = (node->flags & MIEN_TRANSPOSE_RIGHT) != 0,
    };

    mien_gemm(&product, a, b, 0, out);
}

/* Sizes of one convolution, spelled out once. */
struct sizes {
    struct mien_window window;
    uint64_t n;        /* pictures */
    uint64_t n_per_go; /* pictures whose patches are made at a time */
    uint64_t picture;  /* h w c */
    uint64_t places;   /* oh ow */
    uint64_t patch;    /* kh kw c */
    uint64_t o;
    bool direct; /* 1 x 1 at every place: the picture is its own matrix of patches */
};

static struct sizes sizes_of(const struct mien_conv_shapes *s)
{
    struct sizes z = {
        .window =
            {
                .h = s->x.dim[1],
                .w = s->x.dim[2],
                .c = s->x.dim[3],
                .kh = s->w.dim[0],
                .kw = s->w.dim[1],
                .oh = s->y.dim[1],
                .ow = s->y.dim[2],
                .stride = s->conv.stride,
                .top = s->conv.pad_top,
                .left = s->conv.pad_left,
            },
        .n = s->x.dim[0],
        .o = s->w.dim[3],
    };

    z.picture = z.window.h * z.window.w * z.window.c;
    z.places = z.window.oh * z.window.ow;
    z.patch = z.window.kh * z.window.kw * z.window.c;
    z.direct = z.places * z.patch == z.picture && z.window.kh == 1 && z.window.kw == 1 &&
               z.window.stride == 1 && z.window.top == 0 && z.window.left == 0;
    z.n_per_go = mien_max_size(1, mien_min_size(z.n, MIEN_PATCH_ELEMENTS / (z.places * z.patch)));
    if (z.direct)
        z.n_per_go = z.n;
    return z;
}

uint64_t mien_kernel_conv_scratch(const struct mien_conv_shapes *shapes)
{
    const struct sizes z = sizes_of(shapes);

    return z.direct ? 0 : z.n_per_go * z.places * z.patch;
}

/* y [n oh ow, o] = patches(x) w */
void mien_kernel_conv(const struct mien_conv_shapes *shapes, const mien_real *x, const mien_real *w,
                      mien_real *y, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);

    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct mien_product product = {.m = n * z.places, .n = z.o, .k = z.patch};

        if (!z.direct)
            mien_patches_make(&z.window, x + i * z.picture, n, scratch);
        mien_gemm(&product, z.direct ? x : scratch, w, 0, y + i * z.places * z.o);
    }
}

/* x = patches^T of (y w') */
void mien_kernel_conv_input_grad(const struct mien_conv_shapes *shapes, const mien_real *y,
                                 const mien_real *w, mien_real *x, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);

    if (!z.direct)
        memset(x, 0, z.n * z.picture * sizeof(*x));
    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct mien_product product = {
            .m = n * z.places, .n = z.patch, .k = z.o, .right = true};

        mien_gemm(&product, y + i * z.places * z.o, w, 0, z.direct ? x : scratch);
        if (!z.direct)
            mien_patches_add(&z.window, scratch, n, x + i * z.picture);
    }
}

/* w = patches(x)' y */
void mien_kernel_conv_weight_grad(const struct mien_conv_shapes *shapes, const mien_real *x,
                                  const mien_real *y, mien_real *w, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);

    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct mien_product product = {
            .m = z.patch, .n = z.o, .k = n * z.places, .left = true};

        if (!z.direct)
            mien_patches_make(&z.window, x + i * z.picture, n, scratch);
        mien_gemm(&product, z.direct ? x : scratch, y + i * z.places * z.o, i == 0 ? 0 : 1, w);
    }
}
