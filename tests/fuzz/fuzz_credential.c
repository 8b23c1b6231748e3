// SPDX-License-Identifier: Apache-2.0
/* A credential: what holds is what the CA signs for these fields, and one that is known gets the
 * answer that it got at first. The CA's seed is nine and zeros. */
#include "common/secagg/agree.h"
#include "common/secagg/known.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#define NOW 500

static const uint8_t ca_seed[32] = {9};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t ca_key[32];
    static bool has_key;
    const struct mien_span bytes = {data, len};
    struct mien_credential who;
    struct mien_credential again;
    uint8_t issued[MIEN_CREDENTIAL_BYTES];
    struct mien_known *known = NULL;

    if (!has_key)
        fuzz_require(mien_ed25519_public(ca_seed, ca_key) == MIEN_OK);
    has_key = true;
    const enum mien_status status = mien_credential_verify(bytes, ca_key, NOW, &who, NULL);
    fuzz_require(mien_known_new(&known) == MIEN_OK);
    for (int i = 0; i < 2; i++)
        fuzz_require(mien_known_verify(known, bytes, ca_key, NOW, &again, NULL) == status);
    mien_known_free(known);
    if (status != MIEN_OK)
        return 0;
    fuzz_require(memcmp(who.device_id, again.device_id, sizeof(who.device_id)) == 0 &&
                 memcmp(who.key, again.key, sizeof(who.key)) == 0);
    fuzz_require(mien_credential_issue(&who, ca_seed, issued) == MIEN_OK);
    fuzz_require(len == sizeof(issued) && memcmp(issued, data, len) == 0);
    return 0;
}
