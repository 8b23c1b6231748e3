/* Residues packed to their bits, and added straight from the packed bytes.
 *
 * Residue i takes bits i b .. (i + 1) b - 1 of the bytes, low bits first, little-endian; eight
 * residues take exactly b bytes, and loops over such groups are compiled for every b of 12 to 32.
 *
 * Threads: any
 */
#ifndef MIEN_SECAGG_PACK_H
#define MIEN_SECAGG_PACK_H

#include "common/base/compiler.h"
#include "common/base/span.h"
#include "common/base/status.h"

#include <stdint.h>

/* The low `bits` (12 to 32) of n residues, packed; the last byte is filled with zeros.
 *
 *   out  [mien_secagg_packed_bytes(n, bits)]
 */
void mien_pack(const uint32_t *residue, uint32_t n, uint32_t bits, uint8_t *out);

/* Part of packing, for streaming: bytes first .. first + len - 1 of what mien_pack gives. */
void mien_pack_part(const uint32_t *residue, uint32_t n, uint32_t bits, uint64_t first,
                    uint8_t *out, uint64_t len);

/* Adds the packed residues to n sums mod 2^32.
 *
 *   errors  MIEN_EPARSE  the length is not that of n residues of 12 to 32 bits, or the filling is
 *                        not zero; the sums are as they were
 */
MIEN_CHECK enum mien_status mien_unpack_add(struct mien_span packed, uint32_t bits, uint32_t *sum,
                                            uint32_t n);

/* The residue mod 2^bits as the signed number nearest to zero. */
int64_t mien_lift(uint32_t residue, uint32_t bits);

#endif
