// SPDX-License-Identifier: Apache-2.0
/* How a session begins for a device: keys, roll, roster. */
#include "common/secagg/device.h"

#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/device_internal.h"

#include <string.h>

uint64_t mien_secagg_device_bytes(uint32_t n)
{
    const uint32_t n_peers = n < MIEN_SECAGG_MAX_HOLDERS ? n : MIEN_SECAGG_MAX_HOLDERS;

    /* Beside the roll: order, rank and places of the graph while it is made. */
    return sizeof(struct mien_secagg_device) + (uint64_t)n * (MIEN_ROLL_ENTRY_BYTES + 24) +
           n_peers * sizeof(struct mien_device_peer);
}

static enum mien_status check_config(const struct mien_secagg_device_config *config,
                                     struct mien_err *err)
{
    const struct mien_session *s = &config->session;

    if (!mien_session_is_sound(s) || config->index >= s->n)
        return mien_err_set(err, MIEN_EINVAL,
                            "a session of %u members, %u neighbours, threshold %u, %u numbers of "
                            "%u bits, this device %u",
                            s->n, s->k, s->t, s->dim, s->bits, config->index);
    if (s->n < config->min_members)
        return mien_err_set(err, MIEN_EPOLICY, "a session of %u members, expected at least %u",
                            s->n, config->min_members);
    return MIEN_OK;
}

static enum mien_status make_keys(struct mien_secagg_device *d, struct mien_rng *rng)
{
    uint8_t statement[MIEN_KEYS_STATEMENT_BYTES];
    uint8_t mask_sk[MIEN_KEY_BYTES] = {0};
    uint8_t channel_sk[MIEN_KEY_BYTES] = {0};
    enum mien_status status = mien_rng_fill(rng, d->key_seed, sizeof(d->key_seed));

    if (status == MIEN_OK)
        status = mien_rng_fill(rng, d->self_seed, sizeof(d->self_seed));
    if (status == MIEN_OK)
        status = mien_rng_fill(rng, channel_sk, sizeof(channel_sk));
    if (status == MIEN_OK)
        status = mien_session_mask_sk(d->key_seed, d->session_id, d->device_id, mask_sk);
    if (status == MIEN_OK)
        status = mien_x25519_new(mask_sk, &d->mask_key);
    if (status == MIEN_OK)
        status = mien_x25519_new(channel_sk, &d->channel_key);
    mien_wipe(mask_sk, sizeof(mask_sk));
    mien_wipe(channel_sk, sizeof(channel_sk));
    if (status != MIEN_OK)
        return status;
    memcpy(d->keys.mask_pk, mien_x25519_own(d->mask_key), MIEN_KEY_BYTES);
    memcpy(d->keys.channel_pk, mien_x25519_own(d->channel_key), MIEN_KEY_BYTES);
    mien_session_keys_statement(d->session_id, d->config.index, &d->keys, statement);
    return mien_ed25519_sign(d->config.device_key, (struct mien_span){statement, sizeof(statement)},
                             d->keys.signature);
}

enum mien_status mien_secagg_device_new(const struct mien_secagg_device_config *config,
                                        struct mien_rng *rng, struct mien_secagg_device **out,
                                        struct mien_err *err)
{
    struct mien_credential self;
    enum mien_status status = check_config(config, err);

    if (status != MIEN_OK)
        return status;
    struct mien_secagg_device *d = mien_calloc(1, sizeof(*d));
    if (d == NULL)
        return MIEN_ENOMEM;
    d->config = *config;
    mien_credential_read(config->credential, &self);
    memcpy(d->device_id, self.device_id, sizeof(d->device_id));
    d->roll = mien_calloc(config->session.n, MIEN_ROLL_ENTRY_BYTES);
    status = d->roll == NULL ? MIEN_ENOMEM : mien_session_id(&config->session, d->session_id);
    if (status == MIEN_OK)
        status = make_keys(d, rng);
    mien_wipe(d->config.device_key, sizeof(d->config.device_key)); /* it has signed */
    if (status != MIEN_OK) {
        mien_secagg_device_free(d);
        return status;
    }
    *out = d;
    return MIEN_OK;
}

void mien_secagg_device_free(struct mien_secagg_device *device)
{
    if (device == NULL)
        return;
    mien_device_forget_keys(device);
    if (device->peer != NULL)
        mien_wipe(device->peer, device->n_peers * sizeof(*device->peer));
    mien_free(device->peer);
    mien_free(device->roll);
    mien_wipe(device, sizeof(*device));
    mien_free(device);
}

const uint8_t *mien_secagg_device_session_id(const struct mien_secagg_device *device)
{
    return device->session_id;
}

void mien_secagg_device_keys(const struct mien_secagg_device *device, struct mien_session_keys *out)
{
    *out = device->keys;
}

void mien_device_forget_keys(struct mien_secagg_device *d)
{
    mien_x25519_free(d->mask_key);
    mien_x25519_free(d->channel_key);
    d->mask_key = NULL;
    d->channel_key = NULL;
}

enum mien_status mien_device_give_up(struct mien_secagg_device *d, enum mien_status status)
{
    d->state = MIEN_DEVICE_OVER;
    if (d->peer != NULL)
        mien_wipe(d->peer, d->n_peers * sizeof(*d->peer));
    mien_wipe(d->key_seed, sizeof(d->key_seed));
    mien_wipe(d->self_seed, sizeof(d->self_seed));
    mien_device_forget_keys(d);
    return status;
}

struct mien_device_peer *mien_device_find(const struct mien_secagg_device *d, uint32_t index)
{
    uint32_t low = 0;
    uint32_t high = d->n_peers;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (d->peer[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->n_peers && d->peer[low].index == index ? &d->peer[low] : NULL;
}

enum mien_status mien_secagg_device_roll(struct mien_secagg_device *device,
                                         struct mien_span entries, struct mien_err *err)
{
    const uint32_t left = device->config.session.n - device->n_roll;

    if (device->state != MIEN_DEVICE_ROLL)
        return MIEN_ESTATE;
    if (entries.len % MIEN_ROLL_ENTRY_BYTES != 0 || entries.len / MIEN_ROLL_ENTRY_BYTES > left)
        return mien_device_give_up(device,
                                   mien_err_set(err, MIEN_EPARSE,
                                                "%zu bytes of the roll where %u members are left",
                                                entries.len, left));
    if (entries.len > 0)
        memcpy(device->roll + (size_t)device->n_roll * MIEN_ROLL_ENTRY_BYTES, entries.data,
               entries.len);
    device->n_roll += (uint32_t)(entries.len / MIEN_ROLL_ENTRY_BYTES);
    return MIEN_OK;
}

/* This device's own entry, and every unit at most once. */
static enum mien_status check_entries(struct mien_secagg_device *d, struct mien_err *err)
{
    const struct mien_session *s = &d->config.session;
    uint8_t own[MIEN_ROLL_ENTRY_BYTES];
    struct mien_credential self;

    mien_credential_read(d->config.credential, &self);
    enum mien_status status = mien_session_tag(s->nonce, self.unit_digest, own);
    if (status == MIEN_OK)
        status = mien_session_entry(d->session_id, d->config.index, d->config.credential, &d->keys,
                                    own + MIEN_ROLL_TAG_BYTES);
    if (status != MIEN_OK)
        return status;
    if (memcmp(d->roll + (size_t)d->config.index * MIEN_ROLL_ENTRY_BYTES, own, sizeof(own)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the roll's entry %u is not this device's",
                            d->config.index);
    d->n_with_keys = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const uint8_t *entry = d->roll + (size_t)i * MIEN_ROLL_ENTRY_BYTES;

        if (i > 0 && memcmp(entry - MIEN_ROLL_ENTRY_BYTES, entry, MIEN_ROLL_TAG_BYTES) >= 0)
            return mien_err_set(err, MIEN_EAUTH,
                                "members %u and %u are of one unit, or out of order", i - 1, i);
        if (mien_roll_has(d->roll, i)) {
            mien_bitmap_add(d->with_keys, i);
            d->n_with_keys++;
        }
    }
    return MIEN_OK;
}

static enum mien_status check_roll(struct mien_secagg_device *d, const uint8_t opening[32],
                                   struct mien_err *err)
{
    const struct mien_session *s = &d->config.session;
    const uint32_t wanted = s->t > d->config.min_members ? s->t : d->config.min_members;
    uint8_t digest[32];

    if (d->n_roll != s->n)
        return mien_err_set(err, MIEN_EPARSE, "the roll has %u of %u members", d->n_roll, s->n);
    enum mien_status status = mien_session_members(d->roll, s->n, digest);
    if (status == MIEN_OK && memcmp(digest, s->members_digest, sizeof(digest)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the members are not those of the session");
    if (status == MIEN_OK)
        status = mien_session_commit(opening, digest);
    if (status == MIEN_OK && memcmp(digest, s->commitment, sizeof(digest)) != 0)
        return mien_err_set(err, MIEN_EAUTH,
                            "what the coordinator opened is not what it committed to");
    if (status == MIEN_OK)
        status = check_entries(d, err);
    if (status == MIEN_OK && d->n_with_keys < wanted)
        return mien_err_set(err, MIEN_EPOLICY, "%u members sent keys, %u are needed",
                            d->n_with_keys, wanted);
    return status;
}

/* Who this device's neighbours are is nobody's to tell it: it follows from roll and opening. */
static enum mien_status find_neighbours(struct mien_secagg_device *d, const uint8_t opening[32])
{
    const struct mien_session *s = &d->config.session;
    uint32_t list[MIEN_SECAGG_MAX_HOLDERS];
    struct mien_graph graph = {0};
    uint8_t beacon[32];
    enum mien_status status = mien_session_beacon(d->session_id, opening, d->roll, s->n, beacon);

    if (status == MIEN_OK)
        status = mien_graph_init(&graph, s->n, s->k, beacon);
    if (status != MIEN_OK)
        return status;
    d->peer = mien_calloc(s->k + 1, sizeof(*d->peer));
    if (d->peer != NULL) {
        d->n_peers = s->k + 1;
        mien_graph_list(&graph, d->config.index, list);
        for (uint32_t i = 0; i < d->n_peers; i++) {
            d->peer[i].index = list[i];
            d->peer[i].is_holder = list[i] != d->config.index || mien_graph_is_complete(&graph);
        }
    }
    mien_graph_fini(&graph);
    return d->peer == NULL ? MIEN_ENOMEM : MIEN_OK;
}

enum mien_status mien_secagg_device_roll_end(struct mien_secagg_device *device,
                                             const uint8_t opening[32], struct mien_err *err)
{
    if (device->state != MIEN_DEVICE_ROLL)
        return MIEN_ESTATE;
    enum mien_status status = check_roll(device, opening, err);
    if (status == MIEN_OK)
        status = find_neighbours(device, opening);
    if (status != MIEN_OK)
        return mien_device_give_up(device, status);
    device->state = MIEN_DEVICE_ROSTER;
    return MIEN_OK;
}

/* Keys that occur twice make masks cancel that should not: every key differs from every other. */
static bool is_fresh_key(const struct mien_secagg_device *d, uint32_t index, const uint8_t *key)
{
    for (uint32_t i = 0; i < d->n_peers && d->peer[i].index < index; i++) {
        if (d->peer[i].in_roster && (memcmp(d->peer[i].keys.mask_pk, key, 32) == 0 ||
                                     memcmp(d->peer[i].keys.channel_pk, key, 32) == 0))
            return false;
    }
    return true;
}

static enum mien_status check_keys(const struct mien_secagg_device *d, uint32_t index,
                                   const struct mien_session_keys *keys,
                                   const struct mien_credential *who, struct mien_err *err)
{
    uint8_t statement[MIEN_KEYS_STATEMENT_BYTES];

    mien_session_keys_statement(d->session_id, index, keys, statement);
    enum mien_status status =
        index == d->config.index
            ? MIEN_OK /* its own, byte by byte */
            : mien_ed25519_verify(who->key, (struct mien_span){statement, sizeof(statement)},
                                  keys->signature);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "member %u did not sign its keys for this session", index);
    if (!mien_x25519_is_sound(keys->mask_pk) || !mien_x25519_is_sound(keys->channel_pk))
        return mien_err_set(err, MIEN_EAUTH, "a key of member %u agrees on nothing", index);
    if (!is_fresh_key(d, index, keys->mask_pk) || !is_fresh_key(d, index, keys->channel_pk) ||
        memcmp(keys->mask_pk, keys->channel_pk, 32) == 0)
        return mien_err_set(err, MIEN_EAUTH, "a key of member %u occurs twice", index);
    for (uint32_t i = 0; i < d->n_peers && d->peer[i].index < index; i++) {
        if (d->peer[i].in_roster &&
            memcmp(d->peer[i].device_id, who->device_id, sizeof(who->device_id)) == 0)
            return mien_err_set(err, MIEN_EAUTH, "members %u and %u are one device",
                                d->peer[i].index, index);
    }
    return MIEN_OK;
}

/* Whether an entry of the roster is the one that the roll, which the graph stands on, names. */
static enum mien_status check_against_roll(const struct mien_secagg_device *d, uint32_t index,
                                           const uint8_t *credential,
                                           const struct mien_session_keys *keys,
                                           const struct mien_credential *who, struct mien_err *err)
{
    uint8_t entry[MIEN_ROLL_ENTRY_BYTES];
    enum mien_status status = mien_session_tag(d->config.session.nonce, who->unit_digest, entry);

    if (status == MIEN_OK)
        status =
            mien_session_entry(d->session_id, index, credential, keys, entry + MIEN_ROLL_TAG_BYTES);
    if (status == MIEN_OK &&
        memcmp(d->roll + (size_t)index * MIEN_ROLL_ENTRY_BYTES, entry, sizeof(entry)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "member %u is not the one of the roll", index);
    return status;
}

static enum mien_status check_entry(const struct mien_secagg_device *d, uint32_t index,
                                    struct mien_span credential,
                                    const struct mien_session_keys *keys,
                                    struct mien_credential *who, struct mien_err *err)
{
    const bool own = index == d->config.index;

    if (own &&
        (memcmp(keys, &d->keys, sizeof(*keys)) != 0 || credential.len != MIEN_CREDENTIAL_BYTES ||
         memcmp(credential.data, d->config.credential, MIEN_CREDENTIAL_BYTES) != 0))
        return mien_err_set(err, MIEN_EAUTH, "the roster's entry %u is not what was sent", index);
    enum mien_status status =
        own ? mien_credential_verify_signed(credential, d->config.now, who, err)
            : mien_known_verify(d->config.known, credential, d->config.ca_key, d->config.now, who,
                                err);
    if (status != MIEN_OK)
        return mien_err_prefix(err, status, "member %u", index);
    status = check_against_roll(d, index, credential.data, keys, who, err);
    return status == MIEN_OK ? check_keys(d, index, keys, who, err) : status;
}

enum mien_status mien_secagg_device_roster(struct mien_secagg_device *device, uint32_t index,
                                           struct mien_span credential,
                                           const struct mien_session_keys *keys,
                                           struct mien_err *err)
{
    if (device->state != MIEN_DEVICE_ROSTER)
        return MIEN_ESTATE;
    if (index >= device->config.session.n || index < device->next_index)
        return mien_device_give_up(
            device, mien_err_set(err, MIEN_EPARSE, "roster index %u out of order", index));
    struct mien_device_peer *peer = mien_device_find(device, index);
    if (peer == NULL)
        return mien_device_give_up(
            device, mien_err_set(err, MIEN_EAUTH, "member %u is no neighbour", index));
    struct mien_credential who;
    enum mien_status status = check_entry(device, index, credential, keys, &who, err);
    if (status != MIEN_OK)
        return mien_device_give_up(device, status);
    peer->in_roster = true;
    peer->keys = *keys;
    memcpy(peer->device_id, who.device_id, sizeof(peer->device_id));
    memcpy(peer->identity, who.key, sizeof(peer->identity));
    device->next_index = index + 1;
    return MIEN_OK;
}

static enum mien_status check_roster(const struct mien_secagg_device *d, struct mien_err *err)
{
    uint32_t n_holders = 0;

    for (uint32_t i = 0; i < d->n_peers; i++) {
        const struct mien_device_peer *peer = &d->peer[i];

        if (peer->in_roster != mien_roll_has(d->roll, peer->index))
            return mien_err_set(err, MIEN_EAUTH, "member %u is missing in the roster", peer->index);
        n_holders += peer->in_roster && peer->is_holder;
    }
    if (n_holders < d->config.session.t)
        return mien_err_set(err, MIEN_EPOLICY, "%u neighbours sent keys, %u are needed", n_holders,
                            d->config.session.t);
    return MIEN_OK;
}

static enum mien_status split(struct mien_secagg_device *d, const uint32_t *index, uint32_t n,
                              struct mien_rng *rng)
{
    struct mien_share *shares = mien_calloc(n, 2 * sizeof(*shares));

    if (shares == NULL)
        return MIEN_ENOMEM;
    enum mien_status status =
        mien_share_split(d->self_seed, index, n, d->config.session.t, rng, shares);
    if (status == MIEN_OK)
        status = mien_share_split(d->key_seed, index, n, d->config.session.t, rng, shares + n);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        mien_device_find(d, index[i])->own =
            (struct mien_channel_shares){.self_mask = shares[i], .key = shares[n + i]};
    mien_wipe(shares, 2 * (size_t)n * sizeof(*shares));
    mien_free(shares);
    return status;
}

static enum mien_status make_shares(struct mien_secagg_device *d, struct mien_rng *rng)
{
    uint32_t index[MIEN_SECAGG_MAX_HOLDERS];
    uint32_t n = 0;

    for (uint32_t i = 0; i < d->n_peers; i++) {
        if (d->peer[i].in_roster && d->peer[i].is_holder)
            index[n++] = d->peer[i].index;
    }
    return split(d, index, n, rng);
}

enum mien_status mien_secagg_device_roster_end(struct mien_secagg_device *device,
                                               struct mien_rng *rng, struct mien_err *err)
{
    if (device->state != MIEN_DEVICE_ROSTER)
        return MIEN_ESTATE;
    enum mien_status status = check_roster(device, err);
    if (status == MIEN_OK)
        status = make_shares(device, rng);
    if (status != MIEN_OK)
        return mien_device_give_up(device, status);
    /* 48 bytes a member, which nothing asks for any more. */
    mien_free(device->roll);
    device->roll = NULL;
    struct mien_device_peer *own = mien_device_find(device, device->config.index);
    own->theirs = own->own;
    own->has_shares = true;
    device->state = MIEN_DEVICE_SHARES;
    return MIEN_OK;
}

uint32_t mien_secagg_device_n_peers(const struct mien_secagg_device *device)
{
    return device->n_peers;
}

uint32_t mien_secagg_device_peer(const struct mien_secagg_device *device, uint32_t place)
{
    return place < device->n_peers ? device->peer[place].index : UINT32_MAX;
}
