// SPDX-License-Identifier: Apache-2.0
#include "server/store/pki.h"

#include "common/secagg/credential.h"
#include "common/wire/identity.h"
#include "tests/unit/store/state_fixture.h"

#define NOW INT64_C(1700000000)
#define DAY INT64_C(86400)

struct at {
    char dir[64];
    struct mien_statedir *state;
    struct mien_rng rng;
    uint8_t secret[MIEN_TOKEN_SECRET_BYTES];
    struct mien_buf csr;
    uint8_t key[32]; /* of the request */
};

static void new_request(struct at *at)
{
    uint8_t seed[32];

    at->csr.len = 0;
    assert_int_equal(mien_identity_draw(&at->rng, seed, at->key), MIEN_OK);
    assert_int_equal(mien_identity_csr_encode(seed, &at->csr), MIEN_OK);
}

static int setup(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));

    assert_non_null(at);
    at->rng = mien_rng_system();
    fixture_path(at->dir);
    fixture_state(at->dir);
    at->state = fixture_state_open(at->dir);
    new_request(at);
    assert_int_equal(
        mien_store_token_new(at->state->store, NULL, NOW + DAY, &at->rng, at->secret, NULL),
        MIEN_OK);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    struct at *at = *state;

    mien_buf_fini(&at->csr);
    fixture_state_close(at->state);
    fixture_remove(at->dir);
    mien_free(at);
    return 0;
}

static enum mien_status enrol(struct at *at, int64_t now_s, struct mien_device *out,
                              struct mien_err *err)
{
    const struct mien_pki_request request = {at->secret, mien_buf_span(&at->csr), now_s, 30,
                                             &at->rng};

    return mien_pki_enrol(&at->state->pki, at->state->store, &request, out, err);
}

static enum mien_status renew(struct at *at, const uint8_t id[16], int64_t now_s,
                              struct mien_device *out)
{
    const struct mien_pki_request request = {NULL, mien_buf_span(&at->csr), now_s, 30, &at->rng};

    return mien_pki_renew(&at->state->pki, at->state->store, id, &request, out, NULL);
}

static void a_token_makes_a_device_whose_papers_hold(void **state)
{
    struct at *at = *state;
    struct mien_device device;
    struct mien_identity_cert cert;
    struct mien_credential credential;

    assert_int_equal(enrol(at, NOW, &device, NULL), MIEN_OK);
    assert_int_equal(
        mien_identity_cert_decode((struct mien_span){device.cert, device.cert_len}, &cert, NULL),
        MIEN_OK);
    assert_true(cert.is_device && cert.for_client && !cert.is_ca && !cert.for_server);
    assert_memory_equal(cert.device_id, device.id, 16);
    assert_memory_equal(cert.public_key, at->key, 32);
    assert_int_equal(cert.not_after_s, NOW + 30 * DAY);
    assert_int_equal(
        mien_credential_verify((struct mien_span){device.credential, device.credential_len},
                               at->state->pki.ca_key, NOW, &credential, NULL),
        MIEN_OK);
    assert_memory_equal(credential.device_id, device.id, 16);
    assert_memory_equal(credential.key, at->key, 32);
    assert_memory_equal(credential.unit_digest, device.unit, 32);
}

static void the_same_request_again_gives_the_same_papers(void **state)
{
    struct at *at = *state;
    struct mien_device first;
    struct mien_device second;

    assert_int_equal(enrol(at, NOW, &first, NULL), MIEN_OK);
    fixture_state_close(at->state); /* the reply was lost in a crash */
    at->state = fixture_state_open(at->dir);
    assert_int_equal(enrol(at, NOW + 5 * DAY, &second, NULL), MIEN_OK);
    assert_int_equal(first.cert_len, second.cert_len);
    assert_memory_equal(first.cert, second.cert, first.cert_len);
    assert_memory_equal(first.credential, second.credential, first.credential_len);
}

static void a_used_token_refuses_another_request(void **state)
{
    struct at *at = *state;
    struct mien_device device;
    uint64_t n_devices = 0;
    uint64_t n_units = 0;

    assert_int_equal(enrol(at, NOW, &device, NULL), MIEN_OK);
    new_request(at);
    assert_int_equal(enrol(at, NOW, &device, NULL), MIEN_EAUTH);
    assert_int_equal(mien_store_enrolled(at->state->store, &n_devices, &n_units), MIEN_OK);
    assert_int_equal(n_devices, 1);
}

static void expired_and_unknown_tokens_are_refused(void **state)
{
    struct at *at = *state;
    struct mien_device device;
    struct mien_err err = {0};

    assert_int_equal(enrol(at, NOW + DAY, &device, &err), MIEN_EEXPIRED);
    at->secret[3] ^= 1;
    assert_int_equal(enrol(at, NOW, &device, &err), MIEN_EAUTH);
    assert_null(strstr(err.text, "secret"));
}

static void a_request_that_does_not_hold_uses_no_token(void **state)
{
    struct at *at = *state;
    struct mien_device device;

    at->csr.data[at->csr.len - 1] ^= 1; /* in its signature */
    assert_int_not_equal(enrol(at, NOW, &device, NULL), MIEN_OK);
    new_request(at);
    assert_int_equal(enrol(at, NOW, &device, NULL), MIEN_OK);
}

static void a_named_unit_has_many_devices_and_one_digest(void **state)
{
    struct at *at = *state;
    struct mien_device first;
    struct mien_device second;
    uint64_t n_devices = 0;
    uint64_t n_units = 0;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            mien_store_token_new(at->state->store, "Anna", NOW + DAY, &at->rng, at->secret, NULL),
            MIEN_OK);
        new_request(at);
        assert_int_equal(enrol(at, NOW, i == 0 ? &first : &second, NULL), MIEN_OK);
    }
    assert_memory_equal(first.unit, second.unit, 32);
    assert_memory_not_equal(first.id, second.id, 16);
    assert_int_equal(mien_store_enrolled(at->state->store, &n_devices, &n_units), MIEN_OK);
    assert_int_equal(n_devices, 2);
    assert_int_equal(n_units, 1);
    assert_int_equal(mien_store_token_new(at->state->store, "", NOW, &at->rng, at->secret, NULL),
                     MIEN_EINVAL);
    assert_int_equal(
        mien_store_token_new(at->state->store, "a\nb", NOW, &at->rng, at->secret, NULL),
        MIEN_EINVAL);
}

static void renewal_certifies_a_fresh_key_and_is_repeatable(void **state)
{
    struct at *at = *state;
    struct mien_device device;
    struct mien_device renewed;
    struct mien_device again;

    assert_int_equal(enrol(at, NOW, &device, NULL), MIEN_OK);
    new_request(at);
    assert_int_equal(renew(at, device.id, NOW + 20 * DAY, &renewed), MIEN_OK);
    assert_memory_equal(renewed.id, device.id, 16);
    assert_memory_equal(renewed.public_key, at->key, 32);
    assert_int_equal(renewed.not_after_s, NOW + 50 * DAY);
    assert_int_equal(renew(at, device.id, NOW + 20 * DAY, &again), MIEN_OK);
    assert_memory_equal(renewed.cert, again.cert, renewed.cert_len);
    device.id[0] ^= 1;
    assert_int_equal(renew(at, device.id, NOW, &again), MIEN_ENOTFOUND);
}

static void a_revoked_device_gets_nothing_more(void **state)
{
    struct at *at = *state;
    struct mien_device device;
    struct mien_device back;
    uint64_t n_devices = 9;
    uint64_t n_units = 9;

    assert_int_equal(enrol(at, NOW, &device, NULL), MIEN_OK);
    assert_int_equal(mien_store_device_revoke(at->state->store, device.id, NOW, NULL), MIEN_OK);
    assert_int_equal(mien_store_device_revoke(at->state->store, device.id, NOW, NULL), MIEN_OK);
    assert_int_equal(mien_store_device(at->state->store, device.id, &back, NULL), MIEN_OK);
    assert_true(back.revoked);
    assert_int_equal(enrol(at, NOW, &back, NULL), MIEN_EAUTH);
    assert_int_equal(renew(at, device.id, NOW, &back), MIEN_EAUTH);
    assert_int_equal(mien_store_enrolled(at->state->store, &n_devices, &n_units), MIEN_OK);
    assert_int_equal(n_devices, 0);
    device.id[0] ^= 1;
    assert_int_equal(mien_store_device_revoke(at->state->store, device.id, NOW, NULL),
                     MIEN_ENOTFOUND);
}

static void secrets_are_not_in_the_database(void **state)
{
    struct at *at = *state;
    char path[128];
    struct mien_buf bytes = {0};
    static const char *const files[] = {"ledger.db", "ledger.db-wal"};

    for (size_t f = 0; f < 2; f++) {
        (void)snprintf(path, sizeof(path), "%s/%s", at->dir, files[f]);
        bytes.len = 0;
        assert_int_equal(mien_file_read(path, (size_t)1 << 28, &bytes, NULL), MIEN_OK);
        for (size_t i = 0; i + sizeof(at->secret) <= bytes.len; i++)
            assert_true(memcmp(bytes.data + i, at->secret, sizeof(at->secret)) != 0);
    }
    mien_buf_fini(&bytes);
}

static void a_failed_allocation_uses_no_token(void **state)
{
    struct at *at = *state;
    struct mien_device device;
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status != MIEN_OK; k++) {
        assert_true(k < 1000);
        mien_mem_fail_at(k);
        status = enrol(at, NOW, &device, NULL);
        mien_mem_fail_at(-1);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_token_makes_a_device_whose_papers_hold),
        TEST(the_same_request_again_gives_the_same_papers),
        TEST(a_used_token_refuses_another_request),
        TEST(expired_and_unknown_tokens_are_refused),
        TEST(a_request_that_does_not_hold_uses_no_token),
        TEST(a_named_unit_has_many_devices_and_one_digest),
        TEST(renewal_certifies_a_fresh_key_and_is_repeatable),
        TEST(a_revoked_device_gets_nothing_more),
        TEST(secrets_are_not_in_the_database),
        TEST(a_failed_allocation_uses_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
