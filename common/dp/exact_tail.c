// SPDX-License-Identifier: Apache-2.0
/* P(|X| > m) = erfc(x / sqrt 2) with x = (m + 1/2) / sigma = (2m + 1) / (2 sigma), from
 *
 *   erf(x / sqrt 2) = sqrt(2 / pi) x e^(-x^2 / 2) sum_n x^(2n) / (1 3 5 ... (2n + 1))
 *
 * (Abramowitz, Stegun 7.1.6). All terms are positive. Numbers are integers times 2^-FRACTION_BITS;
 * each step rounds down by less than one unit, and 384 bits leave more than 100 of them below the
 * 128 that are kept, after a sum that grows to e^(x^2 / 2) < 2^142.
 */
#include "common/dp/exact_tail.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"

#include <openssl/bn.h>

#include <stdbool.h>

#define FRACTION_BITS 384
#define MAX_DEVIATIONS 14

struct mien_exact_tail {
    BN_CTX *ctx;
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
    return BN_mul(t->scratch, a, b, t->ctx) && BN_rshift(out, t->scratch, FRACTION_BITS);
}

/* out = a / divisor for a small integer */
static bool divide_word(BIGNUM *out, const BIGNUM *a, uint64_t divisor)
{
    return BN_copy(out, a) != NULL && BN_div_word(out, divisor) != (BN_ULONG)-1;
}

static bool set_one(BIGNUM *out)
{
    return BN_one(out) && BN_lshift(out, out, FRACTION_BITS);
}

/* sum += factor arctan(1 / k) = factor sum_n (-1)^n / ((2n + 1) k^(2n + 1)); factor may be < 0 */
static bool add_arctan(struct mien_exact_tail *t, BIGNUM *sum, uint64_t k, int factor)
{
    bool ok = set_one(t->term) && divide_word(t->term, t->term, k);
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
           BN_lshift(t->term, t->term, 3 * FRACTION_BITS + 1) &&
           BN_div(t->x_squared, NULL, t->term, pi, t->ctx) &&
           square_root(t, t->root_two_over_pi, t->x_squared);
}

enum mien_status mien_exact_tail_new(uint64_t sigma, struct mien_exact_tail **out)
{
    struct mien_exact_tail *t = mien_calloc(1, sizeof(*t));

    if (t == NULL)
        return MIEN_ENOMEM;
    t->sigma = sigma;
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
              BN_lshift(t->e, t->e, FRACTION_BITS) && BN_set_word(t->term, t->sigma) &&
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
    bool ok = set_one(t->term) && set_one(t->e) && BN_rshift1(t->x_squared, t->x_squared);

    for (uint64_t n = 1; ok && !BN_is_zero(t->term); n++) {
        ok = multiply(t, t->term, t->term, t->x_squared) && divide_word(t->term, t->term, n) &&
             BN_add(t->e, t->e, t->term);
    }
    return ok;
}

/* 1 - sqrt(2 / pi) sum / e, cut to 128 bits */
static bool finish(struct mien_exact_tail *t, mien_u128 *out)
{
    uint8_t bytes[16];
    bool ok = multiply(t, t->sum, t->sum, t->root_two_over_pi) &&
              BN_lshift(t->sum, t->sum, FRACTION_BITS) &&
              BN_div(t->sum, NULL, t->sum, t->e, t->ctx) && set_one(t->term) &&
              BN_sub(t->term, t->term, t->sum);

    if (!ok)
        return false;
    if (BN_is_negative(t->term))
        BN_zero(t->term);
    if (!BN_rshift(t->term, t->term, FRACTION_BITS - 128) ||
        BN_bn2binpad(t->term, bytes, sizeof(bytes)) != (int)sizeof(bytes))
        return false;
    *out = (mien_u128)mien_load_be64(bytes) << 64 | mien_load_be64(bytes + 8);
    return true;
}

enum mien_status mien_exact_tail_at(struct mien_exact_tail *tail, uint64_t m, mien_u128 *out)
{
    if (m / MAX_DEVIATIONS >= tail->sigma) {
        *out = 0;
        return MIEN_OK;
    }
    if (!set_x(tail, m) || !add_series(tail) || !exponential(tail) || !finish(tail, out))
        return MIEN_ECRYPTO;
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
