// SPDX-License-Identifier: Apache-2.0
#include "common/base/rng.h"

#include "common/base/num.h"

#include <openssl/rand.h>

#include <limits.h>
#include <string.h>

static enum mien_status system_fill(void *self, void *out, size_t n)
{
    uint8_t *at = out;

    (void)self;
    while (n > 0) {
        size_t part = mien_min_size(n, INT_MAX);

        if (RAND_priv_bytes(at, (int)part) != 1)
            return MIEN_ECRYPTO;
        at += part;
        n -= part;
    }
    return MIEN_OK;
}

struct mien_rng mien_rng_system(void)
{
    return (struct mien_rng){.fill = system_fill, .self = NULL};
}

enum mien_status mien_rng_fill(struct mien_rng *rng, void *out, size_t n)
{
    enum mien_status status = rng->fill(rng->self, out, n);

    if (status != MIEN_OK && n > 0)
        memset(out, 0, n);
    return status;
}

enum mien_status mien_rng_u64(struct mien_rng *rng, uint64_t *out)
{
    uint64_t v;
    enum mien_status status = mien_rng_fill(rng, &v, sizeof(v));

    if (status == MIEN_OK)
        *out = v;
    return status;
}

enum mien_status mien_rng_below(struct mien_rng *rng, uint64_t bound, uint64_t *out)
{
    if (bound == 0)
        return MIEN_EINVAL;
    /* 2^64 mod bound: draws below it would favour small remainders. */
    uint64_t floor = (UINT64_MAX - bound + 1) % bound;
    uint64_t v;

    do {
        enum mien_status status = mien_rng_u64(rng, &v);

        if (status != MIEN_OK)
            return status;
    } while (v < floor);
    *out = v % bound;
    return MIEN_OK;
}
