/* A generator that repeats itself: OpenSSL's AES-256-CTR under a seed.
 *
 * For procedural pictures, initial weights, latents, the public rotation, tests and the simulator.
 * Never for keys, coins or noise: the noise path must not reach it (CI checks symbols).
 *
 * Threads: one at a time
 */
#ifndef MIEN_BASE_RNG_SEEDED_H
#define MIEN_BASE_RNG_SEEDED_H

#include "common/base/rng.h"

#include <stdbool.h>

struct mien_rng_seeded;

/* A stream that depends on (seed, stream) only; different pairs are independent.
 *
 *   out     given: end it with mien_rng_seeded_free
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_rng_seeded_new(uint64_t seed, uint64_t stream,
                                                struct mien_rng_seeded **out);

/* The same under a key of 32 bytes.  errors  as above */
MIEN_CHECK enum mien_status mien_rng_seeded_new_key(const uint8_t key[32], uint64_t stream,
                                                    struct mien_rng_seeded **out);

void mien_rng_seeded_free(struct mien_rng_seeded *seeded);

/* A handle on it, valid as long as it. */
struct mien_rng mien_rng_seeded_handle(struct mien_rng_seeded *seeded);

/* A number in [0, 1) with 24 random bits. Cannot fail: see mien_rng_seeded_ok. */
float mien_rng_seeded_uniform(struct mien_rng_seeded *seeded);

/* A standard normal number (Box-Muller in double; for latents and weights, never for noise). */
float mien_rng_seeded_normal(struct mien_rng_seeded *seeded);

/* A number below `bound` (0 for bound 0), without bias. */
uint64_t mien_rng_seeded_below(struct mien_rng_seeded *seeded, uint64_t bound);

/* False once the cipher has ever failed; the numbers since were zero. */
bool mien_rng_seeded_ok(const struct mien_rng_seeded *seeded);

#endif
