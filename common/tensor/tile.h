/* The innermost loop of every product: one tile of the result over one block of k.
 *
 * One kernel per instruction set, all with the same contract, chosen once by what the processor
 * has. Each sums a tile's numbers over k in order, fused where the set has fused multiply-add, so
 * AVX-512, AVX2, NEON and mien_tile_fused give the same bits.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_TILE_H
#define MIEN_TENSOR_TILE_H

#include "common/base/real.h"
#include "common/tensor/elements.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tile: up to three groups of four rows, and one panel of columns. */
#define MIEN_TILE_GROUPS 3
#define MIEN_TILE_GROUP 4
#define MIEN_TILE_COLUMNS 32

/* Half a panel: what a kernel computes at least. Panels are padded with zeros up to it. */
#define MIEN_TILE_HALF 16

struct mien_tile {
    /* Element (row r of group g, k) of the first operand is
     * a[g][r a_row + run[i] + j a_step] with k = i run_len + j. */
    const mien_real *a[MIEN_TILE_GROUPS];
    ptrdiff_t a_row;
    ptrdiff_t a_step;
    const ptrdiff_t *run; /* [n_runs] */
    uint32_t n_runs;
    uint32_t run_len;

    /* The second operand's row k is b[k b_step ..]; its length is n_columns rounded up to 16 or 32.
     */
    const mien_real *b;
    ptrdiff_t b_step;
    ptrdiff_t b_ahead; /* a set may ask memory for the numbers this far behind those of b; or 0 */

    /* Row r of group g of the result is c[g][r c_row ..], written where first[g] <= r < end[g]. */
    mien_real *c[MIEN_TILE_GROUPS];
    ptrdiff_t c_row;
    uint32_t first[MIEN_TILE_GROUPS];
    uint32_t end[MIEN_TILE_GROUPS];
    uint32_t n_groups;  /* 1 to 3; all four rows of each are read */
    uint32_t n_columns; /* 1 to 32 */
    bool add;           /* to what c holds, instead of writing over it */
};

/* Writes the transpose of n_rows x n_columns numbers: to[j to_row + i] = from[i from_row + j]. */
struct mien_turn {
    const mien_real *from;
    ptrdiff_t from_row;
    uint64_t n_rows;
    uint64_t n_columns;
    mien_real *to;
    ptrdiff_t to_row;
};

/* One instruction set's kernels. */
struct mien_tile_set {
    const char *name;
    void (*run)(const struct mien_tile *tile);
    void (*turn)(const struct mien_turn *turn);
    const struct mien_elements *elements;
};

/* C for any processor: multiplies, then adds. */
extern const struct mien_tile_set mien_tile_plain;
void mien_turn_plain(const struct mien_turn *turn);

/* The set in use: the best of this processor. */
const struct mien_tile_set *mien_tile_native(void);

/* All sets that this processor can run, plain first, NULL last: for tests and benchmarks. */
const struct mien_tile_set *const *mien_tile_sets(void);

/* Tests and benchmarks only: uses this set from now on; NULL for the best. */
void mien_tile_force(const struct mien_tile_set *set);

#endif
