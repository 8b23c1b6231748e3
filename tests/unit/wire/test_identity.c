// SPDX-License-Identifier: Apache-2.0
#include "common/wire/identity.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/message.h"
#include "tests/unit/wire/authority.h"

static void keys_sign_as_in_rfc_8032(void **state)
{
    (void)state;
    /* RFC 8032 section 7.1, test 2. */
    static const char seed_hex[] =
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    static const char key_hex[] =
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    static const char signature_hex[] =
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    static const uint8_t message[] = {0x72};
    uint8_t seed[32];
    uint8_t key[32];
    uint8_t expected_key[32];
    uint8_t signature[64];
    uint8_t expected[64];

    assert_int_equal(mien_unhex(seed_hex, 32, seed), MIEN_OK);
    assert_int_equal(mien_unhex(key_hex, 32, expected_key), MIEN_OK);
    assert_int_equal(mien_unhex(signature_hex, 64, expected), MIEN_OK);
    assert_int_equal(mien_identity_public(seed, key), MIEN_OK);
    assert_memory_equal(key, expected_key, 32);
    assert_int_equal(mien_identity_sign(seed, (struct mien_span){message, 1}, signature), MIEN_OK);
    assert_memory_equal(signature, expected, 64);
    assert_int_equal(mien_identity_verify(key, (struct mien_span){message, 1}, signature), MIEN_OK);
    signature[5] ^= 1;
    assert_int_equal(mien_identity_verify(key, (struct mien_span){message, 1}, signature),
                     MIEN_EAUTH);
}

static void a_request_proves_possession_of_its_key(void **state)
{
    (void)state;
    struct mien_rng rng = mien_rng_system();
    uint8_t seed[32];
    uint8_t key[32];
    uint8_t named[32];
    struct mien_buf csr = {0};

    assert_int_equal(mien_identity_draw(&rng, seed, key), MIEN_OK);
    assert_int_equal(mien_identity_csr_encode(seed, &csr), MIEN_OK);
    assert_true(csr.len <= MIEN_MESSAGE_CSR_BYTES);
    assert_int_equal(mien_identity_csr_decode(mien_buf_span(&csr), named, NULL), MIEN_OK);
    assert_memory_equal(named, key, 32);

    /* Not one bit can change: the signature covers what stands before it. */
    for (size_t bit = 0; bit < csr.len * 8; bit++) {
        csr.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum mien_status status = mien_identity_csr_decode(mien_buf_span(&csr), named, NULL);
        assert_true(status == MIEN_EPARSE || status == MIEN_EAUTH);
        csr.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < csr.len; n++)
        assert_int_equal(mien_identity_csr_decode((struct mien_span){csr.data, n}, named, NULL),
                         MIEN_EPARSE);
    assert_int_equal(mien_buf_append_u8(&csr, 0), MIEN_OK);
    assert_int_equal(mien_identity_csr_decode(mien_buf_span(&csr), named, NULL), MIEN_EPARSE);
    mien_buf_fini(&csr);
}

static void a_certificate_says_who_and_until_when(void **state)
{
    (void)state;
    struct authority ca = authority_new();
    struct leaf device = leaf_new(&ca, MIEN_ISSUE_DEVICE, -60, 3600);
    struct leaf server = leaf_new(&ca, MIEN_ISSUE_SERVER, -60, 3600);
    struct mien_identity_cert cert;
    static const uint8_t id[16] = {0xab, 0xcd, 0xef};
    int64_t now = mien_clock_unix_s();

    assert_int_equal(mien_identity_cert_decode(mien_buf_span(&device.cert), &cert, NULL), MIEN_OK);
    assert_true(cert.is_device && cert.for_client && !cert.for_server && !cert.is_ca);
    assert_memory_equal(cert.device_id, id, 16);
    assert_memory_equal(cert.public_key, device.key, 32);
    assert_int_equal(cert.serial_len, 16);
    assert_in_range(cert.not_after_s, now + 3590, now + 3600);
    assert_in_range(cert.not_before_s, now - 70, now - 60);

    assert_int_equal(mien_identity_cert_decode(mien_buf_span(&server.cert), &cert, NULL), MIEN_OK);
    assert_true(!cert.is_device && !cert.for_client && cert.for_server && !cert.is_ca);
    assert_int_equal(mien_identity_cert_decode(mien_buf_span(&ca.cert), &cert, NULL), MIEN_OK);
    assert_true(!cert.is_device && !cert.for_client && !cert.for_server && cert.is_ca);
    assert_true(device.cert.len <= 512 && server.cert.len <= 512 && ca.cert.len <= 512);

    mien_buf_fini(&device.cert);
    mien_buf_fini(&server.cert);
    mien_buf_fini(&ca.cert);
}

static void a_certificate_is_verified_under_its_authority(void **state)
{
    (void)state;
    struct authority ca = authority_new();
    struct authority other = authority_new();
    struct leaf leaf = leaf_new(&ca, MIEN_ISSUE_DEVICE, -60, 3600);
    struct mien_span cert = mien_buf_span(&leaf.cert);
    int64_t now = mien_clock_unix_s();
    struct mien_err err = {0};

    assert_int_equal(mien_identity_cert_verify(cert, mien_buf_span(&ca.cert), now, &err), MIEN_OK);
    assert_int_equal(mien_identity_cert_verify(cert, mien_buf_span(&other.cert), now, &err),
                     MIEN_EAUTH);
    assert_int_equal(mien_identity_cert_verify(cert, mien_buf_span(&ca.cert), now + 4000, &err),
                     MIEN_EEXPIRED);
    assert_int_equal(mien_identity_cert_verify(cert, mien_buf_span(&ca.cert), now - 1000, &err),
                     MIEN_EEXPIRED);
    assert_int_equal(mien_identity_cert_verify(cert, (struct mien_span){cert.data, 9}, now, &err),
                     MIEN_EPARSE);
    /* A device is no authority. */
    assert_int_equal(mien_identity_cert_verify(mien_buf_span(&ca.cert), cert, now, &err),
                     MIEN_EAUTH);
    mien_buf_fini(&leaf.cert);
    mien_buf_fini(&ca.cert);
    mien_buf_fini(&other.cert);
}

static void broken_certificates_never_crash(void **state)
{
    (void)state;
    struct authority ca = authority_new();
    struct leaf leaf = leaf_new(&ca, MIEN_ISSUE_DEVICE, -60, 3600);
    struct mien_identity_cert cert;
    int64_t now = mien_clock_unix_s();

    for (size_t n = 0; n < leaf.cert.len; n++)
        assert_int_equal(
            mien_identity_cert_decode((struct mien_span){leaf.cert.data, n}, &cert, NULL),
            MIEN_EPARSE);
    for (size_t bit = 0; bit < leaf.cert.len * 8; bit++) {
        leaf.cert.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (mien_identity_cert_decode(mien_buf_span(&leaf.cert), &cert, NULL) == MIEN_OK)
            assert_int_not_equal(mien_identity_cert_verify(mien_buf_span(&leaf.cert),
                                                           mien_buf_span(&ca.cert), now, NULL),
                                 MIEN_OK);
        leaf.cert.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    mien_buf_fini(&leaf.cert);
    mien_buf_fini(&ca.cert);
}

static void the_issuer_refuses_what_it_should_not_sign(void **state)
{
    (void)state;
    struct authority ca = authority_new();
    struct authority other = authority_new();
    struct mien_rng rng = mien_rng_system();
    struct mien_buf out = {0};
    struct mien_issue_request request = {.kind = MIEN_ISSUE_SERVER,
                                         .host = "a,URI:mien:device:00",
                                         .not_before_s = 0,
                                         .not_after_s = 1};
    struct mien_span cert = mien_buf_span(&ca.cert);

    assert_int_equal(mien_issue_cert(&request, ca.seed, cert, &rng, &out), MIEN_EINVAL);
    request.host = NULL;
    assert_int_equal(mien_issue_cert(&request, ca.seed, cert, &rng, &out), MIEN_EINVAL);
    request.host = "::1";
    assert_int_equal(mien_issue_cert(&request, other.seed, cert, &rng, &out), MIEN_EINVAL);
    assert_int_equal(mien_issue_cert(&request, ca.seed, cert, &rng, &out), MIEN_OK);
    request.not_after_s = 0;
    assert_int_equal(mien_issue_cert(&request, ca.seed, cert, &rng, &out), MIEN_EINVAL);
    mien_buf_fini(&out);
    mien_buf_fini(&ca.cert);
    mien_buf_fini(&other.cert);
}

static void pem_comes_back_the_same(void **state)
{
    (void)state;
    struct authority ca = authority_new();
    struct mien_buf pem = {0};
    struct mien_buf der = {0};
    uint8_t seed[32];
    struct mien_err err = {0};

    assert_int_equal(mien_identity_cert_to_pem(mien_buf_span(&ca.cert), &pem), MIEN_OK);
    assert_memory_equal(pem.data, "-----BEGIN CERTIFICATE-----\n", 28);
    assert_int_equal(mien_identity_cert_from_pem(mien_buf_span(&pem), &der, &err), MIEN_OK);
    assert_int_equal(der.len, ca.cert.len);
    assert_memory_equal(der.data, ca.cert.data, der.len);
    assert_int_equal(mien_identity_key_from_pem(mien_buf_span(&pem), seed, &err), MIEN_EPARSE);
    mien_buf_fini(&pem);
    mien_buf_fini(&der);

    assert_int_equal(mien_identity_key_to_pem(ca.seed, &pem), MIEN_OK);
    assert_int_equal(mien_identity_key_from_pem(mien_buf_span(&pem), seed, &err), MIEN_OK);
    assert_memory_equal(seed, ca.seed, 32);
    assert_int_equal(mien_identity_cert_from_pem(mien_buf_span(&pem), &der, &err), MIEN_EPARSE);
    for (size_t n = 0; n + 2 < pem.len; n++)
        assert_int_not_equal(
            mien_identity_key_from_pem((struct mien_span){pem.data, n}, seed, &err), MIEN_OK);
    mien_buf_wipe(&pem);
    mien_buf_fini(&ca.cert);
}

static void nothing_is_added_without_memory(void **state)
{
    (void)state;
    struct mien_rng rng = mien_rng_system();
    uint8_t seed[32];
    uint8_t key[32];
    struct mien_buf out = {0};

    assert_int_equal(mien_identity_draw(&rng, seed, key), MIEN_OK);
    mien_mem_fail_at(0);
    assert_int_equal(mien_identity_csr_encode(seed, &out), MIEN_ENOMEM);
    mien_mem_fail_at(0);
    assert_int_equal(mien_identity_key_to_pem(seed, &out), MIEN_ENOMEM);
    mien_mem_fail_at(0);
    assert_int_equal(mien_issue_ca(seed, "x", 0, 1, &rng, &out), MIEN_ENOMEM);
    mien_mem_fail_at(-1);
    assert_int_equal(out.len, 0);
    mien_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_sign_as_in_rfc_8032),
        cmocka_unit_test(a_request_proves_possession_of_its_key),
        cmocka_unit_test(a_certificate_says_who_and_until_when),
        cmocka_unit_test(a_certificate_is_verified_under_its_authority),
        cmocka_unit_test(broken_certificates_never_crash),
        cmocka_unit_test(the_issuer_refuses_what_it_should_not_sign),
        cmocka_unit_test(pem_comes_back_the_same),
        cmocka_unit_test(nothing_is_added_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
