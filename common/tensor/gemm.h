/* One matrix product, by OpenBLAS on the calling thread.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_GEMM_H
#define MIEN_TENSOR_GEMM_H

#include "common/base/real.h"

#include <stdbool.h>
#include <stdint.h>

/* A product of an [m, k] with a [k, n] matrix, either one stored transposed. */
struct mien_product {
    uint64_t m, n, k;
    bool left;  /* the first is stored as [k, m] */
    bool right; /* the second as [n, k] */
};

/* out [m, n] = a b + keep out */
void mien_gemm(const struct mien_product *product, const mien_real *a, const mien_real *b,
               mien_real keep, mien_real *out);

#endif
