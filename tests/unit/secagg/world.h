/* A whole session in memory: members with identities, device cores and the coordinator core, and
 * the steps of the protocol for all that stay so long.
 *
 * Threads: one
 */
#ifndef MIEN_TESTS_SECAGG_WORLD_H
#define MIEN_TESTS_SECAGG_WORLD_H

#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/secagg/coordinator.h"
#include "common/secagg/device.h"
#include "common/secagg/pack.h"
#include "tests/support/test.h"

#include <string.h>

#define MAX_N 48
#define DIM 37
#define BITS 20

enum leave {
    STAYS,
    BEFORE_KEYS,
    BEFORE_SHARES,
    BEFORE_INPUT,
    BEFORE_CONFIRM,
    BEFORE_REVEAL,
};

struct world {
    struct mien_rng_seeded *seeded;
    struct mien_rng rng;
    uint32_t n;
    uint8_t ca_seed[32];
    uint8_t ca_key[32];
    uint8_t identity_seed[MAX_N][32];
    uint8_t credential[MAX_N][MIEN_CREDENTIAL_BYTES];
    uint8_t tags[MAX_N * MIEN_ROLL_TAG_BYTES];
    uint8_t opening[32];
    struct mien_session session;
    struct mien_secagg_device *device[MAX_N];
    struct mien_secagg_sum *sum;
    enum leave leaves[MAX_N];
    int32_t vector[MAX_N][DIM];
};

/* Units so that their tags rise with the members' indices. */
static inline void world_units(struct world *w, uint8_t unit[MAX_N][32])
{
    for (uint32_t i = 0; i < w->n; i++) {
        uint8_t *tag = w->tags + i * MIEN_ROLL_TAG_BYTES;
        uint32_t at = i;

        memset(unit[i], 0, 32);
        unit[i][0] = (uint8_t)(i + 1);
        assert_int_equal(mien_session_tag(w->session.nonce, unit[i], tag), MIEN_OK);
        for (; at > 0 && memcmp(w->tags + (at - 1) * MIEN_ROLL_TAG_BYTES,
                                w->tags + at * MIEN_ROLL_TAG_BYTES, MIEN_ROLL_TAG_BYTES) > 0;
             at--) {
            uint8_t kept[32];

            memcpy(kept, unit[at], 32);
            memcpy(unit[at], unit[at - 1], 32);
            memcpy(unit[at - 1], kept, 32);
            memcpy(kept, w->tags + at * MIEN_ROLL_TAG_BYTES, MIEN_ROLL_TAG_BYTES);
            memcpy(w->tags + at * MIEN_ROLL_TAG_BYTES, w->tags + (at - 1) * MIEN_ROLL_TAG_BYTES,
                   MIEN_ROLL_TAG_BYTES);
            memcpy(w->tags + (at - 1) * MIEN_ROLL_TAG_BYTES, kept, MIEN_ROLL_TAG_BYTES);
        }
    }
}

static inline void world_members(struct world *w)
{
    uint8_t unit[MAX_N][32];
    uint8_t roll[MAX_N * MIEN_ROLL_ENTRY_BYTES] = {0};

    world_units(w, unit);
    for (uint32_t i = 0; i < w->n; i++) {
        struct mien_credential who = {.not_after = 1000};

        memcpy(roll + i * MIEN_ROLL_ENTRY_BYTES, w->tags + i * MIEN_ROLL_TAG_BYTES,
               MIEN_ROLL_TAG_BYTES);
        assert_int_equal(mien_rng_fill(&w->rng, w->identity_seed[i], 32), MIEN_OK);
        assert_int_equal(mien_ed25519_public(w->identity_seed[i], who.key), MIEN_OK);
        who.device_id[0] = (uint8_t)i;
        memcpy(who.unit_digest, unit[i], 32);
        assert_int_equal(mien_credential_issue(&who, w->ca_seed, w->credential[i]), MIEN_OK);
        for (uint32_t j = 0; j < DIM; j++)
            w->vector[i][j] = (int32_t)mien_rng_seeded_below(w->seeded, 20001) - 10000;
    }
    assert_int_equal(mien_session_members(roll, w->n, w->session.members_digest), MIEN_OK);
}

static inline struct mien_secagg_device_config world_config(const struct world *w, uint32_t i)
{
    struct mien_secagg_device_config config = {
        .session = w->session, .index = i, .now = 500, .min_members = 2};

    memcpy(config.device_key, w->identity_seed[i], 32);
    memcpy(config.ca_key, w->ca_key, 32);
    memcpy(config.credential, w->credential[i], MIEN_CREDENTIAL_BYTES);
    return config;
}

/* n members with k neighbours each and threshold t, for a purpose. */
static inline void world_init_session(struct world *w, struct mien_session session, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    assert_int_equal(mien_rng_seeded_new(seed, 0, &w->seeded), MIEN_OK);
    w->rng = mien_rng_seeded_handle(w->seeded);
    w->n = session.n;
    w->session = session;
    assert_int_equal(mien_rng_fill(&w->rng, w->ca_seed, 32), MIEN_OK);
    assert_int_equal(mien_ed25519_public(w->ca_seed, w->ca_key), MIEN_OK);
    assert_int_equal(mien_rng_fill(&w->rng, w->session.nonce, 32), MIEN_OK);
    assert_int_equal(mien_rng_fill(&w->rng, w->opening, 32), MIEN_OK);
    assert_int_equal(mien_session_commit(w->opening, w->session.commitment), MIEN_OK);
    world_members(w);
    assert_int_equal(mien_secagg_sum_new(&w->session, w->tags, &w->sum), MIEN_OK);
    for (uint32_t i = 0; i < session.n; i++) {
        const struct mien_secagg_device_config config = world_config(w, i);

        assert_int_equal(mien_secagg_device_new(&config, &w->rng, &w->device[i], NULL), MIEN_OK);
    }
}

static inline void world_init_ring(struct world *w, uint32_t n, uint32_t k, uint32_t t,
                                   uint64_t seed)
{
    world_init_session(w,
                       (struct mien_session){.round = 3,
                                             .purpose = MIEN_SESSION_TRAIN,
                                             .n = n,
                                             .k = k,
                                             .t = t,
                                             .dim = DIM,
                                             .bits = BITS},
                       seed);
}

static inline void world_init(struct world *w, uint32_t n, uint64_t seed)
{
    world_init_ring(w, n, n - 1, mien_design_complete_threshold(n), seed);
}

static inline void world_fini(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        mien_secagg_device_free(w->device[i]);
    mien_secagg_sum_free(w->sum);
    mien_rng_seeded_free(w->seeded);
}

static inline struct mien_span credential_of(const struct world *w, uint32_t i)
{
    return (struct mien_span){w->credential[i], MIEN_CREDENTIAL_BYTES};
}

/* The roll, in two parts. */
static inline enum mien_status give_roll(struct world *w, uint32_t to, struct mien_err *err)
{
    const uint8_t *roll = mien_secagg_sum_roll(w->sum);
    const size_t half = (size_t)(w->n / 2) * MIEN_ROLL_ENTRY_BYTES;
    enum mien_status status =
        mien_secagg_device_roll(w->device[to], (struct mien_span){roll, half}, err);

    if (status == MIEN_OK)
        status = mien_secagg_device_roll(
            w->device[to],
            (struct mien_span){roll + half, (size_t)w->n * MIEN_ROLL_ENTRY_BYTES - half}, err);
    return status == MIEN_OK ? mien_secagg_device_roll_end(w->device[to], w->opening, err) : status;
}

static inline enum mien_status give_roster(struct world *w, uint32_t to, struct mien_err *err)
{
    uint32_t peers[MAX_N];
    const uint32_t n = mien_secagg_sum_peers(w->sum, to, peers);

    for (uint32_t i = 0; i < n; i++) {
        const struct mien_session_keys *keys = mien_secagg_sum_roster(w->sum, peers[i]);

        if (keys == NULL)
            continue;
        enum mien_status status = mien_secagg_device_roster(w->device[to], peers[i],
                                                            credential_of(w, peers[i]), keys, err);
        if (status != MIEN_OK)
            return status;
    }
    return mien_secagg_device_roster_end(w->device[to], &w->rng, err);
}

/* Keys from all that stay so long; false when too few. */
static inline bool run_keys(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        struct mien_session_keys keys;

        if (w->leaves[i] == BEFORE_KEYS)
            continue;
        mien_secagg_device_keys(w->device[i], &keys);
        assert_int_equal(mien_secagg_sum_keys(w->sum, i, w->credential[i], &keys, NULL), MIEN_OK);
        assert_int_equal(mien_secagg_sum_keys(w->sum, i, w->credential[i], &keys, NULL),
                         MIEN_ESTATE);
    }
    return mien_secagg_sum_close_keys(w->sum, w->opening) == MIEN_OK;
}

static inline bool takes_part(const struct world *w, uint32_t i, enum leave step)
{
    return w->leaves[i] == STAYS || w->leaves[i] > step;
}

static inline void share_from(struct world *w, uint32_t i)
{
    const uint32_t n_peers = mien_secagg_device_n_peers(w->device[i]);

    for (uint32_t place = 0; place < n_peers; place++) {
        const uint32_t to = mien_secagg_device_peer(w->device[i], place);
        uint8_t sealed[MIEN_SEALED_SHARES_BYTES];
        const struct mien_span span = {sealed, sizeof(sealed)};
        bool has = false;

        assert_int_equal(mien_secagg_device_shares(w->device[i], place, sealed, &has), MIEN_OK);
        if (!has)
            continue;
        assert_int_equal(mien_secagg_sum_shares(w->sum, i, to, span), MIEN_OK);
        assert_int_equal(mien_secagg_sum_shares(w->sum, i, to, span), MIEN_EPARSE);
    }
}

/* Shares of all that stay so long and find enough neighbours. */
static inline bool run_shares(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (!takes_part(w, i, BEFORE_SHARES))
            continue;
        assert_int_equal(give_roll(w, i, NULL), MIEN_OK);
        enum mien_status status = give_roster(w, i, NULL);
        if (status != MIEN_OK) {
            assert_int_equal(status, MIEN_EPOLICY);
            w->leaves[i] = BEFORE_SHARES;
            continue;
        }
        share_from(w, i);
        assert_true(mien_secagg_sum_shared(w->sum, i));
    }
    return mien_secagg_sum_close_shares(w->sum) == MIEN_OK;
}

static inline void deliver_to(struct world *w, uint32_t to)
{
    for (uint32_t from = 0; from < w->n; from++) {
        const uint8_t *sealed = mien_secagg_sum_delivery(w->sum, from, to);

        if (sealed != NULL)
            assert_int_equal(mien_secagg_device_deliver(
                                 w->device[to], from,
                                 (struct mien_span){sealed, MIEN_SEALED_SHARES_BYTES}, NULL),
                             MIEN_OK);
    }
    assert_int_equal(mien_secagg_device_deliver_end(w->device[to], NULL), MIEN_OK);
}

/* Vectors of all that stay so long; fixes the survivors. */
static inline bool run_inputs(struct world *w, uint8_t bitmap[MIEN_BITMAP_BYTES], uint8_t root[32])
{
    for (uint32_t i = 0; i < w->n; i++) {
        uint32_t masked[DIM];
        uint8_t packed[(DIM * BITS + 7) / 8];

        if (!takes_part(w, i, BEFORE_SHARES))
            continue;
        if (!mien_secagg_sum_goes_on(w->sum, i)) {
            w->leaves[i] = BEFORE_SHARES;
            continue;
        }
        deliver_to(w, i);
        memcpy(masked, w->vector[i], sizeof(masked));
        assert_int_equal(mien_secagg_device_mask(w->device[i], masked), MIEN_OK);
        if (!takes_part(w, i, BEFORE_INPUT))
            continue;
        mien_pack(masked, DIM, BITS, packed);
        const struct mien_span span = {packed, sizeof(packed)};
        assert_int_equal(
            mien_secagg_sum_input(w->sum, i, (struct mien_span){packed, sizeof(packed) - 1}),
            MIEN_EPARSE);
        assert_int_equal(mien_secagg_sum_input(w->sum, i, span), MIEN_OK);
        assert_int_equal(mien_secagg_sum_input(w->sum, i, span), MIEN_ESTATE);
    }
    return mien_secagg_sum_close_inputs(w->sum, bitmap, root) == MIEN_OK;
}

static inline void reveal_from(struct world *w, uint32_t from, uint32_t flipped)
{
    const uint32_t n_peers = mien_secagg_device_n_peers(w->device[from]);

    for (uint32_t place = 0; place < n_peers; place++) {
        const uint32_t of = mien_secagg_device_peer(w->device[from], place);
        uint8_t share[MIEN_SHARE_BYTES];
        bool survived = false;
        bool has = false;

        assert_int_equal(mien_secagg_device_reveal(w->device[from], place, &survived, share, &has),
                         MIEN_OK);
        if (!has)
            continue;
        if (of == flipped)
            share[MIEN_SHARE_BYTES - 1] ^= 1;
        const struct mien_span span = {share, sizeof(share)};
        assert_int_equal(mien_secagg_sum_reveal(w->sum, from, of, !survived, span), MIEN_EAUTH);
        assert_int_equal(mien_secagg_sum_reveal(w->sum, from, of, survived, span), MIEN_OK);
        assert_int_equal(mien_secagg_sum_reveal(w->sum, from, of, survived, span), MIEN_EPARSE);
    }
}

/* Tells a survivor who survived and takes its signature. */
static inline void confirm_from(struct world *w, uint32_t i, const uint8_t *bitmap,
                                const uint8_t *root)
{
    uint8_t signature[MIEN_SIGNATURE_BYTES];
    const uint8_t *key = w->identity_seed[i];

    assert_int_equal(mien_secagg_device_survivors(w->device[i], bitmap, root, key, signature, NULL),
                     MIEN_OK);
    assert_int_equal(mien_secagg_device_survivors(w->device[i], bitmap, root, key, signature, NULL),
                     MIEN_ESTATE);
    assert_int_equal(mien_secagg_sum_confirm(w->sum, i, signature), MIEN_OK);
    assert_int_equal(mien_secagg_sum_confirm(w->sum, i, signature), MIEN_EPARSE);
}

/* Signatures of all that stay so long. */
static inline bool run_confirms(struct world *w, const uint8_t *bitmap, const uint8_t *root)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (takes_part(w, i, BEFORE_CONFIRM))
            confirm_from(w, i, bitmap, root);
    }
    return mien_secagg_sum_close_confirms(w->sum) == MIEN_OK;
}

/* A survivor gets its neighbours' signatures. */
static inline enum mien_status give_confirmed(struct world *w, uint32_t to)
{
    uint32_t peers[MAX_N];
    const uint32_t n = mien_secagg_sum_peers(w->sum, to, peers);

    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *signature = mien_secagg_sum_confirmation(w->sum, peers[i]);

        if (signature == NULL || peers[i] == to)
            continue;
        enum mien_status status =
            mien_secagg_device_confirm(w->device[to], peers[i], signature, NULL);
        if (status != MIEN_OK)
            return status;
    }
    return mien_secagg_device_confirm_end(w->device[to], NULL);
}

static inline void run_reveals(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->leaves[i] != STAYS)
            continue;
        assert_int_equal(give_confirmed(w, i), MIEN_OK);
        reveal_from(w, i, UINT32_MAX);
    }
}

#endif
