// SPDX-License-Identifier: Apache-2.0
/* Certificates, signing requests and PEM text: the first byte says which. */
#include "common/base/buf.h"
#include "common/base/secret.h"
#include "common/wire/identity.h"
#include "tests/fuzz/fuzz.h"

static void as_cert(struct mien_span bytes)
{
    struct mien_identity_cert cert;

    if (mien_identity_cert_decode(bytes, &cert, NULL) != MIEN_OK)
        return;
    fuzz_require(cert.serial_len >= 1 && cert.serial_len <= sizeof(cert.serial));
    (void)!mien_identity_cert_verify(bytes, bytes, cert.not_before_s, NULL);
}

static void as_csr(struct mien_span bytes)
{
    uint8_t key[32];

    (void)!mien_identity_csr_decode(bytes, key, NULL);
}

static void as_pem(struct mien_span bytes)
{
    struct mien_buf der = {0};
    uint8_t seed[32];

    if (mien_identity_cert_from_pem(bytes, &der, NULL) == MIEN_OK)
        as_cert(mien_buf_span(&der));
    (void)!mien_identity_key_from_pem(bytes, seed, NULL);
    mien_buf_fini(&der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;

    struct mien_span bytes = {data + 1, len - 1};

    if (data[0] == 'c')
        as_cert(bytes);
    else if (data[0] == 'r')
        as_csr(bytes);
    else if (data[0] == 'p')
        as_pem(bytes);
    return 0;
}
