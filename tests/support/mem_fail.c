// SPDX-License-Identifier: Apache-2.0
/* The allocator of the tests: mem.c's promises, and the k-th allocation fails on request. */
#include "common/base/mem.h"
#include "common/base/num.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_in = -1;
static atomic_long n_live;

void mien_mem_fail_at(long k)
{
    atomic_store(&fail_in, k);
}

long mien_mem_live(void)
{
    return atomic_load(&n_live);
}

static bool fails_now(void)
{
    if (atomic_load(&fail_in) < 0)
        return false;
    return atomic_fetch_sub(&fail_in, 1) == 0;
}

static void *counted(void *block)
{
    if (block != NULL)
        atomic_fetch_add(&n_live, 1);
    return block;
}

void *mien_calloc(size_t n, size_t size)
{
    if (fails_now())
        return NULL;
    return counted(n == 0 || size == 0 ? calloc(1, 1) : calloc(n, size));
}

void *mien_calloc_aligned(size_t bytes)
{
    void *block = NULL;

    if (fails_now() || bytes > SIZE_MAX - 64)
        return NULL;
    if (posix_memalign(&block, 64, bytes + 64) != 0)
        return NULL;
    memset(block, 0, bytes + 64);
    return counted(block);
}

void *mien_reallocarray(void *old, size_t n, size_t size)
{
    size_t bytes;

    if (fails_now() || !mien_mul_size(n, size, &bytes))
        return NULL;
    void *block = realloc(old, bytes == 0 ? 1 : bytes);
    return old == NULL ? counted(block) : block;
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
    if (block != NULL)
        atomic_fetch_sub(&n_live, 1);
    free(block);
}
