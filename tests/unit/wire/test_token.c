// SPDX-License-Identifier: Apache-2.0
#include "common/wire/token.h"

#include "common/base/mem.h"
#include "tests/support/test.h"

#include <string.h>

static struct mien_token sample(const char *host)
{
    struct mien_token token = {.port = 7444};

    memcpy(token.host, host, strlen(host) + 1);
    for (int i = 0; i < 32; i++)
        token.ca_fingerprint[i] = (uint8_t)(i * 5);
    memset(token.secret, 0xa5, sizeof(token.secret));
    return token;
}

static void a_token_comes_back_the_same(void **state)
{
    (void)state;
    char longest[MIEN_TOKEN_HOST_BYTES + 1];
    const char *const hosts[] = {"x", "127.0.0.1", "fe80::1", "train.example.org", longest};

    memset(longest, 'a', MIEN_TOKEN_HOST_BYTES);
    longest[MIEN_TOKEN_HOST_BYTES] = 0;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        struct mien_token in = sample(hosts[i]);
        struct mien_token out = {0};
        char text[MIEN_TOKEN_TEXT_BYTES];

        assert_int_equal(mien_token_encode(&in, text), MIEN_OK);
        assert_int_equal(strncmp(text, "mien1.", 6), 0);
        assert_int_equal(mien_token_decode(text, &out, NULL), MIEN_OK);
        assert_memory_equal(&in, &out, sizeof(in));
    }
}

static void a_mistyped_token_is_told_from_a_wrong_one(void **state)
{
    (void)state;
    struct mien_token in = sample("train.example.org");
    struct mien_token out;
    struct mien_err err = {0};
    char text[MIEN_TOKEN_TEXT_BYTES];

    assert_int_equal(mien_token_encode(&in, text), MIEN_OK);
    for (size_t i = 6; i < strlen(text); i++) {
        char was = text[i];

        text[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(mien_token_decode(text, &out, &err), MIEN_EPARSE);
        assert_non_null(strstr(err.text, "mistyped"));
        text[i] = was;
    }
    for (size_t n = 0; n < strlen(text); n++) {
        char cut[MIEN_TOKEN_TEXT_BYTES] = {0};

        memcpy(cut, text, n);
        assert_int_equal(mien_token_decode(cut, &out, &err), MIEN_EPARSE);
    }
    assert_int_equal(mien_token_decode("mien2.AAAA", &out, &err), MIEN_EPARSE);
    assert_non_null(strstr(err.text, "version"));
    assert_int_equal(mien_token_decode("hello", &out, &err), MIEN_EPARSE);
    assert_non_null(strstr(err.text, "no token"));
    assert_int_equal(mien_token_decode("", &out, &err), MIEN_EPARSE);
}

static void a_sentence_never_holds_the_token(void **state)
{
    (void)state;
    struct mien_token in = sample("train.example.org");
    struct mien_token out;
    struct mien_err err = {0};
    char text[MIEN_TOKEN_TEXT_BYTES];

    assert_int_equal(mien_token_encode(&in, text), MIEN_OK);
    text[20] ^= 1;
    assert_int_not_equal(mien_token_decode(text, &out, &err), MIEN_OK);
    assert_null(strstr(err.text, text + 30));
}

static void hosts_and_ports_that_are_none_are_refused(void **state)
{
    (void)state;
    struct mien_token in = sample("a b");
    char text[MIEN_TOKEN_TEXT_BYTES];

    assert_int_equal(mien_token_encode(&in, text), MIEN_EINVAL);
    in = sample("");
    assert_int_equal(mien_token_encode(&in, text), MIEN_EINVAL);
    in = sample("x");
    in.port = 0;
    assert_int_equal(mien_token_encode(&in, text), MIEN_EINVAL);
}

static void a_token_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_token in = sample("x");
    struct mien_token out;
    char text[MIEN_TOKEN_TEXT_BYTES];
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = mien_token_encode(&in, text);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
    }
    status = MIEN_ENOMEM;
    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = mien_token_decode(text, &out, NULL);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
    }
    mien_mem_fail_at(-1);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_comes_back_the_same),
        cmocka_unit_test(a_mistyped_token_is_told_from_a_wrong_one),
        cmocka_unit_test(a_sentence_never_holds_the_token),
        cmocka_unit_test(hosts_and_ports_that_are_none_are_refused),
        cmocka_unit_test(a_token_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
