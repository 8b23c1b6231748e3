/* The sealed channel of a session: what one member's two shares for another travel in.
 *
 * The key is bound to session and direction, and session, sender and receiver are associated data,
 * so a ciphertext opens for the pair and direction it was made for, and for nothing else.
 *
 * Source:  Bonawitz et al. 2017, figure 4, round 1
 * Threads: any
 */
#ifndef MIEN_SECAGG_CHANNEL_H
#define MIEN_SECAGG_CHANNEL_H

#include "common/secagg/session.h"
#include "common/secagg/share.h"

/* One direction between two members. */
struct mien_channel {
    const uint8_t *shared;           /* [32] lent; secret: the X25519 secret of their keys */
    const uint8_t *session_id;       /* [32] lent */
    struct mien_session_member from; /* ids lent */
    struct mien_session_member to;
};

/* What `from` sends `to`. secret */
struct mien_channel_shares {
    struct mien_share self_mask; /* of from's self-mask seed */
    struct mien_share key;       /* of from's key seed */
};

/* Seals.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_channel_seal(const struct mien_channel *channel,
                                              const struct mien_channel_shares *shares,
                                              uint8_t out[MIEN_SEALED_SHARES_BYTES]);

/* Opens.
 *
 *   errors  MIEN_EAUTH   it was not sealed for this channel, or is damaged
 *           MIEN_EPARSE  it holds no shares
 *           MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_channel_open(const struct mien_channel *channel,
                                              const uint8_t sealed[MIEN_SEALED_SHARES_BYTES],
                                              struct mien_channel_shares *out);

#endif
