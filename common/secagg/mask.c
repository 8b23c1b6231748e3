// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/mask.h"

#include "common/base/bytes.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/secagg/params.h"

#include <openssl/evp.h>

#include <string.h>

/* 16 KiB of keystream at a time stay in the first-level cache beside the residues. */
#define STREAM_WORDS 4096

static const uint8_t zeros[STREAM_WORDS * 4];

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

enum mien_status mien_mask_apply(const uint8_t key[32], bool subtract, uint32_t *residue,
                                 uint64_t n)
{
    uint8_t stream[STREAM_WORDS * 4];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    enum mien_status status = MIEN_OK;

    if (ctx == NULL || EVP_EncryptInit_ex2(ctx, EVP_aes_128_ctr(), key, key + 16, NULL) != 1)
        status = MIEN_ECRYPTO;
    for (uint64_t at = 0; at < n && status == MIEN_OK; at += STREAM_WORDS) {
        const uint64_t part = mien_min_size(STREAM_WORDS, n - at);
        int written = 0;

        if (EVP_EncryptUpdate(ctx, stream, &written, zeros, (int)(part * 4)) != 1)
            status = MIEN_ECRYPTO;
        else if (subtract)
            subtract_words(residue + at, stream, part);
        else
            add_words(residue + at, stream, part);
    }
    EVP_CIPHER_CTX_free(ctx);
    mien_wipe(stream, sizeof(stream));
    return status;
}

static uint32_t low_bits(uint32_t v, uint32_t bits)
{
    return bits == 32 ? v : v & ((UINT32_C(1) << bits) - 1);
}

void mien_pack_part(const uint32_t *residue, uint32_t n, uint32_t bits, uint64_t first,
                    uint8_t *out, uint64_t len)
{
    uint64_t i = first * 8 / bits;
    const uint32_t skip = (uint32_t)(first * 8 - i * bits);
    uint64_t acc = i < n ? (uint64_t)low_bits(residue[i], bits) >> skip : 0;
    uint32_t held = bits - skip;

    i++;
    for (uint64_t at = 0; at < len; at++) {
        if (held < 8) {
            acc |= i < n ? (uint64_t)low_bits(residue[i], bits) << held : 0;
            held += bits;
            i++;
        }
        out[at] = (uint8_t)acc;
        acc >>= 8;
        held -= 8;
    }
}

void mien_pack(const uint32_t *residue, uint32_t n, uint32_t bits, uint8_t *out)
{
    mien_pack_part(residue, n, bits, 0, out, mien_secagg_packed_bytes(n, bits));
}

enum mien_status mien_unpack_add(struct mien_span packed, uint32_t bits, uint32_t *sum, uint32_t n)
{
    const uint32_t used = (uint32_t)((uint64_t)n * bits % 8);
    uint64_t acc = 0;
    uint32_t held = 0;
    size_t at = 0;

    if (packed.len != mien_secagg_packed_bytes(n, bits) || n == 0)
        return MIEN_EPARSE;
    if (used != 0 && packed.data[packed.len - 1] >> used != 0)
        return MIEN_EPARSE;
    for (uint32_t i = 0; i < n; i++) {
        while (held < bits) {
            acc |= (uint64_t)packed.data[at++] << held;
            held += 8;
        }
        sum[i] += low_bits((uint32_t)acc, bits);
        acc >>= bits;
        held -= bits;
    }
    return MIEN_OK;
}

int64_t mien_lift(uint32_t residue, uint32_t bits)
{
    const int64_t modulus = INT64_C(1) << bits;
    const int64_t v = low_bits(residue, bits);

    return v >= modulus / 2 ? v - modulus : v;
}
