/* What steps of descent on sampled examples cost, composed over a life: Renyi accounting alone, for
 * the device, which has no other accountant (FFTW stays with the operator).
 *
 * Every example is drawn for a step by an own coin; the sum of what the drawn ones give, each of L2
 * norm at most B, gets Gaussian noise of z B. In the other world one example gives nothing
 * (zero-out). The steps may be chosen as it goes: rates and noise of different rounds add up.
 *
 * Source:  Abadi et al. 2016, "Deep Learning with Differential Privacy"; rdp.h
 * Threads: any; no state
 */
#ifndef MIEN_DP_COMPOSED_H
#define MIEN_DP_COMPOSED_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* `count` steps under the same constants. */
struct mien_dp_steps {
    double rate;  /* q in (0, 1] */
    double noise; /* z > 0 */
    uint64_t count;
};

/* The epsilon of all steps together at delta in (0, 1), rounded up: what `mien account --accountant
 * rdp` says of them under Poisson sampling. Infinite where nothing is known.
 *
 *   errors  MIEN_EINVAL  a number out of range; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_dp_composed_epsilon(const struct mien_dp_steps *steps,
                                                     size_t n_steps, double delta, double *epsilon);

#endif
