// SPDX-License-Identifier: Apache-2.0
#include "common/dp/correlated.h"

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/dp/noise.h"

#include <string.h>

/* Coordinates that are made together: as many as the sampler draws in one batch. */
#define BATCH 2048

/* The rounding of a quotient by c_0, and what w and z stay below: sums of products of at most 2^8
 * coefficients that add up to less than 2^23 with w, and z, are below 2^55. */
#define HALF ((int64_t)1 << (MIEN_STRATEGY_ONE_BITS - 1))
#define W_LIMIT ((int64_t)1 << 31)
#define Z_LIMIT ((int64_t)1 << 54)

struct mien_correlated {
    struct mien_strategy_table table;
    struct mien_noise *sampler;
    struct mien_noise_key *key;
    int32_t *past;      /* [table.n - 1, BATCH] secret: w of the last steps, step s at s mod */
    int64_t row[BATCH]; /* secret */
};

enum mien_status mien_correlated_new(const struct mien_strategy_table *table, uint64_t sigma,
                                     const uint8_t key[MIEN_NOISE_KEY_BYTES],
                                     struct mien_correlated **out)
{
    const bool tree = table->kind == MIEN_STRATEGY_TREE;

    if ((!tree && table->n == 0) || sigma == 0 || sigma > MIEN_CORRELATED_MAX_SIGMA)
        return MIEN_EINVAL;
    struct mien_correlated *c = mien_calloc(1, sizeof(*c));
    if (c == NULL)
        return MIEN_ENOMEM;
    c->table = *table;
    enum mien_status status =
        mien_noise_new(tree ? sigma : sigma << MIEN_STRATEGY_ONE_BITS, &c->sampler);
    if (status == MIEN_OK)
        status = mien_noise_key_new(key, &c->key);
    if (status == MIEN_OK && table->n > 1) {
        c->past = mien_calloc((size_t)(table->n - 1) * BATCH, sizeof(*c->past));
        status = c->past == NULL ? MIEN_ENOMEM : MIEN_OK;
    }
    if (status != MIEN_OK) {
        mien_correlated_free(c);
        return status;
    }
    *out = c;
    return MIEN_OK;
}

static void wipe(struct mien_correlated *c)
{
    if (c->past != NULL)
        mien_wipe(c->past, (size_t)(c->table.n - 1) * BATCH * sizeof(*c->past));
    mien_wipe(c->row, sizeof(c->row));
}

void mien_correlated_free(struct mien_correlated *c)
{
    if (c == NULL)
        return;
    wipe(c);
    mien_noise_free(c->sampler);
    mien_noise_key_free(c->key);
    mien_free(c->past);
    mien_free(c);
}

static enum mien_status draw_at(struct mien_correlated *c, struct mien_noise_place place,
                                int64_t *out, size_t n)
{
    struct mien_rng rng;
    enum mien_status status = mien_noise_key_at(c->key, place, &rng);

    return status == MIEN_OK ? mien_noise_draw(c->sampler, &rng, out, n) : status;
}

/* ---- a tree ---- */

/* The nodes that make up the rounds to t are those of t's bits; from t to t + 1 the ones that end t
 * give way to the node above them. */
static enum mien_status tree_batch(struct mien_correlated *c, uint32_t step, uint32_t batch,
                                   int64_t *out, size_t n)
{
    uint8_t level = 0;
    enum mien_status status = MIEN_OK;

    memset(out, 0, n * sizeof(*out));
    for (; (step >> level & 1) != 0 && status == MIEN_OK; level++) {
        status =
            draw_at(c, (struct mien_noise_place){level, (step >> level) - 1, batch}, c->row, n);
        for (size_t i = 0; i < n; i++)
            out[i] -= c->row[i];
    }
    if (status == MIEN_OK)
        status = draw_at(c, (struct mien_noise_place){level, step >> level, batch}, c->row, n);
    for (size_t i = 0; i < n; i++)
        out[i] += c->row[i];
    return status;
}

/* ---- a table ---- */

/* row -= coefficient times w of an earlier step. */
static void subtract(int64_t *row, const int32_t *w, int32_t coefficient)
{
    for (size_t i = 0; i < BATCH; i++)
        row[i] -= (int64_t)coefficient * w[i];
}

/* row, from z of the step, to w; false when a number is out of all bounds. */
static bool step_of_table(struct mien_correlated *c, uint32_t step)
{
    const uint32_t n_past = c->table.n - 1;
    int64_t high = 0; /* bits that only numbers over a limit have */

    for (size_t i = 0; i < BATCH; i++)
        high |= (c->row[i] < 0 ? ~c->row[i] : c->row[i]) & ~(Z_LIMIT - 1);
    for (uint32_t i = 1; i <= n_past && i <= step; i++)
        subtract(c->row, c->past + (size_t)((step - i) % n_past) * BATCH, (int32_t)c->table.c[i]);
    for (size_t i = 0; i < BATCH; i++) {
        c->row[i] = (c->row[i] + HALF) >> MIEN_STRATEGY_ONE_BITS;
        high |= (c->row[i] < 0 ? ~c->row[i] : c->row[i]) & ~(W_LIMIT - 1);
    }
    for (size_t i = 0; i < BATCH && n_past > 0; i++)
        c->past[(size_t)(step % n_past) * BATCH + i] = (int32_t)c->row[i];
    return high == 0;
}

static enum mien_status table_batch(struct mien_correlated *c, uint32_t step, uint32_t batch,
                                    int64_t *out, size_t n)
{
    enum mien_status status = MIEN_OK;

    for (uint32_t s = 0; s <= step && status == MIEN_OK; s++) {
        status = draw_at(c, (struct mien_noise_place){0, s, batch}, c->row, BATCH);
        if (status == MIEN_OK && !step_of_table(c, s))
            status = MIEN_ELIMIT;
    }
    if (status == MIEN_OK)
        memcpy(out, c->row, n * sizeof(*out));
    return status;
}

/* ---- both ---- */

enum mien_status mien_correlated_draw(struct mien_correlated *c, uint64_t step, int64_t *out,
                                      size_t n)
{
    enum mien_status status =
        step < MIEN_CORRELATED_MAX_STEPS && n / BATCH < UINT32_MAX ? MIEN_OK : MIEN_EINVAL;

    for (size_t at = 0; at < n && status == MIEN_OK; at += BATCH) {
        const uint32_t batch = (uint32_t)(at / BATCH);
        const size_t part = mien_min_size(BATCH, n - at);

        status = c->table.kind == MIEN_STRATEGY_TREE
                     ? tree_batch(c, (uint32_t)step, batch, out + at, part)
                     : table_batch(c, (uint32_t)step, batch, out + at, part);
    }
    if (status != MIEN_OK && n > 0)
        memset(out, 0, n * sizeof(*out));
    wipe(c);
    return status;
}

enum mien_status mien_correlated_fresh(struct mien_correlated *c, uint8_t level, uint64_t step,
                                       int64_t *out, size_t n)
{
    enum mien_status status = step < MIEN_CORRELATED_MAX_STEPS ? MIEN_OK : MIEN_EINVAL;

    for (size_t at = 0; at < n && status == MIEN_OK; at += BATCH)
        status =
            draw_at(c, (struct mien_noise_place){level, (uint32_t)step, (uint32_t)(at / BATCH)},
                    out + at, mien_min_size(BATCH, n - at));
    return status;
}
