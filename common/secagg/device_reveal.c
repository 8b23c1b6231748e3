// SPDX-License-Identifier: Apache-2.0
/* Who survived, that all were told the same, and the one share of each neighbour. */
#include "common/base/secret.h"
#include "common/secagg/device_internal.h"

#include <string.h>

/* What the set says about members that are no neighbours: their number, and that they sent keys. */
static enum mien_status check_set(const struct mien_secagg_device *d,
                                  const uint8_t bitmap[MIEN_BITMAP_BYTES], struct mien_err *err)
{
    const struct mien_session *s = &d->config.session;
    const uint32_t n_alive = mien_bitmap_count(bitmap, s->n);

    if (mien_bitmap_count(bitmap, MIEN_SECAGG_MAX_MEMBERS) != n_alive)
        return mien_err_set(err, MIEN_EAUTH, "a survivor is no member");
    if (n_alive < d->config.min_members)
        return mien_err_set(err, MIEN_EPOLICY, "%u survivors, %u are needed", n_alive,
                            d->config.min_members);
    if (!mien_bitmap_has(bitmap, d->config.index))
        return mien_err_set(err, MIEN_EAUTH, "this device is not among the survivors");
    for (uint32_t i = 0; i < s->n; i++) {
        if (mien_bitmap_has(bitmap, i) && !mien_bitmap_has(d->with_keys, i))
            return mien_err_set(err, MIEN_EAUTH, "survivor %u never sent keys", i);
    }
    return MIEN_OK;
}

static enum mien_status check_survivors(const struct mien_secagg_device *d,
                                        const uint8_t bitmap[MIEN_BITMAP_BYTES],
                                        const uint8_t root[32], struct mien_err *err)
{
    const struct mien_session *s = &d->config.session;
    uint32_t n_holders = 0;
    uint8_t own_root[32];
    enum mien_status status = check_set(d, bitmap, err);

    if (status != MIEN_OK)
        return status;
    for (uint32_t i = 0; i < d->n_peers; i++) {
        const struct mien_device_peer *peer = &d->peer[i];
        const bool alive = mien_bitmap_has(bitmap, peer->index);

        if (alive && !peer->has_shares)
            return mien_err_set(err, MIEN_EAUTH, "survivor %u never sent shares", peer->index);
        n_holders += alive && peer->is_holder;
    }
    if (n_holders < s->t)
        return mien_err_set(err, MIEN_EPOLICY, "%u neighbours survived, %u are needed", n_holders,
                            s->t);
    status = mien_session_root(d->session_id, s->n, bitmap, own_root);
    if (status == MIEN_OK && memcmp(own_root, root, sizeof(own_root)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the survivors' root is not that of the set");
    return status;
}

static enum mien_status sign_root(const struct mien_secagg_device *d, const uint8_t root[32],
                                  const uint8_t device_key[32],
                                  uint8_t signature[MIEN_SIGNATURE_BYTES])
{
    uint8_t statement[MIEN_CONFIRM_STATEMENT_BYTES];

    mien_session_confirm_statement(d->session_id, d->config.index, root, statement);
    return mien_ed25519_sign(device_key, (struct mien_span){statement, sizeof(statement)},
                             signature);
}

enum mien_status mien_secagg_device_survivors(struct mien_secagg_device *device,
                                              const uint8_t bitmap[MIEN_BITMAP_BYTES],
                                              const uint8_t root[32], const uint8_t device_key[32],
                                              uint8_t signature[MIEN_SIGNATURE_BYTES],
                                              struct mien_err *err)
{
    if (device->state != MIEN_DEVICE_SURVIVORS)
        return MIEN_ESTATE;
    enum mien_status status = check_survivors(device, bitmap, root, err);
    if (status == MIEN_OK)
        status = sign_root(device, root, device_key, signature);
    if (status != MIEN_OK)
        return mien_device_give_up(device, status);
    /* From here on one of the two shares of each member no longer exists on this device. */
    for (uint32_t i = 0; i < device->n_peers; i++) {
        struct mien_device_peer *peer = &device->peer[i];

        if (mien_bitmap_has(bitmap, peer->index))
            mien_wipe(&peer->theirs.key, sizeof(peer->theirs.key));
        else
            mien_wipe(&peer->theirs.self_mask, sizeof(peer->theirs.self_mask));
    }
    memcpy(device->survivors, bitmap, sizeof(device->survivors));
    memcpy(device->root, root, sizeof(device->root));
    struct mien_device_peer *own = mien_device_find(device, device->config.index);
    own->voted = true;
    device->n_votes = own->is_holder;
    device->state = MIEN_DEVICE_CONFIRM;
    return MIEN_OK;
}

enum mien_status mien_secagg_device_confirm(struct mien_secagg_device *device, uint32_t from,
                                            const uint8_t signature[MIEN_SIGNATURE_BYTES],
                                            struct mien_err *err)
{
    uint8_t statement[MIEN_CONFIRM_STATEMENT_BYTES];

    if (device->state != MIEN_DEVICE_CONFIRM)
        return MIEN_ESTATE;
    struct mien_device_peer *peer = mien_device_find(device, from);
    if (peer == NULL || peer->voted || !mien_bitmap_has(device->survivors, from))
        return mien_device_give_up(
            device, mien_err_set(err, MIEN_EPARSE,
                                 "a signature of member %u: no survivor, or twice", from));
    peer->voted = true;
    if (device->n_votes >= device->config.session.t)
        return MIEN_OK; /* enough: one more proves no more */
    mien_session_confirm_statement(device->session_id, from, device->root, statement);
    enum mien_status status = mien_ed25519_verify(
        peer->identity, (struct mien_span){statement, sizeof(statement)}, signature);
    device->n_votes += status == MIEN_OK;
    return status == MIEN_EAUTH || status == MIEN_OK ? MIEN_OK
                                                     : mien_device_give_up(device, status);
}

enum mien_status mien_secagg_device_confirm_end(struct mien_secagg_device *device,
                                                struct mien_err *err)
{
    const uint32_t t = device->config.session.t;

    if (device->state != MIEN_DEVICE_CONFIRM)
        return MIEN_ESTATE;
    if (device->n_votes < t)
        return mien_device_give_up(
            device, mien_err_set(err, MIEN_EPOLICY,
                                 "%u neighbours signed the same survivors, %u are needed",
                                 device->n_votes, t));
    device->state = MIEN_DEVICE_REVEAL;
    return MIEN_OK;
}

enum mien_status mien_secagg_device_reveal(struct mien_secagg_device *device, uint32_t place,
                                           bool *survived, uint8_t share[MIEN_SHARE_BYTES],
                                           bool *has)
{
    if (device->state != MIEN_DEVICE_REVEAL)
        return MIEN_ESTATE;
    if (place >= device->n_peers)
        return MIEN_EINVAL;
    const struct mien_device_peer *peer = &device->peer[place];
    *has = peer->has_shares && peer->is_holder;
    *survived = mien_bitmap_has(device->survivors, peer->index);
    if (*has)
        mien_share_encode(*survived ? &peer->theirs.self_mask : &peer->theirs.key, share);
    return MIEN_OK;
}
