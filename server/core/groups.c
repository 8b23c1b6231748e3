// SPDX-License-Identifier: Apache-2.0
/* Sessions of the devices that are ready: forming them, keys, shares, delivery. All sessions of a
 * round go step by step together. */
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "server/core/internal.h"

#include <inttypes.h>
#include <string.h>

struct mien_group *mien_round_group_of(struct mien_coordinator *c, uint32_t peer,
                                       const uint8_t session_id[32])
{
    struct mien_peer *p = &c->peers[peer];

    if (p->part != MIEN_PART_MEMBER)
        return NULL; /* its session has ended meanwhile */
    struct mien_group *group = &c->groups[p->session];
    if (group->sum == NULL)
        return NULL;
    if (memcmp(mien_secagg_sum_session_id(group->sum), session_id, 32) != 0) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL, "another session's id");
        return NULL;
    }
    return group;
}

void mien_round_drop_group(struct mien_coordinator *c, uint32_t group, const char *why)
{
    struct mien_group *g = &c->groups[group];

    mien_round_log(c, MIEN_WARN, "session.dropped round=%" PRIu64 " session=%u why=\"%s\"",
                   c->round.round, group, why);
    mien_secagg_sum_free(g->sum);
    g->sum = NULL;
    for (uint32_t i = 0; i < g->session.n; i++) {
        const uint32_t peer = g->member[i];

        if (peer == UINT32_MAX)
            continue;
        mien_round_drop_part(c, peer);
        mien_round_come_back(c, peer, MIEN_MESSAGE_DROPPED);
    }
}

/* The devices that are ready, in a random order. */
static uint32_t shuffle_ready(struct mien_coordinator *c, uint32_t *order)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_peers; i++) {
        if (c->peers[i].used && c->peers[i].part == MIEN_PART_READY)
            order[n++] = i;
    }
    for (uint32_t i = n; i > 1; i--) {
        uint64_t j = 0;

        if (mien_rng_below(&c->config.rng, i, &j) != MIEN_OK)
            return 0;
        const uint32_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
    return n;
}

static enum mien_status describe(struct mien_coordinator *c, struct mien_group *g, uint32_t index)
{
    uint8_t ids[MIEN_SECAGG_MAX_MEMBERS * 16];
    struct mien_session *s = &g->session;

    memcpy(s->run_id, c->config.run_id, 16);
    s->round = c->round.round;
    s->attempt = c->round.attempt;
    s->session_index = index;
    s->purpose = MIEN_MESSAGE_PURPOSE_UPDATE;
    memcpy(s->model_hash, c->model.hash, 32);
    memcpy(s->plan_hash, c->plan_hash, 32);
    s->t = mien_session_threshold(s->n);
    s->dim = c->params.dim;
    s->bits = c->params.bits;
    for (uint32_t i = 0; i < s->n; i++)
        memcpy(ids + (size_t)i * 16, c->peers[g->member[i]].identity.device_id, 16);
    enum mien_status status =
        mien_digest((struct mien_span){ids, (size_t)s->n * 16}, s->members_digest);
    if (status == MIEN_OK)
        status = mien_rng_fill(&c->config.rng, s->nonce, sizeof(s->nonce));
    return status == MIEN_OK ? mien_secagg_sum_new(s, &g->sum) : status;
}

static void announce(struct mien_coordinator *c, const struct mien_group *g)
{
    const struct mien_session *s = &g->session;

    for (uint32_t i = 0; i < s->n; i++) {
        struct mien_message m = {.type = MIEN_FRAME_SESSION};

        m.session.round = s->round;
        m.session.attempt = s->attempt;
        m.session.session_index = s->session_index;
        m.session.purpose = MIEN_MESSAGE_PURPOSE_UPDATE;
        m.session.n = s->n;
        m.session.t = s->t;
        m.session.index = i;
        m.session.dim = s->dim;
        m.session.bits = s->bits;
        memcpy(m.session.nonce, s->nonce, 32);
        memcpy(m.session.members_digest, s->members_digest, 32);
        memcpy(m.session.session_id, mien_secagg_sum_session_id(g->sum), 32);
        mien_round_send(c, g->member[i], &m);
    }
}

/* Groups of nearly equal size, as few as group_max allows. */
static enum mien_status make_groups(struct mien_coordinator *c, const uint32_t *order, uint32_t n)
{
    const uint32_t n_groups = (n + c->config.plan.group_max - 1) / c->config.plan.group_max;
    uint32_t at = 0;

    if (n == 0 || n / n_groups < c->config.plan.group_min)
        return MIEN_EPOLICY;
    c->groups = mien_calloc(n_groups, sizeof(*c->groups));
    if (c->groups == NULL)
        return MIEN_ENOMEM;
    c->n_groups = n_groups;
    for (uint32_t g = 0; g < n_groups; g++) {
        struct mien_group *group = &c->groups[g];

        group->session.n = n / n_groups + (g < n % n_groups);
        for (uint32_t i = 0; i < group->session.n; i++) {
            struct mien_peer *p = &c->peers[order[at]];

            group->member[i] = order[at++];
            memcpy(group->unit[i], p->identity.unit_digest, 32);
            p->part = MIEN_PART_MEMBER;
            p->session = g;
            p->index = i;
            p->did = false;
        }
        enum mien_status status = describe(c, group, g);
        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK;
}

static void begin_step(struct mien_coordinator *c, uint64_t now_ms,
                       enum mien_coordinator_phase phase)
{
    c->phase = phase;
    c->deadline_ms = now_ms + c->config.limits.step_ms;
    for (uint32_t i = 0; i < c->n_peers; i++) {
        c->peers[i].did = false;
        c->peers[i].next_part = 0;
        c->peers[i].last_peer_index = UINT32_MAX;
    }
}

void mien_round_form_groups(struct mien_coordinator *c, uint64_t now_ms)
{
    uint32_t *order = mien_calloc(c->n_peers, sizeof(*order));
    const uint32_t n = order == NULL ? 0 : shuffle_ready(c, order);
    enum mien_status status = order == NULL ? MIEN_ENOMEM : make_groups(c, order, n);

    mien_free(order);
    if (status != MIEN_OK) {
        mien_round_abandon(c, "no sessions of %u devices: %s", n, mien_status_text(status));
        return;
    }
    begin_step(c, now_ms, MIEN_PHASE_KEYS);
    for (uint32_t g = 0; g < c->n_groups; g++)
        announce(c, &c->groups[g]);
}

void mien_round_keys(struct mien_coordinator *c, uint32_t peer, const struct mien_message_keys *m)
{
    struct mien_session_keys keys;
    struct mien_err err = {0};

    if (c->phase != MIEN_PHASE_KEYS)
        return; /* too late */
    struct mien_group *g = mien_round_group_of(c, peer, m->session_id);
    if (g == NULL)
        return;
    memcpy(keys.mask_pk, m->mask_pk, 32);
    memcpy(keys.channel_pk, m->channel_pk, 32);
    memcpy(keys.signature, m->signature, 64);
    enum mien_status status = mien_secagg_sum_keys(g->sum, c->peers[peer].index,
                                                   c->peers[peer].identity.key, &keys, &err);
    if (status != MIEN_OK) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_AUTH, "KEYS: %s",
                          mien_err_text(&err, status));
        return;
    }
    c->peers[peer].did = true;
}

/* The roster to one member, in parts. */
static void send_roster(struct mien_coordinator *c, const struct mien_group *g, uint32_t to)
{
    static const size_t per_part = MIEN_MESSAGE_ROSTER_PER_PART;
    struct mien_message_roster_entry entries[MIEN_MESSAGE_ROSTER_PER_PART];
    struct mien_message m = {.type = MIEN_FRAME_ROSTER};
    uint32_t n_in = 0;

    memset(entries, 0, sizeof(entries));
    for (uint32_t i = 0; i < g->session.n; i++)
        n_in += mien_secagg_sum_roster(g->sum, i) != NULL && g->member[i] != UINT32_MAX;
    memcpy(m.roster.session_id, mien_secagg_sum_session_id(g->sum), 32);
    m.roster.n_parts = mien_message_n_parts(n_in, per_part);
    m.roster.entries = entries;
    for (uint32_t i = 0; i < g->session.n; i++) {
        const struct mien_session_keys *keys = mien_secagg_sum_roster(g->sum, i);
        struct mien_message_roster_entry *entry = &entries[m.roster.n_entries];

        if (keys == NULL || g->member[i] == UINT32_MAX)
            continue;
        entry->index = i;
        entry->credential_len = MIEN_CREDENTIAL_BYTES;
        memcpy(entry->credential, c->peers[g->member[i]].identity.credential,
               MIEN_CREDENTIAL_BYTES);
        memcpy(entry->mask_pk, keys->mask_pk, 32);
        memcpy(entry->channel_pk, keys->channel_pk, 32);
        memcpy(entry->signature, keys->signature, 64);
        m.roster.n_entries++;
        n_in--;
        if (m.roster.n_entries < per_part && n_in > 0)
            continue;
        mien_round_send(c, to, &m);
        m.roster.part++;
        m.roster.n_entries = 0;
    }
}

/* Members that did not do what the step asked are out; their session goes on without them. */
static void drop_late(struct mien_coordinator *c, struct mien_group *g)
{
    for (uint32_t i = 0; i < g->session.n; i++) {
        const uint32_t peer = g->member[i];

        if (peer == UINT32_MAX || c->peers[peer].did)
            continue;
        mien_round_drop_part(c, peer);
        mien_round_come_back(c, peer, MIEN_MESSAGE_DROPPED);
    }
}

static void end_keys(struct mien_coordinator *c, uint64_t now_ms)
{
    for (uint32_t i = 0; i < c->n_groups; i++) {
        struct mien_group *g = &c->groups[i];

        if (g->sum == NULL)
            continue;
        drop_late(c, g);
        if (mien_secagg_sum_close_keys(g->sum) != MIEN_OK)
            mien_round_drop_group(c, i, "too few sent keys");
    }
    begin_step(c, now_ms, MIEN_PHASE_SHARES);
    for (uint32_t i = 0; i < c->n_groups; i++) {
        struct mien_group *g = &c->groups[i];

        for (uint32_t j = 0; g->sum != NULL && j < g->session.n; j++) {
            if (g->member[j] != UINT32_MAX)
                send_roster(c, g, g->member[j]);
        }
    }
}

void mien_round_shares(struct mien_coordinator *c, uint32_t peer,
                       const struct mien_message_shares *m)
{
    struct mien_peer *p = &c->peers[peer];

    if (c->phase != MIEN_PHASE_SHARES)
        return; /* too late */
    struct mien_group *g = mien_round_group_of(c, peer, m->session_id);
    if (g == NULL)
        return;
    if (m->part != p->next_part || p->did) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL, "SHARES: part %u, expected %u",
                          m->part, p->next_part);
        return;
    }
    p->next_part++;
    for (size_t i = 0; i < m->n_entries; i++) {
        const struct mien_message_sealed *e = &m->entries[i];
        enum mien_status status = mien_secagg_sum_shares(g->sum, p->index, e->index,
                                                         (struct mien_span){e->bytes, e->len});

        if (status != MIEN_OK) {
            mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL, "SHARES for member %u: %s",
                              e->index, mien_status_text(status));
            return;
        }
    }
    p->did = m->part + 1 == m->n_parts;
}

static void send_deliveries(struct mien_coordinator *c, const struct mien_group *g, uint32_t to)
{
    static const size_t per_part = MIEN_MESSAGE_SEALED_PER_PART;
    struct mien_message_sealed entries[MIEN_MESSAGE_SEALED_PER_PART];
    struct mien_message m = {.type = MIEN_FRAME_DELIVER};
    uint32_t n_in = 0;

    memset(entries, 0, sizeof(entries));
    for (uint32_t i = 0; i < g->session.n; i++)
        n_in += mien_secagg_sum_delivery(g->sum, i, to) != NULL;
    memcpy(m.deliver.session_id, mien_secagg_sum_session_id(g->sum), 32);
    m.deliver.n_parts = mien_message_n_parts(n_in, per_part);
    m.deliver.entries = entries;
    for (uint32_t i = 0; i < g->session.n; i++) {
        const uint8_t *sealed = mien_secagg_sum_delivery(g->sum, i, to);
        struct mien_message_sealed *entry = &entries[m.deliver.n_entries];

        if (sealed == NULL)
            continue;
        entry->index = i;
        entry->len = MIEN_SEALED_SHARES_BYTES;
        memcpy(entry->bytes, sealed, MIEN_SEALED_SHARES_BYTES);
        m.deliver.n_entries++;
        n_in--;
        if (m.deliver.n_entries < per_part && n_in > 0)
            continue;
        mien_round_send(c, g->member[to], &m);
        m.deliver.part++;
        m.deliver.n_entries = 0;
    }
}

static void end_shares(struct mien_coordinator *c, uint64_t now_ms)
{
    for (uint32_t i = 0; i < c->n_groups; i++) {
        struct mien_group *g = &c->groups[i];

        for (uint32_t j = 0; g->sum != NULL && j < g->session.n; j++) {
            if (g->member[j] != UINT32_MAX)
                c->peers[g->member[j]].did = mien_secagg_sum_shared(g->sum, j);
        }
        if (g->sum == NULL)
            continue;
        drop_late(c, g);
        if (mien_secagg_sum_close_shares(g->sum) != MIEN_OK)
            mien_round_drop_group(c, i, "too few sent shares");
    }
    begin_step(c, now_ms, MIEN_PHASE_INPUTS);
    for (uint32_t i = 0; i < c->n_groups; i++) {
        struct mien_group *g = &c->groups[i];

        for (uint32_t j = 0; g->sum != NULL && j < g->session.n; j++) {
            if (g->member[j] != UINT32_MAX)
                send_deliveries(c, g, j);
        }
    }
    mien_round_begin_inputs(c, now_ms);
}

void mien_round_step_groups(struct mien_coordinator *c, uint64_t now_ms)
{
    bool all = true;

    for (uint32_t i = 0; i < c->n_peers; i++) {
        const struct mien_peer *p = &c->peers[i];

        all = all && !(p->used && p->part == MIEN_PART_MEMBER && !p->did);
    }
    if (!all && now_ms < c->deadline_ms)
        return;
    if (c->phase == MIEN_PHASE_KEYS)
        end_keys(c, now_ms);
    else
        end_shares(c, now_ms);
}
