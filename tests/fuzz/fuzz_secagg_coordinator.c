// SPDX-License-Identifier: Apache-2.0
/* The coordinator's side of the secure sum against members that say anything in any order.
 *
 *   byte 0     the session's kind
 *   byte 1, 2  who sends keys, whose vector comes (bit i: member i)
 *   then       an operation and its arguments, until the bytes end; NEXT is the next step of
 *              members that are honest
 *
 * Promised: a sum that comes out is that of the vectors that went in, whatever shares were false,
 * and nothing is added to the total when none comes out; a session that was dropped or unmasked
 * stays so; of each member shares of one secret are taken, and each holder's once; what is
 * delivered is what was sent.
 */
#include "common/secagg/coordinator.h"
#include "common/secagg/graph.h"
#include "common/secagg/pack.h"
#include "tests/fuzz/session_model.h"

#include <stdlib.h>

struct probe {
    const struct model *m;
    struct script script;
    struct mien_secagg_sum *sum;
    struct mien_graph graph;
    uint32_t senders; /* who would send keys */
    uint32_t inputs;  /* whose vectors would come */
    uint32_t keys;    /* members by what was taken from them */
    uint32_t going_on;
    uint32_t survivors;
    uint32_t confirmed;
    uint32_t sent[MODEL_MAX_N];     /* to whom */
    uint32_t revealed[MODEL_MAX_N]; /* who gave a share of this member's */
    uint32_t false_of[MODEL_MAX_N]; /* of those, who gave a false one */
    bool made_graph;
    bool closed_shares;
    bool closed_inputs;
    bool over;
    int32_t vector[MODEL_MAX_N][MODEL_DIM]; /* that went in */
    unsigned next;
};

/* Whether a call was answered with yes; `closes` are those that drop the session when not. */
static bool saw(struct probe *p, enum mien_status status, bool closes)
{
    if (p->over)
        fuzz_require(status == MIEN_ESTATE || (!closes && status == MIEN_EINVAL));
    if (closes && status != MIEN_OK && status != MIEN_ESTATE)
        p->over = true;
    return status == MIEN_OK;
}

static void give_keys(struct probe *p, uint32_t i, uint8_t lie, uint8_t at)
{
    const struct model_member *member = &p->m->member[i % p->m->session.n];
    struct mien_session_keys keys = member->keys;
    uint8_t *const parts[] = {keys.mask_pk, keys.channel_pk, keys.signature};

    if (lie % 4 != 0)
        parts[lie % 4 - 1][at % 32] ^= (uint8_t)(1 << lie / 4 % 8);
    if (lie == 255)
        memcpy(keys.mask_pk, p->m->member[at % p->m->session.n].keys.mask_pk, MIEN_KEY_BYTES);
    const bool same = memcmp(&keys, &member->keys, sizeof(keys)) == 0;
    if (saw(p, mien_secagg_sum_keys(p->sum, i, member->credential, &keys, NULL), false)) {
        fuzz_require(same && i < p->m->session.n && !model_has(p->keys, i));
        fuzz_require(!p->made_graph);
        p->keys |= 1u << i;
    }
}

static void close_keys(struct probe *p, uint8_t flip)
{
    const struct mien_session *s = &p->m->session;
    uint8_t opening[32];
    uint8_t roll[MODEL_MAX_N * MIEN_ROLL_ENTRY_BYTES];
    uint8_t beacon[32];

    memcpy(opening, p->m->opening, sizeof(opening));
    opening[1] ^= flip;
    if (!saw(p, mien_secagg_sum_close_keys(p->sum, opening), true))
        return;
    fuzz_require(!p->made_graph && flip == 0 && model_count(p->keys) >= s->t);
    model_roll(p->m, p->keys, roll);
    fuzz_require(memcmp(mien_secagg_sum_roll(p->sum), roll, s->n * MIEN_ROLL_ENTRY_BYTES) == 0);
    fuzz_require(mien_session_beacon(p->m->session_id, opening, roll, s->n, beacon) == MIEN_OK);
    fuzz_require(mien_graph_init(&p->graph, s->n, s->k, beacon) == MIEN_OK);
    p->made_graph = true;
}

static bool are_peers(const struct probe *p, uint32_t a, uint32_t b)
{
    return p->made_graph && a < p->m->session.n && b < p->m->session.n && a != b &&
           mien_graph_slot(&p->graph, a, b) != UINT32_MAX;
}

static void give_shares(struct probe *p, uint32_t from, uint32_t to, uint8_t cut)
{
    const uint32_t n = p->m->session.n;
    const size_t len = cut == 0 ? MIEN_SEALED_SHARES_BYTES : (size_t)cut % MIEN_SEALED_SHARES_BYTES;
    uint8_t *copy = fuzz_copy(p->m->member[from % n].sealed[to % n], len);

    if (saw(p, mien_secagg_sum_shares(p->sum, from, to, (struct mien_span){copy, len}), false)) {
        fuzz_require(cut == 0 && are_peers(p, from, to) && !model_has(p->sent[from], to));
        fuzz_require(model_has(p->keys, from) && model_has(p->keys, to) && !p->closed_shares);
        p->sent[from] |= 1u << to;
    }
    free(copy);
}

static void close_shares(struct probe *p)
{
    if (!saw(p, mien_secagg_sum_close_shares(p->sum), true))
        return;
    fuzz_require(!p->closed_shares && p->made_graph);
    p->closed_shares = true;
    for (uint32_t i = 0; i < p->m->session.n; i++)
        p->going_on |= mien_secagg_sum_goes_on(p->sum, i) ? 1u << i : 0;
    fuzz_require((p->going_on & ~p->keys) == 0);
}

/* What comes out is what went in, between two members that go on. */
static void ask_delivery(struct probe *p, uint32_t from, uint32_t to)
{
    const uint8_t *sealed = mien_secagg_sum_delivery(p->sum, from, to);

    if (sealed == NULL)
        return;
    fuzz_require(!p->over && are_peers(p, from, to) && model_has(p->sent[from], to));
    fuzz_require(model_has(p->going_on, from) && model_has(p->going_on, to));
    fuzz_require(memcmp(sealed, p->m->member[from].sealed[to], MIEN_SEALED_SHARES_BYTES) == 0);
}

/* Those that a member's masks are with: neighbours that go on. */
static uint32_t partners(const struct probe *p, uint32_t i)
{
    uint32_t set = 0;

    for (uint32_t j = 0; j < p->m->session.n; j++)
        set |= are_peers(p, i, j) && model_has(p->going_on, j) ? 1u << j : 0;
    return set;
}

static void give_input(struct probe *p, uint32_t i, uint8_t cut, uint8_t change)
{
    const uint32_t at = i % p->m->session.n;
    const size_t len = cut == 0 ? MODEL_PACKED_BYTES : (size_t)cut % MODEL_PACKED_BYTES;
    uint8_t packed[MODEL_PACKED_BYTES];
    uint32_t masked[MODEL_DIM];
    int32_t vector[MODEL_DIM];

    memcpy(vector, p->m->member[at].vector, sizeof(vector));
    vector[change % MODEL_DIM] += change;
    model_masked(p->m, at, partners(p, at), vector, masked);
    mien_pack(masked, MODEL_DIM, MODEL_BITS, packed);
    packed[MODEL_PACKED_BYTES - 1] ^= (uint8_t)(change == 255 ? 0x80 : 0);
    uint8_t *copy = fuzz_copy(packed, len);
    if (saw(p, mien_secagg_sum_input(p->sum, i, (struct mien_span){copy, len}), false)) {
        fuzz_require(cut == 0 && model_has(p->going_on, i) && !model_has(p->survivors, i));
        fuzz_require(!p->closed_inputs && change != 255);
        memcpy(p->vector[i], vector, sizeof(vector));
        p->survivors |= 1u << i;
    }
    free(copy);
}

static void close_inputs(struct probe *p)
{
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    uint8_t expected[MIEN_BITMAP_BYTES];
    uint8_t expected_root[32];

    if (!saw(p, mien_secagg_sum_close_inputs(p->sum, bitmap, root), true))
        return;
    fuzz_require(!p->closed_inputs);
    p->closed_inputs = true;
    model_root(p->m, p->survivors, expected, expected_root);
    fuzz_require(memcmp(bitmap, expected, sizeof(bitmap)) == 0);
    fuzz_require(memcmp(root, expected_root, sizeof(root)) == 0);
}

static void give_confirm(struct probe *p, uint32_t i)
{
    const uint8_t signature[MIEN_SIGNATURE_BYTES] = {(uint8_t)i};

    if (!saw(p, mien_secagg_sum_confirm(p->sum, i, signature), false))
        return;
    fuzz_require(p->closed_inputs && model_has(p->survivors & ~p->confirmed, i));
    fuzz_require(memcmp(mien_secagg_sum_confirmation(p->sum, i), signature, sizeof(signature)) ==
                 0);
    p->confirmed |= 1u << i;
}

static void give_reveal(struct probe *p, uint32_t from, uint32_t of, bool survived, uint8_t lie)
{
    const uint32_t n = p->m->session.n;
    const struct mien_channel_shares *own = &p->m->member[of % n].share[from % n];
    const size_t len = lie == 255 ? MIEN_SHARE_BYTES - 1 : MIEN_SHARE_BYTES;
    uint8_t share[MIEN_SHARE_BYTES];

    mien_share_encode(survived ? &own->self_mask : &own->key, share);
    share[lie % MIEN_SHARE_BYTES] ^= lie;
    uint8_t *copy = fuzz_copy(share, len);
    if (saw(p, mien_secagg_sum_reveal(p->sum, from, of, survived, (struct mien_span){copy, len}),
            false)) {
        fuzz_require(lie != 255 && survived == model_has(p->survivors, of));
        fuzz_require(model_has(p->survivors, from) && model_has(p->going_on, of));
        fuzz_require(!model_has(p->revealed[of], from));
        p->revealed[of] |= 1u << from;
        p->false_of[of] |= lie == 0 ? 0 : 1u << from;
    }
    free(copy);
}

/* Members that gave false shares; whether each secret is bound to come out all the same. */
static uint32_t find_liars(const struct probe *p, bool *bound)
{
    uint32_t liars = 0;

    *bound = true;
    for (uint32_t i = 0; i < p->m->session.n; i++) {
        const uint32_t n_right = model_count(p->revealed[i] & ~p->false_of[i]);

        liars |= p->false_of[i];
        *bound = *bound && (!model_has(p->going_on, i) ||
                            n_right >= p->m->session.t + model_count(p->false_of[i]));
    }
    return liars;
}

static void unmask(struct probe *p)
{
    int64_t total[MODEL_DIM] = {1, 2, 3, 4, 5};
    int64_t expected[MODEL_DIM] = {1, 2, 3, 4, 5};
    const bool ready = mien_secagg_sum_ready(p->sum);
    struct mien_secagg_blame blame;
    bool bound;
    const uint32_t liars = find_liars(p, &bound);
    const enum mien_status status = mien_secagg_sum_unmask(p->sum, NULL, total, &blame);

    if (saw(p, status, true)) {
        fuzz_require(ready && p->closed_inputs);
        for (uint32_t i = 0; i < p->m->session.n; i++) {
            for (uint32_t j = 0; j < MODEL_DIM; j++)
                expected[j] += model_has(p->survivors, i) ? p->vector[i][j] : 0;
            fuzz_require(mien_bitmap_has(blame.wrong, i) == model_has(liars, i));
        }
        fuzz_require(blame.n_wrong == model_count(liars) && blame.failed == UINT32_MAX);
        p->over = true; /* nothing is unmasked twice */
    }
    fuzz_require(memcmp(total, expected, sizeof(total)) == 0);
    fuzz_require(!ready || status == MIEN_OK || !bound);
    for (uint32_t i = 0; i < p->m->session.n; i++)
        fuzz_require(!mien_bitmap_has(blame.wrong, i) || model_has(liars, i));
}

/* Member i's part in the step that the session is at, when it is honest. */
static void step_of(struct probe *p, uint32_t i, unsigned step)
{
    if (step == 0 && model_has(p->senders, i))
        give_keys(p, i, 0, 0);
    if (step == 4 && model_has(p->inputs, i))
        give_input(p, i, 0, 0);
    if (step == 6 && model_has(p->survivors, i))
        give_confirm(p, i);
    for (uint32_t j = 0; j < p->m->session.n; j++) {
        if (step == 2 && are_peers(p, i, j))
            give_shares(p, i, j, 0);
        if (step == 4)
            ask_delivery(p, i, j);
        if (step == 8)
            give_reveal(p, i, j, model_has(p->survivors, j), 0);
    }
}

enum { N_HONEST = 10 };

static void next(struct probe *p)
{
    const unsigned step = p->next++ % N_HONEST;

    for (uint32_t i = 0; i < p->m->session.n; i++)
        step_of(p, i, step);
    if (step == 1)
        close_keys(p, 0);
    if (step == 3)
        close_shares(p);
    if (step == 5)
        close_inputs(p);
    if (step == 7)
        (void)saw(p, mien_secagg_sum_close_confirms(p->sum), true);
    if (step == 9)
        unmask(p);
}

static void ask_slack(struct probe *p)
{
    struct mien_rng_seeded *seeded = model_rng(0);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    uint32_t slack = 0;
    uint32_t n = 0;

    if (saw(p, mien_secagg_sum_slack(p->sum, &rng, &slack, &n), false))
        fuzz_require(slack <= n && n <= p->m->session.n && p->closed_shares);
    mien_rng_seeded_free(seeded);
}

enum operation {
    NEXT,
    KEYS,
    CLOSE_KEYS,
    SHARES,
    CLOSE_SHARES,
    DELIVERY,
    INPUT,
    CLOSE_INPUTS,
    CONFIRM,
    CLOSE_CONFIRMS,
    REVEAL,
    UNMASK,
    SLACK,
    SKIP,
    N_OPERATIONS
};

static void operate(struct probe *p, enum operation what)
{
    const uint8_t a = what == NEXT ? 0 : script_byte(&p->script);
    const uint8_t b = what == NEXT ? 0 : script_byte(&p->script);

    if (what == NEXT)
        next(p);
    else if (what == KEYS)
        give_keys(p, a, b, script_byte(&p->script));
    else if (what == CLOSE_KEYS)
        close_keys(p, a);
    else if (what == SHARES)
        give_shares(p, a & 15, a >> 4, b);
    else if (what == CLOSE_SHARES)
        close_shares(p);
    else if (what == DELIVERY)
        ask_delivery(p, a, b);
    else if (what == INPUT)
        give_input(p, a, b, script_byte(&p->script));
    else if (what == CLOSE_INPUTS)
        close_inputs(p);
    else if (what == CONFIRM)
        give_confirm(p, a);
    else if (what == CLOSE_CONFIRMS)
        (void)saw(p, mien_secagg_sum_close_confirms(p->sum), true);
    else if (what == REVEAL)
        give_reveal(p, a & 15, a >> 4, b % 2 == 0, script_byte(&p->script));
    else if (what == UNMASK)
        unmask(p);
    else if (what == SLACK)
        ask_slack(p);
    else
        p->next += a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct probe p = {.script = {data, len}};

    p.m = model_of(script_byte(&p.script) % MODEL_N_KINDS);
    p.senders = (uint32_t)~script_byte(&p.script);
    p.inputs = (uint32_t)~script_byte(&p.script);
    fuzz_require(mien_secagg_sum_new(&p.m->session, p.m->tags, &p.sum) == MIEN_OK);
    while (!script_ends(&p.script))
        operate(&p, script_byte(&p.script) % N_OPERATIONS);
    mien_secagg_sum_free(p.sum);
    mien_graph_fini(&p.graph);
    return 0;
}
