/* What expands one keystream: OpenSSL everywhere, a native kernel where there is one. Used by
 * mask.c and its tests only.
 *
 * Threads: any
 */
#ifndef MIEN_SECAGG_MASK_KERNEL_H
#define MIEN_SECAGG_MASK_KERNEL_H

#include "common/secagg/mask.h"

/* Residues of one AES block. */
#define MIEN_MASK_BLOCK_WORDS 4

/* Adds words 4 first_block .. 4 first_block + n - 1 of a mask to n residues.  errors  MIEN_ECRYPTO
 */
typedef enum mien_status (*mien_mask_kernel)(const struct mien_mask *mask, uint64_t first_block,
                                             uint32_t *residue, uint64_t n);

/* By OpenSSL's AES-128-CTR. */
MIEN_CHECK enum mien_status mien_mask_evp(const struct mien_mask *mask, uint64_t first_block,
                                          uint32_t *residue, uint64_t n);

/* The native kernel that this processor can run, or NULL. Not yet checked against OpenSSL. */
mien_mask_kernel mien_mask_native(void);

/* The counter block of block `add`: 128 bits, big-endian, as two numbers. */
struct mien_mask_counter {
    uint64_t high;
    uint64_t low;
};

struct mien_mask_counter mien_mask_counter_at(const struct mien_mask *mask, uint64_t add);

#endif
