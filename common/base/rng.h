/* Randomness as a parameter.
 *
 * A struct mien_rng is a handle that functions take; where the bytes come from is its maker's
 * choice. mien_rng_system gives OpenSSL's generator and is the only one for keys, coins, shares
 * and noise. The seeded generator (rng_seeded.h) is for pictures, weights, latents, tests and the
 * simulator.
 *
 * Threads: a handle belongs to one thread at a time; mien_rng_system() ones may be used anywhere
 */
#ifndef MIEN_BASE_RNG_H
#define MIEN_BASE_RNG_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct mien_rng {
    /* Fills n bytes.  errors  MIEN_ECRYPTO */
    enum mien_status (*fill)(void *self, void *out, size_t n);
    void *self;
};

/* The operating system's randomness through OpenSSL. Nothing to free. */
struct mien_rng mien_rng_system(void);

/* Fills n bytes.  errors  MIEN_ECRYPTO (the bytes are then zero) */
MIEN_CHECK enum mien_status mien_rng_fill(struct mien_rng *rng, void *out, size_t n);

/* A uniform 64-bit number.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_rng_u64(struct mien_rng *rng, uint64_t *out);

/* A uniform number below `bound`, without bias (rejection).  errors  MIEN_EINVAL  bound is 0,
 * MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_rng_below(struct mien_rng *rng, uint64_t bound, uint64_t *out);

#endif
