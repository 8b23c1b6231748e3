/* The kernel for x86-64 with VAES and AVX-512: 32 blocks in flight, keystream never in memory.
 *
 * Source:  Intel 64 and IA-32 manual, volume 2 (AESKEYGENASSIST: the schedule; VAESENC)
 * Threads: any
 */
#ifndef MIEN_SECAGG_MASK_VAES_H
#define MIEN_SECAGG_MASK_VAES_H

#include "common/secagg/mask_kernel.h"

/* As mien_mask_evp. Only where mien_mask_native returns it. */
MIEN_CHECK enum mien_status mien_mask_vaes(const struct mien_mask *mask, uint64_t first_block,
                                           uint32_t *residue, uint64_t n);

#endif
