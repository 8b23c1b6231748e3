// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/coordinator.h"

#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/mask.h"
#include "common/secagg/pack.h"
#include "common/secagg/rebuild.h"

#include <string.h>

enum state { STATE_KEYS, STATE_SHARES, STATE_INPUTS, STATE_REVEALS, STATE_OVER };

struct member {
    bool has_keys;
    bool has_shared; /* after close_shares: goes on */
    bool has_input;
    struct mien_session_keys keys;
    uint32_t n_sent;   /* ciphertexts */
    uint32_t n_shares; /* shares of its secret that have come */
    uint8_t *sealed;   /* [n] x MIEN_SEALED_SHARES_BYTES by receiver, until inputs close */
    uint8_t sent[MIEN_BITMAP_BYTES];
    uint8_t holders[MIEN_BITMAP_BYTES]; /* who has revealed a share of its secret */
    struct mien_share *shares;          /* [n] of its secret by holder; secret */
};

struct mien_secagg_sum {
    struct mien_session session;
    uint8_t session_id[MIEN_SESSION_ID_BYTES];
    enum state state;
    uint32_t *residue; /* [dim] the accumulator */
    uint8_t survivors[MIEN_BITMAP_BYTES];
    struct member *member; /* [n] */
};

enum mien_status mien_secagg_sum_new(const struct mien_session *session,
                                     struct mien_secagg_sum **out)
{
    if (session->n < 2 || session->n > MIEN_SECAGG_MAX_MEMBERS || session->dim == 0 ||
        session->dim > MIEN_SECAGG_MAX_DIM || session->bits < MIEN_SECAGG_MIN_BITS ||
        session->bits > MIEN_SECAGG_MAX_BITS || session->t != mien_session_threshold(session->n))
        return MIEN_EINVAL;
    struct mien_secagg_sum *sum = mien_calloc(1, sizeof(*sum));
    if (sum == NULL)
        return MIEN_ENOMEM;
    sum->session = *session;
    sum->member = mien_calloc(session->n, sizeof(*sum->member));
    sum->residue = mien_calloc(session->dim, sizeof(*sum->residue));
    enum mien_status status = MIEN_ENOMEM;
    if (sum->member != NULL && sum->residue != NULL)
        status = mien_session_id(session, sum->session_id);
    if (status != MIEN_OK) {
        mien_secagg_sum_free(sum);
        return status;
    }
    *out = sum;
    return MIEN_OK;
}

static void forget_shares(struct mien_secagg_sum *sum)
{
    for (uint32_t i = 0; i < sum->session.n; i++) {
        struct member *m = &sum->member[i];

        if (m->shares != NULL)
            mien_wipe(m->shares, sum->session.n * sizeof(*m->shares));
        mien_free(m->shares);
        m->shares = NULL;
    }
}

void mien_secagg_sum_free(struct mien_secagg_sum *sum)
{
    if (sum == NULL)
        return;
    if (sum->member != NULL) {
        forget_shares(sum);
        for (uint32_t i = 0; i < sum->session.n; i++)
            mien_free(sum->member[i].sealed);
    }
    mien_free(sum->member);
    if (sum->residue != NULL)
        mien_wipe(sum->residue, sum->session.dim * sizeof(*sum->residue));
    mien_free(sum->residue);
    mien_wipe(sum, sizeof(*sum));
    mien_free(sum);
}

const uint8_t *mien_secagg_sum_session_id(const struct mien_secagg_sum *sum)
{
    return sum->session_id;
}

static bool key_is_known(const struct mien_secagg_sum *sum, const uint8_t *key)
{
    for (uint32_t i = 0; i < sum->session.n; i++) {
        const struct member *m = &sum->member[i];

        if (m->has_keys && (memcmp(m->keys.mask_pk, key, MIEN_KEY_BYTES) == 0 ||
                            memcmp(m->keys.channel_pk, key, MIEN_KEY_BYTES) == 0))
            return true;
    }
    return false;
}

enum mien_status mien_secagg_sum_keys(struct mien_secagg_sum *sum, uint32_t index,
                                      const uint8_t identity[32],
                                      const struct mien_session_keys *keys, struct mien_err *err)
{
    uint8_t statement[MIEN_KEYS_STATEMENT_BYTES];

    if (index >= sum->session.n)
        return MIEN_EINVAL;
    if (sum->state != STATE_KEYS || sum->member[index].has_keys)
        return MIEN_ESTATE;
    mien_session_keys_statement(sum->session_id, index, keys, statement);
    enum mien_status status = mien_ed25519_verify(
        identity, (struct mien_span){statement, sizeof(statement)}, keys->signature);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "the keys are not signed for this session");
    if (!mien_x25519_is_sound(keys->mask_pk) || !mien_x25519_is_sound(keys->channel_pk))
        return mien_err_set(err, MIEN_EAUTH, "a key has low order");
    if (key_is_known(sum, keys->mask_pk) || key_is_known(sum, keys->channel_pk) ||
        memcmp(keys->mask_pk, keys->channel_pk, MIEN_KEY_BYTES) == 0)
        return mien_err_set(err, MIEN_EAUTH, "a key occurs twice");
    sum->member[index].keys = *keys;
    sum->member[index].has_keys = true;
    return MIEN_OK;
}

const struct mien_session_keys *mien_secagg_sum_roster(const struct mien_secagg_sum *sum,
                                                       uint32_t index)
{
    return index < sum->session.n && sum->member[index].has_keys ? &sum->member[index].keys : NULL;
}

enum mien_status mien_secagg_sum_close_keys(struct mien_secagg_sum *sum)
{
    uint32_t n_in = 0;

    if (sum->state != STATE_KEYS)
        return MIEN_ESTATE;
    for (uint32_t i = 0; i < sum->session.n; i++)
        n_in += sum->member[i].has_keys;
    sum->state = n_in < sum->session.t ? STATE_OVER : STATE_SHARES;
    return n_in < sum->session.t ? MIEN_EPOLICY : MIEN_OK;
}

static bool is_pair(const struct mien_secagg_sum *sum, uint32_t from, uint32_t to)
{
    return from < sum->session.n && to < sum->session.n && from != to &&
           sum->member[from].has_keys && sum->member[to].has_keys;
}

enum mien_status mien_secagg_sum_shares(struct mien_secagg_sum *sum, uint32_t from, uint32_t to,
                                        struct mien_span sealed)
{
    if (sum->state != STATE_SHARES)
        return MIEN_ESTATE;
    if (!is_pair(sum, from, to))
        return MIEN_EINVAL;
    struct member *m = &sum->member[from];
    if (sealed.len != MIEN_SEALED_SHARES_BYTES || mien_bitmap_has(m->sent, to))
        return MIEN_EPARSE;
    if (m->sealed == NULL)
        m->sealed = mien_calloc(sum->session.n, MIEN_SEALED_SHARES_BYTES);
    if (m->sealed == NULL)
        return MIEN_ENOMEM;
    memcpy(m->sealed + (size_t)to * MIEN_SEALED_SHARES_BYTES, sealed.data, sealed.len);
    mien_bitmap_add(m->sent, to);
    m->n_sent++;
    return MIEN_OK;
}

bool mien_secagg_sum_shared(const struct mien_secagg_sum *sum, uint32_t index)
{
    uint32_t n_in = 0;

    for (uint32_t i = 0; i < sum->session.n; i++)
        n_in += sum->member[i].has_keys;
    return index < sum->session.n && sum->member[index].has_keys &&
           sum->member[index].n_sent + 1 == n_in;
}

enum mien_status mien_secagg_sum_close_shares(struct mien_secagg_sum *sum)
{
    uint32_t n_in = 0;

    if (sum->state != STATE_SHARES)
        return MIEN_ESTATE;
    for (uint32_t i = 0; i < sum->session.n; i++) {
        sum->member[i].has_shared = mien_secagg_sum_shared(sum, i);
        n_in += sum->member[i].has_shared;
    }
    sum->state = n_in < sum->session.t ? STATE_OVER : STATE_INPUTS;
    return n_in < sum->session.t ? MIEN_EPOLICY : MIEN_OK;
}

const uint8_t *mien_secagg_sum_delivery(const struct mien_secagg_sum *sum, uint32_t from,
                                        uint32_t to)
{
    if (sum->state != STATE_INPUTS || !is_pair(sum, from, to) || !sum->member[from].has_shared ||
        !sum->member[to].has_shared)
        return NULL;
    return sum->member[from].sealed + (size_t)to * MIEN_SEALED_SHARES_BYTES;
}

enum mien_status mien_secagg_sum_input(struct mien_secagg_sum *sum, uint32_t index,
                                       struct mien_span packed)
{
    if (sum->state != STATE_INPUTS || index >= sum->session.n || !sum->member[index].has_shared ||
        sum->member[index].has_input)
        return MIEN_ESTATE;
    enum mien_status status =
        mien_unpack_add(packed, sum->session.bits, sum->residue, sum->session.dim);
    if (status == MIEN_OK)
        sum->member[index].has_input = true;
    return status;
}

enum mien_status mien_secagg_sum_close_inputs(struct mien_secagg_sum *sum,
                                              uint8_t bitmap[MIEN_BITMAP_BYTES], uint8_t root[32])
{
    if (sum->state != STATE_INPUTS)
        return MIEN_ESTATE;
    memset(sum->survivors, 0, sizeof(sum->survivors));
    for (uint32_t i = 0; i < sum->session.n; i++) {
        if (sum->member[i].has_input)
            mien_bitmap_add(sum->survivors, i);
    }
    if (mien_bitmap_count(sum->survivors, sum->session.n) < sum->session.t) {
        sum->state = STATE_OVER;
        return MIEN_EPOLICY;
    }
    enum mien_status status =
        mien_session_root(sum->session_id, sum->session.n, sum->survivors, root);
    if (status != MIEN_OK)
        return status;
    for (uint32_t i = 0; i < sum->session.n; i++) {
        mien_free(sum->member[i].sealed);
        sum->member[i].sealed = NULL;
    }
    memcpy(bitmap, sum->survivors, MIEN_BITMAP_BYTES);
    sum->state = STATE_REVEALS;
    return MIEN_OK;
}

enum mien_status mien_secagg_sum_reveal(struct mien_secagg_sum *sum, uint32_t from, uint32_t index,
                                        bool survived, struct mien_span share)
{
    struct mien_share decoded;

    if (sum->state != STATE_REVEALS)
        return MIEN_ESTATE;
    if (from >= sum->session.n || index >= sum->session.n ||
        !mien_bitmap_has(sum->survivors, from) || !sum->member[index].has_shared)
        return MIEN_EINVAL;
    if (survived != mien_bitmap_has(sum->survivors, index))
        return MIEN_EAUTH;
    if (share.len != MIEN_SHARE_BYTES || mien_bitmap_has(sum->member[index].holders, from))
        return MIEN_EPARSE;
    enum mien_status status = mien_share_decode(share.data, &decoded);
    if (status != MIEN_OK)
        return status;
    struct member *m = &sum->member[index];
    if (m->shares == NULL)
        m->shares = mien_calloc(sum->session.n, sizeof(*m->shares));
    if (m->shares != NULL) {
        m->shares[from] = decoded;
        m->n_shares++;
        mien_bitmap_add(m->holders, from);
    }
    mien_wipe(&decoded, sizeof(decoded));
    return m->shares == NULL ? MIEN_ENOMEM : MIEN_OK;
}

bool mien_secagg_sum_ready(const struct mien_secagg_sum *sum)
{
    if (sum->state != STATE_REVEALS)
        return false;
    for (uint32_t i = 0; i < sum->session.n; i++) {
        if (sum->member[i].has_shared && sum->member[i].n_shares < sum->session.t)
            return false;
    }
    return true;
}

/* The masks that the sum still holds. */
struct masks {
    struct mien_mask *mask; /* secret */
    uint32_t n;
};

static uint32_t n_masks(const struct mien_secagg_sum *sum)
{
    const uint32_t n_alive = mien_bitmap_count(sum->survivors, sum->session.n);
    uint32_t n_gone = 0;

    for (uint32_t i = 0; i < sum->session.n; i++)
        n_gone += sum->member[i].has_shared && !mien_bitmap_has(sum->survivors, i);
    return n_alive + n_gone * n_alive;
}

static enum mien_status add_self_mask(const struct mien_secagg_sum *sum, uint32_t of,
                                      const uint8_t seed[MIEN_SEED_BYTES], struct masks *masks)
{
    struct mien_mask *mask = &masks->mask[masks->n++];

    mask->subtract = true;
    return mien_session_self_mask(seed, sum->session_id, of, mask->key);
}

/* The masks between a member that left and every survivor. */
static enum mien_status add_pair_masks(const struct mien_secagg_sum *sum, uint32_t gone,
                                       const uint8_t secret_key[MIEN_KEY_BYTES],
                                       struct masks *masks)
{
    uint8_t shared[MIEN_KEY_BYTES];
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < sum->session.n && status == MIEN_OK; i++) {
        if (!mien_bitmap_has(sum->survivors, i))
            continue;
        struct mien_mask *mask = &masks->mask[masks->n++];

        /* The survivor added it when its index is the lower one. */
        mask->subtract = i < gone;
        status = mien_x25519_shared(secret_key, sum->member[i].keys.mask_pk, shared);
        if (status == MIEN_OK)
            status = mien_session_pair_mask(shared, sum->session_id, gone, i, mask->key);
    }
    mien_wipe(shared, sizeof(shared));
    return status;
}

/* A key seed must give the key that was sent; if not, its owner dealt shares of another seed. */
static enum mien_status open_pair_masks(const struct mien_secagg_sum *sum, uint32_t gone,
                                        const uint8_t seed[MIEN_SEED_BYTES], struct masks *masks,
                                        uint32_t *blamed)
{
    uint8_t secret_key[MIEN_KEY_BYTES];
    uint8_t public_key[MIEN_KEY_BYTES];
    enum mien_status status = mien_session_mask_sk(seed, sum->session_id, gone, secret_key);

    if (status == MIEN_OK)
        status = mien_x25519_public(secret_key, public_key);
    if (status == MIEN_OK &&
        memcmp(public_key, sum->member[gone].keys.mask_pk, sizeof(public_key)) != 0) {
        *blamed = gone;
        status = MIEN_ECORRUPT;
    }
    if (status == MIEN_OK)
        status = add_pair_masks(sum, gone, secret_key, masks);
    mien_wipe(secret_key, sizeof(secret_key));
    return status;
}

static enum mien_status open_masks(const struct mien_secagg_sum *sum, struct masks *masks,
                                   uint32_t *blamed)
{
    uint8_t seed[MIEN_SEED_BYTES];
    enum mien_status status = MIEN_OK;
    struct mien_rebuild *rebuild = mien_calloc(1, sizeof(*rebuild));

    if (rebuild == NULL)
        return MIEN_ENOMEM;
    mien_rebuild_init(rebuild, sum->session.n, sum->session.t);
    for (uint32_t i = 0; i < sum->session.n && status == MIEN_OK; i++) {
        const struct member *m = &sum->member[i];
        uint32_t liar = UINT32_MAX;

        if (!m->has_shared)
            continue;
        status = mien_rebuild_seed(rebuild, m->holders, m->shares, seed, &liar);
        if (liar != UINT32_MAX && *blamed == UINT32_MAX)
            *blamed = liar;
        if (status == MIEN_OK && mien_bitmap_has(sum->survivors, i))
            status = add_self_mask(sum, i, seed, masks);
        else if (status == MIEN_OK)
            status = open_pair_masks(sum, i, seed, masks, blamed);
    }
    mien_wipe(seed, sizeof(seed));
    mien_rebuild_fini(rebuild);
    mien_free(rebuild);
    return status;
}

enum mien_status mien_secagg_sum_unmask(struct mien_secagg_sum *sum, const struct mien_crew *crew,
                                        int64_t *total, uint32_t *blamed)
{
    *blamed = UINT32_MAX;
    if (!mien_secagg_sum_ready(sum))
        return MIEN_ESTATE;
    const uint32_t n_max = n_masks(sum);
    struct masks masks = {.mask = mien_calloc(n_max, sizeof(*masks.mask))};
    if (masks.mask == NULL)
        return MIEN_ENOMEM;
    sum->state = STATE_OVER;
    enum mien_status status = open_masks(sum, &masks, blamed);
    if (status == MIEN_OK)
        status = mien_mask_apply(crew, masks.mask, masks.n, sum->residue, sum->session.dim);
    mien_wipe(masks.mask, n_max * sizeof(*masks.mask));
    mien_free(masks.mask);
    for (uint32_t j = 0; j < sum->session.dim && status == MIEN_OK; j++)
        total[j] += mien_lift(sum->residue[j], sum->session.bits);
    mien_wipe(sum->residue, sum->session.dim * sizeof(*sum->residue));
    forget_shares(sum);
    return status;
}
