// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/params.h"

#include <math.h>

/* N = RESOLUTION sqrt(n): rounding then adds 0.05 % to the norm (notes: from 16 on it vanishes). */
#define RESOLUTION 16.0

/* One metric is a sixteenth of the update's bound: together they cost about 1 % of B. */
#define METRIC_SHARE 16.0

static enum mien_status fit_bits(struct mien_secagg_params *p, double n_bound, uint32_t bits,
                                 struct mien_err *err)
{
    const uint64_t widest = (uint64_t)ceil(n_bound) + 1;

    p->bits = bits;
    if (bits == 0) {
        p->bits = MIEN_SECAGG_MIN_BITS;
        while (p->bits < MIEN_SECAGG_MAX_BITS && widest * p->n_max >= UINT64_C(1) << (p->bits - 1))
            p->bits++;
    }
    /* The largest q with n_max q < 2^(bits - 1). */
    const uint64_t fits = ((UINT64_C(1) << (p->bits - 1)) - 1) / p->n_max;
    p->q_max = (int32_t)(fits < widest ? fits : widest);
    if (p->q_max < p->metric_scale)
        return mien_err_set(err, MIEN_ELIMIT,
                            "secure_sum.bits: %u bits are too few for sums of %u devices", p->bits,
                            p->n_max);
    return MIEN_OK;
}

enum mien_status mien_secagg_params_init(struct mien_secagg_params *out, uint64_t n_update,
                                         double clip, uint32_t n_max, uint32_t bits,
                                         struct mien_err *err)
{
    struct mien_secagg_params p = {0};

    if (n_update == 0 || n_update > MIEN_SECAGG_MAX_DIM - MIEN_N_METRICS)
        return mien_err_set(err, MIEN_ELIMIT, "an update of %llu numbers",
                            (unsigned long long)n_update);
    if (!(clip > 0.0) || !isfinite(clip))
        return mien_err_set(err, MIEN_EINVAL, "privacy.clip: expected a positive number");
    if (n_max < 2 || n_max > MIEN_SECAGG_MAX_MEMBERS)
        return mien_err_set(err, MIEN_ELIMIT, "secure_sum.group_max: expected 2 to %d",
                            MIEN_SECAGG_MAX_MEMBERS);
    if (bits != 0 && (bits < MIEN_SECAGG_MIN_BITS || bits > MIEN_SECAGG_MAX_BITS))
        return mien_err_set(err, MIEN_ELIMIT, "secure_sum.bits: expected 12 to 32, or 0");
    const double n = (double)n_update;
    const double norm = RESOLUTION * sqrt(n);

    p.n_update = (uint32_t)n_update;
    p.dim = p.n_update + MIEN_N_METRICS;
    p.n_max = n_max;
    p.scale = norm / clip;
    p.metric_scale = (int32_t)ceil(norm / METRIC_SHARE);
    /* Kairouz et al.: with beta = e^-1/2 a rounding of norm N passes N^2 + n/4 + N + sqrt(n)/2 with
     * probability below 1 - beta, so a few redraws are enough. */
    const double metrics = (double)MIEN_N_METRICS * p.metric_scale * (double)p.metric_scale;
    const double square = norm * norm + 0.25 * n + norm + 0.5 * sqrt(n) + metrics;

    p.bound = (uint64_t)ceil(sqrt(square));
    p.bound_square = p.bound * p.bound;
    enum mien_status status = fit_bits(&p, norm, bits, err);
    if (status == MIEN_OK)
        *out = p;
    return status;
}

uint64_t mien_secagg_packed_bytes(uint32_t dim, uint32_t bits)
{
    return ((uint64_t)dim * bits + 7) / 8;
}
