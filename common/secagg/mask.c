// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/mask.h"

#include "common/base/bytes.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/secagg/mask_kernel.h"

#include <string.h>

/* Enough for two chunks of any kernel and a part of one. */
#define CHECK_WORDS (2 * MIEN_MASK_MAX_CHUNK_WORDS + 77)

/* What is left of a chunk goes by way of a whole one. */
static enum mien_status add_rest(const struct mien_mask_kernel *kernel,
                                 const struct mien_mask *mask, struct mien_mask_counter counter,
                                 uint32_t *residue, uint64_t n)
{
    uint32_t chunk[MIEN_MASK_MAX_CHUNK_WORDS] = {0};

    memcpy(chunk, residue, n * sizeof(chunk[0]));
    enum mien_status status = kernel->add(mask, counter, chunk, 1);
    memcpy(residue, chunk, n * sizeof(chunk[0]));
    mien_wipe(chunk, sizeof(chunk));
    return status;
}

/* n residues of which no chunk sees the low half of the counter overflow; the last may go beyond
 * n, and over, since what it makes there is thrown away. */
static enum mien_status add_run(const struct mien_mask_kernel *kernel, const struct mien_mask *mask,
                                struct mien_mask_counter counter, uint32_t *residue, uint64_t n)
{
    const uint64_t n_chunks = n / kernel->chunk_words;
    const uint64_t whole = n_chunks * kernel->chunk_words;
    enum mien_status status = MIEN_OK;

    if (n_chunks > 0)
        status = kernel->add(mask, counter, residue, n_chunks);
    counter.low += whole / MIEN_MASK_BLOCK_WORDS;
    if (status == MIEN_OK && whole < n)
        status = add_rest(kernel, mask, counter, residue + whole, n - whole);
    return status;
}

enum mien_status mien_mask_add(const struct mien_mask_kernel *kernel, const struct mien_mask *mask,
                               uint64_t first_block, uint32_t *residue, uint64_t n)
{
    const uint64_t low = mien_load_be64(mask->key + 24);
    struct mien_mask_counter counter = {.high = mien_load_be64(mask->key + 16),
                                        .low = low + first_block};
    counter.high += counter.low < low;
    /* Blocks before the low half overflows, but for one; n words are fewer than 2^62 blocks. */
    const uint64_t room = UINT64_MAX - counter.low;
    const uint64_t first =
        room < n / MIEN_MASK_BLOCK_WORDS ? (room + 1) * MIEN_MASK_BLOCK_WORDS : n;
    enum mien_status status = add_run(kernel, mask, counter, residue, first);

    counter = (struct mien_mask_counter){.high = counter.high + 1, .low = 0};
    if (status == MIEN_OK && first < n)
        status = add_run(kernel, mask, counter, residue + first, n - first);
    return status;
}

bool mien_mask_agrees(const struct mien_mask_kernel *kernel, const struct mien_mask *mask)
{
    uint32_t a[CHECK_WORDS] = {0};
    uint32_t b[CHECK_WORDS] = {0};
    bool same = mien_mask_add(kernel, mask, 0, a, CHECK_WORDS) == MIEN_OK &&
                mien_mask_add(mien_mask_evp(), mask, 0, b, CHECK_WORDS) == MIEN_OK &&
                mien_ct_equal(a, b, sizeof(a));

    mien_wipe(a, sizeof(a));
    mien_wipe(b, sizeof(b));
    return same;
}

const struct mien_mask_kernel *mien_mask_best(const struct mien_mask *mask)
{
    const struct mien_mask_kernel *kernel = NULL;
    uint32_t i = 0;

    do
        kernel = mien_mask_native(i++);
    while (kernel != NULL && !mien_mask_agrees(kernel, mask));
    return kernel == NULL ? mien_mask_evp() : kernel;
}

struct tiles {
    const struct mien_mask_kernel *kernel;
    const struct mien_mask *masks;
    uint32_t n_masks;
    uint32_t *residue;
    uint64_t n;
};

static enum mien_status apply_to_tile(void *task, uint32_t tile)
{
    const struct tiles *t = task;
    const uint64_t at = (uint64_t)tile * t->kernel->tile_words;
    const uint64_t part = mien_min_size(t->kernel->tile_words, t->n - at);
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < t->n_masks && status == MIEN_OK; i++)
        status = mien_mask_add(t->kernel, &t->masks[i], at / MIEN_MASK_BLOCK_WORDS, t->residue + at,
                               part);
    return status;
}

enum mien_status mien_mask_apply(const struct mien_crew *crew, const struct mien_mask *masks,
                                 uint32_t n_masks, uint32_t *residue, uint64_t n)
{
    struct tiles tiles = {.masks = masks, .n_masks = n_masks, .residue = residue, .n = n};

    if (n_masks == 0 || n == 0)
        return MIEN_OK;
    tiles.kernel = mien_mask_best(&masks[0]);
    const uint64_t n_tiles = (n - 1) / tiles.kernel->tile_words + 1;
    return n_tiles > UINT32_MAX ? MIEN_EINVAL
                                : mien_crew_run(crew, apply_to_tile, &tiles, (uint32_t)n_tiles);
}
