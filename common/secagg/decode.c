// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/decode.h"

#include "common/base/secret.h"
#include "common/secagg/field.h"
#include "common/secagg/session.h"

#include <string.h>

#define MAX MIEN_SECAGG_MAX_HOLDERS

static uint64_t x_of(const struct mien_decode_word *word, uint32_t i)
{
    return (uint64_t)word->index[i] + 1;
}

/* s_k, the sum of v_i x_i^k y_i over all i, for k below n - t; v_i is 1 over the product of the
 * x_i - x_j, which is the weight times x_i but for one factor for all. Polynomials of degree below
 * t have sums of zero; so an error e_i adds v_i x_i^k e_i, and nothing else shows. */
static bool find_syndromes(const struct mien_decode_word *word, int limb, uint64_t s[MAX])
{
    const uint32_t n_checks = word->n - word->t;
    uint64_t term[MAX]; /* secret */
    uint64_t any = 0;

    for (uint32_t i = 0; i < word->n; i++)
        term[i] = mien_field_multiply(mien_field_multiply(word->weight[i], x_of(word, i)),
                                      word->share[i].limb[limb]);
    for (uint32_t k = 0; k < n_checks; k++) {
        s[k] = 0;
        for (uint32_t i = 0; i < word->n; i++) {
            s[k] = mien_field_add(s[k], term[i]);
            term[i] = mien_field_multiply(term[i], x_of(word, i));
        }
        any |= s[k];
    }
    mien_wipe(term, word->n * sizeof(*term));
    return any != 0;
}

/* A recurrence c_0 s_k + c_1 s_(k-1) + .. + c_length s_(k-length) = 0 with c_0 = 1. */
struct recurrence {
    uint32_t length;
    uint64_t c[MAX + 1];
};

/* By how much the recurrence misses s_k. */
static uint64_t discrepancy(const struct recurrence *r, const uint64_t *s, uint32_t k)
{
    uint64_t d = 0;

    for (uint32_t i = 0; i <= r->length; i++)
        d = mien_field_add(d, mien_field_multiply(r->c[i], s[k - i]));
    return d;
}

/* r less factor times the earlier one, which is `shift` terms older. */
static void subtract(struct recurrence *r, const struct recurrence *earlier, uint64_t factor,
                     uint32_t shift)
{
    for (uint32_t i = 0; i <= earlier->length && i + shift <= MAX; i++)
        r->c[i + shift] =
            mien_field_subtract(r->c[i + shift], mien_field_multiply(factor, earlier->c[i]));
}

/* Massey's algorithm: the shortest recurrence for s_0 .. s_(n-1). */
static void find_recurrence(const uint64_t *s, uint32_t n, struct recurrence *r)
{
    struct recurrence earlier = {.c = {1}};
    struct recurrence kept;
    uint64_t missed = 1; /* by the earlier one, when it was given up */
    uint32_t shift = 1;

    *r = (struct recurrence){.c = {1}};
    for (uint32_t k = 0; k < n; k++, shift++) {
        const uint64_t d = discrepancy(r, s, k);

        if (d == 0)
            continue;
        const bool grows = 2 * r->length <= k;
        kept = *r;
        subtract(r, &earlier, mien_field_multiply(d, mien_field_invert(missed)), shift);
        if (!grows)
            continue;
        r->length = k + 1 - r->length;
        earlier = kept;
        missed = d;
        shift = 0;
    }
}

/* x^length c(1/x) is zero where x is that of a wrong share. */
static bool is_root(const struct recurrence *r, uint64_t x)
{
    uint64_t y = 0;

    for (uint32_t i = 0; i <= r->length; i++)
        y = mien_field_add(mien_field_multiply(y, x), r->c[i]);
    return y == 0;
}

/* With as many roots among the shares as it is long there are errors at those places, and there
 * alone, that give all the syndromes: without them the word is one of the code. */
static enum mien_status mark_roots(const struct mien_decode_word *word, const struct recurrence *r,
                                   bool *wrong)
{
    uint32_t n_roots = 0;

    if (2 * r->length > word->n - word->t)
        return MIEN_ECORRUPT;
    for (uint32_t i = 0; i < word->n; i++) {
        if (!is_root(r, x_of(word, i)))
            continue;
        wrong[i] = true;
        n_roots++;
    }
    return n_roots == r->length ? MIEN_OK : MIEN_ECORRUPT;
}

enum mien_status mien_decode_wrong(const struct mien_decode_word *word, bool *wrong)
{
    enum mien_status status = MIEN_OK;
    struct recurrence recurrence;
    uint64_t s[MAX];

    memset(wrong, 0, word->n * sizeof(*wrong));
    for (int limb = 0; limb < MIEN_SHARE_LIMBS && status == MIEN_OK; limb++) {
        if (!find_syndromes(word, limb, s))
            continue;
        find_recurrence(s, word->n - word->t, &recurrence);
        status = mark_roots(word, &recurrence, wrong);
    }
    return status;
}
