// SPDX-License-Identifier: Apache-2.0
#include "common/dp/noise.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/dp/exact_tail.h"
#include "common/dp/quantile.h"

#include <string.h>

#define BATCH 2048

#define HALF (UINT64_C(1) << (MIEN_QUANTILE_ONE_BITS - 1))
#define ONE (UINT64_C(1) << MIEN_QUANTILE_ONE_BITS)

struct mien_noise {
    uint64_t sigma;
    struct mien_quantile quantile;
};

enum mien_status mien_noise_new(uint64_t sigma, struct mien_noise **out)
{
    if (sigma == 0 || sigma > MIEN_NOISE_MAX_SIGMA)
        return MIEN_EINVAL;
    struct mien_noise *noise = mien_calloc(1, sizeof(*noise));
    if (noise == NULL)
        return MIEN_ENOMEM;
    noise->sigma = sigma;
    mien_quantile_init(&noise->quantile);
    *out = noise;
    return MIEN_OK;
}

void mien_noise_free(struct mien_noise *noise)
{
    mien_free(noise);
}

enum mien_status mien_noise_tail(uint64_t sigma, uint64_t m, mien_u128 *out)
{
    struct mien_exact_tail *exact = NULL;
    uint8_t bytes[16];
    enum mien_status status = mien_exact_tail_new(sigma, 128, &exact);

    if (status == MIEN_OK)
        status = mien_exact_tail_at(exact, m, bytes);
    if (status == MIEN_OK)
        *out = (mien_u128)mien_load_be64(bytes) << 64 | mien_load_be64(bytes + 8);
    mien_exact_tail_free(exact);
    return status;
}

/* The smallest m >= from with u >= P(|X| > m), u being known to some places. From the bottom of the
 * bound upwards the answer is a step or two away; far out in the tail it is found by doubling.
 *
 *   open  out: a comparison needs more places
 */
static enum mien_status search_exactly(struct mien_exact_tail *exact, const uint8_t *u,
                                       uint64_t from, uint64_t *out, bool *open)
{
    uint64_t low = from; /* u is below the tail at low, once step > 0 */
    uint64_t step = 1;
    int side = 0;
    enum mien_status status = mien_exact_tail_compare(exact, low, u, &side);

    *open = side == 0;
    *out = low;
    if (status != MIEN_OK || side >= 0)
        return status;
    for (;;) {
        status = mien_exact_tail_compare(exact, low + step, u, &side);
        if (status != MIEN_OK || side >= 0)
            break;
        low += step;
        step *= 2;
    }
    while (status == MIEN_OK && side != 0 && step > 1) {
        step /= 2;
        status = mien_exact_tail_compare(exact, low + step, u, &side);
        if (status == MIEN_OK && side < 0)
            low += step;
    }
    *open = side == 0;
    *out = low + 1;
    return status;
}

/* Where |X| = floor(sigma f(u) + 1/2) lies by the table: y is that number before the floor, in
 * fixed point, and margin how far the truth may be. */
struct place {
    mien_u128 y;
    uint64_t margin;
};

static struct place find_place(const struct mien_noise *noise, uint64_t high_bits)
{
    uint64_t error = 0;
    const uint64_t f = mien_quantile_at(&noise->quantile, high_bits, &error);

    return (struct place){.y = (mien_u128)f * noise->sigma + HALF, .margin = noise->sigma * error};
}

/* What 64 bits cannot decide: as many more as it takes, and exact values. */
static enum mien_status draw_exactly(const struct mien_noise *noise, struct mien_rng *rng,
                                     uint64_t high_bits, uint64_t *magnitude)
{
    uint8_t u[MIEN_EXACT_TAIL_MAX_BITS / 8];
    /* f falls: below the table's smallest u the answer lies further out. */
    const struct place at =
        find_place(noise, high_bits < MIEN_QUANTILE_MIN_U ? MIEN_QUANTILE_MIN_U : high_bits);
    const uint64_t from =
        at.y > at.margin ? (uint64_t)((at.y - at.margin) >> MIEN_QUANTILE_ONE_BITS) : 0;
    enum mien_status status = MIEN_OK;
    bool open = true;
    size_t n_known = 8;

    mien_store_be64(u, high_bits);
    for (uint32_t bits = 128; open && bits <= MIEN_EXACT_TAIL_MAX_BITS; bits *= 2) {
        struct mien_exact_tail *exact = NULL;

        status = mien_rng_fill(rng, u + n_known, bits / 8 - n_known);
        n_known = bits / 8;
        if (status == MIEN_OK)
            status = mien_exact_tail_new(noise->sigma, bits, &exact);
        if (status == MIEN_OK)
            status = search_exactly(exact, u, from, magnitude, &open);
        mien_exact_tail_free(exact);
        if (status != MIEN_OK)
            break;
    }
    mien_wipe(u, sizeof(u));
    return status == MIEN_OK && open ? MIEN_ECRYPTO : status;
}

static inline enum mien_status draw_one(const struct mien_noise *noise, struct mien_rng *rng,
                                        uint64_t u, uint64_t *magnitude)
{
    if (u >= MIEN_QUANTILE_MIN_U) {
        const struct place at = find_place(noise, u);
        const uint64_t fraction = (uint64_t)at.y & (ONE - 1);

        *magnitude = (uint64_t)(at.y >> MIEN_QUANTILE_ONE_BITS);
        if (fraction > at.margin && fraction < ONE - at.margin)
            return MIEN_OK;
    }
    return draw_exactly(noise, rng, u, magnitude);
}

static enum mien_status draw_batch(const struct mien_noise *noise, struct mien_rng *rng,
                                   int64_t *out, size_t n)
{
    uint64_t uniform[BATCH];
    uint64_t signs[BATCH / 64];
    enum mien_status status = mien_rng_fill(rng, uniform, sizeof(uniform));

    if (status == MIEN_OK)
        status = mien_rng_fill(rng, signs, sizeof(signs));
    for (size_t i = 0; i < n && status == MIEN_OK; i++) {
        uint64_t magnitude = 0;
        int64_t minus = -(int64_t)(signs[i / 64] >> (i % 64) & 1);

        status = draw_one(noise, rng, uniform[i], &magnitude);
        out[i] = ((int64_t)magnitude ^ minus) - minus;
    }
    mien_wipe(uniform, sizeof(uniform));
    mien_wipe(signs, sizeof(signs));
    return status;
}

enum mien_status mien_noise_draw(const struct mien_noise *noise, struct mien_rng *rng, int64_t *out,
                                 size_t n)
{
    enum mien_status status = MIEN_OK;

    for (size_t at = 0; at < n && status == MIEN_OK; at += BATCH)
        status = draw_batch(noise, rng, out + at, mien_min_size(BATCH, n - at));
    if (status != MIEN_OK && n > 0)
        memset(out, 0, n * sizeof(*out));
    return status;
}
