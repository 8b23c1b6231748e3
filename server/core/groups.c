// SPDX-License-Identifier: Apache-2.0
/* Sessions of the devices that are ready: forming them, keys, shares, delivery. All sessions of a
 * round go step by step together; those that are formed later catch up with the others. */
#include "common/base/mem.h"
#include "common/wire/vector.h"
#include "server/core/internal.h"

#include <inttypes.h>
#include <stdlib.h>
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
        if (mien_round_may_rejoin(c, peer)) {
            mien_round_rejoin(c, peer);
            continue;
        }
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

/* A member's place before and after the sort. */
struct placed {
    uint8_t tag[MIEN_ROLL_TAG_BYTES];
    uint32_t peer;
};

static int compare_tags(const void *a, const void *b)
{
    return memcmp(((const struct placed *)a)->tag, ((const struct placed *)b)->tag,
                  MIEN_ROLL_TAG_BYTES);
}

/* Members take their places in the order of their units' tags; the roll's tags come out. */
static enum mien_status place_members(struct mien_coordinator *c, struct mien_group *g,
                                      uint8_t *tags)
{
    const uint32_t n = g->session.n;
    enum mien_status status = MIEN_OK;
    struct placed *placed = mien_calloc(n, sizeof(*placed));

    if (placed == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++) {
        placed[i].peer = g->member[i];
        status = mien_session_tag(g->session.nonce, c->peers[g->member[i]].identity.unit_digest,
                                  placed[i].tag);
    }
    qsort(placed, n, sizeof(*placed), compare_tags);
    for (uint32_t i = 0; i < n; i++) {
        struct mien_peer *p = &c->peers[placed[i].peer];

        g->member[i] = placed[i].peer;
        memcpy(g->unit[i], p->identity.unit_digest, 32);
        memcpy(tags + (size_t)i * MIEN_ROLL_TAG_BYTES, placed[i].tag, MIEN_ROLL_TAG_BYTES);
        p->index = i;
    }
    mien_free(placed);
    return status;
}

enum mien_status mien_round_check_groups(const struct mien_plan *plan, struct mien_err *err)
{
    const struct mien_design_goal goal = mien_design_goal_of_plan(plan);
    struct mien_design ignored;

    return mien_design_of(&goal, plan->group_max, &ignored, err) == MIEN_OK ? MIEN_OK : MIEN_EINVAL;
}

static enum mien_status design(const struct mien_coordinator *c, struct mien_session *s)
{
    const struct mien_design_goal goal = mien_design_goal_of_plan(&c->config.plan);
    struct mien_design d;
    enum mien_status status = mien_design_of(&goal, s->n, &d, NULL);

    if (status != MIEN_OK)
        return status;
    s->k = d.k;
    s->t = d.t;
    return MIEN_OK;
}

/* Everything that the session id covers, and the coordinator's side of the session. */
static enum mien_status describe(struct mien_coordinator *c, struct mien_group *g, uint32_t index)
{
    struct mien_session *s = &g->session;
    uint8_t *roll = mien_calloc(s->n, MIEN_ROLL_ENTRY_BYTES);
    uint8_t *tags = mien_calloc(s->n, MIEN_ROLL_TAG_BYTES);

    memcpy(s->run_id, c->config.run_id, 16);
    s->round = c->round.round;
    s->attempt = c->round.attempt;
    s->session_index = index;
    s->purpose = c->drill.running ? MIEN_SESSION_DRILL : MIEN_SESSION_TRAIN;
    memcpy(s->model_hash, c->model.hash, 32);
    memcpy(s->plan_hash, c->plan_hash, 32);
    s->dim = c->params.dim;
    s->bits = c->params.bits;
    enum mien_status status = roll == NULL || tags == NULL ? MIEN_ENOMEM : design(c, s);
    if (status == MIEN_OK)
        status = mien_rng_fill(&c->config.rng, s->nonce, sizeof(s->nonce));
    if (status == MIEN_OK)
        status = mien_rng_fill(&c->config.rng, g->opening, sizeof(g->opening));
    if (status == MIEN_OK)
        status = mien_session_commit(g->opening, s->commitment);
    if (status == MIEN_OK)
        status = place_members(c, g, tags);
    for (uint32_t i = 0; i < s->n && status == MIEN_OK; i++)
        memcpy(roll + (size_t)i * MIEN_ROLL_ENTRY_BYTES, tags + (size_t)i * MIEN_ROLL_TAG_BYTES,
               MIEN_ROLL_TAG_BYTES);
    if (status == MIEN_OK)
        status = mien_session_members(roll, s->n, s->members_digest);
    if (status == MIEN_OK)
        status = mien_secagg_sum_new(s, tags, &g->sum);
    mien_free(roll);
    mien_free(tags);
    return status;
}

static void announce(struct mien_coordinator *c, const struct mien_group *g)
{
    const struct mien_session *s = &g->session;

    for (uint32_t i = 0; i < s->n; i++) {
        struct mien_message m = {.type = MIEN_FRAME_SESSION};

        m.session.round = s->round;
        m.session.attempt = s->attempt;
        m.session.session_index = s->session_index;
        m.session.purpose = (enum mien_message_purpose)s->purpose;
        m.session.n = s->n;
        m.session.k = s->k;
        m.session.t = s->t;
        m.session.index = i;
        m.session.dim = s->dim;
        m.session.bits = s->bits;
        memcpy(m.session.nonce, s->nonce, 32);
        memcpy(m.session.members_digest, s->members_digest, 32);
        memcpy(m.session.commitment, s->commitment, 32);
        memcpy(m.session.session_id, mien_secagg_sum_session_id(g->sum), 32);
        mien_round_send(c, g->member[i], &m);
    }
}

static enum mien_status make_group(struct mien_coordinator *c, const uint32_t *order, uint32_t n,
                                   uint32_t index)
{
    struct mien_group *group = &c->groups[index];

    group->member = mien_calloc(n, sizeof(*group->member));
    group->unit = mien_calloc(n, sizeof(*group->unit));
    if (group->member == NULL || group->unit == NULL)
        return MIEN_ENOMEM;
    group->session.n = n;
    group->phase = MIEN_PHASE_KEYS;
    group->blame.failed = UINT32_MAX;
    memcpy(group->member, order, n * sizeof(*order));
    for (uint32_t i = 0; i < n; i++) {
        struct mien_peer *p = &c->peers[order[i]];

        p->part = MIEN_PART_MEMBER;
        p->session = index;
        p->index = i;
        p->did = false;
        p->had_slot = false;
    }
    return describe(c, group, index);
}

/* Groups of nearly equal size, as few as group_max allows, after those that there are. */
static enum mien_status make_groups(struct mien_coordinator *c, const uint32_t *order, uint32_t n)
{
    const uint32_t n_new = (n + c->config.plan.group_max - 1) / c->config.plan.group_max;
    const uint32_t first = c->n_groups;
    uint32_t at = 0;
    enum mien_status status = MIEN_OK;

    if (n == 0 || n / n_new < c->config.plan.group_min)
        return MIEN_EPOLICY;
    struct mien_group *grown = mien_reallocarray(c->groups, first + n_new, sizeof(*grown));
    if (grown == NULL)
        return MIEN_ENOMEM;
    memset(grown + first, 0, n_new * sizeof(*grown));
    c->groups = grown;
    c->n_groups = first + n_new;
    for (uint32_t g = 0; g < n_new && status == MIEN_OK; g++) {
        const uint32_t size = n / n_new + (g < n % n_new);

        status = make_group(c, order + at, size, first + g);
        at += size;
    }
    return status;
}

void mien_round_free_groups(struct mien_coordinator *c)
{
    for (uint32_t g = 0; g < c->n_groups; g++) {
        mien_secagg_sum_free(c->groups[g].sum);
        mien_free(c->groups[g].member);
        mien_free(c->groups[g].unit);
    }
    mien_free(c->groups);
    c->groups = NULL;
    c->n_groups = 0;
    c->n_regroups = 0;
}

static enum mien_drill_step drill_step(enum mien_coordinator_phase phase)
{
    switch (phase) {
    case MIEN_PHASE_KEYS:
        return MIEN_DRILL_KEYS;
    case MIEN_PHASE_SHARES:
        return MIEN_DRILL_SHARES;
    case MIEN_PHASE_INPUTS:
        return MIEN_DRILL_INPUTS;
    case MIEN_PHASE_CONFIRMS:
        return MIEN_DRILL_CONFIRMS;
    default:
        return MIEN_DRILL_REVEALS;
    }
}

void mien_round_begin_step(struct mien_coordinator *c, uint64_t now_ms,
                           enum mien_coordinator_phase phase)
{
    mien_round_drill_step(c, now_ms, drill_step(phase));
    c->phase = phase;
    c->deadline_ms = now_ms + c->config.limits.step_ms;
    for (uint32_t i = 0; i < c->n_peers; i++) {
        c->peers[i].did = false;
        c->peers[i].next_part = 0;
    }
}

/* Up to the masked vectors a session may be further than the round. */
static bool is_at_step(const struct mien_coordinator *c, const struct mien_peer *p)
{
    return c->phase > MIEN_PHASE_INPUTS || c->groups[p->session].phase == c->phase;
}

bool mien_round_all_did(const struct mien_coordinator *c)
{
    for (uint32_t i = 0; i < c->n_peers; i++) {
        const struct mien_peer *p = &c->peers[i];

        if (p->used && p->part == MIEN_PART_MEMBER && !p->did && is_at_step(c, p))
            return false;
    }
    return true;
}

enum mien_status mien_round_add_groups(struct mien_coordinator *c, uint32_t *n)
{
    uint32_t *order = mien_calloc(c->n_peers, sizeof(*order));

    *n = 0;
    if (order == NULL)
        return MIEN_ENOMEM;
    *n = shuffle_ready(c, order);
    const enum mien_status status = make_groups(c, order, *n);
    mien_free(order);
    return status;
}

void mien_round_announce(struct mien_coordinator *c, uint64_t now_ms, uint32_t first)
{
    mien_round_begin_step(c, now_ms, MIEN_PHASE_KEYS);
    for (uint32_t g = first; g < c->n_groups; g++)
        announce(c, &c->groups[g]);
}

void mien_round_form_groups(struct mien_coordinator *c, uint64_t now_ms)
{
    uint32_t n = 0;
    enum mien_status status = mien_round_add_groups(c, &n);

    if (status != MIEN_OK)
        mien_round_abandon(c, "no sessions of %u devices: %s", n, mien_status_text(status));
    else
        mien_round_announce(c, now_ms, 0);
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
                                                   c->peers[peer].identity.credential, &keys, &err);
    if (status != MIEN_OK) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_AUTH, "KEYS: %s",
                          mien_err_text(&err, status));
        return;
    }
    c->peers[peer].did = true;
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

        if (g->sum == NULL || g->phase != MIEN_PHASE_KEYS)
            continue;
        drop_late(c, g);
        g->phase = MIEN_PHASE_SHARES;
        if (mien_secagg_sum_close_keys(g->sum, g->opening) != MIEN_OK)
            mien_round_drop_group(c, i, "too few sent keys");
    }
    if (mien_round_regroup(c, now_ms))
        return;
    mien_round_begin_step(c, now_ms, MIEN_PHASE_SHARES);
    for (uint32_t i = 0; i < c->n_groups; i++) {
        struct mien_group *g = &c->groups[i];

        for (uint32_t j = 0; g->sum != NULL && j < g->session.n; j++) {
            if (g->phase != MIEN_PHASE_SHARES || g->member[j] == UINT32_MAX)
                continue;
            mien_round_send_roll(c, g, j);
            mien_round_send_roster(c, g, j);
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

/* A session's shares are in. Who sent all of its own, and has too few neighbours that did, is not
 * to blame. */
static void close_shares(struct mien_coordinator *c, uint32_t group)
{
    struct mien_group *g = &c->groups[group];

    for (uint32_t j = 0; j < g->session.n; j++) {
        if (g->member[j] != UINT32_MAX)
            c->peers[g->member[j]].did = mien_secagg_sum_shared(g->sum, j);
    }
    drop_late(c, g);
    g->phase = MIEN_PHASE_INPUTS;
    if (mien_secagg_sum_close_shares(g->sum) != MIEN_OK) {
        mien_round_drop_group(c, group, "too few sent shares");
        return;
    }
    for (uint32_t j = 0; j < g->session.n; j++) {
        const uint32_t peer = g->member[j];

        if (peer != UINT32_MAX && !mien_secagg_sum_goes_on(g->sum, j))
            mien_round_rejoin(c, peer);
    }
}

static void end_shares(struct mien_coordinator *c, uint64_t now_ms)
{
    for (uint32_t i = 0; i < c->n_groups; i++) {
        if (c->groups[i].sum != NULL && c->groups[i].phase == MIEN_PHASE_SHARES)
            close_shares(c, i);
    }
    if (mien_round_regroup(c, now_ms))
        return;
    mien_round_begin_step(c, now_ms, MIEN_PHASE_INPUTS);
    for (uint32_t i = 0; i < c->n_groups; i++) {
        struct mien_group *g = &c->groups[i];

        for (uint32_t j = 0; g->sum != NULL && j < g->session.n; j++) {
            if (g->phase == MIEN_PHASE_INPUTS && g->member[j] != UINT32_MAX)
                mien_round_send_deliveries(c, g, j);
        }
    }
    mien_round_begin_inputs(c, now_ms);
}

void mien_round_step_groups(struct mien_coordinator *c, uint64_t now_ms)
{
    if (!mien_round_all_did(c) && now_ms < c->deadline_ms)
        return;
    if (c->phase == MIEN_PHASE_KEYS)
        end_keys(c, now_ms);
    else
        end_shares(c, now_ms);
}
