/* Loops over elements, once for each instruction set: the same sources, compiled for it.
 *
 * All sets do the same operations in the same order, without contraction, so they give the same
 * bits. out may be a, for every function.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_ELEMENTS_H
#define MIEN_TENSOR_ELEMENTS_H

#include "common/base/real.h"
#include "common/tensor/graph.h"

/* Adam's numbers, with the bias corrections already in rate and epsilon. */
struct mien_adam_terms {
    mien_real rate;
    mien_real epsilon;
    mien_real beta_1;
    mien_real beta_2;
};

/* Functions of one operand that are no single instruction. */
struct mien_functions {
    void (*exps)(const mien_real *x, uint64_t n, mien_real *out);
    void (*tanhs)(const mien_real *x, uint64_t n, mien_real *out);
    void (*sigmoids)(const mien_real *x, uint64_t n, mien_real *out);
};

struct mien_elements {
    const struct mien_functions *functions; /* what unary calls for EXP, TANH and SIGMOID */

    /* out[i] = op(x[i]) */
    void (*unary)(enum mien_op op, const mien_real *x, uint64_t n, mien_real number,
                  mien_real *out);

    /* out[i] = a[i] op b[i], ADD to DIVIDE */
    void (*rows)(enum mien_op op, const mien_real *a, const mien_real *b, uint64_t n,
                 mien_real *out);

    /* out[i] = a[i] op y */
    void (*number)(enum mien_op op, const mien_real *a, mien_real y, uint64_t n, mien_real *out);

    /* out[i] = b[i] > 0 ? a[i] : slope a[i] */
    void (*gate)(const mien_real *a, const mien_real *b, uint64_t n, mien_real slope,
                 mien_real *out);

    /* The sum of n numbers, in an order that n gives. */
    mien_real (*sum)(const mien_real *x, uint64_t n);

    /* One step of Adam on n values (Kingma, Ba 2015). */
    void (*adam)(const struct mien_adam_terms *terms, const mien_real *gradient, uint64_t n,
                 mien_real *value, mien_real *first, mien_real *second);
};

/* The set of the tiles in use (tile.h). */
const struct mien_elements *mien_elements_native(void);

extern const struct mien_elements mien_elements_plain;

#endif
