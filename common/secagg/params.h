/* The vector that a device sends, and the bounds both sides prove about it.
 *
 * A vector is update | metrics, integers. The update (L2 norm at most the clip S) is scaled so that
 * S becomes N = 16 sqrt(d), rounded stochastically, and metrics in [0, 1] are scaled by N / 16, or
 * by q_max where bits hold less. The whole has integer L2 norm at most B, which a device checks
 * exactly; noise is calibrated to B. Each coordinate is at most q_max, and n_max q_max < 2^(bits -
 * 1), so sums never wrap.
 *
 * Without rotation d is the update's length and a coordinate may be as large as N. With it
 * (rotate.h) update and metrics, filled with zeros to d coordinates, a power of two, are rotated
 * before they are rounded. A coordinate passes s x 16 with probability at most 2 exp(-s^2 / 2)
 * then, so bits that hold 7 x 16 clamp one in 10^10.
 *
 * Where the clip follows a quantile, the metric CLIPPED becomes a bit of minus or plus bit_scale
 * under the same joint bound: with noise of deviation z B on every coordinate, the count of norms
 * within the clip has noise of sigma_b = z B / (2 bit_scale) units, while the whole vector costs z
 * (Andrew et al. 2021, theorem 1).
 *
 * Where devices add the noise, each adds to every coordinate, after the check of its bound, a
 * discrete Gaussian of variance v = ceil((z B)^2 / m), such that m of them are noise enough for B.
 * Sums then stay below n_max q_max + 12 sqrt(n_max v) < 2^(bits - 1) but with probability 2^-102 a
 * coordinate (each share is sub-Gaussian); a sum that wraps all the same is wrong by 2^bits there,
 * and no less private: residues are a function of the sum.
 *
 * Source:  Kairouz, Liu, Steinke 2021, "The Distributed Discrete Gaussian Mechanism", section 4.1
 *          (norm after conditional rounding, beta = e^-1/2)
 * Threads: any
 */
#ifndef MIEN_SECAGG_PARAMS_H
#define MIEN_SECAGG_PARAMS_H

#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Largest vector: 2^25 parameters and the metrics. */
#define MIEN_SECAGG_MAX_DIM ((UINT32_C(1) << 25) + 64)
#define MIEN_SECAGG_MAX_MEMBERS 16384
#define MIEN_SECAGG_MIN_BITS 12
#define MIEN_SECAGG_MAX_BITS 32

/* What the metrics are, each in [0, 1], averaged over the planned cohort. */
enum mien_metric {
    MIEN_METRIC_TRAINED, /* 1: the update is real; 0: a zero vector */
    MIEN_METRIC_CLIPPED, /* 1: the update's norm was above the clip */
    MIEN_METRIC_D_LOSS,  /* loss of the discriminator's last step, divided by 4, clamped */
    MIEN_N_METRICS
};

/* What the bounds are made for. */
struct mien_secagg_shape {
    uint64_t n_update; /* coordinates of the update */
    double clip;       /* S */
    uint32_t n_max;    /* members of a session at most */
    uint32_t bits;     /* 12 to 32, or 0 for as many as keep coordinates from being clamped */
    bool rotate;
    bool fill; /* to a power of two when rotated, whatever is smaller (plans of before) */

    /* Of a clip that follows a quantile, else 0: sigma_b, the deviation of the noise on the count
     * of norms within the clip, in units; and z, which the whole vector costs. */
    double clip_noise;
    double noise_multiplier;
    uint32_t n_shares; /* m: where devices add the noise, those whose shares are enough; else 0 */
};

struct mien_secagg_params {
    uint32_t dim; /* n_update + MIEN_N_METRICS; filled to a power of two if that is smaller in the
                   * end, when rotated */
    uint32_t n_update;
    bool rotate;
    double clip;           /* S */
    uint32_t n_max;        /* members of a session at most */
    uint32_t bits;         /* of the modulus */
    int32_t q_max;         /* bound of a coordinate */
    int32_t metric_scale;  /* what 1 of a metric becomes */
    int32_t bit_scale;     /* CLIPPED is minus or plus this; 0: it is a metric like others */
    double scale;          /* what 1 of an update becomes */
    uint64_t bound;        /* B */
    uint64_t bound_square; /* largest sum of squares, at most B^2 */
    uint64_t share;        /* v: variance of the noise that each device adds; 0: it adds none */
};

/* Largest variance of a share: 2^28 squared, what the sampler draws (common/dp). */
#define MIEN_SECAGG_MAX_SHARE (UINT64_C(1) << 56)

/* The bounds of a shape.
 *
 *   errors  MIEN_EINVAL, MIEN_ELIMIT  (the sentence names what does not fit; sigma_b at most z / 2
 *           leaves nothing for the update)
 */
MIEN_CHECK enum mien_status mien_secagg_params_init(struct mien_secagg_params *out,
                                                    const struct mien_secagg_shape *shape,
                                                    struct mien_err *err);

/* Another clip, positive, under the same integer bounds. */
void mien_secagg_params_set_clip(struct mien_secagg_params *params, double clip);

/* Bytes of one packed vector on the wire. */
uint64_t mien_secagg_packed_bytes(uint32_t dim, uint32_t bits);

#endif
