// SPDX-License-Identifier: Apache-2.0
#include "common/dp/bernoulli.h"

uint64_t mien_bernoulli_word(struct mien_bernoulli_source *s)
{
    if (s->n_left == 0) {
        const enum mien_status status = mien_rng_fill(s->rng, s->word, sizeof(s->word));

        s->n_left = MIEN_BERNOULLI_WORDS;
        if (status != MIEN_OK)
            s->status = status;
    }
    return s->word[--s->n_left];
}

static unsigned bits_of(mien_u128 v)
{
    const uint64_t high = (uint64_t)(v >> 64);

    return high != 0 ? 128 - mien_leading_zeros(high) : 64 - mien_leading_zeros((uint64_t)v);
}

/* Whether a uniform number that begins with `word` is below r / d, bit by bit by long division. */
static bool below_exactly(struct mien_bernoulli_source *s, mien_u128 r, mien_u128 d, uint64_t word)
{
    for (;;) {
        for (int bit = 63; bit >= 0; bit--) {
            r *= 2;
            const uint64_t digit = r >= d;
            const uint64_t drawn = word >> bit & 1;

            if (digit != 0)
                r -= d;
            if (digit != drawn)
                return drawn < digit;
        }
        if (r == 0) /* r / d ends here: what begins with it is not below it */
            return false;
        word = mien_bernoulli_word(s);
        if (s->status != MIEN_OK)
            return false;
    }
}

bool mien_bernoulli_ratio(struct mien_bernoulli_source *s, mien_u128 r, mien_u128 d)
{
    const uint64_t word = mien_bernoulli_word(s);
    const unsigned n_bits = bits_of(d);
    const unsigned cut = n_bits > 63 ? n_bits - 63 : 0;
    /* r / d lies in [r_low / d_high, r_high / d_low], all below 2^64. */
    const mien_u128 inexact = cut > 0;
    const mien_u128 r_low = r >> cut;
    const mien_u128 d_low = d >> cut;

    if (((mien_u128)word + 1) * (d_low + inexact) <= r_low << 64)
        return true;
    if (word * d_low >= (r_low + inexact) << 64)
        return false;
    if (r == d)
        return true;
    return below_exactly(s, r, d, word);
}

/* True with probability exp(-r / d), r <= d: algorithm 1. Bernoulli(r / (d k)) is both of
 * Bernoulli(r / d) and Bernoulli(1 / k). */
static bool exp_of_at_most_one(struct mien_bernoulli_source *s, mien_u128 r, mien_u128 d)
{
    uint64_t k = 1;

    while (s->status == MIEN_OK && mien_bernoulli_ratio(s, r, d) &&
           (k == 1 || mien_bernoulli_ratio(s, 1, k)))
        k++;
    return k % 2 == 1;
}

/* Algorithm 1 with r = d: the first of its coins is certain. */
bool mien_bernoulli_exp_one(struct mien_bernoulli_source *s)
{
    uint64_t k = 2;

    while (s->status == MIEN_OK && mien_bernoulli_ratio(s, 1, k))
        k++;
    return k % 2 == 1;
}

bool mien_bernoulli_exp(struct mien_bernoulli_source *s, mien_u128 r, mien_u128 d)
{
    while (r > d) {
        if (!mien_bernoulli_exp_one(s) || s->status != MIEN_OK)
            return false;
        r -= d;
    }
    return exp_of_at_most_one(s, r, d);
}

/* The high half of word t, where the low half is not among the
 * 2^64 mod t that come up once too often. */
uint64_t mien_bernoulli_below(struct mien_bernoulli_source *s, uint64_t t)
{
    mien_u128 product;

    do {
        product = (mien_u128)mien_bernoulli_word(s) * t;
    } while ((uint64_t)product < t && (uint64_t)product < (UINT64_MAX - t + 1) % t &&
             s->status == MIEN_OK);
    return (uint64_t)(product >> 64);
}
