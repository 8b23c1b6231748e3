// SPDX-License-Identifier: Apache-2.0
#include "common/dp/correlated.h"

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/dp/noise.h"
#include "common/dp/past.h"

#include <string.h>

/* Coordinates that are made together: as many as the sampler draws in one batch. */
#define BATCH 2048

#define LANES MIEN_PAST_LANES

/* Steps that are drawn before any w of them is made. The past of a batch is larger than a core's
 * cache; that of LANES coordinates is not, and makes this many steps each time it is read. */
#define N_DRAWN 16

struct mien_correlated {
    struct mien_strategy_table table;
    struct mien_noise *sampler;
    struct mien_noise_key *key;
    uint32_t n_past;                              /* table.n - 1; 0 for a tree */
    int32_t turned[2 * MIEN_STRATEGY_MAX_COEFFS]; /* c_n_past .. c_1, twice */
    int32_t *past; /* [BATCH / LANES, n_past, LANES] secret: w of the last steps, step s at s mod */
    int64_t rows[N_DRAWN][BATCH]; /* secret */
};

static size_t past_bytes(const struct mien_correlated *c)
{
    return (size_t)c->n_past * BATCH * sizeof(*c->past);
}

static enum mien_status make_past(struct mien_correlated *c)
{
    for (uint32_t i = 0; i < 2 * c->n_past; i++)
        c->turned[i] = (int32_t)c->table.c[c->n_past - i % c->n_past];
    c->past = mien_calloc_aligned(past_bytes(c));
    return c->past == NULL ? MIEN_ENOMEM : MIEN_OK;
}

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
    c->n_past = table->n > 0 ? table->n - 1 : 0;
    enum mien_status status =
        mien_noise_new(tree ? sigma : sigma << MIEN_STRATEGY_ONE_BITS, &c->sampler);
    if (status == MIEN_OK)
        status = mien_noise_key_new(key, &c->key);
    if (status == MIEN_OK)
        status = make_past(c);
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
        mien_wipe(c->past, past_bytes(c));
    mien_wipe(c->rows, sizeof(c->rows));
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
            draw_at(c, (struct mien_noise_place){level, (step >> level) - 1, batch}, c->rows[0], n);
        for (size_t i = 0; i < n; i++)
            out[i] -= c->rows[0][i];
    }
    if (status == MIEN_OK)
        status = draw_at(c, (struct mien_noise_place){level, step >> level, batch}, c->rows[0], n);
    for (size_t i = 0; i < n; i++)
        out[i] += c->rows[0][i];
    return status;
}

/* ---- a table ---- */

/* A step of LANES coordinates, whose past is a ring of rows: step s at s mod n_past. Rows that lie
 * one after the other are of coefficients that do, from the right one on. */
static bool step_of_lanes(const struct mien_correlated *c, uint32_t step, int32_t *past,
                          int64_t *row)
{
    const uint32_t n_past = c->n_past;

    if (n_past == 0)
        return mien_past_native()->step(NULL, NULL, 0, row);
    const uint32_t at = step % n_past;
    const uint32_t n = step < n_past ? step : n_past;

    if (!mien_past_native()->step(c->turned + n_past - at, past, n, row))
        return false;
    for (uint32_t i = 0; i < LANES; i++)
        past[at * LANES + i] = (int32_t)row[i];
    return true;
}

/* c->rows, from z of n steps from `step` on, to w; false when a number is out of all bounds. */
static bool steps_of_table(struct mien_correlated *c, uint32_t step, uint32_t n)
{
    bool within = true;

    for (size_t lane = 0; lane < BATCH && within; lane += LANES) {
        for (uint32_t s = 0; s < n && within; s++)
            within = step_of_lanes(c, step + s, c->past + lane * c->n_past, c->rows[s] + lane);
    }
    return within;
}

static enum mien_status table_batch(struct mien_correlated *c, uint32_t step, uint32_t batch,
                                    int64_t *out, size_t n)
{
    enum mien_status status = MIEN_OK;

    for (uint32_t s = 0; s <= step && status == MIEN_OK; s += N_DRAWN) {
        const uint32_t n_steps = step - s < N_DRAWN ? step - s + 1 : N_DRAWN;

        for (uint32_t i = 0; i < n_steps && status == MIEN_OK; i++)
            status = draw_at(c, (struct mien_noise_place){0, s + i, batch}, c->rows[i], BATCH);
        if (status == MIEN_OK && !steps_of_table(c, s, n_steps))
            status = MIEN_ELIMIT;
    }
    if (status == MIEN_OK)
        memcpy(out, c->rows[step % N_DRAWN], n * sizeof(*out));
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
