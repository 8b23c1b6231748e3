// SPDX-License-Identifier: Apache-2.0
#include "common/dp/noise.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/dp/exact_tail.h"

#include <math.h>
#include <string.h>

/* Table entries further out are below 2^-64 (erfc(9.12 / sqrt 2) = 2^-65). */
#define TABLE_DEVIATIONS 9.2

/* How far a table entry made from doubles may be from 2^64 times the truth: erfc is good to a few
 * units of its 53 bits, so below 2^13 at most; eight times as much is assumed, and the tests
 * compare with exact values. */
#define TABLE_MARGIN (UINT64_C(1) << 16)

static const double root_half = 0.70710678118654752440;

#define GUIDE_BITS 14
#define BATCH 512

struct mien_noise {
    uint64_t sigma;
    uint64_t *tail; /* [n] falling: 2^64 P(|X| > m), within TABLE_MARGIN */
    size_t n;
    uint32_t guide[(1u << GUIDE_BITS) + 1]; /* first m with tail[m] < bucket's upper end */
};

/* tail[m] for a uniform number is compared like this: |X| is the smallest m with u >= tail[m]. */
static size_t first_at_most(const uint64_t *tail, size_t low, size_t high, uint64_t u)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (tail[middle] <= u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void fill_guide(struct mien_noise *noise)
{
    for (uint64_t b = 0; b <= UINT64_C(1) << GUIDE_BITS; b++) {
        uint64_t u = b == UINT64_C(1) << GUIDE_BITS ? UINT64_MAX : b << (64 - GUIDE_BITS);

        noise->guide[b] = (uint32_t)first_at_most(noise->tail, 0, noise->n, u);
    }
}

enum mien_status mien_noise_new(uint64_t sigma, struct mien_noise **out)
{
    if (sigma == 0 || sigma > MIEN_NOISE_MAX_SIGMA)
        return MIEN_EINVAL;
    struct mien_noise *noise = mien_calloc(1, sizeof(*noise));
    if (noise == NULL)
        return MIEN_ENOMEM;
    noise->sigma = sigma;
    noise->n = (size_t)ceil(TABLE_DEVIATIONS * (double)sigma) + 1;
    noise->tail = mien_calloc(noise->n, sizeof(*noise->tail));
    if (noise->tail == NULL) {
        mien_noise_free(noise);
        return MIEN_ENOMEM;
    }
    for (size_t m = 0; m < noise->n; m++) {
        double x = ((double)m + 0.5) / (double)sigma;

        noise->tail[m] = (uint64_t)(erfc(x * root_half) * 0x1p64);
    }
    fill_guide(noise);
    *out = noise;
    return MIEN_OK;
}

void mien_noise_free(struct mien_noise *noise)
{
    if (noise == NULL)
        return;
    mien_free(noise->tail);
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

/* The smallest m >= from with u >= P(|X| > m), u being known to some places. From the bottom of a
 * margin upwards the answer is a step or two away; far out in the tail it is found by doubling.
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

/* What 64 bits against the table cannot decide: as many more as it takes, and exact values. */
static enum mien_status draw_exactly(const struct mien_noise *noise, struct mien_rng *rng,
                                     uint64_t high_bits, uint64_t *magnitude)
{
    uint8_t u[MIEN_EXACT_TAIL_MAX_BITS / 8];
    const uint64_t above =
        high_bits > UINT64_MAX - TABLE_MARGIN ? UINT64_MAX : high_bits + TABLE_MARGIN;
    const uint64_t first = first_at_most(noise->tail, 0, noise->n, above);
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
            status = search_exactly(exact, u, first > 0 ? first - 1 : 0, magnitude, &open);
        mien_exact_tail_free(exact);
        if (status != MIEN_OK)
            break;
    }
    mien_wipe(u, sizeof(u));
    return status == MIEN_OK && open ? MIEN_ECRYPTO : status;
}

static enum mien_status draw_one(const struct mien_noise *noise, struct mien_rng *rng, uint64_t u,
                                 uint64_t *magnitude)
{
    size_t bucket = (size_t)(u >> (64 - GUIDE_BITS));
    size_t m = first_at_most(noise->tail, noise->guide[bucket + 1], noise->guide[bucket], u);
    bool near_above = m > 0 && noise->tail[m - 1] - u <= TABLE_MARGIN;
    bool near_below = m == noise->n || u - noise->tail[m] <= TABLE_MARGIN;

    if (near_above || near_below)
        return draw_exactly(noise, rng, u, magnitude);
    *magnitude = m;
    return MIEN_OK;
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
