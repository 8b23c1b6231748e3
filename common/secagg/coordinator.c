// SPDX-License-Identifier: Apache-2.0
/* How a session begins at the coordinator: keys, graph, shares. */
#include "common/secagg/coordinator.h"

#include "common/base/bytes.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/coordinator_internal.h"

#include <string.h>

static enum mien_status set_up(struct mien_secagg_sum *sum, const uint8_t *tags)
{
    const struct mien_session *s = &sum->session;
    uint8_t digest[32];

    sum->member = mien_calloc(s->n, sizeof(*sum->member));
    sum->roll = mien_calloc(s->n, MIEN_ROLL_ENTRY_BYTES);
    sum->residue = mien_calloc(s->dim, sizeof(*sum->residue));
    sum->n_key_places = 4 * s->n;
    sum->key_at = mien_calloc(sum->n_key_places, sizeof(*sum->key_at));
    if (sum->member == NULL || sum->roll == NULL || sum->residue == NULL || sum->key_at == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < s->n; i++)
        memcpy(sum->roll + (size_t)i * MIEN_ROLL_ENTRY_BYTES,
               tags + (size_t)i * MIEN_ROLL_TAG_BYTES, MIEN_ROLL_TAG_BYTES);
    enum mien_status status = mien_session_members(sum->roll, s->n, digest);
    if (status == MIEN_OK && memcmp(digest, s->members_digest, sizeof(digest)) != 0)
        return MIEN_EINVAL;
    return status == MIEN_OK ? mien_session_id(s, sum->session_id) : status;
}

enum mien_status mien_secagg_sum_new(const struct mien_session *session, const uint8_t *tags,
                                     struct mien_secagg_sum **out)
{
    if (!mien_session_is_sound(session))
        return MIEN_EINVAL;
    struct mien_secagg_sum *sum = mien_calloc(1, sizeof(*sum));
    if (sum == NULL)
        return MIEN_ENOMEM;
    sum->session = *session;
    enum mien_status status = set_up(sum, tags);
    if (status != MIEN_OK) {
        mien_secagg_sum_free(sum);
        return status;
    }
    *out = sum;
    return MIEN_OK;
}

void mien_sum_forget_shares(struct mien_secagg_sum *sum)
{
    const size_t n = mien_graph_n_holders(&sum->graph);

    for (uint32_t i = 0; i < sum->session.n; i++) {
        struct mien_sum_member *m = &sum->member[i];

        if (m->shares != NULL)
            mien_wipe(m->shares, n * sizeof(*m->shares));
        mien_free(m->shares);
        m->shares = NULL;
    }
}

void mien_secagg_sum_free(struct mien_secagg_sum *sum)
{
    if (sum == NULL)
        return;
    if (sum->member != NULL) {
        mien_sum_forget_shares(sum);
        for (uint32_t i = 0; i < sum->session.n; i++) {
            mien_free(sum->member[i].sealed);
            mien_free(sum->member[i].has);
        }
    }
    mien_free(sum->member);
    mien_free(sum->roll);
    mien_free(sum->key_at);
    mien_graph_fini(&sum->graph);
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

/* The key that stands at a place. */
static const uint8_t *key_of(const struct mien_secagg_sum *sum, uint32_t place)
{
    const struct mien_session_keys *keys = &sum->member[(sum->key_at[place] - 1) / 2].keys;

    return sum->key_at[place] % 2 == 1 ? keys->mask_pk : keys->channel_pk;
}

/* Where a key stands, or would: its place follows from a digest that holds the session, so that
 * nobody knows beforehand which keys crowd each other. Half of the places are free. */
static enum mien_status find_key(const struct mien_secagg_sum *sum, const uint8_t *key,
                                 uint32_t *place)
{
    uint8_t bytes[MIEN_SESSION_ID_BYTES + MIEN_KEY_BYTES];
    uint8_t digest[MIEN_DIGEST_BYTES];

    memcpy(bytes, sum->session_id, MIEN_SESSION_ID_BYTES);
    memcpy(bytes + MIEN_SESSION_ID_BYTES, key, MIEN_KEY_BYTES);
    enum mien_status status = mien_digest((struct mien_span){bytes, sizeof(bytes)}, digest);
    if (status != MIEN_OK)
        return status;
    uint32_t at = (uint32_t)(mien_load_be64(digest) % sum->n_key_places);
    while (sum->key_at[at] != 0 && memcmp(key_of(sum, at), key, MIEN_KEY_BYTES) != 0)
        at = (at + 1) % sum->n_key_places;
    *place = at;
    return MIEN_OK;
}

/* Whether neither of the keys has come before, nor they are the same. */
static enum mien_status check_fresh(const struct mien_secagg_sum *sum,
                                    const struct mien_session_keys *keys, struct mien_err *err)
{
    uint32_t mask_place = 0;
    uint32_t channel_place = 0;
    enum mien_status status = find_key(sum, keys->mask_pk, &mask_place);

    if (status == MIEN_OK)
        status = find_key(sum, keys->channel_pk, &channel_place);
    if (status != MIEN_OK)
        return status;
    if (sum->key_at[mask_place] != 0 || sum->key_at[channel_place] != 0 ||
        memcmp(keys->mask_pk, keys->channel_pk, MIEN_KEY_BYTES) == 0)
        return mien_err_set(err, MIEN_EAUTH, "a key occurs twice");
    return MIEN_OK;
}

/* A member's keys, fresh, take their places. */
static enum mien_status keep_keys(struct mien_secagg_sum *sum, uint32_t index,
                                  const struct mien_session_keys *keys)
{
    uint32_t place = 0;
    enum mien_status status = find_key(sum, keys->mask_pk, &place);

    if (status != MIEN_OK)
        return status;
    sum->member[index].keys = *keys;
    sum->key_at[place] = 2 * index + 1;
    status = find_key(sum, keys->channel_pk, &place);
    if (status == MIEN_OK)
        sum->key_at[place] = 2 * index + 2;
    return status;
}

static enum mien_status check_keys(const struct mien_secagg_sum *sum, uint32_t index,
                                   const struct mien_credential *who,
                                   const struct mien_session_keys *keys, struct mien_err *err)
{
    uint8_t statement[MIEN_KEYS_STATEMENT_BYTES];
    uint8_t tag[MIEN_ROLL_TAG_BYTES];

    mien_session_keys_statement(sum->session_id, index, keys, statement);
    enum mien_status status = mien_ed25519_verify(
        who->key, (struct mien_span){statement, sizeof(statement)}, keys->signature);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "the keys are not signed for this session");
    if (!mien_x25519_is_sound(keys->mask_pk) || !mien_x25519_is_sound(keys->channel_pk))
        return mien_err_set(err, MIEN_EAUTH, "a key has low order");
    status = check_fresh(sum, keys, err);
    if (status != MIEN_OK)
        return status;
    status = mien_session_tag(sum->session.nonce, who->unit_digest, tag);
    if (status == MIEN_OK &&
        memcmp(tag, sum->roll + (size_t)index * MIEN_ROLL_ENTRY_BYTES, sizeof(tag)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the keys are of another unit's device");
    return status;
}

enum mien_status mien_secagg_sum_keys(struct mien_secagg_sum *sum, uint32_t index,
                                      const uint8_t credential[MIEN_CREDENTIAL_BYTES],
                                      const struct mien_session_keys *keys, struct mien_err *err)
{
    struct mien_credential who;

    if (index >= sum->session.n)
        return MIEN_EINVAL;
    struct mien_sum_member *m = &sum->member[index];
    if (sum->state != MIEN_SUM_KEYS || m->has_keys)
        return MIEN_ESTATE;
    mien_credential_read(credential, &who);
    enum mien_status status = check_keys(sum, index, &who, keys, err);
    if (status == MIEN_OK)
        status = mien_session_entry(sum->session_id, index, credential, keys,
                                    sum->roll + (size_t)index * MIEN_ROLL_ENTRY_BYTES +
                                        MIEN_ROLL_TAG_BYTES);
    if (status == MIEN_OK)
        status = keep_keys(sum, index, keys);
    if (status != MIEN_OK)
        return status;
    memcpy(m->credential, credential, sizeof(m->credential));
    m->has_keys = true;
    return MIEN_OK;
}

const struct mien_session_keys *mien_secagg_sum_roster(const struct mien_secagg_sum *sum,
                                                       uint32_t index)
{
    return index < sum->session.n && sum->member[index].has_keys ? &sum->member[index].keys : NULL;
}

const uint8_t *mien_secagg_sum_credential(const struct mien_secagg_sum *sum, uint32_t index)
{
    return index < sum->session.n && sum->member[index].has_keys ? sum->member[index].credential
                                                                 : NULL;
}

struct mien_session_member mien_sum_member_of(const struct mien_secagg_sum *sum, uint32_t index)
{
    /* The id stands after the version (credential.h). */
    return (struct mien_session_member){index, sum->member[index].credential + 1};
}

static enum mien_status make_graph(struct mien_secagg_sum *sum, const uint8_t opening[32])
{
    const struct mien_session *s = &sum->session;
    uint8_t bytes[32];
    enum mien_status status = mien_session_commit(opening, bytes);

    if (status == MIEN_OK && memcmp(bytes, s->commitment, sizeof(bytes)) != 0)
        return MIEN_EAUTH;
    if (status == MIEN_OK)
        status = mien_session_beacon(sum->session_id, opening, sum->roll, s->n, bytes);
    return status == MIEN_OK ? mien_graph_init(&sum->graph, s->n, s->k, bytes) : status;
}

enum mien_status mien_secagg_sum_close_keys(struct mien_secagg_sum *sum, const uint8_t opening[32])
{
    uint32_t n_in = 0;

    if (sum->state != MIEN_SUM_KEYS)
        return MIEN_ESTATE;
    for (uint32_t i = 0; i < sum->session.n; i++)
        n_in += sum->member[i].has_keys;
    sum->state = MIEN_SUM_OVER;
    if (n_in < sum->session.t)
        return MIEN_EPOLICY;
    enum mien_status status = make_graph(sum, opening);
    if (status == MIEN_OK)
        sum->state = MIEN_SUM_SHARES;
    return status;
}

const uint8_t *mien_secagg_sum_roll(const struct mien_secagg_sum *sum)
{
    return sum->roll;
}

uint32_t mien_secagg_sum_peers(const struct mien_secagg_sum *sum, uint32_t index, uint32_t *out)
{
    if (sum->graph.n == 0 || index >= sum->session.n)
        return 0;
    mien_graph_list(&sum->graph, index, out);
    return sum->session.k + 1;
}

/* The slot of `from`'s in which `to` is, when both sent keys; UINT32_MAX for no such pair. */
static uint32_t pair_slot(const struct mien_secagg_sum *sum, uint32_t from, uint32_t to)
{
    if (from >= sum->session.n || to >= sum->session.n || from == to ||
        !sum->member[from].has_keys || !sum->member[to].has_keys)
        return UINT32_MAX;
    return mien_graph_slot(&sum->graph, from, to);
}

enum mien_status mien_secagg_sum_shares(struct mien_secagg_sum *sum, uint32_t from, uint32_t to,
                                        struct mien_span sealed)
{
    if (sum->state != MIEN_SUM_SHARES)
        return MIEN_ESTATE;
    const uint32_t slot = pair_slot(sum, from, to);
    if (slot == UINT32_MAX)
        return MIEN_EINVAL;
    const size_t n = mien_graph_n_holders(&sum->graph);
    struct mien_sum_member *m = &sum->member[from];
    if (m->sealed == NULL)
        m->sealed = mien_calloc(n, MIEN_SEALED_SHARES_BYTES);
    if (m->has == NULL)
        m->has = mien_calloc(n, sizeof(*m->has));
    if (m->sealed == NULL || m->has == NULL)
        return MIEN_ENOMEM;
    if (sealed.len != MIEN_SEALED_SHARES_BYTES || m->has[slot])
        return MIEN_EPARSE;
    memcpy(m->sealed + (size_t)slot * MIEN_SEALED_SHARES_BYTES, sealed.data, sealed.len);
    m->has[slot] = true;
    m->n_sent++;
    return MIEN_OK;
}

bool mien_secagg_sum_shared(const struct mien_secagg_sum *sum, uint32_t index)
{
    uint32_t n_wanted = 0;

    if (sum->graph.n == 0 || index >= sum->session.n || !sum->member[index].has_keys)
        return false;
    for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph); slot++) {
        const uint32_t holder = mien_graph_holder(&sum->graph, index, slot);

        n_wanted += holder != index && sum->member[holder].has_keys;
    }
    return sum->member[index].n_sent == n_wanted;
}

/* How many of a member's holders go on. */
static uint32_t count_holders(const struct mien_secagg_sum *sum, uint32_t index)
{
    uint32_t n = 0;

    for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph); slot++)
        n += sum->member[mien_graph_holder(&sum->graph, index, slot)].goes_on;
    return n;
}

enum mien_status mien_secagg_sum_close_shares(struct mien_secagg_sum *sum)
{
    uint32_t n_in = 0;
    bool again = true;

    if (sum->state != MIEN_SUM_SHARES)
        return MIEN_ESTATE;
    for (uint32_t i = 0; i < sum->session.n; i++) {
        sum->member[i].goes_on = mien_secagg_sum_shared(sum, i);
        n_in += sum->member[i].goes_on;
    }
    /* Whose secrets too few hold could not be taken out of the sum again; without it others may
     * have too few. */
    while (again) {
        again = false;
        for (uint32_t i = 0; i < sum->session.n; i++) {
            if (!sum->member[i].goes_on || count_holders(sum, i) >= sum->session.t)
                continue;
            sum->member[i].goes_on = false;
            n_in--;
            again = true;
        }
    }
    sum->state = n_in < sum->session.t ? MIEN_SUM_OVER : MIEN_SUM_INPUTS;
    return n_in < sum->session.t ? MIEN_EPOLICY : MIEN_OK;
}

bool mien_secagg_sum_goes_on(const struct mien_secagg_sum *sum, uint32_t index)
{
    return index < sum->session.n && sum->member[index].goes_on;
}

const uint8_t *mien_secagg_sum_delivery(const struct mien_secagg_sum *sum, uint32_t from,
                                        uint32_t to)
{
    if (sum->state != MIEN_SUM_INPUTS)
        return NULL;
    const uint32_t slot = pair_slot(sum, from, to);
    if (slot == UINT32_MAX || !sum->member[from].goes_on || !sum->member[to].goes_on)
        return NULL;
    return sum->member[from].sealed + (size_t)slot * MIEN_SEALED_SHARES_BYTES;
}
