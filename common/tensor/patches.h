/* Sums of patches into pictures: the adjoint of cutting pictures into patches (col2im).
 *
 * In [n, h, w, c] a row of a patch is one run of kw c numbers.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_PATCHES_H
#define MIEN_TENSOR_PATCHES_H

#include "common/base/real.h"

#include <stdint.h>

/* A window of kh x kw moving over a picture [h, w, c] in oh x ow places. */
struct mien_window {
    uint64_t h, w, c;
    uint64_t kh, kw;
    uint64_t oh, ow;
    uint64_t stride;
    int64_t top, left; /* padding before the first row and column */
};

/* Adds each element of patches [n oh ow, kh kw c] to the element of pictures [n, h, w, c] on which
 * it lies; what lies outside is dropped. */
void mien_patches_add(const struct mien_window *window, const mien_real *patches, uint64_t n,
                      mien_real *pictures);

#endif
