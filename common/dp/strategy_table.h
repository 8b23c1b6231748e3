/* Strategies of correlated noise that runs may name, each a fixed table of integers.
 *
 * A strategy is a matrix C of integers before the noise: what is released is a function of C x + z,
 * z being independent integer noise (correlated.h). Since C x is an integer vector, rounded
 * Gaussian noise on it is post-processing of the continuous one; under coefficients that are not
 * integers it would not be, and their fractions would show. So the tables are exact:
 *
 *   tree    every complete node of the binary tree over the rounds; no coefficients
 *   banded  c_0 = 2^16; c_i = floor(2^16 (2i choose i) / 4^i), the square root of the matrix of
 *           prefix sums, cut to as many coefficients as a unit's rounds are apart
 *   blt     c_0 = 2^16; c_i = floor(2^16 sum_j omega_j theta_j^(i-1)), two buffers fitted to the
 *           separation, cut where they fall below 1
 *
 * A table follows from its kind and the separation alone, by integer arithmetic, so whoever reads a
 * digest in a ledger can make it again.
 *
 * Sources: Kairouz et al. 2021 (trees); Choquette-Choo et al. 2023 (banded); Dvijotham et al. 2024
 *          and McMahan, Xu, Zhang 2024 (BLT)
 * Threads: any; a table is a value
 */
#ifndef MIEN_DP_STRATEGY_TABLE_H
#define MIEN_DP_STRATEGY_TABLE_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum mien_strategy_kind {
    MIEN_STRATEGY_INDEPENDENT = 1, /* every release with noise of its own */
    MIEN_STRATEGY_TREE = 2,
    MIEN_STRATEGY_BANDED = 3,
    MIEN_STRATEGY_BLT = 4,
};

#define MIEN_STRATEGY_ONE_BITS 16     /* c_0 is 2^16 */
#define MIEN_STRATEGY_MAX_COEFFS 256u /* what a step of the noise reaches back */

struct mien_strategy_table {
    enum mien_strategy_kind kind;
    uint32_t n; /* coefficients; 0 for independent noise and trees */
    uint32_t c[MIEN_STRATEGY_MAX_COEFFS];
};

/* The table of a kind for units whose rounds are `separation` >= 1 apart.
 *
 *   errors  MIEN_EINVAL  no such kind, or a separation of 0
 */
MIEN_CHECK enum mien_status mien_strategy_table_make(enum mien_strategy_kind kind,
                                                     uint64_t separation,
                                                     struct mien_strategy_table *out);

/* What a ledger calls it: SHA-256("mien strategy v1" | kind | n | c_0 | ...), kind a byte, numbers
 * of 4 bytes, big-endian; 32 zeros for independent noise.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_strategy_table_digest(const struct mien_strategy_table *table,
                                                       uint8_t out[32]);

/* The table with that digest.  errors  MIEN_ENOTFOUND  none for this separation; MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_strategy_table_find(const uint8_t digest[32], uint64_t separation,
                                                     struct mien_strategy_table *out);

/* "independent", "tree", "banded", "blt", or NULL. Static storage. */
const char *mien_strategy_name(enum mien_strategy_kind kind);

#endif
