// SPDX-License-Identifier: Apache-2.0
/* Shares out, shares in, and the masks. */
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/device_internal.h"
#include "common/secagg/mask.h"

static struct mien_session_member self_of(const struct mien_secagg_device *d)
{
    return (struct mien_session_member){d->config.index, d->device_id};
}

static struct mien_session_member member_of(const struct mien_device_peer *peer)
{
    return (struct mien_session_member){peer->index, peer->device_id};
}

/* The secret of the channel keys: agreed on once, for both directions. */
static enum mien_status agree(struct mien_secagg_device *d, struct mien_device_peer *peer)
{
    if (peer->has_shared)
        return MIEN_OK;
    const enum mien_status status =
        mien_x25519_agree(d->channel_key, peer->keys.channel_pk, peer->shared);

    peer->has_shared = status == MIEN_OK;
    return status;
}

enum mien_status mien_secagg_device_shares(struct mien_secagg_device *device, uint32_t place,
                                           uint8_t out[MIEN_SEALED_SHARES_BYTES], bool *has)
{
    if (device->state != MIEN_DEVICE_SHARES)
        return MIEN_ESTATE;
    if (place >= device->n_peers)
        return MIEN_EINVAL;
    struct mien_device_peer *peer = &device->peer[place];
    *has = peer->index != device->config.index && peer->in_roster;
    if (!*has)
        return MIEN_OK;
    const struct mien_channel channel = {.shared = peer->shared,
                                         .session_id = device->session_id,
                                         .from = self_of(device),
                                         .to = member_of(peer)};
    enum mien_status status = agree(device, peer);
    if (status == MIEN_OK)
        status = mien_channel_seal(&channel, &peer->own, out);
    return status == MIEN_OK ? MIEN_OK : mien_device_give_up(device, status);
}

enum mien_status mien_secagg_device_deliver(struct mien_secagg_device *device, uint32_t from,
                                            struct mien_span sealed, struct mien_err *err)
{
    if (device->state != MIEN_DEVICE_SHARES)
        return MIEN_ESTATE;
    struct mien_device_peer *peer = mien_device_find(device, from);
    if (peer == NULL || !peer->in_roster || peer->has_shares ||
        sealed.len != MIEN_SEALED_SHARES_BYTES)
        return mien_device_give_up(
            device,
            mien_err_set(err, MIEN_EPARSE, "shares from member %u: unknown, twice or of %zu bytes",
                         from, sealed.len));
    const struct mien_channel channel = {.shared = peer->shared,
                                         .session_id = device->session_id,
                                         .from = member_of(peer),
                                         .to = self_of(device)};
    enum mien_status status = agree(device, peer);
    if (status == MIEN_OK)
        status = mien_channel_open(&channel, sealed.data, &peer->theirs);
    if (status != MIEN_OK)
        return mien_device_give_up(
            device, mien_err_set(err, status, "shares from member %u do not open", from));
    peer->has_shares = true;
    return MIEN_OK;
}

enum mien_status mien_secagg_device_deliver_end(struct mien_secagg_device *device,
                                                struct mien_err *err)
{
    const struct mien_session *s = &device->config.session;
    /* Where everybody is a neighbour this device knows how many are left; on a ring it learns that
     * from the survivors. */
    const uint32_t min = s->k == s->n - 1 ? device->config.min_members : 0;
    uint32_t n_with = 0;

    if (device->state != MIEN_DEVICE_SHARES)
        return MIEN_ESTATE;
    for (uint32_t i = 0; i < device->n_peers; i++) {
        n_with += device->peer[i].has_shares && device->peer[i].is_holder;
        mien_wipe(&device->peer[i].own, sizeof(device->peer[i].own));
        mien_wipe(device->peer[i].shared, sizeof(device->peer[i].shared));
    }
    if (n_with < s->t || n_with < min)
        return mien_device_give_up(
            device, mien_err_set(err, MIEN_EPOLICY, "shares came from %u members only", n_with));
    mien_x25519_free(device->channel_key);
    device->channel_key = NULL;
    device->state = MIEN_DEVICE_MASK;
    return MIEN_OK;
}

/* The mask with one peer: added by the lower index, subtracted by the higher. */
static enum mien_status mask_with(const struct mien_secagg_device *d,
                                  const struct mien_device_peer *peer, struct mien_mask *mask)
{
    uint8_t shared[MIEN_KEY_BYTES];

    mask->subtract = d->config.index > peer->index;
    if (peer->index == d->config.index)
        return mien_session_self_mask(d->self_seed, d->session_id, d->device_id, mask->key);
    enum mien_status status = mien_x25519_agree(d->mask_key, peer->keys.mask_pk, shared);
    if (status == MIEN_OK)
        status =
            mien_session_pair_mask(shared, d->session_id, self_of(d), member_of(peer), mask->key);
    mien_wipe(shared, sizeof(shared));
    return status;
}

static enum mien_status mask_with_all(const struct mien_secagg_device *d, uint32_t *vector)
{
    uint32_t n_masks = 0;
    enum mien_status status = MIEN_OK;
    struct mien_mask *masks = mien_calloc(d->n_peers, sizeof(*masks));

    if (masks == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < d->n_peers && status == MIEN_OK; i++) {
        if (d->peer[i].has_shares)
            status = mask_with(d, &d->peer[i], &masks[n_masks++]);
    }
    if (status == MIEN_OK)
        status = mien_mask_apply(NULL, masks, n_masks, vector, d->config.session.dim);
    mien_wipe(masks, d->n_peers * sizeof(*masks));
    mien_free(masks);
    return status;
}

enum mien_status mien_secagg_device_mask(struct mien_secagg_device *device, uint32_t *vector)
{
    const struct mien_session *s = &device->config.session;

    if (device->state != MIEN_DEVICE_MASK)
        return MIEN_ESTATE;
    /* What a device holds is nobody's in a drill, not even in a sum. */
    if (s->purpose == MIEN_SESSION_DRILL)
        mien_wipe(vector, s->dim * sizeof(*vector));
    enum mien_status status = mask_with_all(device, vector);
    mien_device_forget_keys(device);
    mien_wipe(device->key_seed, sizeof(device->key_seed));
    mien_wipe(device->self_seed, sizeof(device->self_seed));
    if (status != MIEN_OK) {
        mien_wipe(vector, s->dim * sizeof(*vector));
        return mien_device_give_up(device, status);
    }
    device->state = MIEN_DEVICE_SURVIVORS;
    return MIEN_OK;
}
