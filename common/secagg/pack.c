// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/pack.h"

#include "common/base/bytes.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/secagg/params.h"

#include <string.h>

#define GROUP 8 /* residues: as many bytes as a residue has bits */
#define N_WIDTHS (MIEN_SECAGG_MAX_BITS - MIEN_SECAGG_MIN_BITS + 1)

/* Applies M to each of the N_WIDTHS numbers of bits. */
#define EACH_WIDTH(M)                                                                              \
    M(12)                                                                                          \
    M(13)                                                                                          \
    M(14)                                                                                          \
    M(15)                                                                                          \
    M(16)                                                                                          \
    M(17) M(18) M(19) M(20) M(21) M(22) M(23) M(24) M(25) M(26) M(27) M(28) M(29) M(30) M(31) M(32)

static uint32_t low_bits(uint32_t v, uint32_t bits)
{
    return v & (uint32_t)((UINT64_C(1) << bits) - 1);
}

/* Residue i of packed bytes of which eight from its first on can be read. */
static inline uint32_t unpack_one(const uint8_t *packed, uint32_t bits, uint64_t i)
{
    return low_bits((uint32_t)(mien_load_le64(packed + i * bits / 8) >> (i * bits % 8)), bits);
}

/* Adds whole groups; eight bytes after the last can be read. */
MIEN_INLINE void unpack_groups(const uint8_t *packed, uint32_t *sum, uint64_t n, uint32_t bits)
{
    for (; n > 0; n--, packed += bits, sum += GROUP) {
        for (uint32_t i = 0; i < GROUP; i++)
            sum[i] += unpack_one(packed, bits, i);
    }
}

/* Packs whole groups, by words of 32 bits while a group has them. */
MIEN_INLINE void pack_groups(const uint32_t *residue, uint8_t *out, uint64_t n, uint32_t bits)
{
    for (; n > 0; n--, residue += GROUP, out += bits) {
        uint64_t acc = 0;
        uint32_t held = 0;
        uint32_t at = 0;

        for (uint32_t i = 0; i < GROUP; i++) {
            acc |= (uint64_t)low_bits(residue[i], bits) << held;
            held += bits;
            if (held >= 32) {
                mien_store_le32(out + at, (uint32_t)acc);
                at += 4;
                acc >>= 32;
                held -= 32;
            }
        }
        for (; at < bits; at++, acc >>= 8)
            out[at] = (uint8_t)acc;
    }
}

#define WIDTH(b)                                                                                   \
    static void unpack_##b(const uint8_t *packed, uint32_t *sum, uint64_t n)                       \
    {                                                                                              \
        unpack_groups(packed, sum, n, b);                                                          \
    }                                                                                              \
    static void pack_##b(const uint32_t *residue, uint8_t *out, uint64_t n)                        \
    {                                                                                              \
        pack_groups(residue, out, n, b);                                                           \
    }
EACH_WIDTH(WIDTH)

#define UNPACK(b) unpack_##b,
#define PACK(b) pack_##b,
static void (*const unpack[N_WIDTHS])(const uint8_t *, uint32_t *, uint64_t) = {EACH_WIDTH(UNPACK)};
static void (*const pack[N_WIDTHS])(const uint32_t *, uint8_t *, uint64_t) = {EACH_WIDTH(PACK)};

struct range {
    uint64_t first;
    uint64_t len;
};

/* Any bytes of the packing, one after the other; beyond residue n there are zeros. */
static void pack_bytes(const uint32_t *residue, uint32_t n, uint32_t bits, struct range range,
                       uint8_t *out)
{
    uint64_t i = range.first * 8 / bits;
    const uint32_t skip = (uint32_t)(range.first * 8 - i * bits);
    uint64_t acc = i < n ? (uint64_t)low_bits(residue[i], bits) >> skip : 0;
    uint32_t held = bits - skip;

    for (uint64_t at = 0; at < range.len; at++) {
        if (held < 8) {
            i++;
            acc |= i < n ? (uint64_t)low_bits(residue[i], bits) << held : 0;
            held += bits;
        }
        out[at] = (uint8_t)acc;
        acc >>= 8;
        held -= 8;
    }
}

void mien_pack_part(const uint32_t *residue, uint32_t n, uint32_t bits, uint64_t first,
                    uint8_t *out, uint64_t len)
{
    /* Up to a group's start, whole groups, and what is left. */
    const uint64_t group = (first + bits - 1) / bits;
    const uint64_t head = mien_min_size(group * bits - first, len);
    const uint64_t n_left = group < n / GROUP ? n / GROUP - group : 0;
    const uint64_t n_groups = mien_min_size((len - head) / bits, n_left);
    const uint64_t done = head + n_groups * bits;

    pack_bytes(residue, n, bits, (struct range){first, head}, out);
    if (n_groups > 0)
        pack[bits - MIEN_SECAGG_MIN_BITS](residue + GROUP * group, out + head, n_groups);
    pack_bytes(residue, n, bits, (struct range){first + done, len - done}, out + done);
}

void mien_pack(const uint32_t *residue, uint32_t n, uint32_t bits, uint8_t *out)
{
    mien_pack_part(residue, n, bits, 0, out, mien_secagg_packed_bytes(n, bits));
}

enum mien_status mien_unpack_add(struct mien_span packed, uint32_t bits, uint32_t *sum, uint32_t n)
{
    uint8_t end[2 * MIEN_SECAGG_MAX_BITS + 8] = {0};

    if (bits < MIEN_SECAGG_MIN_BITS || bits > MIEN_SECAGG_MAX_BITS || n == 0 ||
        packed.len != mien_secagg_packed_bytes(n, bits))
        return MIEN_EPARSE;
    const uint32_t used = (uint32_t)((uint64_t)n * bits % 8);
    if (used != 0 && packed.data[packed.len - 1] >> used != 0)
        return MIEN_EPARSE;
    /* All groups but the last whole one, behind which eight bytes may not be there: that one and
     * what is left are read from a copy. */
    const uint64_t n_groups = n < GROUP ? 0 : n / GROUP - 1;
    const uint32_t n_left = (uint32_t)(n - n_groups * GROUP);
    unpack[bits - MIEN_SECAGG_MIN_BITS](packed.data, sum, n_groups);
    memcpy(end, packed.data + n_groups * bits, packed.len - n_groups * bits);
    for (uint32_t i = 0; i < n_left; i++)
        sum[n_groups * GROUP + i] += unpack_one(end, bits, i);
    mien_wipe(end, sizeof(end));
    return MIEN_OK;
}

int64_t mien_lift(uint32_t residue, uint32_t bits)
{
    const int64_t modulus = INT64_C(1) << bits;
    const int64_t v = low_bits(residue, bits);

    return v >= modulus / 2 ? v - modulus : v;
}
