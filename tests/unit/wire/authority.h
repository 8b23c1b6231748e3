/* An authority and certificates under it, for tests. */
#ifndef MIEN_TESTS_UNIT_WIRE_AUTHORITY_H
#define MIEN_TESTS_UNIT_WIRE_AUTHORITY_H

#include "common/base/clock.h"
#include "common/wire/identity.h"
#include "common/wire/issue.h"
#include "tests/support/test.h"

#include <string.h>

struct authority {
    uint8_t seed[32];
    struct mien_buf cert;
};

struct leaf {
    uint8_t seed[32];
    uint8_t key[32];
    struct mien_buf cert;
};

static inline struct authority authority_new(void)
{
    struct authority ca = {0};
    uint8_t key[32];
    struct mien_rng rng = mien_rng_system();
    int64_t now = mien_clock_unix_s();

    assert_int_equal(mien_identity_draw(&rng, ca.seed, key), MIEN_OK);
    assert_int_equal(mien_issue_ca(ca.seed, "mien test", now - 3600, now + 86400, &rng, &ca.cert),
                     MIEN_OK);
    return ca;
}

/* A certificate that is valid from `from_s` to `to_s` seconds from now. */
static inline struct leaf leaf_new(const struct authority *ca, enum mien_issue_kind kind,
                                   int64_t from_s, int64_t to_s)
{
    struct leaf leaf = {0};
    struct mien_rng rng = mien_rng_system();
    int64_t now = mien_clock_unix_s();
    struct mien_issue_request request = {.kind = kind,
                                         .device_id = {0xab, 0xcd, 0xef},
                                         .host = "localhost",
                                         .not_before_s = now + from_s,
                                         .not_after_s = now + to_s};

    assert_int_equal(mien_identity_draw(&rng, leaf.seed, leaf.key), MIEN_OK);
    memcpy(request.public_key, leaf.key, 32);
    assert_int_equal(
        mien_issue_cert(&request, ca->seed, mien_buf_span(&ca->cert), &rng, &leaf.cert), MIEN_OK);
    return leaf;
}

#endif
