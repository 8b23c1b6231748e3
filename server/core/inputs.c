// SPDX-License-Identifier: Apache-2.0
/* Masked vectors: upload slots, INPUT rows before sums, survivors of every session. */
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/plan/noise.h"
#include "server/core/internal.h"

#include <inttypes.h>
#include <string.h>

void mien_round_begin_inputs(struct mien_coordinator *c, uint64_t now_ms)
{
    /* Slots make the step as long as the transfers take; each one has a step's time. */
    const uint32_t slots = c->config.limits.upload_slots;
    uint32_t n_members = 0;

    mien_round_drill_drop(c);
    for (uint32_t i = 0; i < c->n_peers; i++)
        n_members += c->peers[i].used && c->peers[i].part == MIEN_PART_MEMBER;
    c->deadline_ms = now_ms + (uint64_t)c->config.limits.step_ms * (1 + n_members / slots);
    mien_round_grant_slots(c);
}

void mien_round_grant_slots(struct mien_coordinator *c)
{
    for (uint32_t i = 0; i < c->n_peers && c->n_slots < c->config.limits.upload_slots; i++) {
        struct mien_peer *p = &c->peers[i];
        struct mien_message m = {.type = MIEN_FRAME_SLOT};

        if (!p->used || p->part != MIEN_PART_MEMBER || p->had_slot ||
            c->groups[p->session].phase != MIEN_PHASE_INPUTS)
            continue;
        p->upload = mien_calloc(mien_round_packed_bytes(c), 1);
        if (p->upload == NULL)
            return; /* another slot's memory comes back */
        p->has_slot = true;
        p->had_slot = true;
        p->n_upload = 0;
        c->n_slots++;
        memcpy(m.slot.session_id, mien_secagg_sum_session_id(c->groups[p->session].sum), 32);
        mien_round_send(c, i, &m);
    }
}

void mien_round_input(struct mien_coordinator *c, uint32_t peer,
                      const struct mien_message_input_chunk *m)
{
    struct mien_peer *p = &c->peers[peer];
    const uint64_t total = mien_round_packed_bytes(c);

    if (p->part != MIEN_PART_MEMBER || c->phase != MIEN_PHASE_INPUTS)
        return; /* too late: never summed */
    if (mien_round_group_of(c, peer, m->session_id) == NULL)
        return;
    if (!p->has_slot || p->uploaded || m->total != total || m->offset != p->n_upload ||
        m->data.len > total - p->n_upload || m->data.len == 0) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL,
                          "INPUT_CHUNK: no slot, or %" PRIu64 " of %" PRIu64
                          " expected at %" PRIu64,
                          m->offset, m->total, p->n_upload);
        return;
    }
    memcpy(p->upload + p->n_upload, m->data.data, m->data.len);
    p->n_upload += m->data.len;
    p->uploaded = p->n_upload == total;
}

/* The job takes what it needs of a peer: the device may leave while it runs. */
static void hand_over(struct mien_coordinator *c, struct mien_job_inputs *in, uint32_t peer)
{
    struct mien_peer *p = &c->peers[peer];

    in->peer[in->n] = peer;
    in->index[in->n] = p->index;
    memcpy(in->unit[in->n], p->identity.unit_digest, 32);
    in->upload[in->n++] = p->upload;
    p->upload = NULL;
}

/* One session's vectors that are complete: into the ledger, then into the sum. */
static bool start_inputs(struct mien_coordinator *c)
{
    struct mien_job_inputs *in = &c->job.inputs;

    for (uint32_t g = 0; g < c->n_groups; g++) {
        in->n = 0;
        in->group = g;
        for (uint32_t i = 0; i < c->groups[g].session.n && c->groups[g].sum != NULL; i++) {
            const uint32_t peer = c->groups[g].member[i];

            if (peer != UINT32_MAX && c->peers[peer].uploaded && c->peers[peer].upload != NULL &&
                in->n < MIEN_JOB_MAX_INPUTS)
                hand_over(c, in, peer);
        }
        if (in->n > 0) {
            mien_round_start_job(c, MIEN_JOB_INPUTS);
            return true;
        }
    }
    return false;
}

static void answer_input(struct mien_coordinator *c, const struct mien_job_inputs *in, uint32_t i)
{
    struct mien_peer *p = &c->peers[in->peer[i]];
    struct mien_message m = {.type = MIEN_FRAME_INPUT_OK};

    /* It may have gone while the job ran; its vector is in the sum all the same. */
    if (!p->used || !p->uploaded)
        return;
    p->has_slot = false;
    p->uploaded = false;
    c->n_slots--;
    if (in->status[i] != MIEN_OK) {
        mien_round_refuse(c, in->peer[i], MIEN_MESSAGE_ERROR_PROTOCOL, "the masked vector: %s",
                          mien_status_text(in->status[i]));
        return;
    }
    p->did = true;
    memcpy(m.input_ok.session_id, mien_secagg_sum_session_id(c->groups[in->group].sum), 32);
    mien_round_send(c, in->peer[i], &m);
}

void mien_round_free_inputs(struct mien_coordinator *c)
{
    struct mien_job_inputs *in = &c->job.inputs;

    for (uint32_t i = 0; i < in->n; i++) {
        mien_wipe(in->upload[i], mien_round_packed_bytes(c));
        mien_free(in->upload[i]);
    }
    in->n = 0;
}

void mien_round_inputs_done(struct mien_coordinator *c)
{
    for (uint32_t i = 0; i < c->job.inputs.n; i++) {
        if (!c->drill.running)
            mien_round_note_part(c, c->job.inputs.unit[i]);
        answer_input(c, &c->job.inputs, i);
    }
    mien_round_free_inputs(c);
    mien_round_grant_slots(c);
}

static uint32_t count_alive(const struct mien_coordinator *c)
{
    uint32_t n = 0;

    for (uint32_t g = 0; g < c->n_groups; g++)
        n += c->groups[g].sum != NULL;
    return n;
}

/* Fixes who survived in a session; below policy it is dropped before anything is unmasked. */
static void close_inputs(struct mien_coordinator *c, uint32_t group)
{
    struct mien_group *g = &c->groups[group];

    if (mien_secagg_sum_close_inputs(g->sum, g->bitmap, g->root) != MIEN_OK) {
        mien_round_drop_group(c, group, "too few vectors came");
        return;
    }
    g->n_survivors = mien_bitmap_count(g->bitmap, g->session.n);
    if (g->n_survivors < c->config.plan.group_min) {
        mien_round_drop_group(c, group, "fewer survivors than secure_sum.group_min");
        return;
    }
    if (g->n_survivors < mien_plan_min_survivors(&c->config.plan, g->session.n)) {
        mien_round_drop_group(c, group, "too few survivors for the devices' own noise");
        return;
    }
    g->phase = MIEN_PHASE_FIXING;
    for (uint32_t i = 0; i < g->session.n; i++) {
        const uint32_t peer = g->member[i];

        if (peer == UINT32_MAX || mien_bitmap_has(g->bitmap, i))
            continue;
        mien_round_drop_part(c, peer);
        mien_round_come_back(c, peer, MIEN_MESSAGE_DROPPED);
    }
}

static void end_inputs(struct mien_coordinator *c, uint64_t now_ms)
{
    for (uint32_t g = 0; g < c->n_groups; g++) {
        if (c->groups[g].sum != NULL && c->groups[g].phase == MIEN_PHASE_INPUTS)
            close_inputs(c, g);
    }
    if (mien_round_regroup(c, now_ms))
        return;
    mien_round_send_off(c);
    if (count_alive(c) == 0) {
        mien_round_abandon(c, "no session is left");
        return;
    }
    c->phase = MIEN_PHASE_FIXING;
    mien_round_start_job(c, MIEN_JOB_FIX);
}

/* Vectors that are in or may still come. */
static uint32_t count_possible(const struct mien_group *g)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < g->session.n; i++)
        n += g->member[i] != UINT32_MAX || mien_secagg_sum_has_input(g->sum, i);
    return n;
}

/* Sessions that so many have left that they cannot come to a sum: the sooner they end, the fewer
 * vectors have left in vain. */
static void drop_hopeless(struct mien_coordinator *c)
{
    for (uint32_t i = 0; i < c->n_groups; i++) {
        const struct mien_group *g = &c->groups[i];

        if (g->sum == NULL || g->phase != MIEN_PHASE_INPUTS)
            continue;
        const uint32_t n = count_possible(g);
        if (n < g->session.t || n < mien_plan_min_survivors(&c->config.plan, g->session.n))
            mien_round_drop_group(c, i, "too many left before their vectors came");
    }
}

void mien_round_step_inputs(struct mien_coordinator *c, uint64_t now_ms)
{
    if (start_inputs(c))
        return;
    drop_hopeless(c);
    if (!mien_round_all_did(c) && now_ms < c->deadline_ms) {
        mien_round_grant_slots(c); /* those of devices that left are free again */
        return;
    }
    end_inputs(c, now_ms);
}

void mien_round_fixed(struct mien_coordinator *c, uint64_t now_ms)
{
    mien_round_ask_confirms(c, now_ms);
}
