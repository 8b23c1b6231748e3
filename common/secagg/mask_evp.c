// SPDX-License-Identifier: Apache-2.0
#include "common/base/bytes.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/secagg/mask_kernel.h"

#include <openssl/evp.h>

/* 16 KiB of keystream at a time stay in the first-level cache beside the residues. */
#define STREAM_WORDS 4096

static const uint8_t zeros[STREAM_WORDS * 4];

static void add_words(uint32_t *residue, const uint32_t *stream, uint64_t n, bool subtract)
{
    if (subtract) {
        for (uint64_t i = 0; i < n; i++)
            residue[i] -= mien_from_le32(stream[i]);
    } else {
        for (uint64_t i = 0; i < n; i++)
            residue[i] += mien_from_le32(stream[i]);
    }
}

static enum mien_status add(const struct mien_mask *mask, struct mien_mask_counter first,
                            uint32_t *residue, uint64_t n_chunks)
{
    const uint64_t n = n_chunks * MIEN_MASK_BLOCK_WORDS;
    uint32_t stream[STREAM_WORDS];
    uint8_t block[16];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    enum mien_status status = MIEN_OK;

    mien_store_be64(block, first.high);
    mien_store_be64(block + 8, first.low);
    if (ctx == NULL || EVP_EncryptInit_ex2(ctx, EVP_aes_128_ctr(), mask->key, block, NULL) != 1)
        status = MIEN_ECRYPTO;
    for (uint64_t at = 0; at < n && status == MIEN_OK; at += STREAM_WORDS) {
        const uint64_t part = mien_min_size(STREAM_WORDS, n - at);
        int written = 0;

        if (EVP_EncryptUpdate(ctx, (uint8_t *)stream, &written, zeros, (int)(part * 4)) == 1)
            add_words(residue + at, stream, part, mask->subtract);
        else
            status = MIEN_ECRYPTO;
    }
    EVP_CIPHER_CTX_free(ctx);
    mien_wipe(stream, sizeof(stream));
    return status;
}

const struct mien_mask_kernel *mien_mask_evp(void)
{
    /* Tiles of 256 KiB, within the second-level cache: a context costs as much as some KiB. */
    static const struct mien_mask_kernel kernel = {
        .name = "OpenSSL", .chunk_words = MIEN_MASK_BLOCK_WORDS, .tile_words = 65536, .add = add};

    return &kernel;
}
