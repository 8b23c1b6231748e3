/* Masks: keystreams added to residues.
 *
 * A keystream is AES-128-CTR from OpenSSL, or from a faster kernel where the processor has one
 * (mask_kernel.h); a kernel that does not give OpenSSL's bytes is not used.
 *
 * Source:  Bonawitz et al. 2017, section 4 (PRG masks); AES-128-CTR of NIST SP 800-38A
 * Threads: any
 */
#ifndef MIEN_SECAGG_MASK_H
#define MIEN_SECAGG_MASK_H

#include "common/base/compiler.h"
#include "common/base/status.h"
#include "common/secagg/crew.h"

#include <stdbool.h>
#include <stdint.h>

/* One keystream to add or subtract. */
struct mien_mask {
    uint8_t key[32]; /* secret: 16 bytes of key, then the first counter block */
    bool subtract;
};

/* Adds masks to n residues mod 2^32. A slice of the crew's work is a cache's worth of residues,
 * over which all masks pass while it stays there.
 *
 *   crew    NULL: the calling thread
 *   masks   [n_masks]
 *   residue [n] in place; word i is bytes 4i .. 4i + 3 of the stream, little-endian
 *   errors  MIEN_ECRYPTO (the residues are then unusable)
 */
MIEN_CHECK enum mien_status mien_mask_apply(const struct mien_crew *crew,
                                            const struct mien_mask *masks, uint32_t n_masks,
                                            uint32_t *residue, uint64_t n);

#endif
