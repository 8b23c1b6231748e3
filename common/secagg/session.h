/* One session of the secure sum: what both sides agree on, and the statements that are signed.
 *
 * Members have indices 0 .. n - 1. Everybody is everybody's neighbour. The session id binds all
 * that gives a vector its meaning, and salts every key, so devices that were told different things
 * have masks that do not cancel.
 *
 * Threshold: t = floor(2n / 3) + 1. Each holder reveals one of the two shares that it has of a
 * member, so both of a member's secrets together need 2t shares of n holders: a coordinator that
 * shows survivor sets as it likes gets both only with more than a third of the members on its side
 * (Bonawitz et al. 2017, section 4.2). That all members were shown ONE set is not proven here: a
 * coordinator with colluding members could sum over fewer than the minimum by showing several.
 *
 * Source:  Bonawitz et al. 2017, figure 4; design section 4
 * Threads: any
 */
#ifndef MIEN_SECAGG_SESSION_H
#define MIEN_SECAGG_SESSION_H

#include "common/base/compiler.h"
#include "common/base/span.h"
#include "common/base/status.h"
#include "common/secagg/agree.h"
#include "common/secagg/params.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_SESSION_ID_BYTES 32
#define MIEN_BITMAP_BYTES (MIEN_SECAGG_MAX_MEMBERS / 8)

/* What a session is about. */
struct mien_session {
    uint8_t run_id[16];
    uint64_t round;
    uint32_t attempt;
    uint32_t session_index;
    uint32_t purpose;
    uint8_t model_hash[32];
    uint8_t plan_hash[32];
    uint8_t members_digest[32]; /* SHA-256 of the members' device ids in the order of indices */
    uint32_t n;
    uint32_t t;
    uint32_t dim;
    uint32_t bits;
    uint8_t nonce[32];
};

/* floor(2n / 3) + 1. */
uint32_t mien_session_threshold(uint32_t n);

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

/* What is signed: "mien keys v1" | session id | index (4, big-endian) | mask_pk | channel_pk. */
void mien_session_keys_statement(const uint8_t session_id[MIEN_SESSION_ID_BYTES], uint32_t index,
                                 const struct mien_session_keys *keys,
                                 uint8_t out[MIEN_KEYS_STATEMENT_BYTES]);

/* The root that names a survivor set: SHA-256 of "mien survivors v1" | session id | n | bitmap.
 * errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_session_root(const uint8_t session_id[MIEN_SESSION_ID_BYTES],
                                              uint32_t n, const uint8_t bitmap[MIEN_BITMAP_BYTES],
                                              uint8_t out[32]);

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

/* Keys of a pair and of a member, from what they hold. All results are secret.
 *
 *   shared  the X25519 secret of the pair
 *   errors  MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_session_channel_key(const uint8_t shared[MIEN_KEY_BYTES],
                                                     const uint8_t session_id[32], uint32_t from,
                                                     uint32_t to, uint8_t out[32]);
MIEN_CHECK enum mien_status mien_session_pair_mask(const uint8_t shared[MIEN_KEY_BYTES],
                                                   const uint8_t session_id[32], uint32_t a,
                                                   uint32_t b, uint8_t out[32]);
MIEN_CHECK enum mien_status mien_session_self_mask(const uint8_t seed[16],
                                                   const uint8_t session_id[32], uint32_t index,
                                                   uint8_t out[32]);

/* The X25519 private key of a member's mask key pair, from its 16-byte seed.
 * errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_session_mask_sk(const uint8_t seed[16],
                                                 const uint8_t session_id[32], uint32_t index,
                                                 uint8_t out[32]);

#endif
