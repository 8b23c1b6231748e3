// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/rotate.h"

#include "common/base/bytes.h"
#include "common/base/digest.h"
#include "common/base/num.h"
#include "common/base/rng_seeded.h"

#include <math.h>
#include <string.h>

/* 16 KiB stay in the first-level cache for all stages within them. */
#define TILE 4096
#define ROW 8 /* numbers whose stages are done together, at the end */
#define SIGN_BLOCK 4096

static const char label[16] = {'m', 'i', 'e', 'n', ' ', 'r', 'o', 't',
                               'a', 't', 'i', 'o', 'n', ' ', 'v', '1'};

enum mien_status mien_rotation_key(uint64_t round, const uint8_t model_hash[32],
                                   const uint8_t plan_hash[32],
                                   uint8_t key[MIEN_ROTATION_KEY_BYTES])
{
    uint8_t bytes[sizeof(label) + 8 + 32 + 32];

    memcpy(bytes, label, sizeof(label));
    mien_store_be64(bytes + sizeof(label), round);
    memcpy(bytes + sizeof(label) + 8, model_hash, 32);
    memcpy(bytes + sizeof(label) + 40, plan_hash, 32);
    return mien_digest((struct mien_span){bytes, sizeof(bytes)}, key);
}

uint32_t mien_rotate_size(uint32_t n)
{
    uint32_t size = MIEN_ROTATE_MIN;

    while (size < n)
        size *= 2;
    return size;
}

uint32_t mien_rotate_block(uint32_t n)
{
    uint32_t block = 1;

    while (block <= n / 2)
        block *= 2;
    return block;
}

/* The Hadamard transform of 8 numbers, as three stages of sums and differences. */
MIEN_INLINE void eight(float *x, uint32_t stride)
{
    float a[8];
    float b[8];

    for (uint32_t k = 0; k < 8; k++)
        a[k] = x[k * stride];
    for (uint32_t k = 0; k < 4; k++) {
        b[k] = a[k] + a[k + 4];
        b[k + 4] = a[k] - a[k + 4];
    }
    for (uint32_t k = 0; k < 8; k += 4) {
        a[k] = b[k] + b[k + 2];
        a[k + 1] = b[k + 1] + b[k + 3];
        a[k + 2] = b[k] - b[k + 2];
        a[k + 3] = b[k + 1] - b[k + 3];
    }
    for (uint32_t k = 0; k < 8; k += 2) {
        x[k * stride] = a[k] + a[k + 1];
        x[(k + 1) * stride] = a[k] - a[k + 1];
    }
}

/* Three stages over 8 rows of `width` numbers: one pass over memory for three. */
static void eight_rows(float *x, uint32_t width)
{
    MIEN_INDEPENDENT
    for (uint32_t j = 0; j < width; j++)
        eight(x + j, width);
}

/* One stage over two rows. */
static void two_rows(float *x, uint32_t width)
{
    MIEN_INDEPENDENT
    for (uint32_t j = 0; j < width; j++) {
        const float sum = x[j] + x[j + width];

        x[j + width] = x[j] - x[j + width];
        x[j] = sum;
    }
}

/* All stages of numbers that fit the cache, the widest first. */
static void transform_tile(float *x, uint32_t n)
{
    uint32_t size = n;

    for (; size >= 8 * ROW; size /= 8) {
        for (uint32_t at = 0; at < n; at += size)
            eight_rows(x + at, size / 8);
    }
    for (; size > ROW; size /= 2) {
        for (uint32_t at = 0; at < n; at += size)
            two_rows(x + at, size / 2);
    }
    for (uint32_t at = 0; at < n; at += ROW)
        eight(x + at, 1);
}

/* Stages may be done in any order, so the parts of a wide stage are finished one by one. */
static void transform(float *x, uint32_t n)
{
    uint32_t size = n;

    for (; size > TILE; size /= 8) {
        for (uint32_t at = 0; at < n; at += size)
            eight_rows(x + at, size / 8);
    }
    for (uint32_t at = 0; at < n; at += size)
        transform_tile(x + at, size);
}

/* x [i] times 1 / sqrt(n), negated where the top bit of byte i of one of the key's streams is set.
 */
static enum mien_status apply_signs(const uint8_t key[MIEN_ROTATION_KEY_BYTES], uint64_t stream,
                                    float *x, uint32_t n)
{
    const float factor = (float)(1.0 / sqrt(n));
    struct mien_rng_seeded *seeded = NULL;
    uint8_t bytes[SIGN_BLOCK];
    enum mien_status status = mien_rng_seeded_new_key(key, stream, &seeded);

    if (status != MIEN_OK)
        return status;
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    for (uint32_t at = 0; at < n && status == MIEN_OK; at += SIGN_BLOCK) {
        const uint32_t part = (uint32_t)mien_min_size(SIGN_BLOCK, n - at);

        status = mien_rng_fill(&rng, bytes, part);
        for (uint32_t i = 0; i < part && status == MIEN_OK; i++)
            x[at + i] *= bytes[i] >> 7 ? -factor : factor;
    }
    mien_rng_seeded_free(seeded);
    return status;
}

enum mien_status mien_rotate(const uint8_t key[MIEN_ROTATION_KEY_BYTES], float *x, uint32_t n)
{
    const uint32_t block = mien_rotate_block(n);

    if (n < MIEN_ROTATE_MIN)
        return MIEN_EINVAL;
    for (uint32_t pass = 0; pass < (n > block ? 2 : 1); pass++) {
        float *part = pass == 0 ? x : x + (n - block);
        enum mien_status status = apply_signs(key, pass, part, block);

        if (status != MIEN_OK)
            return status;
        transform(part, block);
    }
    return MIEN_OK;
}

enum mien_status mien_rotate_back(const uint8_t key[MIEN_ROTATION_KEY_BYTES], float *x, uint32_t n)
{
    const uint32_t block = mien_rotate_block(n);

    if (n < MIEN_ROTATE_MIN)
        return MIEN_EINVAL;
    for (uint32_t pass = n > block ? 2 : 1; pass > 0; pass--) {
        float *part = pass == 1 ? x : x + (n - block);
        enum mien_status status;

        transform(part, block);
        status = apply_signs(key, pass - 1, part, block);
        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK;
}
