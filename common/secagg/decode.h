/* Which of the shares of one secret are wrong.
 *
 * n shares of a secret of threshold t are a word of a Reed-Solomon code (McEliece and Sarwate
 * 1981), so up to (n - t) / 2 wrong ones are found with certainty, whoever chose them and however.
 * Each of the three limbs is a word by itself. What is computed before the shares that are wrong
 * are known, the syndromes, depends on the errors alone and on no secret; so may the time.
 *
 * Cost: n (n - t) multiplications a limb where nothing is wrong; at most as many again, and
 * (n - t)^2, where something is. No input makes it more.
 *
 * Source:  Massey 1969, "Shift-register synthesis and BCH decoding"
 * Threads: any
 */
#ifndef MIEN_SECAGG_DECODE_H
#define MIEN_SECAGG_DECODE_H

#include "common/secagg/share.h"

struct mien_decode_word {
    uint32_t n; /* shares, at least t, at most MIEN_SECAGG_MAX_HOLDERS */
    uint32_t t;
    const uint32_t *index;          /* [n] different members */
    const uint64_t *weight;         /* [n] of mien_share_weights */
    const struct mien_share *share; /* [n] secret */
};

/* Finds the wrong shares.
 *
 *   wrong   [n] out: whether the share at a place is wrong in any limb
 *   errors  MIEN_ECORRUPT  more than (n - t) / 2 are wrong in one limb: who cannot be told
 */
MIEN_CHECK enum mien_status mien_decode_wrong(const struct mien_decode_word *word, bool *wrong);

#endif
