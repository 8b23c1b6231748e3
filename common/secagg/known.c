// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/known.h"

#include "common/base/bytes.h"
#include "common/base/digest.h"
#include "common/base/mem.h"

#include <stdbool.h>
#include <string.h>

/* A credential has its place in one row, whose oldest it replaces. */
#define N_WAYS 4
#define N_ROWS (MIEN_KNOWN_CREDENTIALS / N_WAYS)

struct mien_known {
    uint8_t ca_key[32];
    uint8_t digest[N_ROWS][N_WAYS][MIEN_DIGEST_BYTES]; /* zeros: nothing */
    uint8_t oldest[N_ROWS];
};

_Static_assert(sizeof(struct mien_known) <= MIEN_KNOWN_BYTES, "what the header says it takes");

enum mien_status mien_known_new(struct mien_known **out)
{
    struct mien_known *known = mien_calloc(1, sizeof(*known));

    if (known == NULL)
        return MIEN_ENOMEM;
    *out = known;
    return MIEN_OK;
}

void mien_known_free(struct mien_known *known)
{
    mien_free(known);
}

static uint64_t row_of(const uint8_t digest[MIEN_DIGEST_BYTES])
{
    return mien_load_be64(digest) % N_ROWS;
}

static bool is_known(const struct mien_known *known, const uint8_t digest[MIEN_DIGEST_BYTES])
{
    for (int way = 0; way < N_WAYS; way++) {
        if (memcmp(known->digest[row_of(digest)][way], digest, MIEN_DIGEST_BYTES) == 0)
            return true;
    }
    return false;
}

static void keep(struct mien_known *known, const uint8_t digest[MIEN_DIGEST_BYTES])
{
    const uint64_t row = row_of(digest);

    memcpy(known->digest[row][known->oldest[row]], digest, MIEN_DIGEST_BYTES);
    known->oldest[row] = (uint8_t)((known->oldest[row] + 1) % N_WAYS);
}

enum mien_status mien_known_verify(struct mien_known *known, struct mien_span bytes,
                                   const uint8_t ca_key[32], int64_t now,
                                   struct mien_credential *out, struct mien_err *err)
{
    uint8_t digest[MIEN_DIGEST_BYTES];

    if (known == NULL)
        return mien_credential_verify(bytes, ca_key, now, out, err);
    if (memcmp(known->ca_key, ca_key, sizeof(known->ca_key)) != 0) {
        memset(known, 0, sizeof(*known));
        memcpy(known->ca_key, ca_key, sizeof(known->ca_key));
    }
    /* The digest covers every byte that a verification reads. */
    enum mien_status status = mien_digest(bytes, digest);
    if (status != MIEN_OK)
        return status;
    if (is_known(known, digest))
        return mien_credential_verify_signed(bytes, now, out, err);
    status = mien_credential_verify(bytes, ca_key, now, out, err);
    if (status == MIEN_OK)
        keep(known, digest);
    return status;
}
