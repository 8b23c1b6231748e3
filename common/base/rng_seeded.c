// SPDX-License-Identifier: Apache-2.0
#include "common/base/rng_seeded.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"

#include <openssl/evp.h>

#include <math.h>
#include <string.h>

#define BLOCK_BYTES 4096

struct mien_rng_seeded {
    EVP_CIPHER_CTX *cipher;
    uint8_t block[BLOCK_BYTES];
    size_t used;
    float spare; /* second value of a Box-Muller pair */
    bool has_spare;
    bool failed;
};

static const uint8_t zeros[BLOCK_BYTES];

static enum mien_status refill(struct mien_rng_seeded *seeded)
{
    int n = 0;

    if (EVP_EncryptUpdate(seeded->cipher, seeded->block, &n, zeros, BLOCK_BYTES) != 1) {
        seeded->failed = true;
        memset(seeded->block, 0, BLOCK_BYTES);
    }
    seeded->used = 0;
    return seeded->failed ? MIEN_ECRYPTO : MIEN_OK;
}

static enum mien_status seeded_fill(void *self, void *out, size_t n)
{
    struct mien_rng_seeded *seeded = self;
    uint8_t *at = out;

    while (n > 0) {
        if (seeded->used == BLOCK_BYTES) {
            enum mien_status status = refill(seeded);

            if (status != MIEN_OK)
                return status;
        }
        size_t part = mien_min_size(n, BLOCK_BYTES - seeded->used);
        memcpy(at, seeded->block + seeded->used, part);
        seeded->used += part;
        at += part;
        n -= part;
    }
    return MIEN_OK;
}

enum mien_status mien_rng_seeded_new_key(const uint8_t key[32], uint64_t stream,
                                         struct mien_rng_seeded **out)
{
    uint8_t iv[16] = {0};
    struct mien_rng_seeded *seeded = mien_calloc(1, sizeof(*seeded));

    if (seeded == NULL)
        return MIEN_ENOMEM;
    mien_store_be64(iv, stream);
    seeded->used = BLOCK_BYTES;
    seeded->cipher = EVP_CIPHER_CTX_new();
    if (seeded->cipher == NULL ||
        EVP_EncryptInit_ex2(seeded->cipher, EVP_aes_256_ctr(), key, iv, NULL) != 1) {
        mien_rng_seeded_free(seeded);
        return MIEN_ECRYPTO;
    }
    *out = seeded;
    return MIEN_OK;
}

enum mien_status mien_rng_seeded_new(uint64_t seed, uint64_t stream, struct mien_rng_seeded **out)
{
    uint8_t key[32] = {0};

    mien_store_be64(key, seed);
    return mien_rng_seeded_new_key(key, stream, out);
}

void mien_rng_seeded_free(struct mien_rng_seeded *seeded)
{
    if (seeded == NULL)
        return;
    EVP_CIPHER_CTX_free(seeded->cipher);
    mien_wipe(seeded, sizeof(*seeded));
    mien_free(seeded);
}

struct mien_rng mien_rng_seeded_handle(struct mien_rng_seeded *seeded)
{
    return (struct mien_rng){.fill = seeded_fill, .self = seeded};
}

static uint32_t next_u32(struct mien_rng_seeded *seeded)
{
    uint8_t bytes[4] = {0};

    if (seeded_fill(seeded, bytes, sizeof(bytes)) != MIEN_OK)
        seeded->failed = true;
    return mien_load_le32(bytes);
}

float mien_rng_seeded_uniform(struct mien_rng_seeded *seeded)
{
    return (float)(next_u32(seeded) >> 8) * 0x1p-24f;
}

float mien_rng_seeded_normal(struct mien_rng_seeded *seeded)
{
    static const double two_pi = 6.283185307179586476925;

    if (seeded->has_spare) {
        seeded->has_spare = false;
        return seeded->spare;
    }
    double u = ((double)next_u32(seeded) + 0.5) * 0x1p-32;
    double angle = two_pi * ((double)next_u32(seeded) * 0x1p-32);
    double radius = sqrt(-2.0 * log(u));
    seeded->spare = (float)(radius * sin(angle));
    seeded->has_spare = true;
    return (float)(radius * cos(angle));
}

uint64_t mien_rng_seeded_below(struct mien_rng_seeded *seeded, uint64_t bound)
{
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    uint64_t v = 0;

    if (bound == 0)
        return 0;
    if (mien_rng_below(&rng, bound, &v) != MIEN_OK)
        seeded->failed = true;
    return v;
}

bool mien_rng_seeded_ok(const struct mien_rng_seeded *seeded)
{
    return !seeded->failed;
}
