// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/params.h"

#include "common/secagg/rotate.h"

#include <math.h>

/* N = RESOLUTION sqrt(n): rounding then adds 0.05 % to the norm (notes: from 16 on it vanishes). */
#define RESOLUTION 16.0

/* One metric is a sixteenth of the update's bound: together they cost about 1 % of B. */
#define METRIC_SHARE 16.0

/* A rotated coordinate is above so many times N over the root of its block once in 10^7 (2
 * exp(-s^2 / 2)): of ten vectors of 10^6 one has one coordinate that is cut, at worst. */
#define ROTATED_PEAK 5.8

/* As plans had it that fill: once in 10^10. */
#define FILLED_PEAK 7.0

/* With bits for less than so many times RESOLUTION, which coordinates are in the mean square, the
 * clamp would bend what is learned. */
#define LEAST_PEAK 4.0

/* A bit's scale: far below what a coordinate may be before sums of squares leave 64 bits. */
#define MAX_BIT 1048576.0 /* 2^20 */

/* Deviations that the noise of a sum stays within: e^-72 beyond it, each way. */
#define NOISE_REACH 12.0

/* How far the noise of n_max shares takes a coordinate of a sum. */
static uint64_t noise_reach(const struct mien_secagg_params *p)
{
    return (uint64_t)ceil(NOISE_REACH * sqrt((double)p->share * (double)p->n_max));
}

/* The largest q with n_max q + reach < 2^(bits - 1). */
static uint64_t largest_fitting(uint32_t bits, uint32_t n_max, uint64_t reach)
{
    const uint64_t most = (UINT64_C(1) << (bits - 1)) - 1;

    return reach < most ? (most - reach) / n_max : 0;
}

/* What a coordinate is below, whatever the update was, but for ROTATED_PEAK's one in so many. */
static double rotated_peak(const struct mien_secagg_params *p, bool fill)
{
    const double wider = sqrt((double)p->dim / (double)mien_rotate_block(p->dim));

    return (fill ? FILLED_PEAK : ROTATED_PEAK) * RESOLUTION * wider;
}

/* The modulus, and the largest coordinate that no sum of n_max can wrap with. */
static enum mien_status fit_bits(struct mien_secagg_params *p, double norm,
                                 const struct mien_secagg_shape *shape, struct mien_err *err)
{
    const double bit = p->rotate ? 0.0 : (double)p->bit_scale;
    const uint64_t widest = (uint64_t)ceil(fmax(norm, bit)) + 1;
    const double peak = p->rotate ? fmin(norm, rotated_peak(p, shape->fill)) : norm;
    const uint64_t wanted = (uint64_t)ceil(fmax(peak, bit)) + 1;
    const uint64_t reach = noise_reach(p);
    double least = fmax(fmin(LEAST_PEAK * RESOLUTION, norm), bit);

    /* Metrics were made to fit without noise. */
    if (p->share > 0 && !p->rotate)
        least = fmax(least, (double)p->metric_scale);
    p->bits = shape->bits;
    if (p->bits == 0) {
        p->bits = MIEN_SECAGG_MIN_BITS;
        while (p->bits < MIEN_SECAGG_MAX_BITS && largest_fitting(p->bits, p->n_max, reach) < wanted)
            p->bits++;
    }
    const uint64_t fits = largest_fitting(p->bits, p->n_max, reach);
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
        (shape->rotate && shape->fill &&
         mien_rotate_size((uint32_t)shape->n_update + MIEN_N_METRICS) > most))
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

/* Square of the bound, the update having this norm. Metrics are rounded too when they are rotated;
 * else they are integers already. */
static double whole_square(const struct mien_secagg_params *p, double norm)
{
    const double scale = (double)p->metric_scale;
    const double bit = (double)p->bit_scale;
    const double metrics = bit > 0.0 ? (MIEN_N_METRICS - 1) * scale * scale + bit * bit
                                     : MIEN_N_METRICS * scale * scale;

    return p->rotate ? rounded_square(sqrt(norm * norm + metrics), (double)p->dim)
                     : rounded_square(norm, (double)p->n_update) + metrics;
}

/* With A the square without the bit, B^2 = A + h^2 and sigma_b = z B / (2 h): then
 * h^2 = A r^2 / (1 - r^2), r = z / (2 sigma_b). Rounded down, and A a little too small where all is
 * rotated: the bits' noise is never less than asked for. */
static enum mien_status set_bit(struct mien_secagg_params *p, double norm,
                                const struct mien_secagg_shape *shape, struct mien_err *err)
{
    const double ratio = shape->noise_multiplier / (2.0 * shape->clip_noise);
    const double rest = whole_square(p, norm) - (double)p->metric_scale * (double)p->metric_scale;
    double h = (double)p->metric_scale;

    if (!(ratio >= 0.0 && ratio < 1.0))
        return mien_err_set(err, MIEN_EINVAL,
                            "privacy.clip_noise %g: expected above half of the noise multiplier %g",
                            shape->clip_noise, shape->noise_multiplier);
    if (ratio > 0.0)
        h = floor(ratio * sqrt(rest / (1.0 - ratio * ratio)));
    if (!(h <= MAX_BIT))
        return mien_err_set(err, MIEN_ELIMIT,
                            "privacy.clip_noise %g: too near to half of the noise multiplier %g",
                            shape->clip_noise, shape->noise_multiplier);
    p->bit_scale = h < 1.0 ? 1 : (int32_t)h;
    return MIEN_OK;
}

/* Rounded up; where the product of doubles could be too small, by more than it can be. */
static enum mien_status set_share(struct mien_secagg_params *p,
                                  const struct mien_secagg_shape *shape, struct mien_err *err)
{
    const double sigma = shape->noise_multiplier * (double)p->bound;
    const double share = ceil(sigma * sigma / (double)shape->n_shares * (1.0 + 1e-14));

    if (!(share >= 1.0 && share <= (double)MIEN_SECAGG_MAX_SHARE))
        return mien_err_set(
            err, MIEN_ELIMIT,
            "privacy.noise_multiplier %g: the noise of a device would have variance "
            "%g, expected 1 to 2^56",
            shape->noise_multiplier, share);
    p->share = (uint64_t)share;
    return MIEN_OK;
}

void mien_secagg_params_set_clip(struct mien_secagg_params *params, double clip)
{
    const double n = params->rotate ? (double)params->dim : (double)params->n_update;

    params->clip = clip;
    params->scale = RESOLUTION * sqrt(n) / clip;
}

/* The bounds of a shape whose vectors have so many coordinates. */
static enum mien_status bounds_of(const struct mien_secagg_shape *shape, uint32_t dim,
                                  struct mien_secagg_params *out, struct mien_err *err)
{
    struct mien_secagg_params p = {.n_update = (uint32_t)shape->n_update,
                                   .dim = dim,
                                   .rotate = shape->rotate,
                                   .n_max = shape->n_max};
    const double n = p.rotate ? (double)p.dim : (double)p.n_update;
    const double norm = RESOLUTION * sqrt(n);
    enum mien_status status = MIEN_OK;

    p.metric_scale = (int32_t)ceil(norm / METRIC_SHARE);
    /* A metric that is not rotated is one coordinate: never above what those may be. */
    if (!p.rotate && shape->bits != 0 &&
        (uint64_t)p.metric_scale > largest_fitting(shape->bits, p.n_max, 0))
        p.metric_scale = (int32_t)largest_fitting(shape->bits, p.n_max, 0);
    mien_secagg_params_set_clip(&p, shape->clip);
    if (shape->clip_noise != 0.0)
        status = set_bit(&p, norm, shape, err);
    if (status != MIEN_OK)
        return status;
    p.bound = (uint64_t)ceil(sqrt(whole_square(&p, norm)));
    p.bound_square = p.bound * p.bound;
    if (shape->n_shares > 0)
        status = set_share(&p, shape, err);
    if (status != MIEN_OK)
        return status;
    status = fit_bits(&p, p.rotate ? (double)p.bound : norm, shape, err);
    if (status == MIEN_OK)
        *out = p;
    return status;
}

/* Rotated, a vector may stay as long as it is, or be filled to a power of two, whose coordinates
 * may need a bit less: the smaller upload. */
static enum mien_status choose_rotated(const struct mien_secagg_shape *shape, uint32_t dim,
                                       struct mien_secagg_params *out, struct mien_err *err)
{
    const uint32_t filled = mien_rotate_size(dim);
    struct mien_secagg_params wide;
    enum mien_status status = bounds_of(shape, filled, &wide, err);

    if (shape->fill || dim < MIEN_ROTATE_MIN) {
        if (status == MIEN_OK)
            *out = wide;
        return status;
    }
    const bool filled_fits = status == MIEN_OK && filled <= MIEN_SECAGG_MAX_DIM;
    status = bounds_of(shape, dim, out, err);
    if (filled_fits && (status == MIEN_ELIMIT ||
                        (status == MIEN_OK && mien_secagg_packed_bytes(filled, wide.bits) <
                                                  mien_secagg_packed_bytes(dim, out->bits)))) {
        *out = wide;
        status = MIEN_OK;
    }
    return status;
}

enum mien_status mien_secagg_params_init(struct mien_secagg_params *out,
                                         const struct mien_secagg_shape *shape,
                                         struct mien_err *err)
{
    enum mien_status status = check_shape(shape, err);

    if (status != MIEN_OK)
        return status;
    const uint32_t dim = (uint32_t)shape->n_update + MIEN_N_METRICS;
    return shape->rotate ? choose_rotated(shape, dim, out, err) : bounds_of(shape, dim, out, err);
}

uint64_t mien_secagg_packed_bytes(uint32_t dim, uint32_t bits)
{
    return ((uint64_t)dim * bits + 7) / 8;
}
