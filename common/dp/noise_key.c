// SPDX-License-Identifier: Apache-2.0
#include "common/dp/noise_key.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"

#include <openssl/evp.h>

#include <limits.h>
#include <string.h>

struct mien_noise_key {
    EVP_CIPHER_CTX *cipher; /* secret; OpenSSL wipes it */
};

enum mien_status mien_noise_key_new(const uint8_t key[MIEN_NOISE_KEY_BYTES],
                                    struct mien_noise_key **out)
{
    struct mien_noise_key *made = mien_calloc(1, sizeof(*made));

    if (made == NULL)
        return MIEN_ENOMEM;
    made->cipher = EVP_CIPHER_CTX_new();
    if (made->cipher == NULL ||
        EVP_EncryptInit_ex2(made->cipher, EVP_aes_256_ctr(), key, NULL, NULL) != 1) {
        mien_noise_key_free(made);
        return MIEN_ECRYPTO;
    }
    *out = made;
    return MIEN_OK;
}

void mien_noise_key_free(struct mien_noise_key *key)
{
    if (key == NULL)
        return;
    EVP_CIPHER_CTX_free(key->cipher);
    mien_free(key);
}

static enum mien_status fill(void *self, void *out, size_t n)
{
    const struct mien_noise_key *key = self;
    int written = 0;

    memset(out, 0, n);
    if (n > INT_MAX || EVP_EncryptUpdate(key->cipher, out, &written, out, (int)n) != 1)
        return MIEN_ECRYPTO;
    return MIEN_OK;
}

enum mien_status mien_noise_key_at(struct mien_noise_key *key, struct mien_noise_place place,
                                   struct mien_rng *out)
{
    uint8_t block[16] = {0};

    block[0] = place.level;
    mien_store_be32(block + 1, place.row);
    mien_store_be32(block + 5, place.batch);
    if (EVP_EncryptInit_ex2(key->cipher, NULL, NULL, block, NULL) != 1)
        return MIEN_ECRYPTO;
    *out = (struct mien_rng){.fill = fill, .self = key};
    return MIEN_OK;
}
