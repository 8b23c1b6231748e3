/* Pictures as matrices of patches (im2col), and the adjoint.
 *
 * In [n, h, w, c] a row of a patch is one run of kw c numbers, so building patches is copying.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_PATCHES_H
#define MIEN_TENSOR_PATCHES_H

#include "common/base/real.h"

#include <stdint.h>

/* Work space for patches at a time, in elements: 1 MiB of floats, which the second-level cache
 * holds. */
#define MIEN_PATCH_ELEMENTS (UINT64_C(1) << 18)

/* A window of kh x kw moving over a picture [h, w, c] in oh x ow places. */
struct mien_window {
    uint64_t h, w, c;
    uint64_t kh, kw;
    uint64_t oh, ow;
    uint64_t stride;
    int64_t top, left; /* padding before the first row and column */
};

/* patches [n oh ow, kh kw c] of pictures [n, h, w, c]; zeros outside a picture. */
void mien_patches_make(const struct mien_window *window, const mien_real *pictures, uint64_t n,
                       mien_real *patches);

/* The adjoint: adds each element of the patches to the picture's element that it was made from. */
void mien_patches_add(const struct mien_window *window, const mien_real *patches, uint64_t n,
                      mien_real *pictures);

#endif
