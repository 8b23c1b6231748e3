// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/channel.h"

#include "common/base/bytes.h"
#include "common/base/secret.h"

#include <string.h>

#define LABEL "mien shares v1"
#define LABEL_BYTES (sizeof(LABEL) - 1)
#define ASSOCIATED_BYTES (LABEL_BYTES + MIEN_SESSION_ID_BYTES + 8)

static void associated_data(const struct mien_channel *channel, uint8_t out[ASSOCIATED_BYTES])
{
    memcpy(out, LABEL, LABEL_BYTES);
    memcpy(out + LABEL_BYTES, channel->session_id, MIEN_SESSION_ID_BYTES);
    mien_store_be32(out + LABEL_BYTES + MIEN_SESSION_ID_BYTES, channel->from.index);
    mien_store_be32(out + LABEL_BYTES + MIEN_SESSION_ID_BYTES + 4, channel->to.index);
}

static enum mien_status channel_key(const struct mien_channel *channel, uint8_t key[32])
{
    return mien_session_channel_key(channel->shared, channel->session_id, channel->from.device_id,
                                    channel->to.device_id, key);
}

enum mien_status mien_channel_seal(const struct mien_channel *channel,
                                   const struct mien_channel_shares *shares,
                                   uint8_t out[MIEN_SEALED_SHARES_BYTES])
{
    uint8_t plain[2 * MIEN_SHARE_BYTES];
    uint8_t associated[ASSOCIATED_BYTES];
    uint8_t key[32];
    enum mien_status status = channel_key(channel, key);

    mien_share_encode(&shares->self_mask, plain);
    mien_share_encode(&shares->key, plain + MIEN_SHARE_BYTES);
    associated_data(channel, associated);
    if (status == MIEN_OK)
        status = mien_seal(key, (struct mien_span){associated, sizeof(associated)},
                           (struct mien_span){plain, sizeof(plain)}, out);
    mien_wipe(plain, sizeof(plain));
    mien_wipe(key, sizeof(key));
    return status;
}

enum mien_status mien_channel_open(const struct mien_channel *channel,
                                   const uint8_t sealed[MIEN_SEALED_SHARES_BYTES],
                                   struct mien_channel_shares *out)
{
    uint8_t plain[2 * MIEN_SHARE_BYTES];
    uint8_t associated[ASSOCIATED_BYTES];
    uint8_t key[32];
    struct mien_channel_shares shares = {0};
    enum mien_status status = channel_key(channel, key);

    associated_data(channel, associated);
    if (status == MIEN_OK)
        status = mien_open(key, (struct mien_span){associated, sizeof(associated)},
                           (struct mien_span){sealed, MIEN_SEALED_SHARES_BYTES}, plain);
    if (status == MIEN_OK)
        status = mien_share_decode(plain, &shares.self_mask);
    if (status == MIEN_OK)
        status = mien_share_decode(plain + MIEN_SHARE_BYTES, &shares.key);
    if (status == MIEN_OK)
        *out = shares;
    mien_wipe(&shares, sizeof(shares));
    mien_wipe(plain, sizeof(plain));
    mien_wipe(key, sizeof(key));
    return status;
}
