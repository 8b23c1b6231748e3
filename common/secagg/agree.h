/* Keys between members: X25519, HKDF-SHA256 under labels, Ed25519, sealed shares (AES-128-GCM).
 *
 * Every derived key is bound to its use by a label, the session id and both devices' ids; the two
 * directions of a pair have different channel keys.
 *
 * Sources: RFC 7748, RFC 5869, RFC 8032, NIST SP 800-38D
 * Threads: any
 */
#ifndef MIEN_SECAGG_AGREE_H
#define MIEN_SECAGG_AGREE_H

#include "common/base/compiler.h"
#include "common/base/rng.h"
#include "common/base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_KEY_BYTES 32
#define MIEN_SIGNATURE_BYTES 64
#define MIEN_SEAL_TAG_BYTES 16

/* The public key of an X25519 private key.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_x25519_public(const uint8_t private_key[MIEN_KEY_BYTES],
                                               uint8_t out[MIEN_KEY_BYTES]);

/* The shared secret; wipe it.  errors  MIEN_EAUTH  the peer's key has low order; MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_x25519_shared(const uint8_t private_key[MIEN_KEY_BYTES],
                                               const uint8_t peer[MIEN_KEY_BYTES],
                                               uint8_t out[MIEN_KEY_BYTES]);

/* A private key that many agreements are made with: making it ready costs as much as an agreement,
 * and OpenSSL would do so for each. One thread at a time. */
struct mien_x25519;

/*   out     given: end it with mien_x25519_free
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_x25519_new(const uint8_t private_key[MIEN_KEY_BYTES],
                                            struct mien_x25519 **out);

/* Wipes and frees. NULL is fine. */
void mien_x25519_free(struct mien_x25519 *key);

/* Its public key. */
const uint8_t *mien_x25519_own(const struct mien_x25519 *key);

/* As mien_x25519_shared. */
MIEN_CHECK enum mien_status mien_x25519_agree(struct mien_x25519 *key,
                                              const uint8_t peer[MIEN_KEY_BYTES],
                                              uint8_t out[MIEN_KEY_BYTES]);

/* Whether a public key may be agreed with: its one canonical encoding, and not of low order.
 * Checked before a key reaches others, so that one member's bad key ends no one else's session. */
MIEN_CHECK bool mien_x25519_is_sound(const uint8_t key[MIEN_KEY_BYTES]);

/* HKDF-SHA256 (extract and expand).  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_hkdf(struct mien_span secret, struct mien_span salt,
                                      struct mien_span info, uint8_t *out, size_t n);

/* A key for one use in a session: HKDF with the session id and the first device's id as salt; label
 * and both devices' ids as info.
 *
 *   label   text that names the use, and the protocol's version
 *   ids     the two devices, 16 bytes each, in an order that the use fixes; a use of one device
 *           names it twice
 *   errors  MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_session_key(struct mien_span secret, const uint8_t session_id[32],
                                             const char *label, const uint8_t *const ids[2],
                                             uint8_t out[32]);

/* Ed25519 under a 32-byte seed.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_ed25519_public(const uint8_t seed[MIEN_KEY_BYTES],
                                                uint8_t out[MIEN_KEY_BYTES]);
MIEN_CHECK enum mien_status mien_ed25519_sign(const uint8_t seed[MIEN_KEY_BYTES],
                                              struct mien_span message,
                                              uint8_t out[MIEN_SIGNATURE_BYTES]);

/* errors  MIEN_EAUTH  the signature does not hold; MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_ed25519_verify(const uint8_t key[MIEN_KEY_BYTES],
                                                struct mien_span message,
                                                const uint8_t signature[MIEN_SIGNATURE_BYTES]);

/* AES-128-GCM with a key that seals one message only (its nonce is zero).
 *
 *   key     [16]
 *   out     [plain.len + MIEN_SEAL_TAG_BYTES]
 *   errors  MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_seal(const uint8_t key[16], struct mien_span associated,
                                      struct mien_span plain, uint8_t *out);

/* out [sealed.len - MIEN_SEAL_TAG_BYTES].  errors  MIEN_EAUTH, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_open(const uint8_t key[16], struct mien_span associated,
                                      struct mien_span sealed, uint8_t *out);

#endif
