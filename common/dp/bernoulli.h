/* Exact coins: true with probability r / d, or exp(-r / d), for integers r and d.
 *
 * 64 random bits against bounds of the probability decide; where they do not, as many more as it
 * takes, by long division. So a coin has its probability exactly, given a perfect generator.
 *
 * Source:  Canonne, Kamath, Steinke 2020, algorithm 1
 * Threads: a source belongs to one thread at a time
 */
#ifndef MIEN_DP_BERNOULLI_H
#define MIEN_DP_BERNOULLI_H

#include "common/base/compiler.h"
#include "common/base/rng.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIEN_BERNOULLI_WORDS 1024

/* Random words, fetched many at a time. Start with {.rng = ...}, end with mien_wipe. Once the
 * generator has failed, all words are zero and `status` says so: who loops looks at it, and what
 * was drawn must not be used. */
struct mien_bernoulli_source {
    struct mien_rng *rng;
    uint64_t word[MIEN_BERNOULLI_WORDS]; /* secret */
    size_t n_left;
    enum mien_status status;
};

/* 64 random bits. */
uint64_t mien_bernoulli_word(struct mien_bernoulli_source *s);

/* A uniform number below t > 0, without bias. */
uint64_t mien_bernoulli_below(struct mien_bernoulli_source *s, uint64_t t);

/* True with probability r / d; r <= d < 2^127, d > 0. */
bool mien_bernoulli_ratio(struct mien_bernoulli_source *s, mien_u128 r, mien_u128 d);

/* True with probability exp(-1). */
bool mien_bernoulli_exp_one(struct mien_bernoulli_source *s);

/* True with probability exp(-r / d); r, d < 2^127, d > 0. */
bool mien_bernoulli_exp(struct mien_bernoulli_source *s, mien_u128 r, mien_u128 d);

#endif
