/* Devices of one session and the real coordinator's side of the secure sum, message by message, so
 * that a test can leave any step out or change it.
 */
#ifndef MIEN_TESTS_UNIT_CLIENT_GROUP_H
#define MIEN_TESTS_UNIT_CLIENT_GROUP_H

#include "client/core_internal.h"
#include "common/secagg/coordinator.h"
#include "common/secagg/pack.h"
#include "common/wire/vector.h"
#include "scripted.h"

#define GROUP_N 4

struct group {
    struct scripted device[GROUP_N];
    uint8_t tags[GROUP_N * MIEN_ROLL_TAG_BYTES];
    uint8_t opening[32];
    int64_t *plain; /* [dim] sum of the vectors of devices that upload */
    struct mien_session session;
    struct mien_secagg_params params;
    struct mien_secagg_sum *sum;
    uint8_t session_id[32];
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
};

/* Units whose tags under a nonce of zeros rise with the device's number. */
static inline void group_unit(uint32_t i, uint8_t unit[32])
{
    const uint8_t nonce[32] = {0};
    uint8_t before[MIEN_ROLL_TAG_BYTES] = {0};
    uint8_t tag[MIEN_ROLL_TAG_BYTES];

    memset(unit, 0, 32);
    for (uint32_t n = 0; n <= i; unit[0]++) {
        assert_int_equal(mien_session_tag(nonce, unit, tag), MIEN_OK);
        if (memcmp(before, tag, sizeof(tag)) >= 0)
            continue;
        memcpy(before, tag, sizeof(tag));
        if (n++ == i)
            break;
    }
}

/* All devices under one authority and coordinator, each with its credential. */
static inline void group_init_plan(struct group *g, bool small)
{
    struct mien_credential credential = {.not_after = INT64_MAX};
    struct scripted *first = &g->device[0];

    memset(g, 0, sizeof(*g));
    for (uint32_t i = 0; i < GROUP_N; i++) {
        struct scripted *d = &g->device[i];
        struct mien_client_identity *id = &d->config.identity;

        scripted_init(d);
        if (!small)
            scripted_make_plan(d, false);
        mien_rng_seeded_free(d->seeded);
        assert_int_equal(mien_rng_seeded_new(1, i + 10, &d->seeded), MIEN_OK);
        d->rng = mien_rng_seeded_handle(d->seeded);
        d->config.rng = d->rng;
        d->pixel = 0.25F * (float)(i + 1);
        memcpy(d->signing_seed, first->signing_seed, 32);
        memcpy(d->ca_seed, first->ca_seed, 32);
        memcpy(id->ca_key, first->config.identity.ca_key, 32);
        memcpy(id->coordinator_key, first->config.identity.coordinator_key, 32);
        assert_int_equal(mien_identity_draw(&d->rng, id->device_key, credential.key), MIEN_OK);
        memset(credential.device_id, (int)i + 1, sizeof(credential.device_id));
        group_unit(i, credential.unit_digest);
        assert_int_equal(mien_credential_issue(&credential, d->ca_seed, id->credential), MIEN_OK);
    }
    assert_int_equal(mien_secagg_params_of_plan(&first->plan, &g->params, NULL), MIEN_OK);
    g->plain = mien_calloc(g->params.dim, sizeof(*g->plain));
    assert_non_null(g->plain);
}

static inline void group_init(struct group *g)
{
    group_init_plan(g, true);
}

static inline void group_fini(struct group *g)
{
    for (uint32_t i = 0; i < GROUP_N; i++)
        scripted_fini(&g->device[i]);
    mien_secagg_sum_free(g->sum);
    mien_free(g->plain);
}

/* Devices trained and ready for a round. */
static inline void group_ready(struct group *g, uint64_t round)
{
    for (uint32_t i = 0; i < GROUP_N; i++) {
        scripted_start(&g->device[i]);
        scripted_check_in(&g->device[i]);
        scripted_train(&g->device[i], round, 2);
    }
}

/* What the session is about, and the coordinator's side of it. */
static inline void group_open_for(struct group *g, uint64_t round, uint32_t index, uint32_t purpose)
{
    const struct scripted *d = &g->device[0];
    uint8_t roll[GROUP_N * MIEN_ROLL_ENTRY_BYTES] = {0};

    g->session = (struct mien_session){.round = round,
                                       .attempt = 1,
                                       .session_index = index,
                                       .purpose = purpose,
                                       .n = GROUP_N,
                                       .k = GROUP_N - 1,
                                       .t = mien_design_complete_threshold(GROUP_N),
                                       .dim = g->params.dim,
                                       .bits = g->params.bits};
    memcpy(g->session.run_id, d->config.identity.run_id, 16);
    memcpy(g->session.model_hash, d->model_hash, 32);
    memcpy(g->session.plan_hash, d->plan_hash, 32);
    g->opening[0] = (uint8_t)index;
    assert_int_equal(mien_session_commit(g->opening, g->session.commitment), MIEN_OK);
    for (uint32_t i = 0; i < GROUP_N; i++) {
        uint8_t *tag = g->tags + i * MIEN_ROLL_TAG_BYTES;
        uint8_t unit[32];

        group_unit(i, unit);
        assert_int_equal(mien_session_tag(g->session.nonce, unit, tag), MIEN_OK);
        memcpy(roll + i * MIEN_ROLL_ENTRY_BYTES, tag, MIEN_ROLL_TAG_BYTES);
    }
    assert_int_equal(mien_session_members(roll, GROUP_N, g->session.members_digest), MIEN_OK);
    mien_secagg_sum_free(g->sum);
    g->sum = NULL;
    assert_int_equal(mien_secagg_sum_new(&g->session, g->tags, &g->sum), MIEN_OK);
    memcpy(g->session_id, mien_secagg_sum_session_id(g->sum), 32);
}

static inline void group_open(struct group *g, uint64_t round, uint32_t index)
{
    group_open_for(g, round, index, MIEN_SESSION_TRAIN);
}

static inline struct mien_message group_session(const struct group *g, uint32_t i)
{
    const struct mien_session *a = &g->session;
    struct mien_message message = {.type = MIEN_FRAME_SESSION,
                                   .session = {.round = a->round,
                                               .attempt = a->attempt,
                                               .session_index = a->session_index,
                                               .purpose = (enum mien_message_purpose)a->purpose,
                                               .n = a->n,
                                               .k = a->k,
                                               .t = a->t,
                                               .index = i,
                                               .dim = a->dim,
                                               .bits = a->bits}};

    memcpy(message.session.nonce, a->nonce, 32);
    memcpy(message.session.members_digest, a->members_digest, 32);
    memcpy(message.session.commitment, a->commitment, 32);
    memcpy(message.session.session_id, g->session_id, 32);
    return message;
}

/* SESSION out, KEYS in. */
static inline void group_keys(struct group *g)
{
    for (uint32_t i = 0; i < GROUP_N; i++) {
        struct mien_message begin = group_session(g, i);
        struct mien_session_keys keys;

        scripted_tell(&g->device[i], &begin);
        struct mien_message message = scripted_next(&g->device[i], MIEN_FRAME_KEYS);
        memcpy(keys.mask_pk, message.keys.mask_pk, 32);
        memcpy(keys.channel_pk, message.keys.channel_pk, 32);
        memcpy(keys.signature, message.keys.signature, 64);
        assert_int_equal(
            mien_secagg_sum_keys(g->sum, i, g->device[i].config.identity.credential, &keys, NULL),
            MIEN_OK);
    }
    assert_int_equal(mien_secagg_sum_close_keys(g->sum, g->opening), MIEN_OK);
}

/* The roll, lent. */
static inline struct mien_message group_roll(const struct group *g)
{
    struct mien_message message = {
        .type = MIEN_FRAME_ROLL,
        .roll = {.n_parts = 1,
                 .n_entries = GROUP_N,
                 .entries = (uint8_t *)(uintptr_t)mien_secagg_sum_roll(g->sum)}};

    memcpy(message.roll.session_id, g->session_id, 32);
    memcpy(message.roll.opening, g->opening, 32);
    return message;
}

/* The roster in one part; entries[GROUP_N]. */
static inline struct mien_message group_roster(const struct group *g,
                                               struct mien_message_roster_entry *entries)
{
    struct mien_message message = {
        .type = MIEN_FRAME_ROSTER,
        .roster = {.n_parts = 1, .n_entries = GROUP_N, .entries = entries}};

    memcpy(message.roster.session_id, g->session_id, 32);
    for (uint32_t i = 0; i < GROUP_N; i++) {
        const struct mien_session_keys *keys = mien_secagg_sum_roster(g->sum, i);

        entries[i].index = i;
        entries[i].credential_len = MIEN_CREDENTIAL_BYTES;
        memcpy(entries[i].credential, g->device[i].config.identity.credential,
               MIEN_CREDENTIAL_BYTES);
        memcpy(entries[i].mask_pk, keys->mask_pk, 32);
        memcpy(entries[i].channel_pk, keys->channel_pk, 32);
        memcpy(entries[i].signature, keys->signature, 64);
    }
    return message;
}

/* ROLL out to everybody. */
static inline void group_tell_roll(struct group *g)
{
    struct mien_message roll = group_roll(g);

    for (uint32_t i = 0; i < GROUP_N; i++) {
        scripted_tell(&g->device[i], &roll);
        scripted_expect_silence(&g->device[i]);
    }
}

/* ROSTER out, SHARES in. */
static inline void group_shares(struct group *g)
{
    struct mien_message_roster_entry entries[GROUP_N];
    struct mien_message roster = group_roster(g, entries);

    for (uint32_t i = 0; i < GROUP_N; i++) {
        scripted_tell(&g->device[i], &roster);
        struct mien_message message = scripted_next(&g->device[i], MIEN_FRAME_SHARES);
        for (size_t k = 0; k < message.shares.n_entries; k++) {
            const struct mien_message_sealed *entry = &message.shares.entries[k];

            assert_int_equal(mien_secagg_sum_shares(g->sum, i, entry->index,
                                                    (struct mien_span){entry->bytes, entry->len}),
                             MIEN_OK);
        }
        mien_message_fini(&message);
    }
    assert_int_equal(mien_secagg_sum_close_shares(g->sum), MIEN_OK);
}

/* DELIVER for device i; entries[GROUP_N]. */
static inline struct mien_message group_delivery(const struct group *g, uint32_t i,
                                                 struct mien_message_sealed *entries)
{
    struct mien_message message = {.type = MIEN_FRAME_DELIVER,
                                   .deliver = {.n_parts = 1, .entries = entries}};

    memcpy(message.deliver.session_id, g->session_id, 32);
    for (uint32_t from = 0; from < GROUP_N; from++) {
        const uint8_t *sealed = mien_secagg_sum_delivery(g->sum, from, i);

        if (sealed == NULL)
            continue;
        struct mien_message_sealed *entry = &entries[message.deliver.n_entries++];
        entry->index = from;
        entry->len = MIEN_SEALED_SHARES_BYTES;
        memcpy(entry->bytes, sealed, MIEN_SEALED_SHARES_BYTES);
    }
    return message;
}

static inline void group_deliver(struct group *g)
{
    for (uint32_t i = 0; i < GROUP_N; i++) {
        struct mien_message_sealed entries[GROUP_N];
        struct mien_message message = group_delivery(g, i, entries);

        scripted_tell(&g->device[i], &message);
        scripted_expect_silence(&g->device[i]);
    }
}

static inline struct mien_message group_of(const struct group *g, enum mien_frame_type type)
{
    struct mien_message message = {.type = type};

    memcpy(message.slot.session_id, g->session_id, 32);
    return message;
}

/* The chunks that a device sent, as one vector; given. */
static inline struct mien_buf group_read_input(struct group *g, uint32_t i)
{
    struct mien_buf packed = {0};
    uint64_t total = mien_secagg_packed_bytes(g->params.dim, g->params.bits);

    while (packed.len < total) {
        struct mien_message chunk = scripted_next(&g->device[i], MIEN_FRAME_INPUT_CHUNK);

        assert_memory_equal(chunk.input_chunk.session_id, g->session_id, 32);
        assert_int_equal(chunk.input_chunk.offset, packed.len);
        assert_int_equal(chunk.input_chunk.total, total);
        assert_int_equal(
            mien_buf_append(&packed, chunk.input_chunk.data.data, chunk.input_chunk.data.len),
            MIEN_OK);
    }
    return packed;
}

/* SLOT, masking and the whole upload of one device; its vector joins the plain sum. */
static inline void group_upload(struct group *g, uint32_t i)
{
    struct scripted *d = &g->device[i];
    struct mien_message slot = group_of(g, MIEN_FRAME_SLOT);
    struct mien_message input_ok = group_of(g, MIEN_FRAME_INPUT_OK);

    for (uint32_t k = 0; k < g->params.dim; k++)
        g->plain[k] += d->core->round->vector[k];
    scripted_tell(d, &slot);
    assert_int_equal(mien_client_core_work(d->core, d->now_ms, NULL), MIEN_OK);
    while (mien_client_core_wish(d->core).pump)
        assert_int_equal(mien_client_core_pump(d->core, d->now_ms), MIEN_OK);
    assert_null(d->core->round->vector);
    struct mien_buf packed = group_read_input(g, i);
    assert_int_equal(mien_secagg_sum_input(g->sum, i, mien_buf_span(&packed)), MIEN_OK);
    mien_buf_fini(&packed);
    scripted_tell(d, &input_ok);
}

static inline struct mien_message group_survivors(struct group *g)
{
    struct mien_message message = {.type = MIEN_FRAME_SURVIVORS, .survivors = {.n = GROUP_N}};

    memcpy(message.survivors.session_id, g->session_id, 32);
    memcpy(message.survivors.bitmap, g->bitmap, MIEN_BITMAP_BYTES);
    memcpy(message.survivors.root, g->root, 32);
    return message;
}

/* SURVIVORS out, CONFIRM in. */
static inline void group_confirm(struct group *g, uint32_t i)
{
    struct mien_message survivors = group_survivors(g);

    scripted_tell(&g->device[i], &survivors);
    struct mien_message message = scripted_next(&g->device[i], MIEN_FRAME_CONFIRM);
    assert_int_equal(mien_secagg_sum_confirm(g->sum, i, message.confirm.signature), MIEN_OK);
}

/* CONFIRMED for device i; entries[GROUP_N]. */
static inline struct mien_message group_confirmed(const struct group *g, uint32_t i,
                                                  struct mien_message_confirmed_entry *entries)
{
    struct mien_message message = {.type = MIEN_FRAME_CONFIRMED,
                                   .confirmed = {.n_parts = 1, .entries = entries}};

    memcpy(message.confirmed.session_id, g->session_id, 32);
    for (uint32_t from = 0; from < GROUP_N; from++) {
        const uint8_t *signature = mien_secagg_sum_confirmation(g->sum, from);

        if (signature == NULL || from == i)
            continue;
        struct mien_message_confirmed_entry *entry = &entries[message.confirmed.n_entries++];
        entry->index = from;
        memcpy(entry->signature, signature, sizeof(entry->signature));
    }
    return message;
}

/* Who survived is fixed and signed by the first n devices. */
static inline void group_close(struct group *g, uint32_t n)
{
    assert_int_equal(mien_secagg_sum_close_inputs(g->sum, g->bitmap, g->root), MIEN_OK);
    for (uint32_t i = 0; i < n; i++)
        group_confirm(g, i);
    assert_int_equal(mien_secagg_sum_close_confirms(g->sum), MIEN_OK);
}

/* CONFIRMED out, REVEAL in. */
static inline void group_reveal(struct group *g, uint32_t i)
{
    struct mien_message_confirmed_entry signatures[GROUP_N];
    struct mien_message confirmed = group_confirmed(g, i, signatures);

    scripted_tell(&g->device[i], &confirmed);
    struct mien_message message = scripted_next(&g->device[i], MIEN_FRAME_REVEAL);
    for (size_t k = 0; k < message.reveal.n_entries; k++) {
        const struct mien_message_reveal_entry *entry = &message.reveal.entries[k];

        assert_int_equal(mien_secagg_sum_reveal(g->sum, i, entry->index,
                                                entry->kind == MIEN_MESSAGE_SELF_MASK,
                                                (struct mien_span){entry->share, entry->len}),
                         MIEN_OK);
    }
    mien_message_fini(&message);
}

/* From READY of all to the point where everybody may upload. */
static inline void group_to_slot(struct group *g, uint64_t round)
{
    group_ready(g, round);
    group_open(g, round, 0);
    group_keys(g);
    group_tell_roll(g);
    group_shares(g);
    group_deliver(g);
}

#endif
