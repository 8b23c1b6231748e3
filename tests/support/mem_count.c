// SPDX-License-Identifier: Apache-2.0
/* mem.c's promises, with a head of its size and owner before each block. */
#include "tests/support/mem_count.h"

#include "common/base/mem.h"
#include "common/base/num.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A block's head takes this many bytes, so that blocks stay aligned to it. */
#define HEAD_BYTES 64

struct head {
    size_t bytes;
    unsigned owner;
};

static atomic_uint current;
static atomic_size_t live[MIEN_MEM_OWNERS];
static atomic_size_t peak[MIEN_MEM_OWNERS];

unsigned mien_mem_count_for(unsigned owner)
{
    return atomic_exchange(&current, owner % MIEN_MEM_OWNERS);
}

size_t mien_mem_count_live(unsigned owner)
{
    return atomic_load(&live[owner % MIEN_MEM_OWNERS]);
}

size_t mien_mem_count_peak(unsigned owner)
{
    return atomic_load(&peak[owner % MIEN_MEM_OWNERS]);
}

void mien_mem_count_restart(unsigned owner)
{
    atomic_store(&peak[owner % MIEN_MEM_OWNERS], mien_mem_count_live(owner));
}

static void count(unsigned owner, size_t bytes)
{
    const size_t now = atomic_fetch_add(&live[owner], bytes) + bytes;
    size_t before = atomic_load(&peak[owner]);

    while (now > before && !atomic_compare_exchange_weak(&peak[owner], &before, now))
        continue;
}

/* The block after the head that starts here. */
static void *counted(void *start, size_t bytes)
{
    struct head *head = start;

    if (start == NULL)
        return NULL;
    *head = (struct head){.bytes = bytes, .owner = atomic_load(&current)};
    count(head->owner, bytes);
    return (uint8_t *)start + HEAD_BYTES;
}

void *mien_calloc_aligned(size_t bytes)
{
    void *start = NULL;

    if (bytes > SIZE_MAX - 2 * HEAD_BYTES ||
        posix_memalign(&start, HEAD_BYTES, bytes + HEAD_BYTES) != 0)
        return NULL;
    memset(start, 0, bytes + HEAD_BYTES);
    return counted(start, bytes);
}

void *mien_calloc(size_t n, size_t size)
{
    size_t bytes;

    if (!mien_mul_size(n, size, &bytes) || bytes > SIZE_MAX - HEAD_BYTES)
        return NULL;
    return counted(calloc(1, bytes + HEAD_BYTES), bytes);
}

static struct head *head_of(void *block)
{
    return (struct head *)(void *)((uint8_t *)block - HEAD_BYTES);
}

void *mien_reallocarray(void *old, size_t n, size_t size)
{
    void *grown = mien_calloc(n, size);
    size_t bytes;

    if (old == NULL || grown == NULL || !mien_mul_size(n, size, &bytes))
        return grown;
    memcpy(grown, old, mien_min_size(head_of(old)->bytes, bytes));
    mien_free(old);
    return grown;
}

void *mien_memdup(const void *data, size_t n)
{
    void *copy = mien_calloc(n, 1);

    if (copy != NULL && n > 0)
        memcpy(copy, data, n);
    return copy;
}

char *mien_strdup(const char *text)
{
    return mien_memdup(text, strlen(text) + 1);
}

void mien_free(void *block)
{
    if (block == NULL)
        return;
    struct head *head = head_of(block);
    atomic_fetch_sub(&live[head->owner], head->bytes);
    free(head);
}
