// SPDX-License-Identifier: Apache-2.0
/* P(|X| > m) = erfc(x / sqrt 2) with x = (m + 1/2) / sigma = (2m + 1) / (2 sigma), from
 *
 *   erf(x / sqrt 2) = sqrt(2 / pi) x e^(-x^2 / 2) sum_n x^(2n) / (1 3 5 ... (2n + 1))
 *
 * (Abramowitz, Stegun 7.1.6). All terms are positive. Numbers are integers times 2^-F with
 * F = bits + 256; each step rounds down by less than one unit. Beyond x^2 = 2 bits the tail is
 * below 2^-bits and not computed, so the sum stays below 2^(1.5 bits), and 256 places are left for
 * the few thousand roundings and the growth in between.
 */
#include "common/dp/exact_tail.h"

#include "common/base/mem.h"

#include <openssl/bn.h>

#include <stdbool.h>

#define GUARD_BITS 256

struct mien_exact_tail {
    BN_CTX *ctx;
    uint32_t bits;
    int fraction;
    uint64_t sigma;
    BIGNUM *root_two_over_pi; /* sqrt(2 / pi) */
    BIGNUM *e;                /* scratch from here */
    BIGNUM *x_squared;
    BIGNUM *sum;
    BIGNUM *term;
    BIGNUM *scratch;
};

/* out = a b */
static bool multiply(struct mien_exact_tail *t, BIGNUM *out, const BIGNUM *a, const BIGNUM *b)
{
    return BN_mul(t->scratch, a, b, t->ctx) && BN_rshift(out, t->scratch, t->fraction);
}

/* out = a / divisor for a small integer */
static bool divide_word(BIGNUM *out, const BIGNUM *a, uint64_t divisor)
{
    return BN_copy(out, a) != NULL && BN_div_word(out, divisor) != (BN_ULONG)-1;
}

static bool set_one(const struct mien_exact_tail *t, BIGNUM *out)
{
    return BN_one(out) && BN_lshift(out, out, t->fraction);
}

/* sum += factor arctan(1 / k) = factor sum_n (-1)^n / ((2n + 1) k^(2n + 1)); factor may be < 0 */
static bool add_arctan(struct mien_exact_tail *t, BIGNUM *sum, uint64_t k, int factor)
{
    bool ok = set_one(t, t->term) && divide_word(t->term, t->term, k);
    bool plus = factor > 0;
    uint64_t times = (uint64_t)(plus ? factor : -factor);

    for (uint64_t n = 0; ok && !BN_is_zero(t->term); n++) {
        ok = divide_word(t->e, t->term, 2 * n + 1) && BN_mul_word(t->e, times) &&
             (plus ? BN_add(sum, sum, t->e) : BN_sub(sum, sum, t->e)) &&
             divide_word(t->term, t->term, k * k);
        plus = !plus;
    }
    return ok;
}

/* The integer square root by Newton's steps from above. */
static bool square_root(struct mien_exact_tail *t, BIGNUM *out, const BIGNUM *a)
{
    bool ok = BN_one(out) && BN_lshift(out, out, BN_num_bits(a) / 2 + 1);

    while (ok) {
        ok =
            BN_div(t->e, NULL, a, out, t->ctx) && BN_add(t->e, t->e, out) && BN_rshift1(t->e, t->e);
        if (!ok || BN_cmp(t->e, out) >= 0)
            break;
        ok = BN_copy(out, t->e) != NULL;
    }
    return ok;
}

/* Machin: pi = 16 arctan(1/5) - 4 arctan(1/239); then sqrt(2 2^2F / pi). */
static bool find_constant(struct mien_exact_tail *t)
{
    BIGNUM *pi = t->sum;

    BN_zero(pi);
    return add_arctan(t, pi, 5, 16) && add_arctan(t, pi, 239, -4) && BN_one(t->term) &&
           BN_lshift(t->term, t->term, 3 * t->fraction + 1) &&
           BN_div(t->x_squared, NULL, t->term, pi, t->ctx) &&
           square_root(t, t->root_two_over_pi, t->x_squared);
}

enum mien_status mien_exact_tail_new(uint64_t sigma, uint32_t bits, struct mien_exact_tail **out)
{
    if (sigma == 0 || bits < 128 || bits > MIEN_EXACT_TAIL_MAX_BITS || bits % 8 != 0)
        return MIEN_EINVAL;
    struct mien_exact_tail *t = mien_calloc(1, sizeof(*t));
    if (t == NULL)
        return MIEN_ENOMEM;
    t->sigma = sigma;
    t->bits = bits;
    t->fraction = (int)bits + GUARD_BITS;
    t->ctx = BN_CTX_new();
    t->root_two_over_pi = BN_new();
    t->e = BN_new();
    t->x_squared = BN_new();
    t->sum = BN_new();
    t->term = BN_new();
    t->scratch = BN_new();
    bool made = t->ctx != NULL && t->root_two_over_pi != NULL && t->e != NULL &&
                t->x_squared != NULL && t->sum != NULL && t->term != NULL && t->scratch != NULL;
    if (!made || !find_constant(t)) {
        mien_exact_tail_free(t);
        return MIEN_ECRYPTO;
    }
    *out = t;
    return MIEN_OK;
}

/* x^2 = (2m + 1)^2 / (4 sigma^2), and x itself in t->e */
static bool set_x(struct mien_exact_tail *t, uint64_t m)
{
    bool ok = BN_set_word(t->e, m) && BN_mul_word(t->e, 2) && BN_add_word(t->e, 1) &&
              BN_lshift(t->e, t->e, t->fraction) && BN_set_word(t->term, t->sigma) &&
              BN_mul_word(t->term, 2) && BN_div(t->e, NULL, t->e, t->term, t->ctx);

    return ok && multiply(t, t->x_squared, t->e, t->e);
}

/* sum = x sum_n x^(2n) / (2n + 1)!! */
static bool add_series(struct mien_exact_tail *t)
{
    bool ok = BN_copy(t->term, t->e) != NULL && BN_copy(t->sum, t->e) != NULL;

    for (uint64_t n = 1; ok && !BN_is_zero(t->term); n++) {
        ok = multiply(t, t->term, t->term, t->x_squared) &&
             divide_word(t->term, t->term, 2 * n + 1) && BN_add(t->sum, t->sum, t->term);
    }
    return ok;
}

/* e = exp(x^2 / 2) by its series, all terms positive */
static bool exponential(struct mien_exact_tail *t)
{
    bool ok = set_one(t, t->term) && set_one(t, t->e) && BN_rshift1(t->x_squared, t->x_squared);

    for (uint64_t n = 1; ok && !BN_is_zero(t->term); n++) {
        ok = multiply(t, t->term, t->term, t->x_squared) && divide_word(t->term, t->term, n) &&
             BN_add(t->e, t->e, t->term);
    }
    return ok;
}

/* term = 2^bits (1 - sqrt(2 / pi) sum / e), cut to an integer */
static bool finish(struct mien_exact_tail *t)
{
    bool ok = multiply(t, t->sum, t->sum, t->root_two_over_pi) &&
              BN_lshift(t->sum, t->sum, t->fraction) &&
              BN_div(t->sum, NULL, t->sum, t->e, t->ctx) && set_one(t, t->term) &&
              BN_sub(t->term, t->term, t->sum);

    if (!ok)
        return false;
    if (BN_is_negative(t->term))
        BN_zero(t->term);
    return BN_rshift(t->term, t->term, GUARD_BITS);
}

/* Whether x^2 > 2 bits: then erfc(x / sqrt 2) < e^(-x^2 / 2) < 2^-bits. */
static bool is_beyond(const struct mien_exact_tail *t, uint64_t m)
{
    const uint64_t deviations = m / t->sigma;

    return deviations > UINT32_MAX || deviations * deviations > 2 * (uint64_t)t->bits;
}

/* The tail as an integer in t->term. */
static enum mien_status evaluate(struct mien_exact_tail *t, uint64_t m)
{
    if (is_beyond(t, m)) {
        BN_zero(t->term);
        return MIEN_OK;
    }
    return set_x(t, m) && add_series(t) && exponential(t) && finish(t) ? MIEN_OK : MIEN_ECRYPTO;
}

enum mien_status mien_exact_tail_at(struct mien_exact_tail *tail, uint64_t m, uint8_t *out)
{
    const int n = (int)(tail->bits / 8);
    enum mien_status status = evaluate(tail, m);

    if (status == MIEN_OK && BN_bn2binpad(tail->term, out, n) != n)
        status = MIEN_ECRYPTO;
    return status;
}

enum mien_status mien_exact_tail_compare(struct mien_exact_tail *tail, uint64_t m, const uint8_t *u,
                                         int *side)
{
    enum mien_status status = evaluate(tail, m);

    if (status != MIEN_OK)
        return status;
    if (BN_bin2bn(u, (int)(tail->bits / 8), tail->e) == NULL ||
        !BN_sub(tail->e, tail->e, tail->term))
        return MIEN_ECRYPTO;
    /* |u - tail| against the error of both ends: 2 units of the tail, 1 of the number's rest. */
    *side = BN_is_negative(tail->e) ? -1 : 1;
    if (BN_num_bits(tail->e) <= 2)
        *side = 0;
    BN_clear(tail->e);
    return MIEN_OK;
}

void mien_exact_tail_free(struct mien_exact_tail *tail)
{
    if (tail == NULL)
        return;
    BIGNUM *const numbers[] = {
        tail->root_two_over_pi, tail->e, tail->x_squared, tail->sum, tail->term, tail->scratch};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        BN_clear_free(numbers[i]);
    BN_CTX_free(tail->ctx);
    mien_free(tail);
}
