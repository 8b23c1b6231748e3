// SPDX-License-Identifier: Apache-2.0
/* A session's lists to one member, in parts: the whole roll, and what comes from its neighbours. */
#include "server/core/internal.h"

#include <string.h>

/* A member and its neighbours. */
struct peers {
    uint32_t n;
    uint32_t index[MIEN_SECAGG_MAX_HOLDERS];
};

void mien_round_send_roll(struct mien_coordinator *c, const struct mien_group *g, uint32_t index)
{
    const uint8_t *roll = mien_secagg_sum_roll(g->sum);
    struct mien_message m = {.type = MIEN_FRAME_ROLL};
    uint32_t at = 0;

    memcpy(m.roll.session_id, mien_secagg_sum_session_id(g->sum), 32);
    memcpy(m.roll.opening, g->opening, 32);
    m.roll.n_parts = mien_message_n_parts(g->session.n, MIEN_MESSAGE_ROLL_PER_PART);
    for (; m.roll.part < m.roll.n_parts; m.roll.part++) {
        const uint32_t left = g->session.n - at;

        /* Lent to the message, which only reads. */
        m.roll.entries = (uint8_t *)(uintptr_t)(roll + (size_t)at * MIEN_ROLL_ENTRY_BYTES);
        m.roll.n_entries = left < MIEN_MESSAGE_ROLL_PER_PART ? left : MIEN_MESSAGE_ROLL_PER_PART;
        at += (uint32_t)m.roll.n_entries;
        mien_round_send(c, g->member[index], &m);
    }
}

/* Those of a member and its neighbours that `has` is true for. */
static void list_peers(const struct mien_group *g, uint32_t index, struct peers *out,
                       bool (*has)(const struct mien_group *g, uint32_t of, uint32_t index))
{
    const uint32_t n = mien_secagg_sum_peers(g->sum, index, out->index);

    out->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (has(g, out->index[i], index))
            out->index[out->n++] = out->index[i];
    }
}

static bool has_keys(const struct mien_group *g, uint32_t of, uint32_t index)
{
    (void)index;
    return mien_secagg_sum_roster(g->sum, of) != NULL;
}

static bool has_shares(const struct mien_group *g, uint32_t of, uint32_t index)
{
    return mien_secagg_sum_delivery(g->sum, of, index) != NULL;
}

static bool has_signed(const struct mien_group *g, uint32_t of, uint32_t index)
{
    return of != index && mien_secagg_sum_confirmation(g->sum, of) != NULL;
}

void mien_round_send_roster(struct mien_coordinator *c, const struct mien_group *g, uint32_t index)
{
    struct mien_message_roster_entry entries[MIEN_MESSAGE_ROSTER_PER_PART];
    struct mien_message m = {.type = MIEN_FRAME_ROSTER};
    struct peers peers;

    memset(entries, 0, sizeof(entries));
    list_peers(g, index, &peers, has_keys);
    memcpy(m.roster.session_id, mien_secagg_sum_session_id(g->sum), 32);
    m.roster.n_parts = mien_message_n_parts(peers.n, MIEN_MESSAGE_ROSTER_PER_PART);
    m.roster.entries = entries;
    for (uint32_t i = 0; i < peers.n; i++) {
        struct mien_message_roster_entry *entry = &entries[m.roster.n_entries++];
        const struct mien_session_keys *keys = mien_secagg_sum_roster(g->sum, peers.index[i]);

        entry->index = peers.index[i];
        entry->credential_len = MIEN_CREDENTIAL_BYTES;
        memcpy(entry->credential, mien_secagg_sum_credential(g->sum, peers.index[i]),
               MIEN_CREDENTIAL_BYTES);
        memcpy(entry->mask_pk, keys->mask_pk, 32);
        memcpy(entry->channel_pk, keys->channel_pk, 32);
        memcpy(entry->signature, keys->signature, 64);
        if (m.roster.n_entries < MIEN_MESSAGE_ROSTER_PER_PART && i + 1 < peers.n)
            continue;
        mien_round_send(c, g->member[index], &m);
        m.roster.part++;
        m.roster.n_entries = 0;
    }
}

void mien_round_send_deliveries(struct mien_coordinator *c, const struct mien_group *g,
                                uint32_t index)
{
    struct mien_message_sealed entries[MIEN_MESSAGE_SEALED_PER_PART];
    struct mien_message m = {.type = MIEN_FRAME_DELIVER};
    struct peers peers;

    memset(entries, 0, sizeof(entries));
    list_peers(g, index, &peers, has_shares);
    memcpy(m.deliver.session_id, mien_secagg_sum_session_id(g->sum), 32);
    m.deliver.n_parts = mien_message_n_parts(peers.n, MIEN_MESSAGE_SEALED_PER_PART);
    m.deliver.entries = entries;
    for (uint32_t i = 0; i < peers.n; i++) {
        struct mien_message_sealed *entry = &entries[m.deliver.n_entries++];

        entry->index = peers.index[i];
        entry->len = MIEN_SEALED_SHARES_BYTES;
        memcpy(entry->bytes, mien_secagg_sum_delivery(g->sum, peers.index[i], index),
               MIEN_SEALED_SHARES_BYTES);
        if (m.deliver.n_entries < MIEN_MESSAGE_SEALED_PER_PART && i + 1 < peers.n)
            continue;
        mien_round_send(c, g->member[index], &m);
        m.deliver.part++;
        m.deliver.n_entries = 0;
    }
}

void mien_round_send_confirmed(struct mien_coordinator *c, const struct mien_group *g,
                               uint32_t index)
{
    struct mien_message_confirmed_entry entries[MIEN_MESSAGE_CONFIRMED_PER_PART];
    struct mien_message m = {.type = MIEN_FRAME_CONFIRMED};
    struct peers peers;

    memset(entries, 0, sizeof(entries));
    list_peers(g, index, &peers, has_signed);
    memcpy(m.confirmed.session_id, mien_secagg_sum_session_id(g->sum), 32);
    m.confirmed.n_parts = mien_message_n_parts(peers.n, MIEN_MESSAGE_CONFIRMED_PER_PART);
    m.confirmed.entries = entries;
    for (uint32_t i = 0; i < peers.n; i++) {
        struct mien_message_confirmed_entry *entry = &entries[m.confirmed.n_entries++];

        entry->index = peers.index[i];
        memcpy(entry->signature, mien_secagg_sum_confirmation(g->sum, peers.index[i]), 64);
        if (m.confirmed.n_entries < MIEN_MESSAGE_CONFIRMED_PER_PART && i + 1 < peers.n)
            continue;
        mien_round_send(c, g->member[index], &m);
        m.confirmed.part++;
        m.confirmed.n_entries = 0;
    }
}
