// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/tile.h"

/* Set by tests and benchmarks before they start a thread. */
static const struct mien_tile_set *forced;

const struct mien_tile_set *mien_tile_native(void)
{
    const struct mien_tile_set *const *sets = mien_tile_sets();

    if (forced != NULL)
        return forced;
    while (sets[1] != NULL)
        sets++;
    return *sets;
}

const struct mien_elements *mien_elements_native(void)
{
    return mien_tile_native()->elements;
}

void mien_tile_force(const struct mien_tile_set *set)
{
    forced = set;
}
