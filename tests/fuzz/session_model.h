/* A session of the secure sum as its members know it, all secrets included, so that a fuzz target
 * can play everybody but the machine under test and say what that machine must answer.
 *
 * Everything follows from fixed seeds: it is made once, and the machine under test gets the same
 * keys in every run. Nothing here protects anybody.
 *
 * Threads: one
 */
#ifndef MIEN_TESTS_FUZZ_SESSION_MODEL_H
#define MIEN_TESTS_FUZZ_SESSION_MODEL_H

#include "common/base/rng_seeded.h"
#include "common/secagg/channel.h"
#include "common/secagg/session.h"
#include "tests/fuzz/fuzz.h"

#define MODEL_MAX_N 8
#define MODEL_DIM 5
#define MODEL_BITS 20
#define MODEL_PACKED_BYTES ((MODEL_DIM * MODEL_BITS + 7) / 8)

struct model_member {
    uint8_t identity_seed[32];
    uint8_t credential[MIEN_CREDENTIAL_BYTES];
    uint8_t device_id[MIEN_DEVICE_ID_BYTES];
    uint8_t key_seed[MIEN_SEED_BYTES];
    uint8_t self_seed[MIEN_SEED_BYTES];
    uint8_t channel_sk[MIEN_KEY_BYTES];
    uint8_t mask_sk[MIEN_KEY_BYTES];
    struct mien_session_keys keys;
    uint8_t self_mask[32];
    uint8_t pair_mask[MODEL_MAX_N][32];                    /* with each other member */
    struct mien_channel_shares share[MODEL_MAX_N];         /* of its seeds, for each member */
    uint8_t sealed[MODEL_MAX_N][MIEN_SEALED_SHARES_BYTES]; /* the same, sealed */
    int32_t vector[MODEL_DIM];
};

struct model {
    struct mien_session session;
    uint8_t session_id[32];
    uint8_t ca_key[32];
    uint8_t opening[32];
    uint8_t tags[MODEL_MAX_N * MIEN_ROLL_TAG_BYTES];
    struct model_member member[MODEL_MAX_N];
};

/* Sessions that there are. */
enum model_kind { MODEL_COMPLETE, MODEL_RING, MODEL_DRILL, MODEL_N_KINDS };

/* The session of a kind. */
const struct model *model_of(enum model_kind kind);

/* The generator that member i's seeds were drawn from, from its beginning; given. */
struct mien_rng_seeded *model_rng(uint32_t i);

/* The roll when the members of a set (bit i: member i) have sent keys. */
void model_roll(const struct model *m, uint32_t with_keys, uint8_t *roll);

/* Member i's residues under its own mask and those with each other member of a set, from `vector`.
 *
 *   out  [MODEL_DIM]
 */
void model_masked(const struct model *m, uint32_t i, uint32_t with, const int32_t *vector,
                  uint32_t *out);

/* Member i's signature of the survivors with this root. */
void model_confirm(const struct model *m, uint32_t i, const uint8_t root[32],
                   uint8_t out[MIEN_SIGNATURE_BYTES]);

/* The root of a set of survivors, whose bitmap it makes too. */
void model_root(const struct model *m, uint32_t survivors, uint8_t bitmap[MIEN_BITMAP_BYTES],
                uint8_t root[32]);

static inline bool model_has(uint32_t set, uint32_t i)
{
    return (set >> i & 1) != 0;
}

static inline uint32_t model_count(uint32_t set)
{
    uint32_t n = 0;

    for (; set != 0; set &= set - 1)
        n++;
    return n;
}

/* What the fuzzer's bytes say, one after the other; zeros after their end. */
struct script {
    const uint8_t *data;
    size_t len;
};

static inline bool script_ends(const struct script *s)
{
    return s->len == 0;
}

static inline uint8_t script_byte(struct script *s)
{
    if (s->len == 0)
        return 0;
    s->len--;
    return *s->data++;
}

/* n bytes in a block of their own size, so that a sanitizer sees a read past them; free() it. */
uint8_t *fuzz_copy(const void *data, size_t n);

#endif
