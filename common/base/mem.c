// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"

#include "common/base/num.h"

#include <stdlib.h>
#include <string.h>

void *mien_calloc(size_t n, size_t size)
{
    if (n == 0 || size == 0)
        return calloc(1, 1);
    return calloc(n, size);
}

void *mien_calloc_aligned(size_t bytes)
{
    void *block = NULL;
    size_t rounded;

    if (!mien_add_size(bytes, 64, &rounded))
        return NULL;
    if (posix_memalign(&block, 64, rounded) != 0)
        return NULL;
    memset(block, 0, rounded);
    return block;
}

void *mien_reallocarray(void *old, size_t n, size_t size)
{
    size_t bytes;

    if (!mien_mul_size(n, size, &bytes))
        return NULL;
    return realloc(old, bytes == 0 ? 1 : bytes);
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
    free(block);
}
