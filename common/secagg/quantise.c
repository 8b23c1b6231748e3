// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/quantise.h"

#include "common/base/num.h"
#include "common/base/secret.h"

#include <math.h>
#include <string.h>

#define MAX_REDRAWS 64
#define BLOCK 1024

static double squared_norm(const float *x, uint32_t n)
{
    double sum = 0.0;

    for (uint32_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static float unit_clamped(float x)
{
    if (!(x > 0.0f))
        return 0.0f;
    return x < 1.0f ? x : 1.0f;
}

static int32_t clamped(const struct mien_secagg_params *params, double v, uint32_t *n_clamped)
{
    const double q = (double)params->q_max;

    if (v > q || v < -q) {
        (*n_clamped)++;
        return v > 0.0 ? params->q_max : -params->q_max;
    }
    return (int32_t)v;
}

/* floor(x) + [u < fraction]: the mean is x. */
static enum mien_status round_once(const struct mien_secagg_params *params, const float *scaled,
                                   struct mien_rng *rng, int32_t *vector, uint32_t *n_clamped)
{
    uint32_t uniform[BLOCK];
    enum mien_status status = MIEN_OK;

    *n_clamped = 0;
    for (uint32_t at = 0; at < params->n_update && status == MIEN_OK; at += BLOCK) {
        const uint32_t n = (uint32_t)mien_min_size(BLOCK, params->n_update - at);

        status = mien_rng_fill(rng, uniform, n * sizeof(uniform[0]));
        for (uint32_t i = 0; i < n && status == MIEN_OK; i++) {
            const double x = (double)scaled[at + i];
            const double low = floor(x);
            const double up = (double)uniform[i] * 0x1p-32 < x - low ? 1.0 : 0.0;

            vector[at + i] = clamped(params, low + up, n_clamped);
        }
    }
    mien_wipe(uniform, sizeof(uniform));
    return status;
}

static void round_towards_zero(const struct mien_secagg_params *params, const float *scaled,
                               int32_t *vector, uint32_t *n_clamped)
{
    *n_clamped = 0;
    for (uint32_t i = 0; i < params->n_update; i++)
        vector[i] = clamped(params, trunc((double)scaled[i]), n_clamped);
}

bool mien_quantise_holds(const struct mien_secagg_params *params, const int32_t *vector)
{
    mien_u128 sum = 0;

    for (uint32_t i = 0; i < params->dim; i++) {
        const int64_t v = vector[i];

        if (v > params->q_max || v < -params->q_max)
            return false;
        sum += (uint64_t)(v * v);
    }
    return sum <= params->bound_square;
}

/* Scales so that the clip becomes N; a norm above the clip is brought to it. The float product may
 * exceed N by rounding: the exact check below decides, not this. */
static bool scale_update(const struct mien_secagg_params *params, double clip, float *update)
{
    const double norm = sqrt(squared_norm(update, params->n_update));
    const bool clip_it = norm > clip;
    const double factor = params->scale * (clip_it ? clip / norm : 1.0);

    for (uint32_t i = 0; i < params->n_update; i++)
        update[i] = (float)((double)update[i] * factor);
    return clip_it;
}

enum mien_status mien_quantise(const struct mien_secagg_params *params, double clip,
                               struct mien_contribution *contribution, struct mien_rng *rng,
                               int32_t *vector, struct mien_quantise_note *note)
{
    float *update = contribution->update;
    enum mien_status status = MIEN_OK;
    bool holds = false;

    memset(vector, 0, params->dim * sizeof(*vector));
    *note = (struct mien_quantise_note){0};
    if (!isfinite(squared_norm(update, params->n_update)))
        return MIEN_EINVAL;
    note->clipped = scale_update(params, clip, update);
    contribution->metrics[MIEN_METRIC_CLIPPED] = note->clipped ? 1.0f : 0.0f;
    for (uint32_t m = 0; m < MIEN_N_METRICS; m++)
        vector[params->n_update + m] =
            (int32_t)((float)params->metric_scale * unit_clamped(contribution->metrics[m]));
    for (uint32_t i = 0; i < MAX_REDRAWS && !holds && status == MIEN_OK; i++) {
        status = round_once(params, update, rng, vector, &note->n_clamped);
        holds = status == MIEN_OK && mien_quantise_holds(params, vector);
        note->n_redraws = i;
    }
    if (status == MIEN_OK && !holds) {
        round_towards_zero(params, update, vector, &note->n_clamped);
        note->rounded_to_zero = true;
        holds = mien_quantise_holds(params, vector);
    }
    if (status == MIEN_OK && !holds)
        status = MIEN_EINVAL;
    if (status != MIEN_OK)
        mien_wipe(vector, params->dim * sizeof(*vector));
    return status;
}

void mien_dequantise(const struct mien_secagg_params *params, const int64_t *sum,
                     uint32_t n_planned, float *update, float *metrics)
{
    const double per_unit = 1.0 / (params->scale * (double)n_planned);
    const double per_metric = 1.0 / ((double)params->metric_scale * (double)n_planned);

    for (uint32_t i = 0; i < params->n_update; i++)
        update[i] = (float)((double)sum[i] * per_unit);
    for (uint32_t m = 0; m < MIEN_N_METRICS; m++)
        metrics[m] = (float)((double)sum[params->n_update + m] * per_metric);
}
