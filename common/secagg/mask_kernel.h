/* What expands one keystream: OpenSSL everywhere, native kernels where there are some. Used by
 * mask.c, its tests and its bench only.
 *
 * Threads: any
 */
#ifndef MIEN_SECAGG_MASK_KERNEL_H
#define MIEN_SECAGG_MASK_KERNEL_H

#include "common/secagg/mask.h"

/* Residues of one AES block. */
#define MIEN_MASK_BLOCK_WORDS 4

/* No kernel takes larger chunks. */
#define MIEN_MASK_MAX_CHUNK_WORDS 128

/* A counter block: 128 bits, big-endian, as two numbers. */
struct mien_mask_counter {
    uint64_t high;
    uint64_t low;
};

struct mien_mask_kernel {
    const char *name;
    uint32_t chunk_words; /* the words it makes at a time */
    uint32_t tile_words;  /* residues that pass under all masks before the next; whole chunks */

    /* Adds the keystream from block `first` on to `n_chunks` chunks of residues. The low half of
     * the counter does not overflow on the way.  errors  MIEN_ECRYPTO */
    enum mien_status (*add)(const struct mien_mask *mask, struct mien_mask_counter first,
                            uint32_t *residue, uint64_t n_chunks);
};

/* OpenSSL's AES-128-CTR. */
const struct mien_mask_kernel *mien_mask_evp(void);

/* Native kernel i of those that this processor can run, the fastest first; NULL when there are no
 * more. Not yet checked against OpenSSL. */
const struct mien_mask_kernel *mien_mask_native(uint32_t i);

/* Whether a kernel gives OpenSSL's stream; for this mask, on this processor, now. */
bool mien_mask_agrees(const struct mien_mask_kernel *kernel, const struct mien_mask *mask);

/* The first of the native kernels that gives OpenSSL's stream for `mask`, or OpenSSL's. */
const struct mien_mask_kernel *mien_mask_best(const struct mien_mask *mask);

/* Adds words 4 first_block .. 4 first_block + n - 1 of a mask to n residues.  errors  MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_mask_add(const struct mien_mask_kernel *kernel,
                                          const struct mien_mask *mask, uint64_t first_block,
                                          uint32_t *residue, uint64_t n);

#endif
