/* The bytes that noise of a run is drawn from again and again: a stream per place under one key.
 *
 * Correlated noise needs the noise of earlier steps once more, and keeps none of it: it is expanded
 * anew from a secret key of the run. A stream is AES-256-CTR under that key from a counter block
 * that holds the place (level, row, batch) and 56 bits of zeros, so that streams do not meet.
 *
 * The key is the whole secret: whoever has it can take the noise off. It lives where ledger and
 * backups do not (docs/operations.md).
 *
 * Threads: a key belongs to one thread at a time
 */
#ifndef MIEN_DP_NOISE_KEY_H
#define MIEN_DP_NOISE_KEY_H

#include "common/base/compiler.h"
#include "common/base/rng.h"
#include "common/base/status.h"

#include <stdint.h>

#define MIEN_NOISE_KEY_BYTES 32

struct mien_noise_key;

/* Where a stream stands. */
struct mien_noise_place {
    uint8_t level;  /* of a tree's node; 0 elsewhere */
    uint32_t row;   /* step of the run, or node of the level */
    uint32_t batch; /* of coordinates */
};

/* A key ready to expand.
 *
 *   key     [32] secret, copied
 *   out     given: end it with mien_noise_key_free
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_noise_key_new(const uint8_t key[MIEN_NOISE_KEY_BYTES],
                                               struct mien_noise_key **out);

/* The stream of a place, from its beginning; valid until the next call.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_noise_key_at(struct mien_noise_key *key,
                                              struct mien_noise_place place, struct mien_rng *out);

/* Wipes and frees; NULL is fine. */
void mien_noise_key_free(struct mien_noise_key *key);

#endif
