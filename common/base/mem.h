/* The only way to the heap: zeroed blocks, sizes checked, failure testable.
 *
 * Tests link mem_fail.c in place of mem.c, where the k-th allocation can be made to fail.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_MEM_H
#define MIEN_BASE_MEM_H

#include "common/base/compiler.h"

#include <stddef.h>

/* A zeroed block of n * size bytes, at least 1; given. NULL when there is no memory or the
 * product overflows. */
MIEN_CHECK void *mien_calloc(size_t n, size_t size);

/* A zeroed block of `bytes`, aligned to 64 bytes; given (free with mien_free). NULL as above. */
MIEN_CHECK void *mien_calloc_aligned(size_t bytes);

/* `old` grown or shrunk to n * size bytes; new bytes are NOT zeroed. NULL leaves `old` as it is. */
MIEN_CHECK void *mien_reallocarray(void *old, size_t n, size_t size);

/* A copy of `n` bytes; given. */
MIEN_CHECK void *mien_memdup(const void *data, size_t n);

/* A copy of a string; given. */
MIEN_CHECK char *mien_strdup(const char *text);

/* Frees a block; NULL is fine. Secrets are wiped by their owner first (secret.h). */
void mien_free(void *block);

/* Tests only (mem_fail.c): the k-th allocation from here returns NULL, once; -1 for never. */
void mien_mem_fail_at(long k);

/* Tests only (mem_fail.c): blocks handed out and not freed yet. */
long mien_mem_live(void);

#endif
