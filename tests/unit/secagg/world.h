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

#define MAX_N 24
#define DIM 37
#define BITS 20

enum leave { STAYS, BEFORE_KEYS, BEFORE_SHARES, BEFORE_INPUT, BEFORE_REVEAL };

struct world {
    struct mien_rng_seeded *seeded;
    struct mien_rng rng;
    uint32_t n;
    uint8_t ca_seed[32];
    uint8_t ca_key[32];
    uint8_t identity_seed[MAX_N][32];
    uint8_t identity[MAX_N][32];
    uint8_t credential[MAX_N][MIEN_CREDENTIAL_BYTES];
    struct mien_session session;
    struct mien_secagg_device *device[MAX_N];
    struct mien_secagg_sum *sum;
    enum leave leaves[MAX_N];
    int32_t vector[MAX_N][DIM];
};

static inline void world_init(struct world *w, uint32_t n, uint64_t seed)
{
    uint8_t ids[MAX_N * MIEN_DEVICE_ID_BYTES];

    memset(w, 0, sizeof(*w));
    assert_int_equal(mien_rng_seeded_new(seed, 0, &w->seeded), MIEN_OK);
    w->rng = mien_rng_seeded_handle(w->seeded);
    w->n = n;
    assert_int_equal(mien_rng_fill(&w->rng, w->ca_seed, 32), MIEN_OK);
    assert_int_equal(mien_ed25519_public(w->ca_seed, w->ca_key), MIEN_OK);
    for (uint32_t i = 0; i < n; i++) {
        struct mien_credential who = {.not_after = 1000};

        assert_int_equal(mien_rng_fill(&w->rng, w->identity_seed[i], 32), MIEN_OK);
        assert_int_equal(mien_ed25519_public(w->identity_seed[i], w->identity[i]), MIEN_OK);
        who.device_id[0] = (uint8_t)i;
        who.unit_digest[0] = (uint8_t)i;
        memcpy(who.key, w->identity[i], 32);
        memcpy(ids + i * MIEN_DEVICE_ID_BYTES, who.device_id, MIEN_DEVICE_ID_BYTES);
        assert_int_equal(mien_credential_issue(&who, w->ca_seed, w->credential[i]), MIEN_OK);
        for (uint32_t j = 0; j < DIM; j++)
            w->vector[i][j] = (int32_t)mien_rng_seeded_below(w->seeded, 20001) - 10000;
    }
    w->session = (struct mien_session){
        .round = 3, .n = n, .t = mien_session_threshold(n), .dim = DIM, .bits = BITS};
    assert_int_equal(
        mien_digest((struct mien_span){ids, n * MIEN_DEVICE_ID_BYTES}, w->session.members_digest),
        MIEN_OK);
    assert_int_equal(mien_secagg_sum_new(&w->session, &w->sum), MIEN_OK);
    for (uint32_t i = 0; i < n; i++) {
        struct mien_secagg_device_config config = {
            .session = w->session, .index = i, .now = 500, .min_members = 2};

        memcpy(config.device_key, w->identity_seed[i], 32);
        memcpy(config.ca_key, w->ca_key, 32);
        memcpy(config.credential, w->credential[i], MIEN_CREDENTIAL_BYTES);
        assert_int_equal(mien_secagg_device_new(&config, &w->rng, &w->device[i], NULL), MIEN_OK);
    }
}

static inline void world_fini(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        mien_secagg_device_free(w->device[i]);
    mien_secagg_sum_free(w->sum);
    mien_rng_seeded_free(w->seeded);
}

static inline enum mien_status give_roster(struct world *w, uint32_t to, struct mien_err *err)
{
    for (uint32_t i = 0; i < w->n; i++) {
        const struct mien_session_keys *keys = mien_secagg_sum_roster(w->sum, i);
        struct mien_span credential = {w->credential[i], MIEN_CREDENTIAL_BYTES};

        if (keys == NULL)
            continue;
        enum mien_status status =
            mien_secagg_device_roster(w->device[to], i, credential, keys, err);
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
        assert_int_equal(mien_secagg_sum_keys(w->sum, i, w->identity[i], &keys, NULL), MIEN_OK);
        assert_int_equal(mien_secagg_sum_keys(w->sum, i, w->identity[i], &keys, NULL), MIEN_ESTATE);
    }
    return mien_secagg_sum_close_keys(w->sum) == MIEN_OK;
}

static inline bool takes_part(const struct world *w, uint32_t i, enum leave step)
{
    return w->leaves[i] == STAYS || w->leaves[i] > step;
}

static inline bool run_shares(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (!takes_part(w, i, BEFORE_SHARES))
            continue;
        assert_int_equal(give_roster(w, i, NULL), MIEN_OK);
        for (uint32_t to = 0; to < w->n; to++) {
            uint8_t sealed[MIEN_SEALED_SHARES_BYTES];
            bool has = false;

            assert_int_equal(mien_secagg_device_shares(w->device[i], to, sealed, &has), MIEN_OK);
            if (has)
                assert_int_equal(mien_secagg_sum_shares(w->sum, i, to,
                                                        (struct mien_span){sealed, sizeof(sealed)}),
                                 MIEN_OK);
        }
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
    for (uint32_t of = 0; of < w->n; of++) {
        uint8_t share[MIEN_SHARE_BYTES];
        bool survived = false;
        bool has = false;

        assert_int_equal(mien_secagg_device_reveal(w->device[from], of, &survived, share, &has),
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

static inline void run_reveals(struct world *w, const uint8_t *bitmap, const uint8_t *root)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->leaves[i] != STAYS)
            continue;
        assert_int_equal(mien_secagg_device_survivors(w->device[i], bitmap, root, NULL), MIEN_OK);
        assert_int_equal(mien_secagg_device_survivors(w->device[i], bitmap, root, NULL),
                         MIEN_ESTATE);
        reveal_from(w, i, UINT32_MAX);
    }
}

#endif
