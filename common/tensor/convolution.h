/* A convolution in its three directions, as products without patches.
 *
 * Pictures are [n, h, w, c]. Where padding is wanted, pictures are copied once into a frame of
 * zeros (scratch space), a few at a time.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_CONVOLUTION_H
#define MIEN_TENSOR_CONVOLUTION_H

#include "common/base/real.h"
#include "common/tensor/graph_internal.h"

struct mien_convolution {
    uint64_t n;         /* pictures */
    uint64_t h, w, c;   /* x [n, h, w, c] */
    uint64_t oh, ow, o; /* y [n, oh, ow, o] */
    uint64_t kh, kw;    /* weights [kh, kw, c, o], or [kh, kw, o, c] where swapped */
    uint64_t stride;
    uint64_t top, left; /* padding before the first row and column of x */
    bool swapped;
};

struct mien_convolution mien_convolution_of(const struct mien_conv_shapes *shapes);

/* Elements of scratch space that the three functions below need at most. */
uint64_t mien_convolution_scratch(const struct mien_convolution *conv);

/* y = conv(x, w) */
void mien_convolution_run(const struct mien_convolution *conv, const mien_real *x,
                          const mien_real *w, mien_real *y, mien_real *scratch);

/* x = the adjoint in x, of y and w */
void mien_convolution_input_grad(const struct mien_convolution *conv, const mien_real *y,
                                 const mien_real *w, mien_real *x, mien_real *scratch);

/* w = the adjoint in w, of x and y */
void mien_convolution_weight_grad(const struct mien_convolution *conv, const mien_real *x,
                                  const mien_real *y, mien_real *w, mien_real *scratch);

#endif
