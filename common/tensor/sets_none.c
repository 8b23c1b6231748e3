// SPDX-License-Identifier: Apache-2.0
/* Processors without tiles of their own, and numbers other than float. */
#include "common/tensor/tile.h"

const struct mien_tile_set *const *mien_tile_sets(void)
{
    static const struct mien_tile_set *const sets[] = {&mien_tile_plain, NULL};

    return sets;
}
