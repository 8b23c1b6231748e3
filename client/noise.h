/* A device's own share of the noise, where devices add it (privacy.noise_by = devices).
 *
 * Added to integers whose bound has been checked, before they are masked: what leaves the device
 * has noise in it whatever the coordinator does. Also to a vector of zeros: that a device had
 * nothing to give must not show.
 *
 * Threads: any
 */
#ifndef MIEN_CLIENT_NOISE_H
#define MIEN_CLIENT_NOISE_H

#include "common/base/rng.h"
#include "common/secagg/params.h"

/* Adds a discrete Gaussian of variance params->share to every coordinate, mod 2^32, as all that
 * follows is mod 2^bits. Nothing when the share is 0.
 *
 *   rng     the system's generator but in simulations
 *   vector  [params->dim]; all zero on error
 *   errors  MIEN_EINVAL  a share that cannot be drawn; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_client_add_noise(const struct mien_secagg_params *params,
                                                  struct mien_rng *rng, int32_t *vector);

#endif
