/* From an update to a vector and back.
 *
 * Source:  Kairouz, Liu, Steinke 2021, section 4.1 (flattening, conditional stochastic
 *          rounding); design section 4 (joint bound, 64 redraws)
 * Threads: any
 */
#ifndef MIEN_SECAGG_QUANTISE_H
#define MIEN_SECAGG_QUANTISE_H

#include "common/base/rng.h"
#include "common/secagg/params.h"

#include <stdbool.h>

/* What happened, for the device's own log only. */
struct mien_quantise_note {
    bool clipped;       /* the norm was above the clip */
    uint32_t n_clamped; /* coordinates cut at q_max */
    uint32_t n_redraws;
    bool rounded_to_zero; /* all redraws failed */
};

/* One device's contribution. */
struct mien_contribution {
    float *update;                 /* [n_update] overwritten; when rotated with room for dim */
    bool clipped;                  /* parts of it were clipped before */
    float metrics[MIEN_N_METRICS]; /* clamped to [0, 1]; CLIPPED is set here */
};

/* Clips, scales, rotates and rounds a contribution; the exact sum of squares is at most
 * bound_square.
 *
 *   rotation  key of the round's rotation (rotate.h); not read unless params->rotate
 *   rng       of each rounding 32 bytes, expanded by AES-128-CTR (mask.h)
 *   vector    [dim] out; secret; all zero on error
 *   errors    MIEN_EINVAL  a number is not finite; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_quantise(const struct mien_secagg_params *params,
                                          const uint8_t *rotation,
                                          struct mien_contribution *contribution,
                                          struct mien_rng *rng, int32_t *vector,
                                          struct mien_quantise_note *note);

/* Whether a vector keeps every bound: coordinates, and the sum of squares in 128 bits. */
MIEN_CHECK bool mien_quantise_holds(const struct mien_secagg_params *params, const int32_t *vector);

/* The average update and metrics from the noised sum of vectors, turned back where they were
 * rotated.
 *
 *   rotation  as above
 *   sum       [dim]
 *   n_planned the fixed denominator: the planned cohort
 *   update    [dim] out: the first n_update
 *   metrics   [MIEN_N_METRICS] out; CLIPPED of an adapting clip is a share of those that trained,
 *             and noise may take it out of [0, 1]
 *   errors    MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_dequantise(const struct mien_secagg_params *params,
                                            const uint8_t *rotation, const int64_t *sum,
                                            uint32_t n_planned, float *update, float *metrics);

#endif
