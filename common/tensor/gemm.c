// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/gemm.h"

#include <cblas.h>

void mien_gemm(const struct mien_product *product, const mien_real *a, const mien_real *b,
               mien_real keep, mien_real *out)
{
    const struct mien_product *p = product;
    const int m = (int)p->m;
    const int n = (int)p->n;
    const int k = (int)p->k;

    MIEN_GEMM(CblasRowMajor, p->left ? CblasTrans : CblasNoTrans,
              p->right ? CblasTrans : CblasNoTrans, m, n, k, (mien_real)1, a, p->left ? m : k, b,
              p->right ? k : n, keep, out, n);
}
