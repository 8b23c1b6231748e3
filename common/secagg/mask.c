// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/mask.h"

#include "common/base/bytes.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/secagg/mask_kernel.h"
#include "common/secagg/params.h"

#include <string.h>

/* 64 KiB of residues stay in the second-level cache while every mask passes over them. */
#define TILE_WORDS 16384

/* Enough for a whole chunk of any kernel and a part of one. */
#define CHECK_WORDS 333

/* Whether a kernel gives OpenSSL's stream; for this mask, on this processor, now. */
static bool agrees(mien_mask_kernel kernel, const struct mien_mask *mask)
{
    uint32_t a[CHECK_WORDS] = {0};
    uint32_t b[CHECK_WORDS] = {0};
    bool same = kernel(mask, 0, a, CHECK_WORDS) == MIEN_OK &&
                mien_mask_evp(mask, 0, b, CHECK_WORDS) == MIEN_OK && mien_ct_equal(a, b, sizeof(a));

    mien_wipe(a, sizeof(a));
    mien_wipe(b, sizeof(b));
    return same;
}

enum mien_status mien_mask_apply(const struct mien_mask *masks, uint32_t n_masks, uint32_t *residue,
                                 uint64_t n)
{
    mien_mask_kernel kernel = mien_mask_native();
    enum mien_status status = MIEN_OK;

    if (n_masks == 0)
        return MIEN_OK;
    if (kernel == NULL || !agrees(kernel, &masks[0]))
        kernel = mien_mask_evp;
    for (uint64_t at = 0; at < n && status == MIEN_OK; at += TILE_WORDS) {
        const uint64_t part = mien_min_size(TILE_WORDS, n - at);

        for (uint32_t i = 0; i < n_masks && status == MIEN_OK; i++)
            status = kernel(&masks[i], at / MIEN_MASK_BLOCK_WORDS, residue + at, part);
    }
    return status;
}

static uint32_t low_bits(uint32_t v, uint32_t bits)
{
    return v & (uint32_t)((UINT64_C(1) << bits) - 1);
}

void mien_pack_part(const uint32_t *residue, uint32_t n, uint32_t bits, uint64_t first,
                    uint8_t *out, uint64_t len)
{
    uint64_t i = first * 8 / bits;
    const uint32_t skip = (uint32_t)(first * 8 - i * bits);
    uint64_t acc = i < n ? (uint64_t)low_bits(residue[i], bits) >> skip : 0;
    uint32_t held = bits - skip;
    uint64_t at = 0;

    /* Four bytes at a time: held stays below 64. */
    for (i++; len - at >= 4; at += 4) {
        while (held < 32) {
            acc |= i < n ? (uint64_t)low_bits(residue[i], bits) << held : 0;
            held += bits;
            i++;
        }
        mien_store_le32(out + at, (uint32_t)acc);
        acc >>= 32;
        held -= 32;
    }
    for (; at < len; at++) {
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

/* Residue i of packed bytes of which eight from its first on can be read. */
static uint32_t unpack_one(const uint8_t *packed, uint32_t bits, uint64_t i)
{
    return low_bits((uint32_t)(mien_load_le64(packed + i * bits / 8) >> (i * bits % 8)), bits);
}

enum mien_status mien_unpack_add(struct mien_span packed, uint32_t bits, uint32_t *sum, uint32_t n)
{
    const uint32_t used = (uint32_t)((uint64_t)n * bits % 8);
    uint8_t end[16 + 8] = {0};

    if (packed.len != mien_secagg_packed_bytes(n, bits) || n == 0)
        return MIEN_EPARSE;
    if (used != 0 && packed.data[packed.len - 1] >> used != 0)
        return MIEN_EPARSE;
    /* The last residues are read from a copy that may be read beyond its end. */
    const uint64_t n_inside = packed.len < 8 ? 0 : mien_min_size((packed.len - 8) * 8 / bits, n);
    for (uint64_t i = 0; i < n_inside; i++)
        sum[i] += unpack_one(packed.data, bits, i);
    const uint64_t from = n_inside * bits / 8;
    const uint32_t shift = (uint32_t)(n_inside * bits % 8);
    memcpy(end, packed.data + from, packed.len - from);
    for (uint64_t i = n_inside; i < n; i++) {
        const uint64_t bit = shift + (i - n_inside) * bits;

        sum[i] += low_bits((uint32_t)(mien_load_le64(end + bit / 8) >> (bit % 8)), bits);
    }
    mien_wipe(end, sizeof(end));
    return MIEN_OK;
}

int64_t mien_lift(uint32_t residue, uint32_t bits)
{
    const int64_t modulus = INT64_C(1) << bits;
    const int64_t v = low_bits(residue, bits);

    return v >= modulus / 2 ? v - modulus : v;
}
