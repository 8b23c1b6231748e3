/* The kernels for x86-64, each with its processor's instructions: 8 to 32 blocks in flight, the
 * keystream never in memory. mask_x86.c says which of them a processor can run.
 *
 * Source:  Intel 64 and IA-32 manual, volume 2 (AESENC, VAESENC)
 * Threads: any
 */
#ifndef MIEN_SECAGG_MASK_X86_H
#define MIEN_SECAGG_MASK_X86_H

#include "common/secagg/mask_kernel.h"

extern const struct mien_mask_kernel mien_mask_vaes512; /* VAES, AVX-512 F and BW */
extern const struct mien_mask_kernel mien_mask_vaes256; /* VAES, AVX2 */
extern const struct mien_mask_kernel mien_mask_aesni;   /* AES-NI, SSSE3 */

#endif
