// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/params.h"

#include "common/secagg/rotate.h"

#include <math.h>

/* N = RESOLUTION sqrt(n): rounding then adds 0.05 % to the norm (notes: from 16 on it vanishes). */
#define RESOLUTION 16.0

/* One metric is a sixteenth of the update's bound: together they cost about 1 % of B. */
#define METRIC_SHARE 16.0

/* A rotated coordinate is above so many times RESOLUTION once in 10^10 (2 exp(-s^2 / 2)). */
#define ROTATED_PEAK 7.0

/* With bits for less than this the clamp would bend what is learned: one in 3000 at most. */
#define ROTATED_LEAST 4.0

/* The modulus, and the largest coordinate that no sum of n_max can wrap with. */
static enum mien_status fit_bits(struct mien_secagg_params *p, double norm, uint32_t bits,
                                 struct mien_err *err)
{
    const uint64_t widest = (uint64_t)ceil(norm) + 1;
    const double peak = p->rotate ? fmin(norm, ROTATED_PEAK * RESOLUTION) : norm;
    const uint64_t wanted = (uint64_t)ceil(peak) + 1;
    const double least = p->rotate ? ROTATED_LEAST * RESOLUTION : (double)p->metric_scale;

    p->bits = bits;
    if (bits == 0) {
        p->bits = MIEN_SECAGG_MIN_BITS;
        while (p->bits < MIEN_SECAGG_MAX_BITS && wanted * p->n_max >= UINT64_C(1) << (p->bits - 1))
            p->bits++;
    }
    /* The largest q with n_max q < 2^(bits - 1). */
    const uint64_t fits = ((UINT64_C(1) << (p->bits - 1)) - 1) / p->n_max;
    p->q_max = (int32_t)(fits < widest ? fits : widest);
    if ((double)p->q_max < least)
        return mien_err_set(err, MIEN_ELIMIT,
                            "secure_sum.bits: %u bits are too few for sums of %u devices", p->bits,
                            p->n_max);
    return MIEN_OK;
}

static enum mien_status check_shape(const struct mien_secagg_shape *shape, struct mien_err *err)
{
    const uint64_t most = MIEN_SECAGG_MAX_DIM - MIEN_N_METRICS;

    if (shape->n_update == 0 || shape->n_update > most ||
        (shape->rotate && mien_rotate_size((uint32_t)shape->n_update + MIEN_N_METRICS) > most))
        return mien_err_set(err, MIEN_ELIMIT, "an update of %llu numbers",
                            (unsigned long long)shape->n_update);
    if (!(shape->clip > 0.0) || !isfinite(shape->clip))
        return mien_err_set(err, MIEN_EINVAL, "privacy.clip: expected a positive number");
    if (shape->n_max < 2 || shape->n_max > MIEN_SECAGG_MAX_MEMBERS)
        return mien_err_set(err, MIEN_ELIMIT, "secure_sum.group_max: expected 2 to %d",
                            MIEN_SECAGG_MAX_MEMBERS);
    if (shape->bits != 0 &&
        (shape->bits < MIEN_SECAGG_MIN_BITS || shape->bits > MIEN_SECAGG_MAX_BITS))
        return mien_err_set(err, MIEN_ELIMIT, "secure_sum.bits: expected 12 to 32, or 0");
    return MIEN_OK;
}

/* Kairouz et al.: with beta = e^-1/2 a rounding of n numbers of this norm has a square above this
 * with probability below 1 - beta, so a few redraws are enough. */
static double rounded_square(double norm, double n)
{
    return norm * norm + 0.25 * n + norm + 0.5 * sqrt(n);
}

enum mien_status mien_secagg_params_init(struct mien_secagg_params *out,
                                         const struct mien_secagg_shape *shape,
                                         struct mien_err *err)
{
    struct mien_secagg_params p = {0};
    enum mien_status status = check_shape(shape, err);

    if (status != MIEN_OK)
        return status;
    p.n_update = (uint32_t)shape->n_update;
    p.dim = p.n_update + MIEN_N_METRICS;
    p.rotate = shape->rotate;
    if (p.rotate)
        p.dim = mien_rotate_size(p.dim);
    const double n = p.rotate ? (double)p.dim : (double)p.n_update;
    const double norm = RESOLUTION * sqrt(n);

    p.n_max = shape->n_max;
    p.clip = shape->clip;
    p.scale = norm / shape->clip;
    p.metric_scale = (int32_t)ceil(norm / METRIC_SHARE);
    /* Metrics are rounded too when they are rotated; else they are integers already. */
    const double metrics = (double)MIEN_N_METRICS * p.metric_scale * (double)p.metric_scale;
    const double square = p.rotate ? rounded_square(sqrt(norm * norm + metrics), n)
                                   : rounded_square(norm, n) + metrics;

    p.bound = (uint64_t)ceil(sqrt(square));
    p.bound_square = p.bound * p.bound;
    status = fit_bits(&p, p.rotate ? sqrt(norm * norm + metrics) : norm, shape->bits, err);
    if (status == MIEN_OK)
        *out = p;
    return status;
}

uint64_t mien_secagg_packed_bytes(uint32_t dim, uint32_t bits)
{
    return ((uint64_t)dim * bits + 7) / 8;
}
