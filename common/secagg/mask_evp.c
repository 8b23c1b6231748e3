// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/mask_kernel.h"

#include "common/base/bytes.h"
#include "common/base/num.h"
#include "common/base/secret.h"

#include <openssl/evp.h>

/* 16 KiB of keystream at a time stay in the first-level cache beside the residues. */
#define STREAM_WORDS 4096

static const uint8_t zeros[STREAM_WORDS * 4];

struct mien_mask_counter mien_mask_counter_at(const struct mien_mask *mask, uint64_t add)
{
    const uint64_t low = mien_load_be64(mask->key + 24) + add;

    return (struct mien_mask_counter){.high = mien_load_be64(mask->key + 16) + (low < add),
                                      .low = low};
}

static void add_words(uint32_t *residue, const uint8_t *stream, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        residue[i] += mien_load_le32(stream + 4 * i);
}

static void subtract_words(uint32_t *residue, const uint8_t *stream, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        residue[i] -= mien_load_le32(stream + 4 * i);
}

enum mien_status mien_mask_evp(const struct mien_mask *mask, uint64_t first_block,
                               uint32_t *residue, uint64_t n)
{
    uint8_t stream[STREAM_WORDS * 4];
    uint8_t block[16];
    const struct mien_mask_counter first = mien_mask_counter_at(mask, first_block);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    enum mien_status status = MIEN_OK;

    mien_store_be64(block, first.high);
    mien_store_be64(block + 8, first.low);
    if (ctx == NULL || EVP_EncryptInit_ex2(ctx, EVP_aes_128_ctr(), mask->key, block, NULL) != 1)
        status = MIEN_ECRYPTO;
    for (uint64_t at = 0; at < n && status == MIEN_OK; at += STREAM_WORDS) {
        const uint64_t part = mien_min_size(STREAM_WORDS, n - at);
        int written = 0;

        if (EVP_EncryptUpdate(ctx, stream, &written, zeros, (int)(part * 4)) != 1)
            status = MIEN_ECRYPTO;
        else if (mask->subtract)
            subtract_words(residue + at, stream, part);
        else
            add_words(residue + at, stream, part);
    }
    EVP_CIPHER_CTX_free(ctx);
    mien_wipe(stream, sizeof(stream));
    return status;
}
