// SPDX-License-Identifier: Apache-2.0
/* A device's side of the secure sum against a coordinator, and neighbours, that say anything in any
 * order. They hold every secret but the device's: whatever can be signed or sealed, they can.
 *
 *   byte 0     the session's kind
 *   byte 1, 2  who sends keys, who survives (bit i: member i); bit 7 of byte 1: peers are known
 * from a session before then       an operation and its arguments, until the bytes end; NEXT is
 * what an honest coordinator would do next
 *
 * Promised: a refused session stays refused; the vector leaves once, under all its masks (and is
 * zero in a drill); one set of survivors; of each neighbour one share, of the kind that the set
 * says, and none before t holders have signed that set.
 */
#include "common/secagg/device.h"
#include "common/secagg/graph.h"
#include "tests/fuzz/session_model.h"

#include <stdlib.h>

#define OWN 2 /* the device's index */

struct probe {
    const struct model *m;
    struct script script;
    struct mien_secagg_device *device;
    struct mien_known *known;
    struct mien_rng rng;
    uint8_t roll[MODEL_MAX_N * MIEN_ROLL_ENTRY_BYTES]; /* as the device was told */
    uint32_t n_roll;
    uint32_t with_keys;
    uint32_t surviving;
    struct mien_graph graph;
    uint32_t peers; /* itself and its neighbours */
    uint32_t delivered;
    uint32_t survivors; /* that the device has signed; 0: none yet */
    uint8_t root[32];
    uint32_t signers; /* whose true signatures of that root it has */
    bool told_roll;
    bool masked;
    bool confirmed;
    bool over; /* it has refused */
    unsigned next;
};

/* Whether a call was answered with yes. */
static bool saw(struct probe *p, enum mien_status status)
{
    if (p->over)
        fuzz_require(status == MIEN_ESTATE);
    if (status != MIEN_OK && status != MIEN_ESTATE && status != MIEN_EINVAL)
        p->over = true;
    return status == MIEN_OK;
}

static uint32_t count_holders(const struct probe *p, uint32_t set)
{
    const uint32_t holders = mien_graph_is_complete(&p->graph) ? p->peers : p->peers & ~(1u << OWN);

    return model_count(set & holders);
}

static void give_roll(struct probe *p, uint32_t n, uint8_t flip_at, uint8_t flip)
{
    uint8_t entries[MODEL_MAX_N * MIEN_ROLL_ENTRY_BYTES];
    const size_t at = (size_t)p->n_roll * MIEN_ROLL_ENTRY_BYTES;
    const size_t len = (size_t)n * MIEN_ROLL_ENTRY_BYTES;

    if (p->told_roll)
        return;
    model_roll(p->m, p->with_keys, entries);
    if (at + len > p->m->session.n * (size_t)MIEN_ROLL_ENTRY_BYTES)
        memset(entries, 0, sizeof(entries));
    const size_t from = at + len > sizeof(entries) ? 0 : at;
    uint8_t *copy = fuzz_copy(entries + from, len);
    if (len > 0)
        copy[flip_at % len] ^= flip;
    if (saw(p, mien_secagg_device_roll(p->device, (struct mien_span){copy, len}, NULL))) {
        fuzz_require(p->n_roll + n <= p->m->session.n);
        memcpy(p->roll + at, copy, len);
        p->n_roll += n;
    }
    free(copy);
}

static void end_roll(struct probe *p, uint8_t flip)
{
    uint8_t opening[32];
    uint8_t beacon[32];
    uint32_t list[MODEL_MAX_N];
    const struct mien_session *s = &p->m->session;

    memcpy(opening, p->m->opening, sizeof(opening));
    opening[3] ^= flip;
    if (!saw(p, mien_secagg_device_roll_end(p->device, opening, NULL)))
        return;
    fuzz_require(!p->told_roll && flip == 0 && p->n_roll == s->n);
    p->told_roll = true;
    fuzz_require(mien_session_beacon(p->m->session_id, opening, p->roll, s->n, beacon) == MIEN_OK);
    fuzz_require(mien_graph_init(&p->graph, s->n, s->k, beacon) == MIEN_OK);
    mien_graph_list(&p->graph, OWN, list);
    fuzz_require(mien_secagg_device_n_peers(p->device) == s->k + 1);
    for (uint32_t i = 0; i <= s->k; i++) {
        fuzz_require(mien_secagg_device_peer(p->device, i) == list[i]);
        p->peers |= 1u << list[i];
    }
}

enum roster_lie { TRUE_ENTRY, BAD_CREDENTIAL, BAD_MASK_KEY, BAD_CHANNEL_KEY, BAD_SIGNATURE, CUT };

static void give_entry(struct probe *p, uint32_t i, enum roster_lie lie, uint8_t at)
{
    const struct model_member *member = &p->m->member[i % p->m->session.n];
    struct mien_session_keys keys = member->keys;
    const size_t len = lie == CUT ? at % MIEN_CREDENTIAL_BYTES : MIEN_CREDENTIAL_BYTES;
    uint8_t *credential = fuzz_copy(member->credential, len);

    if (lie == BAD_CREDENTIAL)
        credential[at % MIEN_CREDENTIAL_BYTES] ^= (uint8_t)(1 << at % 8);
    if (lie == BAD_MASK_KEY)
        keys.mask_pk[at % 32] ^= (uint8_t)(1 << at % 8);
    if (lie == BAD_CHANNEL_KEY)
        keys.channel_pk[at % 32] ^= (uint8_t)(1 << at % 8);
    if (lie == BAD_SIGNATURE)
        keys.signature[at % MIEN_SIGNATURE_BYTES] ^= (uint8_t)(1 << at % 8);
    if (saw(p, mien_secagg_device_roster(p->device, i, (struct mien_span){credential, len}, &keys,
                                         NULL)))
        fuzz_require(lie == TRUE_ENTRY && i < p->m->session.n && model_has(p->peers, i));
    free(credential);
}

static void give_roster(struct probe *p)
{
    for (uint32_t i = 0; i < p->m->session.n; i++) {
        if (model_has(p->peers & p->with_keys, i))
            give_entry(p, i, TRUE_ENTRY, 0);
    }
}

static void ask_shares(struct probe *p, uint32_t place)
{
    uint8_t sealed[MIEN_SEALED_SHARES_BYTES];
    bool has = false;

    if (saw(p, mien_secagg_device_shares(p->device, place, sealed, &has)) && has)
        fuzz_require(mien_secagg_device_peer(p->device, place) != OWN);
}

static void deliver(struct probe *p, uint32_t from, uint32_t sealed_by, uint8_t at, uint8_t flip)
{
    const uint32_t n = p->m->session.n;
    const bool cut = flip == 0 && at != 0;
    const size_t len = cut ? at % MIEN_SEALED_SHARES_BYTES : MIEN_SEALED_SHARES_BYTES;
    uint8_t *sealed = fuzz_copy(p->m->member[sealed_by % n].sealed[OWN], len);

    if (!cut)
        sealed[at % len] ^= flip;
    if (saw(p,
            mien_secagg_device_deliver(p->device, from, (struct mien_span){sealed, len}, NULL))) {
        fuzz_require(!cut && flip == 0 && from == sealed_by && from != OWN);
        fuzz_require(model_has(p->peers, from) && !model_has(p->delivered, from));
        p->delivered |= 1u << from;
    }
    free(sealed);
}

static void deliver_all(struct probe *p)
{
    for (uint32_t i = 0; i < p->m->session.n; i++) {
        if (i != OWN && model_has(p->peers & p->with_keys, i) && !model_has(p->delivered, i))
            deliver(p, i, i, 0, 0);
    }
}

static void mask(struct probe *p)
{
    const int32_t zeros[MODEL_DIM] = {0};
    const bool drill = p->m->session.purpose == MIEN_SESSION_DRILL;
    const int32_t *vector = p->m->member[OWN].vector;
    uint32_t expected[MODEL_DIM];
    uint32_t *copy = (uint32_t *)(void *)fuzz_copy(vector, sizeof(expected));

    if (saw(p, mien_secagg_device_mask(p->device, copy))) {
        fuzz_require(!p->masked);
        fuzz_require(count_holders(p, p->delivered | 1u << OWN) >= p->m->session.t);
        model_masked(p->m, OWN, p->delivered, drill ? zeros : vector, expected);
        fuzz_require(memcmp(copy, expected, sizeof(expected)) == 0);
        p->masked = true;
    }
    free(copy);
}

static void tell_survivors(struct probe *p, uint32_t set, uint8_t flip)
{
    const struct mien_session *s = &p->m->session;
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    uint8_t signature[MIEN_SIGNATURE_BYTES];
    uint8_t expected[MIEN_SIGNATURE_BYTES];

    model_root(p->m, set, bitmap, root);
    root[5] ^= flip;
    if (!saw(p, mien_secagg_device_survivors(p->device, bitmap, root,
                                             p->m->member[OWN].identity_seed, signature, NULL)))
        return;
    fuzz_require(p->masked && p->survivors == 0 && flip == 0 && set >> s->n == 0);
    fuzz_require(model_has(set, OWN) && (set & p->peers & ~(p->delivered | 1u << OWN)) == 0);
    fuzz_require(count_holders(p, set) >= s->t);
    model_confirm(p->m, OWN, root, expected);
    fuzz_require(memcmp(signature, expected, sizeof(expected)) == 0);
    p->survivors = set;
    p->signers = 1u << OWN;
    memcpy(p->root, root, sizeof(root));
}

/* A signature of the root that the device signed, of another one, or damaged. */
static void give_confirm(struct probe *p, uint32_t from, uint8_t lie)
{
    const uint8_t other[32] = {lie};
    uint8_t signature[MIEN_SIGNATURE_BYTES];

    model_confirm(p->m, from % p->m->session.n, lie % 3 == 1 ? other : p->root, signature);
    signature[lie % MIEN_SIGNATURE_BYTES] ^= (uint8_t)(lie % 3 == 2 ? lie : 0);
    if (saw(p, mien_secagg_device_confirm(p->device, from, signature, NULL)) && lie % 3 == 0)
        p->signers |= 1u << from;
}

static void give_confirms(struct probe *p)
{
    for (uint32_t i = 0; i < p->m->session.n; i++) {
        if (i != OWN && model_has(p->peers & p->survivors & ~p->signers, i))
            give_confirm(p, i, 0);
    }
}

static void end_confirms(struct probe *p)
{
    const enum mien_status status = mien_secagg_device_confirm_end(p->device, NULL);
    const bool enough = count_holders(p, p->signers) >= p->m->session.t;

    if (saw(p, status)) {
        fuzz_require(p->survivors != 0 && enough);
        p->confirmed = true;
    }
    fuzz_require(status != MIEN_EPOLICY || !enough);
}

static void ask_reveal(struct probe *p, uint32_t place)
{
    uint8_t share[MIEN_SHARE_BYTES];
    uint8_t expected[MIEN_SHARE_BYTES];
    bool survived = false;
    bool has = false;

    if (!saw(p, mien_secagg_device_reveal(p->device, place, &survived, share, &has)) || !has)
        return;
    const uint32_t of = mien_secagg_device_peer(p->device, place);
    fuzz_require(p->confirmed && of < p->m->session.n);
    fuzz_require(survived == model_has(p->survivors, of));
    if (of == OWN)
        return; /* its own polynomial is its own */
    const struct mien_channel_shares *theirs = &p->m->member[of].share[OWN];
    mien_share_encode(survived ? &theirs->self_mask : &theirs->key, expected);
    fuzz_require(model_has(p->delivered, of) && memcmp(share, expected, sizeof(share)) == 0);
}

enum { N_HONEST = 12 };

static void next(struct probe *p)
{
    switch (p->next++ % N_HONEST) {
    case 0:
        give_roll(p, p->m->session.n - p->n_roll, 0, 0);
        break;
    case 1:
        end_roll(p, 0);
        break;
    case 2:
        give_roster(p);
        break;
    case 3:
        (void)saw(p, mien_secagg_device_roster_end(p->device, &p->rng, NULL));
        break;
    case 4:
        for (uint32_t i = 0; i < MODEL_MAX_N; i++)
            ask_shares(p, i);
        break;
    case 5:
        deliver_all(p);
        break;
    case 6:
        (void)saw(p, mien_secagg_device_deliver_end(p->device, NULL));
        break;
    case 7:
        mask(p);
        break;
    case 8:
        tell_survivors(p, (p->with_keys & p->surviving) | 1u << OWN, 0);
        break;
    case 9:
        give_confirms(p);
        break;
    case 10:
        end_confirms(p);
        break;
    default:
        for (uint32_t i = 0; i < MODEL_MAX_N; i++)
            ask_reveal(p, i);
        break;
    }
}

enum operation {
    NEXT,
    ROLL,
    ROLL_END,
    ROSTER,
    ROSTER_END,
    SHARES,
    DELIVER,
    DELIVER_END,
    MASK,
    SURVIVORS,
    CONFIRM,
    CONFIRM_END,
    REVEAL,
    SKIP,
    N_OPERATIONS
};

/* One that somebody who is not honest may do. */
static void operate(struct probe *p, enum operation what)
{
    const uint8_t a = what == NEXT ? 0 : script_byte(&p->script);
    const uint8_t b = what == NEXT ? 0 : script_byte(&p->script);

    if (what == NEXT)
        next(p);
    else if (what == ROLL)
        give_roll(p, a % (MODEL_MAX_N + 1), b, script_byte(&p->script));
    else if (what == ROLL_END)
        end_roll(p, a);
    else if (what == ROSTER)
        give_entry(p, a, b % (CUT + 1), script_byte(&p->script));
    else if (what == ROSTER_END)
        (void)saw(p, mien_secagg_device_roster_end(p->device, &p->rng, NULL));
    else if (what == SHARES)
        ask_shares(p, a);
    else if (what == DELIVER)
        deliver(p, a & 15, a >> 4, b, script_byte(&p->script));
    else if (what == DELIVER_END)
        (void)saw(p, mien_secagg_device_deliver_end(p->device, NULL));
    else if (what == MASK)
        mask(p);
    else if (what == SURVIVORS)
        tell_survivors(p, a, b);
    else if (what == CONFIRM)
        give_confirm(p, a, b);
    else if (what == CONFIRM_END)
        end_confirms(p);
    else if (what == REVEAL)
        ask_reveal(p, a);
    else
        p->next += a;
}

/* Peers that the device knows. */
static void meet(struct probe *p, bool before)
{
    struct mien_credential who;

    fuzz_require(mien_known_new(&p->known) == MIEN_OK);
    for (uint32_t i = 0; i < p->m->session.n && before; i++) {
        const struct mien_span credential = {p->m->member[i].credential, MIEN_CREDENTIAL_BYTES};

        fuzz_require(mien_known_verify(p->known, credential, p->m->ca_key, 500, &who, NULL) ==
                     MIEN_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct probe p = {.script = {data, len}};
    struct mien_session_keys keys;
    struct mien_secagg_device_config config = {.index = OWN, .now = 500, .min_members = 3};

    p.m = model_of(script_byte(&p.script) % MODEL_N_KINDS);
    const uint32_t without = script_byte(&p.script);
    p.with_keys = (~without & ((1u << p.m->session.n) - 1)) | 1u << OWN;
    meet(&p, without >> 7 != 0);
    config.known = p.known;
    p.surviving = (uint32_t)~script_byte(&p.script);
    struct mien_rng_seeded *seeded = model_rng(OWN);
    p.rng = mien_rng_seeded_handle(seeded);
    config.session = p.m->session;
    memcpy(config.device_key, p.m->member[OWN].identity_seed, 32);
    memcpy(config.ca_key, p.m->ca_key, 32);
    memcpy(config.credential, p.m->member[OWN].credential, MIEN_CREDENTIAL_BYTES);
    fuzz_require(mien_secagg_device_new(&config, &p.rng, &p.device, NULL) == MIEN_OK);
    mien_secagg_device_keys(p.device, &keys);
    fuzz_require(memcmp(&keys, &p.m->member[OWN].keys, sizeof(keys)) == 0);
    while (!script_ends(&p.script))
        operate(&p, script_byte(&p.script) % N_OPERATIONS);
    mien_secagg_device_free(p.device);
    mien_known_free(p.known);
    mien_graph_fini(&p.graph);
    mien_rng_seeded_free(seeded);
    return 0;
}
