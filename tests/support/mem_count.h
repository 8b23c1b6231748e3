/* An allocator that counts bytes: link mem_count.c in place of mem.c.
 *
 * Who calls says for whom the blocks of the calls that follow are; a block counts for its owner
 * until it is freed, whoever frees it. Counted is what was asked for, not what the system's
 * allocator adds, and nothing that a library allocates for itself.
 *
 * Threads: any; the owner is one for all of them
 */
#ifndef MIEN_TESTS_SUPPORT_MEM_COUNT_H
#define MIEN_TESTS_SUPPORT_MEM_COUNT_H

#include <stddef.h>

#define MIEN_MEM_OWNERS 4

/* Blocks from here on are for `owner`, below MIEN_MEM_OWNERS; 0 at first. Returns whose they were.
 */
unsigned mien_mem_count_for(unsigned owner);

/* Bytes that an owner has now, and the most that it had since _count_restart. */
size_t mien_mem_count_live(unsigned owner);
size_t mien_mem_count_peak(unsigned owner);
void mien_mem_count_restart(unsigned owner);

#endif
