// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/share.h"

#include "common/base/bytes.h"
#include "common/base/compiler.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/field.h"

#include <string.h>

#define P MIEN_FIELD_PRIME

static const char check_label[] = "mien seed check v1";

/* 52 bits that a seed must come with. */
static enum mien_status check_bits(const uint8_t seed[MIEN_SEED_BYTES], uint64_t *out)
{
    uint8_t bytes[sizeof(check_label) + MIEN_SEED_BYTES];
    uint8_t digest[MIEN_DIGEST_BYTES];

    memcpy(bytes, check_label, sizeof(check_label)); /* with its NUL */
    memcpy(bytes + sizeof(check_label), seed, MIEN_SEED_BYTES);
    enum mien_status status = mien_digest((struct mien_span){bytes, sizeof(bytes)}, digest);
    *out = mien_load_be64(digest) >> 12;
    mien_wipe(bytes, sizeof(bytes));
    mien_wipe(digest, sizeof(digest));
    return status;
}

/* Limbs from the top: 17, 17 and 18 bits of check over 43, 43 and 42 of the seed. */
static enum mien_status seed_to_limbs(const uint8_t seed[MIEN_SEED_BYTES],
                                      uint64_t limb[MIEN_SHARE_LIMBS])
{
    const uint64_t high = mien_load_be64(seed);
    const uint64_t low = mien_load_be64(seed + 8);
    uint64_t check;
    enum mien_status status = check_bits(seed, &check);

    if (status != MIEN_OK)
        return status;
    limb[0] = check >> 35 << 43 | high >> 21;
    limb[1] = (check >> 18 & 0x1ffff) << 43 | (high & 0x1fffff) << 22 | low >> 42;
    limb[2] = (check & 0x3ffff) << 42 | (low & ((UINT64_C(1) << 42) - 1));
    return MIEN_OK;
}

/* n uniform residues: 61 bits each, drawn again in the one case that is P. */
static enum mien_status draw_residues(struct mien_rng *rng, uint64_t *out, uint32_t n)
{
    enum mien_status status = mien_rng_fill(rng, out, n * sizeof(*out));

    for (uint32_t i = 0; i < n && status == MIEN_OK; i++) {
        out[i] >>= 3;
        while (out[i] >= P && status == MIEN_OK) {
            status = mien_rng_u64(rng, &out[i]);
            out[i] >>= 3;
        }
    }
    return status;
}

/* What a polynomial is evaluated for. */
struct members {
    const uint32_t *index;
    uint32_t n;
    uint32_t t;
};

/* One polynomial: coefficient 0 is the secret; Horner's rule at each member. */
static void evaluate(const uint64_t *coefficient, const struct members *members, int limb,
                     struct mien_share *shares)
{
    for (uint32_t i = 0; i < members->n; i++) {
        uint64_t y = 0;

        for (uint32_t k = members->t; k > 0; k--)
            y = mien_field_add(mien_field_multiply(y, (uint64_t)members->index[i] + 1),
                               coefficient[k - 1]);
        shares[i].limb[limb] = y;
    }
}

enum mien_status mien_share_split(const uint8_t seed[MIEN_SEED_BYTES], const uint32_t *index,
                                  uint32_t n, uint32_t t, struct mien_rng *rng,
                                  struct mien_share *shares)
{
    const struct members members = {index, n, t};
    uint64_t secret[MIEN_SHARE_LIMBS];
    enum mien_status status = MIEN_OK;

    if (t == 0 || t > n)
        return MIEN_EINVAL;
    uint64_t *coefficient = mien_calloc(t, sizeof(*coefficient));
    if (coefficient == NULL)
        return MIEN_ENOMEM;
    status = seed_to_limbs(seed, secret);
    for (int limb = 0; limb < MIEN_SHARE_LIMBS && status == MIEN_OK; limb++) {
        coefficient[0] = secret[limb];
        status = draw_residues(rng, coefficient + 1, t - 1);
        if (status == MIEN_OK)
            evaluate(coefficient, &members, limb, shares);
    }
    mien_wipe(secret, sizeof(secret));
    mien_wipe(coefficient, t * sizeof(*coefficient));
    mien_free(coefficient);
    return status;
}

/* What Lagrange's polynomials at zero are divided by: x_i times the product of the x_j - x_i. The
 * product of all x stands above each. */
static enum mien_status denominators(const uint32_t *index, uint32_t n, uint64_t *bottom)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t xi = (uint64_t)index[i] + 1;

        bottom[i] = xi;
        for (uint32_t j = 0; j < n; j++) {
            const uint64_t xj = (uint64_t)index[j] + 1;

            if (j == i)
                continue;
            if (xj == xi)
                return MIEN_EINVAL;
            bottom[i] = mien_field_multiply(bottom[i], mien_field_subtract(xj, xi));
        }
    }
    return MIEN_OK;
}

/* Indices are public, so this may branch. One inversion serves all (Montgomery's trick): weight
 * holds the products of the first denominators. */
enum mien_status mien_share_weights(const uint32_t *index, uint32_t n, uint64_t *weight)
{
    uint64_t top = 1;
    uint64_t all = 1;

    if (n == 0)
        return MIEN_EINVAL;
    uint64_t *bottom = mien_calloc(n, sizeof(*bottom));
    if (bottom == NULL)
        return MIEN_ENOMEM;
    enum mien_status status = denominators(index, n, bottom);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++) {
        weight[i] = all;
        all = mien_field_multiply(all, bottom[i]);
        top = mien_field_multiply(top, (uint64_t)index[i] + 1);
    }
    uint64_t inverse = mien_field_multiply(mien_field_invert(all), top);
    for (uint32_t i = n; i > 0 && status == MIEN_OK; i--) {
        weight[i - 1] = mien_field_multiply(weight[i - 1], inverse);
        inverse = mien_field_multiply(inverse, bottom[i - 1]);
    }
    mien_free(bottom);
    return status;
}

void mien_share_weights_without(const uint32_t *index, const uint64_t *weight, uint32_t n,
                                uint32_t place, uint64_t *out)
{
    const uint64_t x = (uint64_t)index[place] + 1;
    const uint64_t inverse = mien_field_invert(x);

    for (uint32_t i = 0; i < n; i++) {
        const uint64_t factor = mien_field_subtract(x, (uint64_t)index[i] + 1);

        out[i] = mien_field_multiply(weight[i], mien_field_multiply(factor, inverse));
    }
}

enum mien_status mien_share_join(const uint64_t *weight, const struct mien_share *shares,
                                 uint32_t n, uint8_t seed[MIEN_SEED_BYTES])
{
    uint64_t limb[MIEN_SHARE_LIMBS] = {0};
    uint64_t want[MIEN_SHARE_LIMBS];
    uint8_t joined[MIEN_SEED_BYTES];

    for (uint32_t i = 0; i < n; i++) {
        for (int k = 0; k < MIEN_SHARE_LIMBS; k++)
            limb[k] = mien_field_add(limb[k], mien_field_multiply(weight[i], shares[i].limb[k]));
    }
    const uint64_t middle = limb[1] & ((UINT64_C(1) << 43) - 1);
    mien_store_be64(joined, limb[0] << 21 | middle >> 22);
    mien_store_be64(joined + 8, middle << 42 | (limb[2] & ((UINT64_C(1) << 42) - 1)));
    enum mien_status status = seed_to_limbs(joined, want);
    if (status == MIEN_OK && !mien_ct_equal(limb, want, sizeof(limb)))
        status = MIEN_ECORRUPT;
    if (status == MIEN_OK)
        memcpy(seed, joined, MIEN_SEED_BYTES);
    mien_wipe(limb, sizeof(limb));
    mien_wipe(want, sizeof(want));
    mien_wipe(joined, sizeof(joined));
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
