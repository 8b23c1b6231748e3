// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/share.h"

#include "common/base/bytes.h"
#include "common/base/compiler.h"
#include "common/base/mem.h"
#include "common/base/secret.h"

#include <string.h>

/* 2^61 - 1 is prime; a product of two residues fits in 122 bits. */
#define P ((UINT64_C(1) << 61) - 1)

/* x - P if that is not negative, without a branch; x < 2 P. */
static uint64_t reduce_once(uint64_t x)
{
    const uint64_t less = x - P;
    const uint64_t keep = 0 - (less >> 63); /* all ones when x < P */

    return (x & keep) | (less & ~keep);
}

static uint64_t field_add(uint64_t a, uint64_t b)
{
    return reduce_once(a + b);
}

static uint64_t field_subtract(uint64_t a, uint64_t b)
{
    return reduce_once(a + P - b);
}

static uint64_t field_multiply(uint64_t a, uint64_t b)
{
    const mien_u128 product = (mien_u128)a * b;

    return reduce_once((uint64_t)(product & P) + (uint64_t)(product >> 61));
}

/* a^(P - 2): the exponent is public. */
static uint64_t field_invert(uint64_t a)
{
    uint64_t result = 1;

    for (int bit = 60; bit >= 0; bit--) {
        result = field_multiply(result, result);
        if ((P - 2) >> bit & 1)
            result = field_multiply(result, a);
    }
    return result;
}

static void seed_to_limbs(const uint8_t seed[MIEN_SEED_BYTES], uint64_t limb[MIEN_SHARE_LIMBS])
{
    const uint64_t high = mien_load_be64(seed);
    const uint64_t low = mien_load_be64(seed + 8);

    limb[0] = high >> 21;                                           /* 43 bits */
    limb[1] = (high & ((UINT64_C(1) << 21) - 1)) << 22 | low >> 42; /* 43 bits */
    limb[2] = low & ((UINT64_C(1) << 42) - 1);                      /* 42 bits */
}

/* A uniform residue: 61 bits, drawn again in the one case that is P. */
static enum mien_status draw_residue(struct mien_rng *rng, uint64_t *out)
{
    uint64_t v;

    do {
        enum mien_status status = mien_rng_u64(rng, &v);

        if (status != MIEN_OK)
            return status;
        v >>= 3;
    } while (v >= P);
    *out = v;
    return MIEN_OK;
}

/* One polynomial: coefficient 0 is the secret; Horner's rule at each member. */
static void evaluate(const uint64_t *coefficient, uint32_t t, uint32_t n, int limb,
                     struct mien_share *shares)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t y = 0;

        for (uint32_t k = t; k > 0; k--)
            y = field_add(field_multiply(y, (uint64_t)i + 1), coefficient[k - 1]);
        shares[i].limb[limb] = y;
    }
}

enum mien_status mien_share_split(const uint8_t seed[MIEN_SEED_BYTES], uint32_t n, uint32_t t,
                                  struct mien_rng *rng, struct mien_share *shares)
{
    uint64_t secret[MIEN_SHARE_LIMBS];
    enum mien_status status = MIEN_OK;

    if (t == 0 || t > n || n > UINT32_MAX - 1)
        return MIEN_EINVAL;
    uint64_t *coefficient = mien_calloc(t, sizeof(*coefficient));
    if (coefficient == NULL)
        return MIEN_ENOMEM;
    seed_to_limbs(seed, secret);
    for (int limb = 0; limb < MIEN_SHARE_LIMBS && status == MIEN_OK; limb++) {
        coefficient[0] = secret[limb];
        for (uint32_t k = 1; k < t && status == MIEN_OK; k++)
            status = draw_residue(rng, &coefficient[k]);
        if (status == MIEN_OK)
            evaluate(coefficient, t, n, limb, shares);
    }
    mien_wipe(secret, sizeof(secret));
    mien_wipe(coefficient, t * sizeof(*coefficient));
    mien_free(coefficient);
    return status;
}

/* Lagrange: weight of share i for the value at x. Indices are public, so this may branch. */
static enum mien_status weights_at(const uint32_t *index, uint32_t t, uint64_t x, uint64_t *weight)
{
    for (uint32_t i = 0; i < t; i++) {
        const uint64_t xi = (uint64_t)index[i] + 1;
        uint64_t top = 1;
        uint64_t bottom = 1;

        for (uint32_t j = 0; j < t; j++) {
            const uint64_t xj = (uint64_t)index[j] + 1;

            if (j == i)
                continue;
            if (xj == xi)
                return MIEN_EINVAL;
            top = field_multiply(top, field_subtract(x, xj));
            bottom = field_multiply(bottom, field_subtract(xi, xj));
        }
        weight[i] = field_multiply(top, field_invert(bottom));
    }
    return MIEN_OK;
}

static enum mien_status interpolate(const uint32_t *index, const struct mien_share *shares,
                                    uint32_t t, uint64_t x, struct mien_share *out)
{
    if (t == 0)
        return MIEN_EINVAL;
    uint64_t *weight = mien_calloc(t, sizeof(*weight));
    if (weight == NULL)
        return MIEN_ENOMEM;
    enum mien_status status = weights_at(index, t, x, weight);
    for (int limb = 0; limb < MIEN_SHARE_LIMBS && status == MIEN_OK; limb++) {
        uint64_t sum = 0;

        for (uint32_t i = 0; i < t; i++)
            sum = field_add(sum, field_multiply(weight[i], shares[i].limb[limb]));
        out->limb[limb] = sum;
    }
    mien_free(weight);
    return status;
}

enum mien_status mien_share_predict(const uint32_t *index, const struct mien_share *shares,
                                    uint32_t t, uint32_t at, struct mien_share *out)
{
    return interpolate(index, shares, t, (uint64_t)at + 1, out);
}

enum mien_status mien_share_join(const uint32_t *index, const struct mien_share *shares, uint32_t t,
                                 uint8_t seed[MIEN_SEED_BYTES])
{
    struct mien_share at_zero = {{0}};
    enum mien_status status = interpolate(index, shares, t, 0, &at_zero);
    const uint64_t *limb = at_zero.limb;

    if (status == MIEN_OK && (limb[0] >> 43 | limb[1] >> 43 | limb[2] >> 42) != 0)
        status = MIEN_ECORRUPT;
    if (status == MIEN_OK) {
        mien_store_be64(seed, limb[0] << 21 | limb[1] >> 22);
        mien_store_be64(seed + 8, (limb[1] & ((UINT64_C(1) << 22) - 1)) << 42 | limb[2]);
    }
    mien_wipe(&at_zero, sizeof(at_zero));
    return status;
}

void mien_share_encode(const struct mien_share *share, uint8_t out[MIEN_SHARE_BYTES])
{
    for (int limb = 0; limb < MIEN_SHARE_LIMBS; limb++)
        mien_store_be64(out + 8 * limb, share->limb[limb]);
}

enum mien_status mien_share_decode(const uint8_t in[MIEN_SHARE_BYTES], struct mien_share *out)
{
    struct mien_share share;

    for (int limb = 0; limb < MIEN_SHARE_LIMBS; limb++) {
        share.limb[limb] = mien_load_be64(in + 8 * limb);
        if (share.limb[limb] >= P)
            return MIEN_EPARSE;
    }
    *out = share;
    return MIEN_OK;
}
