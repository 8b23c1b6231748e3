// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/session_model.h"

#include "common/base/bytes.h"
#include "common/secagg/mask.h"

#include <stdlib.h>

static void must(enum mien_status status)
{
    fuzz_require(status == MIEN_OK);
}

uint8_t *fuzz_copy(const void *data, size_t n)
{
    uint8_t *copy = malloc(n == 0 ? 1 : n);

    fuzz_require(copy != NULL);
    if (n > 0)
        memcpy(copy, data, n);
    return copy;
}

struct mien_rng_seeded *model_rng(uint32_t i)
{
    struct mien_rng_seeded *seeded = NULL;

    must(mien_rng_seeded_new(7, i, &seeded));
    return seeded;
}

/* Units whose tags rise with the members' indices. */
static void draw_unit(const struct model *m, uint32_t i, uint8_t unit[32], uint8_t *tag)
{
    const uint8_t *before = i == 0 ? NULL : tag - MIEN_ROLL_TAG_BYTES;

    memset(unit, 0, 32);
    for (uint32_t n = 0;; n++) {
        mien_store_be32(unit, n);
        must(mien_session_tag(m->session.nonce, unit, tag));
        /* The first bytes leave room for those that follow. */
        if (tag[0] >> 5 == i && (before == NULL || memcmp(before, tag, MIEN_ROLL_TAG_BYTES) < 0))
            return;
    }
}

static void make_credential(struct model *m, uint32_t i, const uint8_t ca_seed[32])
{
    struct model_member *member = &m->member[i];
    struct mien_credential who = {.not_after = 1000};

    memset(member->identity_seed, (int)i + 1, 32);
    memset(member->device_id, (int)i + 11, sizeof(member->device_id));
    must(mien_ed25519_public(member->identity_seed, who.key));
    memcpy(who.device_id, member->device_id, sizeof(who.device_id));
    draw_unit(m, i, who.unit_digest, m->tags + (size_t)i * MIEN_ROLL_TAG_BYTES);
    must(mien_credential_issue(&who, ca_seed, member->credential));
}

/* In the order in which a device draws them. */
static void make_keys(struct model *m, uint32_t i)
{
    struct model_member *member = &m->member[i];
    uint8_t statement[MIEN_KEYS_STATEMENT_BYTES];
    struct mien_rng_seeded *seeded = model_rng(i);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);

    must(mien_rng_fill(&rng, member->key_seed, sizeof(member->key_seed)));
    must(mien_rng_fill(&rng, member->self_seed, sizeof(member->self_seed)));
    must(mien_rng_fill(&rng, member->channel_sk, sizeof(member->channel_sk)));
    must(mien_session_mask_sk(member->key_seed, m->session_id, member->device_id, member->mask_sk));
    must(mien_x25519_public(member->mask_sk, member->keys.mask_pk));
    must(mien_x25519_public(member->channel_sk, member->keys.channel_pk));
    mien_session_keys_statement(m->session_id, i, &member->keys, statement);
    must(mien_ed25519_sign(member->identity_seed, (struct mien_span){statement, sizeof(statement)},
                           member->keys.signature));
    must(mien_session_self_mask(member->self_seed, m->session_id, member->device_id,
                                member->self_mask));
    mien_rng_seeded_free(seeded);
}

static struct mien_session_member id_of(const struct model *m, uint32_t i)
{
    return (struct mien_session_member){i, m->member[i].device_id};
}

static void make_shares(struct model *m, uint32_t i)
{
    const uint32_t n = m->session.n;
    struct model_member *member = &m->member[i];
    struct mien_rng_seeded *seeded = model_rng(i + MODEL_MAX_N);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    struct mien_share self_mask[MODEL_MAX_N];
    struct mien_share key[MODEL_MAX_N];
    uint32_t index[MODEL_MAX_N];

    for (uint32_t j = 0; j < n; j++)
        index[j] = j;
    must(mien_share_split(member->self_seed, index, n, m->session.t, &rng, self_mask));
    must(mien_share_split(member->key_seed, index, n, m->session.t, &rng, key));
    for (uint32_t j = 0; j < n; j++) {
        uint8_t shared[MIEN_KEY_BYTES];

        member->share[j] = (struct mien_channel_shares){self_mask[j], key[j]};
        if (j == i)
            continue;
        must(mien_x25519_shared(member->mask_sk, m->member[j].keys.mask_pk, shared));
        must(mien_session_pair_mask(shared, m->session_id, id_of(m, i), id_of(m, j),
                                    member->pair_mask[j]));
        must(mien_x25519_shared(member->channel_sk, m->member[j].keys.channel_pk, shared));
        const struct mien_channel channel = {
            .shared = shared, .session_id = m->session_id, .from = id_of(m, i), .to = id_of(m, j)};
        must(mien_channel_seal(&channel, &member->share[j], member->sealed[j]));
    }
    mien_rng_seeded_free(seeded);
}

static void make_model(struct model *m, enum model_kind kind)
{
    static const uint8_t ca_seed[32] = {9};
    uint8_t roll[MODEL_MAX_N * MIEN_ROLL_ENTRY_BYTES] = {0};
    const bool ring = kind == MODEL_RING;

    m->session = (struct mien_session){.round = 3,
                                       .purpose = kind == MODEL_DRILL ? MIEN_SESSION_DRILL
                                                                      : MIEN_SESSION_TRAIN,
                                       .n = ring ? 7 : 5,
                                       .k = 4,
                                       .t = ring ? 3 : mien_design_complete_threshold(5),
                                       .dim = MODEL_DIM,
                                       .bits = MODEL_BITS};
    must(mien_ed25519_public(ca_seed, m->ca_key));
    must(mien_session_commit(m->opening, m->session.commitment));
    for (uint32_t i = 0; i < m->session.n; i++) {
        make_credential(m, i, ca_seed);
        memcpy(roll + (size_t)i * MIEN_ROLL_ENTRY_BYTES, m->tags + (size_t)i * MIEN_ROLL_TAG_BYTES,
               MIEN_ROLL_TAG_BYTES);
    }
    must(mien_session_members(roll, m->session.n, m->session.members_digest));
    fuzz_require(mien_session_is_sound(&m->session));
    must(mien_session_id(&m->session, m->session_id));
    for (uint32_t i = 0; i < m->session.n; i++) {
        make_keys(m, i);
        for (int32_t j = 0; j < MODEL_DIM; j++)
            m->member[i].vector[j] = (int32_t)i * 1000 - j * 777;
    }
    for (uint32_t i = 0; i < m->session.n; i++)
        make_shares(m, i);
}

const struct model *model_of(enum model_kind kind)
{
    static struct model models[MODEL_N_KINDS];

    if (models[kind].session.n == 0)
        make_model(&models[kind], kind);
    return &models[kind];
}

void model_roll(const struct model *m, uint32_t with_keys, uint8_t *roll)
{
    memset(roll, 0, (size_t)m->session.n * MIEN_ROLL_ENTRY_BYTES);
    for (uint32_t i = 0; i < m->session.n; i++) {
        uint8_t *entry = roll + (size_t)i * MIEN_ROLL_ENTRY_BYTES;

        memcpy(entry, m->tags + (size_t)i * MIEN_ROLL_TAG_BYTES, MIEN_ROLL_TAG_BYTES);
        if (model_has(with_keys, i))
            must(mien_session_entry(m->session_id, i, m->member[i].credential, &m->member[i].keys,
                                    entry + MIEN_ROLL_TAG_BYTES));
    }
}

void model_masked(const struct model *m, uint32_t i, uint32_t with, const int32_t *vector,
                  uint32_t *out)
{
    struct mien_mask masks[MODEL_MAX_N];
    uint32_t n = 0;

    memcpy(masks[n++].key, m->member[i].self_mask, 32);
    masks[0].subtract = false;
    for (uint32_t j = 0; j < m->session.n; j++) {
        if (j == i || !model_has(with, j))
            continue;
        memcpy(masks[n].key, m->member[i].pair_mask[j], 32);
        masks[n++].subtract = i > j;
    }
    for (uint32_t j = 0; j < MODEL_DIM; j++)
        out[j] = (uint32_t)vector[j];
    must(mien_mask_apply(NULL, masks, n, out, MODEL_DIM));
}

void model_confirm(const struct model *m, uint32_t i, const uint8_t root[32],
                   uint8_t out[MIEN_SIGNATURE_BYTES])
{
    uint8_t statement[MIEN_CONFIRM_STATEMENT_BYTES];

    mien_session_confirm_statement(m->session_id, i, root, statement);
    must(mien_ed25519_sign(m->member[i].identity_seed,
                           (struct mien_span){statement, sizeof(statement)}, out));
}

void model_root(const struct model *m, uint32_t survivors, uint8_t bitmap[MIEN_BITMAP_BYTES],
                uint8_t root[32])
{
    memset(bitmap, 0, MIEN_BITMAP_BYTES);
    mien_store_le32(bitmap, survivors);
    must(mien_session_root(m->session_id, m->session.n, bitmap, root));
}
