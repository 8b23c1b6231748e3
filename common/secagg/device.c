// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/device.h"

#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/channel.h"
#include "common/secagg/mask.h"

#include <string.h>

enum state {
    STATE_ROSTER,
    STATE_SHARES, /* roster complete: shares go out, shares come in */
    STATE_MASK,
    STATE_SURVIVORS,
    STATE_REVEAL,
    STATE_OVER,
};

struct peer {
    bool in_roster;
    bool has_shares; /* sent its shares: masks are made with it */
    uint8_t device_id[MIEN_DEVICE_ID_BYTES];
    uint8_t unit_digest[MIEN_DIGEST_BYTES];
    struct mien_session_keys keys;
    struct mien_channel_shares own;    /* secret: of our seeds, for it */
    struct mien_channel_shares theirs; /* secret: of its seeds, for us */
};

struct mien_secagg_device {
    struct mien_secagg_device_config config; /* device_key: wiped once it has signed */
    uint8_t session_id[MIEN_SESSION_ID_BYTES];
    enum state state;
    uint8_t key_seed[MIEN_SEED_BYTES];  /* secret */
    uint8_t self_seed[MIEN_SEED_BYTES]; /* secret */
    uint8_t mask_sk[MIEN_KEY_BYTES];    /* secret */
    uint8_t channel_sk[MIEN_KEY_BYTES]; /* secret */
    struct mien_session_keys keys;
    uint32_t next_index; /* of the roster */
    uint8_t survivors[MIEN_BITMAP_BYTES];
    struct peer *peer; /* [n] */
};

uint64_t mien_secagg_device_bytes(uint32_t n)
{
    return sizeof(struct mien_secagg_device) + (uint64_t)n * sizeof(struct peer);
}

static enum mien_status check_config(const struct mien_secagg_device_config *config,
                                     struct mien_err *err)
{
    const struct mien_session *s = &config->session;

    if (s->n < 2 || s->n > MIEN_SECAGG_MAX_MEMBERS || config->index >= s->n)
        return mien_err_set(err, MIEN_EINVAL, "a session of %u members, this device %u", s->n,
                            config->index);
    if (s->dim == 0 || s->dim > MIEN_SECAGG_MAX_DIM || s->bits < MIEN_SECAGG_MIN_BITS ||
        s->bits > MIEN_SECAGG_MAX_BITS)
        return mien_err_set(err, MIEN_EINVAL, "a session of %u numbers of %u bits", s->dim,
                            s->bits);
    if (s->t != mien_session_threshold(s->n))
        return mien_err_set(err, MIEN_EPOLICY, "threshold %u for %u members, expected %u", s->t,
                            s->n, mien_session_threshold(s->n));
    if (s->n < config->min_members)
        return mien_err_set(err, MIEN_EPOLICY, "a session of %u members, expected at least %u",
                            s->n, config->min_members);
    return MIEN_OK;
}

static enum mien_status make_keys(struct mien_secagg_device *d, struct mien_rng *rng)
{
    uint8_t statement[MIEN_KEYS_STATEMENT_BYTES];
    enum mien_status status = mien_rng_fill(rng, d->key_seed, sizeof(d->key_seed));

    if (status == MIEN_OK)
        status = mien_rng_fill(rng, d->self_seed, sizeof(d->self_seed));
    if (status == MIEN_OK)
        status = mien_rng_fill(rng, d->channel_sk, sizeof(d->channel_sk));
    if (status == MIEN_OK)
        status = mien_session_mask_sk(d->key_seed, d->session_id, d->config.index, d->mask_sk);
    if (status == MIEN_OK)
        status = mien_x25519_public(d->mask_sk, d->keys.mask_pk);
    if (status == MIEN_OK)
        status = mien_x25519_public(d->channel_sk, d->keys.channel_pk);
    if (status != MIEN_OK)
        return status;
    mien_session_keys_statement(d->session_id, d->config.index, &d->keys, statement);
    return mien_ed25519_sign(d->config.device_key, (struct mien_span){statement, sizeof(statement)},
                             d->keys.signature);
}

enum mien_status mien_secagg_device_new(const struct mien_secagg_device_config *config,
                                        struct mien_rng *rng, struct mien_secagg_device **out,
                                        struct mien_err *err)
{
    enum mien_status status = check_config(config, err);

    if (status != MIEN_OK)
        return status;
    struct mien_secagg_device *d = mien_calloc(1, sizeof(*d));
    if (d == NULL)
        return MIEN_ENOMEM;
    d->config = *config;
    d->peer = mien_calloc(config->session.n, sizeof(*d->peer));
    status = d->peer == NULL ? MIEN_ENOMEM : mien_session_id(&config->session, d->session_id);
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
    if (device->peer != NULL)
        mien_wipe(device->peer, device->config.session.n * sizeof(*device->peer));
    mien_free(device->peer);
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

/* The session is over for this device: nothing it knows is of use any more. */
static enum mien_status give_up(struct mien_secagg_device *d, enum mien_status status)
{
    d->state = STATE_OVER;
    mien_wipe(d->peer, d->config.session.n * sizeof(*d->peer));
    mien_wipe(d->key_seed, sizeof(d->key_seed));
    mien_wipe(d->self_seed, sizeof(d->self_seed));
    mien_wipe(d->mask_sk, sizeof(d->mask_sk));
    mien_wipe(d->channel_sk, sizeof(d->channel_sk));
    return status;
}

/* Keys that occur twice make masks cancel that should not: every key differs from every other. */
static bool is_fresh_key(const struct mien_secagg_device *d, uint32_t index, const uint8_t *key)
{
    for (uint32_t i = 0; i < index; i++) {
        if (d->peer[i].in_roster && (memcmp(d->peer[i].keys.mask_pk, key, 32) == 0 ||
                                     memcmp(d->peer[i].keys.channel_pk, key, 32) == 0))
            return false;
    }
    return true;
}

/* A sum over few people must not look like one over many: each unit is in a session once. */
static enum mien_status check_is_new(const struct mien_secagg_device *d, uint32_t index,
                                     const struct mien_credential *who, struct mien_err *err)
{
    for (uint32_t i = 0; i < index; i++) {
        const struct peer *peer = &d->peer[i];

        if (!peer->in_roster)
            continue;
        if (memcmp(peer->device_id, who->device_id, sizeof(who->device_id)) == 0)
            return mien_err_set(err, MIEN_EAUTH, "members %u and %u are one device", i, index);
        if (memcmp(peer->unit_digest, who->unit_digest, sizeof(who->unit_digest)) == 0)
            return mien_err_set(err, MIEN_EAUTH, "members %u and %u are of one unit", i, index);
    }
    return MIEN_OK;
}

static enum mien_status check_entry(const struct mien_secagg_device *d, uint32_t index,
                                    struct mien_span credential,
                                    const struct mien_session_keys *keys,
                                    struct mien_credential *who, struct mien_err *err)
{
    uint8_t statement[MIEN_KEYS_STATEMENT_BYTES];
    const bool own = index == d->config.index;

    if (own &&
        (memcmp(keys, &d->keys, sizeof(*keys)) != 0 || credential.len != MIEN_CREDENTIAL_BYTES ||
         memcmp(credential.data, d->config.credential, MIEN_CREDENTIAL_BYTES) != 0))
        return mien_err_set(err, MIEN_EAUTH, "the roster's entry %u is not what was sent", index);
    enum mien_status status =
        mien_credential_verify(credential, d->config.ca_key, d->config.now, who, err);
    if (status != MIEN_OK)
        return mien_err_prefix(err, status, "member %u", index);
    mien_session_keys_statement(d->session_id, index, keys, statement);
    status = mien_ed25519_verify(who->key, (struct mien_span){statement, sizeof(statement)},
                                 keys->signature);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "member %u did not sign its keys for this session", index);
    if (!mien_x25519_is_sound(keys->mask_pk) || !mien_x25519_is_sound(keys->channel_pk))
        return mien_err_set(err, MIEN_EAUTH, "a key of member %u agrees on nothing", index);
    if (!is_fresh_key(d, index, keys->mask_pk) || !is_fresh_key(d, index, keys->channel_pk) ||
        memcmp(keys->mask_pk, keys->channel_pk, 32) == 0)
        return mien_err_set(err, MIEN_EAUTH, "a key of member %u occurs twice", index);
    return check_is_new(d, index, who, err);
}

enum mien_status mien_secagg_device_roster(struct mien_secagg_device *device, uint32_t index,
                                           struct mien_span credential,
                                           const struct mien_session_keys *keys,
                                           struct mien_err *err)
{
    if (device->state != STATE_ROSTER)
        return MIEN_ESTATE;
    if (index >= device->config.session.n || index < device->next_index)
        return give_up(device,
                       mien_err_set(err, MIEN_EPARSE, "roster index %u out of order", index));
    struct mien_credential who;
    enum mien_status status = check_entry(device, index, credential, keys, &who, err);
    if (status != MIEN_OK)
        return give_up(device, status);
    struct peer *peer = &device->peer[index];
    peer->in_roster = true;
    peer->keys = *keys;
    memcpy(peer->device_id, who.device_id, sizeof(peer->device_id));
    memcpy(peer->unit_digest, who.unit_digest, sizeof(peer->unit_digest));
    device->next_index = index + 1;
    return MIEN_OK;
}

static enum mien_status check_roster(const struct mien_secagg_device *d, struct mien_err *err)
{
    const struct mien_session *s = &d->config.session;
    uint8_t digest[32];
    uint8_t ids[MIEN_SECAGG_MAX_MEMBERS * MIEN_DEVICE_ID_BYTES];
    uint32_t n_in = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        n_in += d->peer[i].in_roster;
        memcpy(ids + (size_t)i * MIEN_DEVICE_ID_BYTES, d->peer[i].device_id, MIEN_DEVICE_ID_BYTES);
    }
    if (!d->peer[d->config.index].in_roster)
        return mien_err_set(err, MIEN_EAUTH, "this device is not in the roster");
    if (n_in < s->t || n_in < d->config.min_members)
        return mien_err_set(err, MIEN_EPOLICY, "%u members sent keys, %u are needed", n_in,
                            s->t > d->config.min_members ? s->t : d->config.min_members);
    if (n_in < s->n)
        return MIEN_OK; /* those who left before sending keys cannot be named here */
    enum mien_status status =
        mien_digest((struct mien_span){ids, (size_t)s->n * MIEN_DEVICE_ID_BYTES}, digest);
    if (status == MIEN_OK && memcmp(digest, s->members_digest, sizeof(digest)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the members are not those of the session");
    return status;
}

static enum mien_status make_shares(struct mien_secagg_device *d, struct mien_rng *rng)
{
    const uint32_t n = d->config.session.n;
    const uint32_t t = d->config.session.t;
    struct mien_share *shares = mien_calloc(n, sizeof(*shares));

    if (shares == NULL)
        return MIEN_ENOMEM;
    enum mien_status status = mien_share_split(d->self_seed, n, t, rng, shares);
    for (uint32_t i = 0; i < n; i++)
        d->peer[i].own.self_mask = shares[i];
    if (status == MIEN_OK)
        status = mien_share_split(d->key_seed, n, t, rng, shares);
    for (uint32_t i = 0; i < n; i++)
        d->peer[i].own.key = shares[i];
    mien_wipe(shares, n * sizeof(*shares));
    mien_free(shares);
    return status;
}

enum mien_status mien_secagg_device_roster_end(struct mien_secagg_device *device,
                                               struct mien_rng *rng, struct mien_err *err)
{
    if (device->state != STATE_ROSTER)
        return MIEN_ESTATE;
    enum mien_status status = check_roster(device, err);
    if (status == MIEN_OK)
        status = make_shares(device, rng);
    if (status != MIEN_OK)
        return give_up(device, status);
    struct peer *own = &device->peer[device->config.index];
    own->theirs = own->own;
    own->has_shares = true;
    device->state = STATE_SHARES;
    return MIEN_OK;
}

/* The channel between this device and a peer, in one direction. */
static struct mien_channel channel_of(const struct mien_secagg_device *d, uint32_t peer,
                                      uint32_t from, uint32_t to)
{
    return (struct mien_channel){.own_sk = d->channel_sk,
                                 .peer_pk = d->peer[peer].keys.channel_pk,
                                 .session_id = d->session_id,
                                 .from = from,
                                 .to = to};
}

enum mien_status mien_secagg_device_shares(struct mien_secagg_device *device, uint32_t to,
                                           uint8_t out[MIEN_SEALED_SHARES_BYTES], bool *has)
{
    if (device->state != STATE_SHARES)
        return MIEN_ESTATE;
    if (to >= device->config.session.n)
        return MIEN_EINVAL;
    *has = to != device->config.index && device->peer[to].in_roster;
    if (!*has)
        return MIEN_OK;
    const struct mien_channel channel = channel_of(device, to, device->config.index, to);
    enum mien_status status = mien_channel_seal(&channel, &device->peer[to].own, out);
    return status == MIEN_OK ? MIEN_OK : give_up(device, status);
}

enum mien_status mien_secagg_device_deliver(struct mien_secagg_device *device, uint32_t from,
                                            struct mien_span sealed, struct mien_err *err)
{
    if (device->state != STATE_SHARES)
        return MIEN_ESTATE;
    if (from >= device->config.session.n || !device->peer[from].in_roster ||
        device->peer[from].has_shares || sealed.len != MIEN_SEALED_SHARES_BYTES)
        return give_up(device, mien_err_set(err, MIEN_EPARSE,
                                            "shares from member %u: unknown, twice or of %zu bytes",
                                            from, sealed.len));
    const struct mien_channel channel = channel_of(device, from, from, device->config.index);
    enum mien_status status = mien_channel_open(&channel, sealed.data, &device->peer[from].theirs);
    if (status != MIEN_OK)
        return give_up(device,
                       mien_err_set(err, status, "shares from member %u do not open", from));
    device->peer[from].has_shares = true;
    return MIEN_OK;
}

enum mien_status mien_secagg_device_deliver_end(struct mien_secagg_device *device,
                                                struct mien_err *err)
{
    const struct mien_session *s = &device->config.session;
    uint32_t n_with = 0;

    if (device->state != STATE_SHARES)
        return MIEN_ESTATE;
    for (uint32_t i = 0; i < s->n; i++) {
        n_with += device->peer[i].has_shares;
        mien_wipe(&device->peer[i].own, sizeof(device->peer[i].own));
    }
    if (n_with < s->t || n_with < device->config.min_members)
        return give_up(device,
                       mien_err_set(err, MIEN_EPOLICY, "shares came from %u members only", n_with));
    mien_wipe(device->channel_sk, sizeof(device->channel_sk));
    device->state = STATE_MASK;
    return MIEN_OK;
}

/* The mask with one peer: added by the lower index, subtracted by the higher. */
static enum mien_status mask_with(const struct mien_secagg_device *d, uint32_t i,
                                  struct mien_mask *mask)
{
    const uint32_t own = d->config.index;
    uint8_t shared[MIEN_KEY_BYTES];

    mask->subtract = own > i;
    if (i == own)
        return mien_session_self_mask(d->self_seed, d->session_id, own, mask->key);
    enum mien_status status = mien_x25519_shared(d->mask_sk, d->peer[i].keys.mask_pk, shared);
    if (status == MIEN_OK)
        status = mien_session_pair_mask(shared, d->session_id, own, i, mask->key);
    mien_wipe(shared, sizeof(shared));
    return status;
}

static enum mien_status mask_with_all(const struct mien_secagg_device *d, uint32_t *vector)
{
    const struct mien_session *s = &d->config.session;
    uint32_t n_masks = 0;
    enum mien_status status = MIEN_OK;
    struct mien_mask *masks = mien_calloc(s->n, sizeof(*masks));

    if (masks == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < s->n && status == MIEN_OK; i++) {
        if (d->peer[i].has_shares)
            status = mask_with(d, i, &masks[n_masks++]);
    }
    if (status == MIEN_OK)
        status = mien_mask_apply(NULL, masks, n_masks, vector, s->dim);
    mien_wipe(masks, s->n * sizeof(*masks));
    mien_free(masks);
    return status;
}

enum mien_status mien_secagg_device_mask(struct mien_secagg_device *device, uint32_t *vector)
{
    if (device->state != STATE_MASK)
        return MIEN_ESTATE;
    enum mien_status status = mask_with_all(device, vector);
    mien_wipe(device->mask_sk, sizeof(device->mask_sk));
    mien_wipe(device->key_seed, sizeof(device->key_seed));
    mien_wipe(device->self_seed, sizeof(device->self_seed));
    if (status != MIEN_OK) {
        mien_wipe(vector, device->config.session.dim * sizeof(*vector));
        return give_up(device, status);
    }
    device->state = STATE_SURVIVORS;
    return MIEN_OK;
}

static enum mien_status check_survivors(const struct mien_secagg_device *d,
                                        const uint8_t bitmap[MIEN_BITMAP_BYTES],
                                        const uint8_t root[32], struct mien_err *err)
{
    const struct mien_session *s = &d->config.session;
    const uint32_t n_alive = mien_bitmap_count(bitmap, s->n);
    uint8_t own_root[32];

    if (mien_bitmap_count(bitmap, MIEN_SECAGG_MAX_MEMBERS) != n_alive)
        return mien_err_set(err, MIEN_EAUTH, "a survivor is no member");
    if (n_alive < s->t || n_alive < d->config.min_members)
        return mien_err_set(err, MIEN_EPOLICY, "%u survivors, %u are needed", n_alive,
                            s->t > d->config.min_members ? s->t : d->config.min_members);
    if (!mien_bitmap_has(bitmap, d->config.index))
        return mien_err_set(err, MIEN_EAUTH, "this device is not among the survivors");
    for (uint32_t i = 0; i < s->n; i++) {
        if (mien_bitmap_has(bitmap, i) && !d->peer[i].has_shares)
            return mien_err_set(err, MIEN_EAUTH, "survivor %u never sent shares", i);
    }
    enum mien_status status = mien_session_root(d->session_id, s->n, bitmap, own_root);
    if (status == MIEN_OK && memcmp(own_root, root, sizeof(own_root)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the survivors' root is not that of the set");
    return status;
}

enum mien_status mien_secagg_device_survivors(struct mien_secagg_device *device,
                                              const uint8_t bitmap[MIEN_BITMAP_BYTES],
                                              const uint8_t root[32], struct mien_err *err)
{
    if (device->state != STATE_SURVIVORS)
        return MIEN_ESTATE;
    enum mien_status status = check_survivors(device, bitmap, root, err);
    if (status != MIEN_OK)
        return give_up(device, status);
    /* From here on one of the two shares of each member no longer exists on this device. */
    for (uint32_t i = 0; i < device->config.session.n; i++) {
        struct peer *peer = &device->peer[i];

        if (mien_bitmap_has(bitmap, i))
            mien_wipe(&peer->theirs.key, sizeof(peer->theirs.key));
        else
            mien_wipe(&peer->theirs.self_mask, sizeof(peer->theirs.self_mask));
    }
    memcpy(device->survivors, bitmap, sizeof(device->survivors));
    device->state = STATE_REVEAL;
    return MIEN_OK;
}

enum mien_status mien_secagg_device_reveal(struct mien_secagg_device *device, uint32_t index,
                                           bool *survived, uint8_t share[MIEN_SHARE_BYTES],
                                           bool *has)
{
    if (device->state != STATE_REVEAL)
        return MIEN_ESTATE;
    if (index >= device->config.session.n)
        return MIEN_EINVAL;
    const struct peer *peer = &device->peer[index];
    *has = peer->has_shares;
    *survived = mien_bitmap_has(device->survivors, index);
    if (*has)
        mien_share_encode(*survived ? &peer->theirs.self_mask : &peer->theirs.key, share);
    return MIEN_OK;
}
