// SPDX-License-Identifier: Apache-2.0
#include "client/state.h"
#include "common/base/digest.h"
#include "common/base/mem.h"

#include <mien/client.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct mien_client_state full_state(void)
{
    struct mien_client_state state = {.enrolled = true, .port = 65535, .pending = true};

    memset(state.host, 'h', sizeof(state.host) - 1);
    memset(&state.identity, 7, sizeof(state.identity));
    memset(state.cert, 8, sizeof(state.cert));
    state.cert_len = sizeof(state.cert);
    memset(state.ca, 9, sizeof(state.ca));
    state.ca_len = sizeof(state.ca);
    memset(state.pending_key, 10, sizeof(state.pending_key));
    memset(state.pending_token, 11, sizeof(state.pending_token));
    state.record.n_sent = 5;
    return state;
}

static void the_largest_state_fits_and_comes_back(void **state)
{
    (void)state;
    struct mien_client_state before = full_state();
    struct mien_client_state after;
    struct mien_buf bytes = {0};

    assert_int_equal(mien_client_state_encode(&before, &bytes), MIEN_OK);
    assert_true(bytes.len <= MIEN_CLIENT_STATE_BYTES);
    assert_int_equal(mien_client_state_decode(mien_buf_span(&bytes), &after), MIEN_OK);
    assert_true(after.enrolled);
    assert_true(after.pending);
    assert_int_equal(after.port, 65535);
    assert_string_equal(after.host, before.host);
    assert_memory_equal(after.identity.device_key, before.identity.device_key, 32);
    assert_memory_equal(after.identity.ca_key, before.identity.ca_key, 32);
    assert_memory_equal(after.identity.coordinator_key, before.identity.coordinator_key, 32);
    assert_memory_equal(after.identity.run_id, before.identity.run_id, 16);
    assert_memory_equal(after.identity.credential, before.identity.credential,
                        sizeof(before.identity.credential));
    assert_memory_equal(after.cert, before.cert, sizeof(before.cert));
    assert_memory_equal(after.ca, before.ca, sizeof(before.ca));
    assert_memory_equal(after.pending_key, before.pending_key, 32);
    assert_memory_equal(after.pending_token, before.pending_token, 32);
    assert_int_equal(after.record.n_sent, 5);
    mien_buf_wipe(&bytes);
}

static void any_flipped_bit_and_any_cut_is_corrupt(void **state)
{
    (void)state;
    struct mien_client_state before = {.enrolled = true, .port = 7};
    struct mien_client_state after;
    struct mien_buf bytes = {0};

    assert_int_equal(mien_client_state_encode(&before, &bytes), MIEN_OK);
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(mien_client_state_decode(mien_buf_span(&bytes), &after), MIEN_ECORRUPT);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(mien_client_state_decode((struct mien_span){bytes.data, len}, &after),
                         MIEN_ECORRUPT);
    mien_buf_wipe(&bytes);
}

/* A checksum is no key: whoever can write the file can make it hold. Lengths are judged still. */
static void a_length_over_its_limit_is_corrupt_under_a_right_checksum(void **state)
{
    (void)state;
    struct mien_client_state before = {.enrolled = true};
    struct mien_client_state after;
    struct mien_buf bytes = {0};
    size_t host_at = 8 + 1 + 4 + 16 + 32 * 5 + MIEN_CREDENTIAL_BYTES;

    assert_int_equal(mien_client_state_encode(&before, &bytes), MIEN_OK);
    bytes.data[host_at] = 0xff;
    struct mien_span body = {bytes.data, bytes.len - 32};
    assert_int_equal(mien_digest(body, bytes.data + body.len), MIEN_OK);
    assert_int_equal(mien_client_state_decode(mien_buf_span(&bytes), &after), MIEN_ECORRUPT);
    mien_buf_wipe(&bytes);
}

static void encode_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_client_state before = full_state();
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status != MIEN_OK; k++) {
        struct mien_buf bytes = {0};

        mien_mem_fail_at(k);
        status = mien_client_state_encode(&before, &bytes);
        mien_mem_fail_at(-1);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
        mien_buf_wipe(&bytes);
    }
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_state_fits_and_comes_back),
        cmocka_unit_test(any_flipped_bit_and_any_cut_is_corrupt),
        cmocka_unit_test(a_length_over_its_limit_is_corrupt_under_a_right_checksum),
        cmocka_unit_test(encode_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
