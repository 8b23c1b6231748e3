// SPDX-License-Identifier: Apache-2.0
#include "common/dp/strategy_table.h"

#include "common/base/bytes.h"
#include "common/base/digest.h"

#include <string.h>

#define ONE ((uint64_t)1 << MIEN_STRATEGY_ONE_BITS)

const char *mien_strategy_name(enum mien_strategy_kind kind)
{
    static const char *const names[] = {NULL, "independent", "tree", "banded", "blt"};

    return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

/* ---- coefficients ---- */

/* At most as many bands as rounds between two parts of a unit: its columns do not overlap, and the
 * sensitivity is that of one column times the root of the parts. */
static void fill_banded(uint64_t separation, struct mien_strategy_table *table)
{
    uint64_t fine = (uint64_t)1 << 48; /* f_i = f_(i-1) (2i - 1) / (2i), below 2^57 on the way */

    table->n =
        separation < MIEN_STRATEGY_MAX_COEFFS ? (uint32_t)separation : MIEN_STRATEGY_MAX_COEFFS;
    for (uint32_t i = 0; i < table->n; i++) {
        if (i > 0)
            fine = fine * (2 * i - 1) / (2 * i);
        table->c[i] = (uint32_t)(fine >> (48 - MIEN_STRATEGY_ONE_BITS));
    }
}

/* Buffers over 2^32, for separations from `from` on: the smallest root mean square error of prefix
 * sums times sensitivity, found by search for 16 (8 from 256 on) parts of a unit at distance 8, 16,
 * 32, ... (docs/experiments/correlated.md). Any values would be private; these are the useful ones.
 */
static const struct buffers {
    uint64_t from;
    uint32_t theta[2];
    uint32_t omega[2];
} buffers[] = {
    {1, {3501450613U, 0U}, {2829709138U, 0U}},
    {12, {3873167147U, 0U}, {2377938708U, 0U}},
    {24, {4066298942U, 0U}, {1920116669U, 0U}},
    {48, {4170241445U, 0U}, {1502246416U, 0U}},
    {96, {3002834974U, 4250063412U}, {1274157882U, 845030520U}},
    {192, {3558509253U, 4276477461U}, {1382811965U, 573588587U}},
};

static void fill_blt(uint64_t separation, struct mien_strategy_table *table)
{
    const struct buffers *chosen = &buffers[0];
    uint64_t term[2];

    for (size_t i = 1; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
        if (separation >= buffers[i].from)
            chosen = &buffers[i];
    }
    for (size_t j = 0; j < 2; j++)
        term[j] = chosen->omega[j];
    table->c[0] = (uint32_t)ONE;
    table->n = 1;
    while (table->n < MIEN_STRATEGY_MAX_COEFFS) {
        const uint64_t c = (term[0] + term[1]) >> (32 - MIEN_STRATEGY_ONE_BITS);

        if (c == 0)
            break;
        table->c[table->n++] = (uint32_t)c;
        for (size_t j = 0; j < 2; j++)
            term[j] = term[j] * chosen->theta[j] >> 32;
    }
}

enum mien_status mien_strategy_table_make(enum mien_strategy_kind kind, uint64_t separation,
                                          struct mien_strategy_table *out)
{
    struct mien_strategy_table table = {.kind = kind};

    if (mien_strategy_name(kind) == NULL || separation == 0)
        return MIEN_EINVAL;
    if (kind == MIEN_STRATEGY_BANDED)
        fill_banded(separation, &table);
    if (kind == MIEN_STRATEGY_BLT)
        fill_blt(separation, &table);
    *out = table;
    return MIEN_OK;
}

/* ---- names ---- */

enum mien_status mien_strategy_table_digest(const struct mien_strategy_table *table,
                                            uint8_t out[32])
{
    static const uint8_t label[16] = "mien strategy v1";
    uint8_t bytes[sizeof(label) + 5 + 4 * MIEN_STRATEGY_MAX_COEFFS];
    size_t n = sizeof(label);

    memset(out, 0, 32);
    if (table->kind == MIEN_STRATEGY_INDEPENDENT)
        return MIEN_OK;
    memcpy(bytes, label, sizeof(label));
    bytes[n++] = (uint8_t)table->kind;
    mien_store_be32(bytes + n, table->n);
    n += 4;
    for (uint32_t i = 0; i < table->n; i++, n += 4)
        mien_store_be32(bytes + n, table->c[i]);
    return mien_digest((struct mien_span){bytes, n}, out);
}

enum mien_status mien_strategy_table_find(const uint8_t digest[32], uint64_t separation,
                                          struct mien_strategy_table *out)
{
    for (int kind = MIEN_STRATEGY_INDEPENDENT; kind <= MIEN_STRATEGY_BLT; kind++) {
        struct mien_strategy_table table;
        uint8_t own[32];
        enum mien_status status =
            mien_strategy_table_make((enum mien_strategy_kind)kind, separation, &table);

        if (status == MIEN_OK)
            status = mien_strategy_table_digest(&table, own);
        if (status != MIEN_OK)
            return status == MIEN_EINVAL ? MIEN_ENOTFOUND : status;
        if (memcmp(own, digest, sizeof(own)) == 0) {
            *out = table;
            return MIEN_OK;
        }
    }
    return MIEN_ENOTFOUND;
}
