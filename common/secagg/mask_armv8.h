/* The kernel for arm64 with the AES instructions: 8 blocks in flight, the keystream never in
 * memory. mask_arm64.c says whether a processor can run it.
 *
 * Source:  Arm Architecture Reference Manual for A-profile (AESE, AESMC)
 * Threads: any
 */
#ifndef MIEN_SECAGG_MASK_ARMV8_H
#define MIEN_SECAGG_MASK_ARMV8_H

#include "common/secagg/mask_kernel.h"

extern const struct mien_mask_kernel mien_mask_armv8;

#endif
