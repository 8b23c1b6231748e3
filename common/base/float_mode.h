/* Denormal numbers: flushed to zero while we compute, as the host has it afterwards.
 *
 * A gradient that fades passes through numbers below 1e-38, on which a processor can take a hundred
 * times as long. The mode is the calling thread's own.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_FLOAT_MODE_H
#define MIEN_BASE_FLOAT_MODE_H

#include <stdint.h>

/* Flushes from now on; returns the mode until now. */
uint64_t mien_float_flush(void);

/* Back to a mode that mien_float_flush returned. */
void mien_float_restore(uint64_t mode);

#endif
