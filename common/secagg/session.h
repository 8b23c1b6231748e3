/* One session of the secure sum: what both sides agree on, and the statements that are signed.
 *
 * Members have indices 0 .. n - 1, in the order of their units' tags. The session id binds all that
 * gives a vector its meaning, and salts every key, so devices that were told different things have
 * masks that do not cancel.
 *
 * The roll lists all members: for each a tag of its unit, and a digest of its credential and keys
 * once they have come. Tags rise strictly, so a unit stands in it once. From the opening of what
 * the coordinator committed to before any key came, and from the roll's digests, follows the
 * beacon, and from that who is whose neighbour (graph.h).
 *
 * Source:  Bonawitz et al. 2017, figure 4; Bell et al. 2020; design section 4
 * Threads: any
 */
#ifndef MIEN_SECAGG_SESSION_H
#define MIEN_SECAGG_SESSION_H

#include "common/base/compiler.h"
#include "common/base/span.h"
#include "common/base/status.h"
#include "common/secagg/agree.h"
#include "common/secagg/credential.h"
#include "common/secagg/design.h"
#include "common/secagg/params.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_SESSION_ID_BYTES 32
#define MIEN_BITMAP_BYTES (MIEN_SECAGG_MAX_MEMBERS / 8)

/* Members that hold shares of one secret, at most: all neighbours, or everybody with itself. */
#define MIEN_SECAGG_MAX_HOLDERS (MIEN_DESIGN_MAX_DEGREE + 1)

/* What the sum is for. */
enum mien_session_purpose {
    MIEN_SESSION_TRAIN = 1, /* the update of a round */
    MIEN_SESSION_DRILL = 2, /* zeros, whatever a device holds */
    MIEN_SESSION_AUDIT = 3  /* kept for audits: refused until one is defined */
};

/* What a session is about. */
struct mien_session {
    uint8_t run_id[16];
    uint64_t round;
    uint32_t attempt;
    uint32_t session_index;
    uint32_t purpose; /* enum mien_session_purpose */
    uint8_t model_hash[32];
    uint8_t plan_hash[32];
    uint8_t members_digest[32]; /* of the roll's tags */
    uint8_t commitment[32];     /* to the beacon's opening */
    uint32_t n;
    uint32_t k; /* neighbours of a member: n - 1, or even and below */
    uint32_t t; /* shares that rebuild a secret */
    uint32_t dim;
    uint32_t bits;
    uint8_t nonce[32];
};

/* Whether n, k, t, dim and bits make a session that can run. Whether k and t protect anybody is
 * design.h's to say. */
bool mien_session_is_sound(const struct mien_session *session);

/* The session id.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_session_id(const struct mien_session *session,
                                            uint8_t out[MIEN_SESSION_ID_BYTES]);

/* One member's keys for one session, signed with its identity key. */
struct mien_session_keys {
    uint8_t mask_pk[MIEN_KEY_BYTES];
    uint8_t channel_pk[MIEN_KEY_BYTES];
    uint8_t signature[MIEN_SIGNATURE_BYTES];
};

#define MIEN_KEYS_STATEMENT_BYTES (12 + 32 + 4 + 32 + 32)

/* What is signed: "mien keys v1" | session id | index (4, big-endian) | mask_pk | channel_pk. The
 * session id covers round, purpose, model and plan. */
void mien_session_keys_statement(const uint8_t session_id[MIEN_SESSION_ID_BYTES], uint32_t index,
                                 const struct mien_session_keys *keys,
                                 uint8_t out[MIEN_KEYS_STATEMENT_BYTES]);

/* An entry of the roll: a unit's tag, then the digest of credential and keys, zero for a member
 * whose keys did not come. */
#define MIEN_ROLL_TAG_BYTES 16
#define MIEN_ROLL_ENTRY_BYTES 32

/* The tag of a unit in the session with this nonce.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_session_tag(const uint8_t nonce[32], const uint8_t unit_digest[32],
                                             uint8_t out[MIEN_ROLL_TAG_BYTES]);

/* The digest part of a roll's entry; 16 bytes.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_session_entry(const uint8_t session_id[MIEN_SESSION_ID_BYTES],
                                               uint32_t index,
                                               const uint8_t credential[MIEN_CREDENTIAL_BYTES],
                                               const struct mien_session_keys *keys,
                                               uint8_t out[16]);

/* Whether a roll's entry has a digest: its member's keys have come. */
bool mien_roll_has(const uint8_t *roll, uint32_t index);

/* The members' digest: of n and the tags of a roll [n].  errors  MIEN_ECRYPTO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_session_members(const uint8_t *roll, uint32_t n, uint8_t out[32]);

/* The commitment to an opening.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_session_commit(const uint8_t opening[32], uint8_t out[32]);

/* The beacon: of session id, opening and the digests of a roll [n].  errors  as _members */
MIEN_CHECK enum mien_status mien_session_beacon(const uint8_t session_id[MIEN_SESSION_ID_BYTES],
                                                const uint8_t opening[32], const uint8_t *roll,
                                                uint32_t n, uint8_t out[32]);

/* The root that names a survivor set: of session id, n and the first (n + 7) / 8 bytes of the
 * bitmap.  errors  MIEN_ECRYPTO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_session_root(const uint8_t session_id[MIEN_SESSION_ID_BYTES],
                                              uint32_t n, const uint8_t bitmap[MIEN_BITMAP_BYTES],
                                              uint8_t out[32]);

#define MIEN_CONFIRM_STATEMENT_BYTES (15 + 32 + 4 + 32)

/* What a survivor signs: "mien confirm v1" | session id | index | root. */
void mien_session_confirm_statement(const uint8_t session_id[MIEN_SESSION_ID_BYTES], uint32_t index,
                                    const uint8_t root[32],
                                    uint8_t out[MIEN_CONFIRM_STATEMENT_BYTES]);

/* Members in a bitmap (member i: bit i % 8 of byte i / 8). */
static inline bool mien_bitmap_has(const uint8_t *bitmap, uint32_t i)
{
    return (bitmap[i / 8] >> (i % 8) & 1) != 0;
}

static inline void mien_bitmap_add(uint8_t *bitmap, uint32_t i)
{
    bitmap[i / 8] = (uint8_t)(bitmap[i / 8] | 1u << (i % 8));
}

/* How many of the first n members are in it. */
uint32_t mien_bitmap_count(const uint8_t *bitmap, uint32_t n);

/* Two shares of one member for another, sealed: self-mask seed, key seed. */
#define MIEN_SEALED_SHARES_BYTES (2 * 24 + MIEN_SEAL_TAG_BYTES)

/* A device of a session: its place and its id. */
struct mien_session_member {
    uint32_t index;
    const uint8_t *device_id; /* [16] */
};

/* Keys of a pair and of a member, from what they hold. All results are secret.
 *
 *   shared  the X25519 secret of the pair
 *   errors  MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_session_channel_key(const uint8_t shared[MIEN_KEY_BYTES],
                                                     const uint8_t session_id[32],
                                                     const uint8_t *from_id, const uint8_t *to_id,
                                                     uint8_t out[32]);
MIEN_CHECK enum mien_status mien_session_pair_mask(const uint8_t shared[MIEN_KEY_BYTES],
                                                   const uint8_t session_id[32],
                                                   struct mien_session_member a,
                                                   struct mien_session_member b, uint8_t out[32]);
MIEN_CHECK enum mien_status mien_session_self_mask(const uint8_t seed[16],
                                                   const uint8_t session_id[32],
                                                   const uint8_t *device_id, uint8_t out[32]);

/* The X25519 private key of a member's mask key pair, from its 16-byte seed.
 * errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_session_mask_sk(const uint8_t seed[16],
                                                 const uint8_t session_id[32],
                                                 const uint8_t *device_id, uint8_t out[32]);

#endif
