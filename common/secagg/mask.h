/* Masks: keystreams added to residues, and residues packed to their bits.
 *
 * A keystream is AES-128-CTR from OpenSSL, or from a wider kernel where the processor has one
 * (mask_kernel.h); a kernel that does not give OpenSSL's bytes is not used.
 *
 * Source:  Bonawitz et al. 2017, section 4 (PRG masks); AES-128-CTR of NIST SP 800-38A
 * Threads: any
 */
#ifndef MIEN_SECAGG_MASK_H
#define MIEN_SECAGG_MASK_H

#include "common/base/compiler.h"
#include "common/base/span.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* One keystream to add or subtract. */
struct mien_mask {
    uint8_t key[32]; /* secret: 16 bytes of key, then the first counter block */
    bool subtract;
};

/* Adds masks to n residues mod 2^32, a cache's worth of residues at a time.
 *
 *   masks   [n_masks]
 *   residue [n] in place; word i is bytes 4i .. 4i + 3 of the stream, little-endian
 *   errors  MIEN_ECRYPTO (the residues are then unusable)
 */
MIEN_CHECK enum mien_status mien_mask_apply(const struct mien_mask *masks, uint32_t n_masks,
                                            uint32_t *residue, uint64_t n);

/* The low `bits` of n residues, packed: residue i takes bits i bits .. (i + 1) bits - 1, low bits
 * first, little-endian; the last byte is filled with zeros.
 *
 *   out  [mien_secagg_packed_bytes(n, bits)]
 */
void mien_pack(const uint32_t *residue, uint32_t n, uint32_t bits, uint8_t *out);

/* Part of packing, for streaming: bytes first .. first + len - 1 of what mien_pack gives. */
void mien_pack_part(const uint32_t *residue, uint32_t n, uint32_t bits, uint64_t first,
                    uint8_t *out, uint64_t len);

/* Adds the packed residues to n sums mod 2^32.
 *
 *   errors  MIEN_EPARSE  the length is not that of n residues, or the filling is not zero; the
 *                        sums are as they were
 */
MIEN_CHECK enum mien_status mien_unpack_add(struct mien_span packed, uint32_t bits, uint32_t *sum,
                                            uint32_t n);

/* The residue mod 2^bits as the signed number nearest to zero. */
int64_t mien_lift(uint32_t residue, uint32_t bits);

#endif
