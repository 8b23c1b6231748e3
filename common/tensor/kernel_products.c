// SPDX-License-Identifier: Apache-2.0
/* Products by OpenBLAS: matrices, and convolutions as matrices of patches (im2col).
 *
 * In [n, h, w, c] a row of patches is kh runs of kw c floats, so building them is copying. Patches
 * are made for a few pictures at a time, so that they stay in the second-level cache.
 */
#include "common/tensor/kernels.h"

#include "common/base/num.h"

#include <cblas.h>
#include <string.h>

/* Patches at a time, in elements: 1 MiB of floats. */
#define PATCH_ELEMENTS (UINT64_C(1) << 18)

/* A product of an [m, k] with a [k, n] matrix, either one stored transposed. */
struct product {
    uint64_t m, n, k;
    bool left;  /* the first is stored as [k, m] */
    bool right; /* the second as [n, k] */
};

/* out [m, n] = a b + keep out */
static void gemm(const struct product *p, const mien_real *a, const mien_real *b, mien_real keep,
                 mien_real *out)
{
    const int m = (int)p->m;
    const int n = (int)p->n;
    const int k = (int)p->k;

    MIEN_GEMM(CblasRowMajor, p->left ? CblasTrans : CblasNoTrans,
              p->right ? CblasTrans : CblasNoTrans, m, n, k, (mien_real)1, a, p->left ? m : k, b,
              p->right ? k : n, keep, out, n);
}

void mien_kernel_matmul(const struct mien_node *node, const mien_real *a,
                        const struct mien_shape *shape_a, const mien_real *b, mien_real *out)
{
    const bool left = (node->flags & MIEN_TRANSPOSE_LEFT) != 0;
    const struct product product = {
        .m = node->shape.dim[0],
        .n = node->shape.dim[1],
        .k = shape_a->dim[left ? 0 : 1],
        .left = left,
        .right = (node->flags & MIEN_TRANSPOSE_RIGHT) != 0,
    };

    gemm(&product, a, b, 0, out);
}

/* Sizes of one convolution, spelled out once. */
struct sizes {
    uint64_t n, h, w, c;
    uint64_t kh, kw, o;
    uint64_t oh, ow;
    uint64_t stride;
    int64_t top, left;
    uint64_t patch;    /* kh kw c */
    uint64_t n_per_go; /* pictures whose patches are made at a time */
};

static struct sizes sizes_of(const struct mien_conv_shapes *s)
{
    struct sizes z = {
        .n = s->x.dim[0],
        .h = s->x.dim[1],
        .w = s->x.dim[2],
        .c = s->x.dim[3],
        .kh = s->w.dim[0],
        .kw = s->w.dim[1],
        .o = s->w.dim[3],
        .oh = s->y.dim[1],
        .ow = s->y.dim[2],
        .stride = s->conv.stride,
        .top = s->conv.pad_top,
        .left = s->conv.pad_left,
    };

    z.patch = z.kh * z.kw * z.c;
    uint64_t per_picture = z.oh * z.ow * z.patch;
    z.n_per_go = mien_max_size(1, mien_min_size(z.n, PATCH_ELEMENTS / per_picture));
    return z;
}

uint64_t mien_kernel_conv_scratch(const struct mien_conv_shapes *shapes)
{
    const struct sizes z = sizes_of(shapes);

    return z.n_per_go * z.oh * z.ow * z.patch;
}

/* The part of a patch row that lies inside the picture: kx in [first, last). */
static void inside(const struct sizes *z, int64_t x0, int64_t *first, int64_t *last)
{
    const int64_t w = (int64_t)z->w;
    const int64_t kw = (int64_t)z->kw;

    *first = x0 < 0 ? -x0 : 0;
    *last = x0 + kw > w ? w - x0 : kw;
    if (*first > kw)
        *first = kw;
    if (*last < *first)
        *last = *first;
}

/* One row of one patch: copies kw c numbers from picture row `y`, zeros outside. */
static void copy_patch_row(const struct sizes *z, const mien_real *picture, int64_t y, int64_t x0,
                           mien_real *to)
{
    int64_t first;
    int64_t last;

    if (y < 0 || y >= (int64_t)z->h) {
        memset(to, 0, z->kw * z->c * sizeof(*to));
        return;
    }
    inside(z, x0, &first, &last);
    const uint64_t c = z->c;
    if (first > 0)
        memset(to, 0, (uint64_t)first * c * sizeof(*to));
    if (last > first) {
        const int64_t from = (y * (int64_t)z->w + x0 + first) * (int64_t)c;

        memcpy(to + (uint64_t)first * c, picture + from,
               (uint64_t)(last - first) * c * sizeof(*to));
    }
    memset(to + (uint64_t)last * c, 0, (z->kw - (uint64_t)last) * c * sizeof(*to));
}

/* The adjoint: adds the inside part of a patch row back into the picture. */
static void add_patch_row(const struct sizes *z, const mien_real *from, int64_t y, int64_t x0,
                          mien_real *picture)
{
    int64_t first;
    int64_t last;

    if (y < 0 || y >= (int64_t)z->h)
        return;
    inside(z, x0, &first, &last);
    const int64_t c = (int64_t)z->c;
    const int64_t n = (last - first) * c;
    if (n <= 0)
        return;
    mien_real *to = picture + (y * (int64_t)z->w + x0 + first) * c;
    from += first * c;
    for (int64_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* Patches of one picture: [oh ow, kh kw c]. */
static void make_patches(const struct sizes *z, const mien_real *picture, mien_real *patches)
{
    const uint64_t run = z->kw * z->c;

    for (uint64_t at = 0; at < z->oh * z->ow; at++) {
        const int64_t y0 = (int64_t)(at / z->ow * z->stride) - z->top;
        const int64_t x0 = (int64_t)(at % z->ow * z->stride) - z->left;

        for (uint64_t ky = 0; ky < z->kh; ky++, patches += run)
            copy_patch_row(z, picture, y0 + (int64_t)ky, x0, patches);
    }
}

static void add_patches(const struct sizes *z, const mien_real *patches, mien_real *picture)
{
    const uint64_t run = z->kw * z->c;

    for (uint64_t at = 0; at < z->oh * z->ow; at++) {
        const int64_t y0 = (int64_t)(at / z->ow * z->stride) - z->top;
        const int64_t x0 = (int64_t)(at % z->ow * z->stride) - z->left;

        for (uint64_t ky = 0; ky < z->kh; ky++, patches += run)
            add_patch_row(z, patches, y0 + (int64_t)ky, x0, picture);
    }
}

static void make_some_patches(const struct sizes *z, const mien_real *x, uint64_t first, uint64_t n,
                              mien_real *patches)
{
    const uint64_t picture = z->h * z->w * z->c;
    const uint64_t block = z->oh * z->ow * z->patch;

    for (uint64_t i = 0; i < n; i++)
        make_patches(z, x + (first + i) * picture, patches + i * block);
}

/* y [n oh ow, o] = patches(x) w */
void mien_kernel_conv(const struct mien_conv_shapes *shapes, const mien_real *x, const mien_real *w,
                      mien_real *y, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);
    const uint64_t n_out = z.oh * z.ow;

    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct product product = {.m = n * n_out, .n = z.o, .k = z.patch};

        make_some_patches(&z, x, i, n, scratch);
        gemm(&product, scratch, w, 0, y + i * n_out * z.o);
    }
}

/* x = patches^T of (y w') */
void mien_kernel_conv_input_grad(const struct mien_conv_shapes *shapes, const mien_real *y,
                                 const mien_real *w, mien_real *x, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);
    const uint64_t n_out = z.oh * z.ow;
    const uint64_t picture = z.h * z.w * z.c;

    memset(x, 0, z.n * picture * sizeof(*x));
    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct product product = {.m = n * n_out, .n = z.patch, .k = z.o, .right = true};

        gemm(&product, y + i * n_out * z.o, w, 0, scratch);
        for (uint64_t j = 0; j < n; j++)
            add_patches(&z, scratch + j * n_out * z.patch, x + (i + j) * picture);
    }
}

/* w = patches(x)' y */
void mien_kernel_conv_weight_grad(const struct mien_conv_shapes *shapes, const mien_real *x,
                                  const mien_real *y, mien_real *w, mien_real *scratch)
{
    const struct sizes z = sizes_of(shapes);
    const uint64_t n_out = z.oh * z.ow;

    for (uint64_t i = 0; i < z.n; i += z.n_per_go) {
        const uint64_t n = mien_min_size(z.n_per_go, z.n - i);
        const struct product product = {.m = z.patch, .n = z.o, .k = n * n_out, .left = true};

        make_some_patches(&z, x, i, n, scratch);
        gemm(&product, scratch, y + i * n_out * z.o, i == 0 ? 0 : 1, w);
    }
}
