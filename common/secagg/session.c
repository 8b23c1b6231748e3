// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/session.h"

#include "common/base/buf.h"
#include "common/base/bytes.h"
#include "common/base/digest.h"

#include <string.h>

#define PROTOCOL_VERSION 1

uint32_t mien_session_threshold(uint32_t n)
{
    return 2 * n / 3 + 1;
}

enum mien_status mien_session_id(const struct mien_session *s, uint8_t out[MIEN_SESSION_ID_BYTES])
{
    static const char label[] = "mien session v1";
    uint8_t bytes[sizeof(label) + 4 + 16 + 8 + 12 + 96 + 16 + 32];
    uint8_t *at = bytes;

    memcpy(at, label, sizeof(label)); /* with its NUL */
    at += sizeof(label);
    mien_store_be32(at, PROTOCOL_VERSION);
    memcpy(at + 4, s->run_id, 16);
    mien_store_be64(at + 20, s->round);
    mien_store_be32(at + 28, s->attempt);
    mien_store_be32(at + 32, s->session_index);
    mien_store_be32(at + 36, s->purpose);
    memcpy(at + 40, s->model_hash, 32);
    memcpy(at + 72, s->plan_hash, 32);
    memcpy(at + 104, s->members_digest, 32);
    mien_store_be32(at + 136, s->n);
    mien_store_be32(at + 140, s->t);
    mien_store_be32(at + 144, s->dim);
    mien_store_be32(at + 148, s->bits);
    memcpy(at + 152, s->nonce, 32);
    return mien_digest((struct mien_span){bytes, sizeof(bytes)}, out);
}

void mien_session_keys_statement(const uint8_t session_id[MIEN_SESSION_ID_BYTES], uint32_t index,
                                 const struct mien_session_keys *keys,
                                 uint8_t out[MIEN_KEYS_STATEMENT_BYTES])
{
    memcpy(out, "mien keys v1", 12);
    memcpy(out + 12, session_id, 32);
    mien_store_be32(out + 44, index);
    memcpy(out + 48, keys->mask_pk, 32);
    memcpy(out + 80, keys->channel_pk, 32);
}

enum mien_status mien_session_root(const uint8_t session_id[MIEN_SESSION_ID_BYTES], uint32_t n,
                                   const uint8_t bitmap[MIEN_BITMAP_BYTES], uint8_t out[32])
{
    uint8_t bytes[17 + 32 + 4 + MIEN_BITMAP_BYTES];

    memcpy(bytes, "mien survivors v1", 17);
    memcpy(bytes + 17, session_id, 32);
    mien_store_be32(bytes + 49, n);
    memcpy(bytes + 53, bitmap, MIEN_BITMAP_BYTES);
    return mien_digest((struct mien_span){bytes, sizeof(bytes)}, out);
}

uint32_t mien_bitmap_count(const uint8_t *bitmap, uint32_t n)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++)
        count += mien_bitmap_has(bitmap, i);
    return count;
}

enum mien_status mien_session_channel_key(const uint8_t shared[MIEN_KEY_BYTES],
                                          const uint8_t session_id[32], uint32_t from, uint32_t to,
                                          uint8_t out[32])
{
    return mien_session_key((struct mien_span){shared, MIEN_KEY_BYTES}, session_id,
                            "mien channel v1", (const uint32_t[2]){from, to}, out);
}

enum mien_status mien_session_pair_mask(const uint8_t shared[MIEN_KEY_BYTES],
                                        const uint8_t session_id[32], uint32_t a, uint32_t b,
                                        uint8_t out[32])
{
    const uint32_t pair[2] = {a < b ? a : b, a < b ? b : a};

    return mien_session_key((struct mien_span){shared, MIEN_KEY_BYTES}, session_id,
                            "mien pair mask v1", pair, out);
}

enum mien_status mien_session_self_mask(const uint8_t seed[16], const uint8_t session_id[32],
                                        uint32_t index, uint8_t out[32])
{
    return mien_session_key((struct mien_span){seed, 16}, session_id, "mien self mask v1",
                            (const uint32_t[2]){index, index}, out);
}

enum mien_status mien_session_mask_sk(const uint8_t seed[16], const uint8_t session_id[32],
                                      uint32_t index, uint8_t out[32])
{
    return mien_session_key((struct mien_span){seed, 16}, session_id, "mien mask key v1",
                            (const uint32_t[2]){index, index}, out);
}
