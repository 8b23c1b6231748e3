// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/patches.h"

#include "common/base/compiler.h"

/* The part of a patch row that lies inside the picture: kx in [first, last). */
static void inside(const struct mien_window *z, int64_t x0, int64_t *first, int64_t *last)
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

/* One row of one patch. */
static void add_row(const struct mien_window *z, const mien_real *from, int64_t y, int64_t x0,
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
    MIEN_INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        to[i] += from[i];
}

void mien_patches_add(const struct mien_window *window, const mien_real *patches, uint64_t n,
                      mien_real *pictures)
{
    const struct mien_window *z = window;
    const uint64_t n_places = z->oh * z->ow;

    for (uint64_t at = 0; at < n * n_places; at++) {
        mien_real *picture = pictures + at / n_places * z->h * z->w * z->c;
        const uint64_t place = at % n_places;
        const int64_t y0 = (int64_t)(place / z->ow * z->stride) - z->top;
        const int64_t x0 = (int64_t)(place % z->ow * z->stride) - z->left;

        for (uint64_t ky = 0; ky < z->kh; ky++, patches += z->kw * z->c)
            add_row(z, patches, y0 + (int64_t)ky, x0, picture);
    }
}
