// SPDX-License-Identifier: Apache-2.0
#include "common/base/secret.h"

#include <openssl/crypto.h>

void mien_wipe(void *block, size_t n)
{
    if (n > 0)
        OPENSSL_cleanse(block, n);
}

bool mien_ct_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
