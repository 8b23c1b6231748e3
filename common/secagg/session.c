// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/session.h"

#include "common/base/bytes.h"
#include "common/base/digest.h"

#include <string.h>

#define PROTOCOL_VERSION 1

bool mien_session_is_sound(const struct mien_session *s)
{
    const bool complete = s->n >= 2 && s->k == s->n - 1;
    const bool ring = s->k >= 2 && s->k % 2 == 0 && s->k < s->n - 1;
    const uint32_t n_holders = complete ? s->n : s->k;

    return s->n >= 2 && s->n <= MIEN_SECAGG_MAX_MEMBERS && (complete || ring) &&
           s->k <= MIEN_DESIGN_MAX_DEGREE && s->t >= 2 && s->t <= n_holders && s->dim > 0 &&
           s->dim <= MIEN_SECAGG_MAX_DIM && s->bits >= MIEN_SECAGG_MIN_BITS &&
           s->bits <= MIEN_SECAGG_MAX_BITS;
}

enum mien_status mien_session_id(const struct mien_session *s, uint8_t out[MIEN_SESSION_ID_BYTES])
{
    static const char label[] = "mien session v1";
    uint8_t bytes[sizeof(label) + 4 + 16 + 8 + 12 + 128 + 20 + 32];
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
    memcpy(at + 136, s->commitment, 32);
    mien_store_be32(at + 168, s->n);
    mien_store_be32(at + 172, s->k);
    mien_store_be32(at + 176, s->t);
    mien_store_be32(at + 180, s->dim);
    mien_store_be32(at + 184, s->bits);
    memcpy(at + 188, s->nonce, 32);
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

enum mien_status mien_session_tag(const uint8_t nonce[32], const uint8_t unit_digest[32],
                                  uint8_t out[MIEN_ROLL_TAG_BYTES])
{
    uint8_t bytes[14 + 32 + 32];
    uint8_t digest[MIEN_DIGEST_BYTES];

    memcpy(bytes, "mien member v1", 14);
    memcpy(bytes + 14, nonce, 32);
    memcpy(bytes + 46, unit_digest, 32);
    enum mien_status status = mien_digest((struct mien_span){bytes, sizeof(bytes)}, digest);
    memcpy(out, digest, MIEN_ROLL_TAG_BYTES);
    return status;
}

enum mien_status mien_session_entry(const uint8_t session_id[MIEN_SESSION_ID_BYTES], uint32_t index,
                                    const uint8_t credential[MIEN_CREDENTIAL_BYTES],
                                    const struct mien_session_keys *keys, uint8_t out[16])
{
    uint8_t bytes[13 + 32 + 4 + MIEN_CREDENTIAL_BYTES + 64];
    uint8_t digest[MIEN_DIGEST_BYTES];

    memcpy(bytes, "mien entry v1", 13);
    memcpy(bytes + 13, session_id, 32);
    mien_store_be32(bytes + 45, index);
    memcpy(bytes + 49, credential, MIEN_CREDENTIAL_BYTES);
    memcpy(bytes + 49 + MIEN_CREDENTIAL_BYTES, keys->mask_pk, 32);
    memcpy(bytes + 81 + MIEN_CREDENTIAL_BYTES, keys->channel_pk, 32);
    enum mien_status status = mien_digest((struct mien_span){bytes, sizeof(bytes)}, digest);
    memcpy(out, digest, 16);
    return status;
}

bool mien_roll_has(const uint8_t *roll, uint32_t index)
{
    static const uint8_t zeros[MIEN_ROLL_ENTRY_BYTES - MIEN_ROLL_TAG_BYTES];

    return memcmp(roll + (size_t)index * MIEN_ROLL_ENTRY_BYTES + MIEN_ROLL_TAG_BYTES, zeros,
                  sizeof(zeros)) != 0;
}

/* Digest of a head and of one 16-byte half of each of a roll's entries. */
static enum mien_status digest_roll(struct mien_span head, const uint8_t *roll, uint32_t n,
                                    size_t half, uint8_t out[32])
{
    struct mien_digest_stream *stream = NULL;
    enum mien_status status = mien_digest_stream_new(&stream);

    if (status == MIEN_OK)
        status = mien_digest_stream_add(stream, head.data, head.len);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        status =
            mien_digest_stream_add(stream, roll + (size_t)i * MIEN_ROLL_ENTRY_BYTES + half, 16);
    if (status == MIEN_OK)
        status = mien_digest_stream_finish(stream, out);
    mien_digest_stream_free(stream);
    return status;
}

enum mien_status mien_session_members(const uint8_t *roll, uint32_t n, uint8_t out[32])
{
    uint8_t head[15 + 4];

    memcpy(head, "mien members v1", 15);
    mien_store_be32(head + 15, n);
    return digest_roll((struct mien_span){head, sizeof(head)}, roll, n, 0, out);
}

enum mien_status mien_session_commit(const uint8_t opening[32], uint8_t out[32])
{
    uint8_t bytes[14 + 32];

    memcpy(bytes, "mien commit v1", 14);
    memcpy(bytes + 14, opening, 32);
    return mien_digest((struct mien_span){bytes, sizeof(bytes)}, out);
}

enum mien_status mien_session_beacon(const uint8_t session_id[MIEN_SESSION_ID_BYTES],
                                     const uint8_t opening[32], const uint8_t *roll, uint32_t n,
                                     uint8_t out[32])
{
    uint8_t head[14 + 32 + 32];

    memcpy(head, "mien beacon v1", 14);
    memcpy(head + 14, session_id, 32);
    memcpy(head + 46, opening, 32);
    return digest_roll((struct mien_span){head, sizeof(head)}, roll, n, MIEN_ROLL_TAG_BYTES, out);
}

enum mien_status mien_session_root(const uint8_t session_id[MIEN_SESSION_ID_BYTES], uint32_t n,
                                   const uint8_t bitmap[MIEN_BITMAP_BYTES], uint8_t out[32])
{
    uint8_t bytes[17 + 32 + 4 + MIEN_BITMAP_BYTES];
    const size_t n_map = (n + 7) / 8;

    memcpy(bytes, "mien survivors v1", 17);
    memcpy(bytes + 17, session_id, 32);
    mien_store_be32(bytes + 49, n);
    memcpy(bytes + 53, bitmap, n_map);
    return mien_digest((struct mien_span){bytes, 53 + n_map}, out);
}

void mien_session_confirm_statement(const uint8_t session_id[MIEN_SESSION_ID_BYTES], uint32_t index,
                                    const uint8_t root[32],
                                    uint8_t out[MIEN_CONFIRM_STATEMENT_BYTES])
{
    memcpy(out, "mien confirm v1", 15);
    memcpy(out + 15, session_id, 32);
    mien_store_be32(out + 47, index);
    memcpy(out + 51, root, 32);
}

uint32_t mien_bitmap_count(const uint8_t *bitmap, uint32_t n)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++)
        count += mien_bitmap_has(bitmap, i);
    return count;
}

enum mien_status mien_session_channel_key(const uint8_t shared[MIEN_KEY_BYTES],
                                          const uint8_t session_id[32], const uint8_t *from_id,
                                          const uint8_t *to_id, uint8_t out[32])
{
    return mien_session_key((struct mien_span){shared, MIEN_KEY_BYTES}, session_id,
                            "mien channel v1", (const uint8_t *const[2]){from_id, to_id}, out);
}

enum mien_status mien_session_pair_mask(const uint8_t shared[MIEN_KEY_BYTES],
                                        const uint8_t session_id[32], struct mien_session_member a,
                                        struct mien_session_member b, uint8_t out[32])
{
    const bool in_order = a.index < b.index;

    return mien_session_key((struct mien_span){shared, MIEN_KEY_BYTES}, session_id,
                            "mien pair mask v1",
                            (const uint8_t *const[2]){in_order ? a.device_id : b.device_id,
                                                      in_order ? b.device_id : a.device_id},
                            out);
}

enum mien_status mien_session_self_mask(const uint8_t seed[16], const uint8_t session_id[32],
                                        const uint8_t *device_id, uint8_t out[32])
{
    return mien_session_key((struct mien_span){seed, 16}, session_id, "mien self mask v1",
                            (const uint8_t *const[2]){device_id, device_id}, out);
}

enum mien_status mien_session_mask_sk(const uint8_t seed[16], const uint8_t session_id[32],
                                      const uint8_t *device_id, uint8_t out[32])
{
    return mien_session_key((struct mien_span){seed, 16}, session_id, "mien mask key v1",
                            (const uint8_t *const[2]){device_id, device_id}, out);
}
