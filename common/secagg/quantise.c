// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/quantise.h"

#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/secagg/mask_kernel.h"
#include "common/secagg/rotate.h"

#include <math.h>
#include <string.h>

#define MAX_REDRAWS 64
#define BLOCK 1024
#define LANES 8 /* sums that go side by side, so that a compiler may use wide registers */

/* Coordinates that a vector's rounding fills: with the metrics where those are rotated too. */
static uint32_t n_rounded(const struct mien_secagg_params *params)
{
    return params->rotate ? params->dim : params->n_update;
}

static double squared_norm(const float *x, uint32_t n)
{
    double lane[LANES] = {0.0};
    double sum = 0.0;
    uint32_t at = 0;

    for (; n - at >= LANES; at += LANES) {
        for (uint32_t i = 0; i < LANES; i++)
            lane[i] += (double)x[at + i] * (double)x[at + i];
    }
    for (; at < n; at++)
        sum += (double)x[at] * (double)x[at];
    for (uint32_t i = 0; i < LANES; i++)
        sum += lane[i];
    return sum;
}

static float unit_clamped(float x)
{
    if (!(x > 0.0f))
        return 0.0f;
    return x < 1.0f ? x : 1.0f;
}

/* Cuts at q_max, which a float holds exactly (it is at most 16 sqrt(2^25) + 1 < 2^24); says how
 * many coordinates that were above. */
static uint32_t clamp(const struct mien_secagg_params *params, float *x, uint32_t n)
{
    const float q = (float)params->q_max;
    uint32_t n_clamped = 0;

    for (uint32_t i = 0; i < n; i++) {
        n_clamped += (x[i] > q) | (x[i] < -q);
        x[i] = x[i] > q ? q : x[i];
        x[i] = x[i] < -q ? -q : x[i];
    }
    return n_clamped;
}

/* floor(x) + [u < fraction]: the mean is x. u has 24 bits, as many as the float that x is. */
static void round_block(const float *x, const uint32_t *uniform, uint32_t n, int32_t *out)
{
    for (uint32_t i = 0; i < n; i++) {
        const int32_t toward_zero = (int32_t)x[i];
        const int32_t low = toward_zero - (x[i] < (float)toward_zero);
        const float u = (float)(int32_t)(uniform[i] >> 8) * 0x1p-24f;

        out[i] = low + (u < x[i] - (float)low);
    }
}

static enum mien_status round_once(const float *x, uint32_t n, struct mien_rng *rng, int32_t *out)
{
    struct mien_mask stream = {0};
    uint32_t uniform[BLOCK];
    enum mien_status status = mien_rng_fill(rng, stream.key, sizeof(stream.key));
    const struct mien_mask_kernel *kernel = mien_mask_best(&stream);

    for (uint32_t at = 0; at < n && status == MIEN_OK; at += BLOCK) {
        const uint32_t part = (uint32_t)mien_min_size(BLOCK, n - at);

        memset(uniform, 0, sizeof(uniform));
        status = mien_mask_add(kernel, &stream, at / MIEN_MASK_BLOCK_WORDS, uniform, part);
        round_block(x + at, uniform, part, out + at);
    }
    mien_wipe(uniform, sizeof(uniform));
    mien_wipe(&stream, sizeof(stream));
    return status;
}

static void round_towards_zero(const float *x, uint32_t n, int32_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (int32_t)x[i];
}

/* Coordinates at most q_max < 2^17, so squares of a block fit 64 bits. */
static bool block_holds(int32_t q_max, const int32_t *vector, uint32_t n, uint64_t *square)
{
    uint32_t n_above = 0;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        const uint32_t v = (uint32_t)vector[i];
        const uint32_t size = vector[i] < 0 ? 0 - v : v;

        n_above += size > (uint32_t)q_max;
        sum += (uint64_t)size * size;
    }
    *square = sum;
    return n_above == 0;
}

bool mien_quantise_holds(const struct mien_secagg_params *params, const int32_t *vector)
{
    mien_u128 sum = 0;
    bool holds = true;

    for (uint32_t at = 0; at < params->dim; at += BLOCK) {
        uint64_t square;

        holds &= block_holds(params->q_max, vector + at,
                             (uint32_t)mien_min_size(BLOCK, params->dim - at), &square);
        sum += square;
    }
    return holds && sum <= params->bound_square;
}

/* Scales so that the clip becomes N; a norm above the clip is brought to it. The float product may
 * exceed N by rounding: the exact check below decides, not this. */
static bool scale_update(const struct mien_secagg_params *params, float *update)
{
    const double norm = sqrt(squared_norm(update, params->n_update));
    const bool clip_it = norm > params->clip;
    const double factor = params->scale * (clip_it ? params->clip / norm : 1.0);

    for (uint32_t i = 0; i < params->n_update; i++)
        update[i] = (float)((double)update[i] * factor);
    return clip_it;
}

/* Metrics beside the update: integers where they stay, rotated with it where that is rotated. */
static enum mien_status place_metrics(const struct mien_secagg_params *params,
                                      const uint8_t *rotation,
                                      const struct mien_contribution *contribution, int32_t *vector)
{
    const uint32_t n = params->n_update;
    float *update = contribution->update;

    for (uint32_t m = 0; m < MIEN_N_METRICS; m++) {
        float v = (float)params->metric_scale * unit_clamped(contribution->metrics[m]);

        if (m == MIEN_METRIC_CLIPPED && params->bit_scale > 0)
            v = (float)params->bit_scale * (contribution->metrics[m] > 0.0f ? -1.0f : 1.0f);

        if (params->rotate)
            update[n + m] = v;
        else
            vector[n + m] = (int32_t)v;
    }
    if (!params->rotate)
        return MIEN_OK;
    for (uint32_t i = n + MIEN_N_METRICS; i < params->dim; i++)
        update[i] = 0.0f;
    return mien_rotate(rotation, update, params->dim);
}

/* Conditional stochastic rounding: again until the whole vector keeps its bound. */
static enum mien_status round_within_bound(const struct mien_secagg_params *params, const float *x,
                                           struct mien_rng *rng, int32_t *vector,
                                           struct mien_quantise_note *note)
{
    enum mien_status status = MIEN_OK;
    bool holds = false;

    for (uint32_t i = 0; i < MAX_REDRAWS && !holds && status == MIEN_OK; i++) {
        status = round_once(x, n_rounded(params), rng, vector);
        holds = status == MIEN_OK && mien_quantise_holds(params, vector);
        note->n_redraws = i;
    }
    if (status == MIEN_OK && !holds) {
        round_towards_zero(x, n_rounded(params), vector);
        note->rounded_to_zero = true;
        holds = mien_quantise_holds(params, vector);
    }
    return status == MIEN_OK && !holds ? MIEN_EINVAL : status;
}

enum mien_status mien_quantise(const struct mien_secagg_params *params, const uint8_t *rotation,
                               struct mien_contribution *contribution, struct mien_rng *rng,
                               int32_t *vector, struct mien_quantise_note *note)
{
    float *update = contribution->update;

    memset(vector, 0, params->dim * sizeof(*vector));
    *note = (struct mien_quantise_note){0};
    if (!isfinite(squared_norm(update, params->n_update)))
        return MIEN_EINVAL;
    note->clipped = scale_update(params, update) || contribution->clipped;
    contribution->metrics[MIEN_METRIC_CLIPPED] = note->clipped ? 1.0f : 0.0f;
    enum mien_status status = place_metrics(params, rotation, contribution, vector);
    note->n_clamped = clamp(params, update, n_rounded(params));
    if (status == MIEN_OK)
        status = round_within_bound(params, update, rng, vector, note);
    if (status != MIEN_OK)
        mien_wipe(vector, params->dim * sizeof(*vector));
    return status;
}

/* From the sum of bits, in integer units: the share of those that trained, of whom there are at
 * least half as many as planned whatever the noise says: dividing by fewer would only amplify it.
 */
static float share_clipped(const struct mien_secagg_params *params, double bits, uint32_t n_planned,
                           const float *metrics)
{
    const double trained = fmax((double)metrics[MIEN_METRIC_TRAINED], 0.5) * (double)n_planned;

    return (float)(0.5 - bits / (2.0 * (double)params->bit_scale * trained));
}

enum mien_status mien_dequantise(const struct mien_secagg_params *params, const uint8_t *rotation,
                                 const int64_t *sum, uint32_t n_planned, float *update,
                                 float *metrics)
{
    const double per_unit = 1.0 / (params->scale * (double)n_planned);
    const double per_metric = 1.0 / ((double)params->metric_scale * (double)n_planned);
    enum mien_status status = MIEN_OK;

    /* Everything as if it were update; then metrics have another unit. */
    for (uint32_t i = 0; i < params->dim; i++)
        update[i] = (float)((double)sum[i] * per_unit);
    if (params->rotate)
        status = mien_rotate_back(rotation, update, params->dim);
    for (uint32_t m = 0; m < MIEN_N_METRICS; m++)
        metrics[m] = (float)((double)update[params->n_update + m] / per_unit * per_metric);
    if (params->bit_scale > 0)
        metrics[MIEN_METRIC_CLIPPED] =
            share_clipped(params, (double)update[params->n_update + MIEN_METRIC_CLIPPED] / per_unit,
                          n_planned, metrics);
    return status;
}
