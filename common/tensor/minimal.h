/* 4 x 4 convolutions of stride 2 with 9 multiplications where their formula has 16.
 *
 * Two neighbouring results of a sum of two terms take three products instead of four:
 *
 *   y0 = x0 w0 + x1 w1 = m0 + m1        m0 = (x0 - x1) w0
 *   y1 = x1 w0 + x2 w1 = m1 + m2        m1 = x1 (w0 + w1)     m2 = (x2 - x1) w1
 *
 * A kernel of 4 with stride 2 is two such sums on each axis, over even and over odd pixels, so 2 x
 * 2 results take 3 x 3 products of all channels: nine products of matrices. Only sums and
 * differences of two numbers come in, so results are as near to the formula's as those of another
 * order of sums. The adjoints are those of these steps, and take nine products as well.
 *
 * Source:  Winograd 1980, "Arithmetic Complexity of Computations"; Lavin, Gray 2016, "Fast
 * Algorithms for Convolutional Neural Networks" Threads: any
 */
#ifndef MIEN_TENSOR_MINIMAL_H
#define MIEN_TENSOR_MINIMAL_H

#include "common/tensor/convolution.h"

/* Whether this convolution is one of those, with channels enough to pay for the sums. */
bool mien_minimal_fits(const struct mien_convolution *conv);

/* As the functions in convolution.h, for those that fit. */
uint64_t mien_minimal_scratch(const struct mien_convolution *conv);
void mien_minimal_run(const struct mien_convolution *conv, const mien_real *x, const mien_real *w,
                      mien_real *y, mien_real *scratch);
void mien_minimal_input_grad(const struct mien_convolution *conv, const mien_real *y,
                             const mien_real *w, mien_real *x, mien_real *scratch);
void mien_minimal_weight_grad(const struct mien_convolution *conv, const mien_real *x,
                              const mien_real *y, mien_real *w, mien_real *scratch);

#endif
