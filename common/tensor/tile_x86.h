/* The tiles of x86-64 processors; each file is compiled for its instruction set.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_TILE_X86_H
#define MIEN_TENSOR_TILE_X86_H

#include "common/tensor/tile.h"

extern const struct mien_tile_set mien_tile_avx2;
extern const struct mien_tile_set mien_tile_avx512;

extern const struct mien_elements mien_elements_avx2;
extern const struct mien_elements mien_elements_avx512;

/* Turning is moving: wider registers do not help. */
void mien_turn_avx2(const struct mien_turn *turn);

#endif
