// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/agree.h"

#include "common/base/mem.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; hex[2 * n] != '\0'; n++) {
        const char pair[3] = {hex[2 * n], hex[2 * n + 1], '\0'};

        out[n] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

static void assert_hex(const uint8_t *got, const char *want)
{
    uint8_t bytes[128];

    assert_memory_equal(got, bytes, from_hex(want, bytes));
}

/* RFC 7748, sections 6.1 (Bob's side) and 5.2 (first vector). */
static void x25519_is_the_rfcs(void **state)
{
    (void)state;
    uint8_t private_key[32];
    uint8_t peer[32];
    uint8_t out[32];

    from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", private_key);
    from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", peer);
    assert_int_equal(mien_x25519_public(private_key, out), MIEN_OK);
    assert_hex(out, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    assert_int_equal(mien_x25519_shared(private_key, peer, out), MIEN_OK);
    assert_hex(out, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    from_hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", private_key);
    from_hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", peer);
    assert_int_equal(mien_x25519_shared(private_key, peer, out), MIEN_OK);
    assert_hex(out, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
}

/* One key, several peers: each as if it were the first; a key of low order is refused and spoils
 * nothing. */
static void a_key_that_is_kept_agrees_again_and_again(void **state)
{
    (void)state;
    const uint8_t private_key[32] = {5, 4, 3};
    const uint8_t zero[32] = {0};
    struct mien_x25519 *key = NULL;
    uint8_t own[32];

    assert_int_equal(mien_x25519_new(private_key, &key), MIEN_OK);
    assert_int_equal(mien_x25519_public(private_key, own), MIEN_OK);
    assert_memory_equal(mien_x25519_own(key), own, 32);
    for (uint8_t i = 1; i < 6; i++) {
        const uint8_t other[32] = {i};
        uint8_t peer[32];
        uint8_t want[32];
        uint8_t got[32];

        assert_int_equal(mien_x25519_public(other, peer), MIEN_OK);
        assert_int_equal(mien_x25519_shared(other, own, want), MIEN_OK);
        assert_int_equal(mien_x25519_agree(key, zero, got), MIEN_EAUTH);
        assert_int_equal(mien_x25519_agree(key, peer, got), MIEN_OK);
        assert_memory_equal(got, want, 32);
    }
    mien_x25519_free(key);
    mien_x25519_free(NULL);
    key = NULL;
    mien_mem_fail_at(0);
    assert_int_equal(mien_x25519_new(private_key, &key), MIEN_ENOMEM);
    mien_mem_fail_at(-1);
    assert_int_equal(mien_mem_live(), 0);
}

/* Every key that agrees on zero is found before it is used: the orders 1, 2, 4 and 8 of the curve
 * and its twist, and their second spellings. */
static void keys_of_low_order_are_refused_on_sight(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};
    const uint8_t private_key[32] = {9};
    uint8_t out[32];

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        uint8_t key[32];

        from_hex(keys[i], key);
        assert_int_equal(mien_x25519_shared(private_key, key, out), MIEN_EAUTH);
        assert_false(mien_x25519_is_sound(key));
    }
}

static void keys_have_one_spelling(void **state)
{
    (void)state;
    const uint8_t private_key[32] = {5};
    uint8_t key[32];

    assert_int_equal(mien_x25519_public(private_key, key), MIEN_OK);
    assert_true(mien_x25519_is_sound(key));
    key[31] |= 0x80; /* X25519 does not look at this bit */
    assert_false(mien_x25519_is_sound(key));
    memset(key, 0xff, 32);
    key[31] = 0x7f;
    key[0] = 0xf6; /* 2^255 - 10 is 9 */
    assert_false(mien_x25519_is_sound(key));
    key[0] = 0xeb; /* p - 2: the largest that may be */
    assert_true(mien_x25519_is_sound(key));
}

/* RFC 5869, test cases 1 and 3. */
static void hkdf_is_the_rfcs(void **state)
{
    (void)state;
    uint8_t ikm[22];
    uint8_t salt[13];
    uint8_t info[10];
    uint8_t out[42];

    memset(ikm, 0x0b, sizeof(ikm));
    from_hex("000102030405060708090a0b0c", salt);
    from_hex("f0f1f2f3f4f5f6f7f8f9", info);
    assert_int_equal(mien_hkdf((struct mien_span){ikm, 22}, (struct mien_span){salt, 13},
                               (struct mien_span){info, 10}, out, 42),
                     MIEN_OK);
    assert_hex(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                    "34007208d5b887185865");
    assert_int_equal(mien_hkdf((struct mien_span){ikm, 22}, (struct mien_span){NULL, 0},
                               (struct mien_span){NULL, 0}, out, 42),
                     MIEN_OK);
    assert_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                    "9d201395faa4b61a96c8");
}

/* RFC 8032, section 7.1, test 1. */
static void ed25519_is_the_rfcs(void **state)
{
    (void)state;
    uint8_t seed[32];
    uint8_t key[32];
    uint8_t signature[64];
    const struct mien_span empty = {seed, 0};

    from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed);
    assert_int_equal(mien_ed25519_public(seed, key), MIEN_OK);
    assert_hex(key, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_int_equal(mien_ed25519_sign(seed, empty, signature), MIEN_OK);
    assert_hex(signature, "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                          "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    assert_int_equal(mien_ed25519_verify(key, empty, signature), MIEN_OK);
    signature[63] ^= 1;
    assert_int_equal(mien_ed25519_verify(key, empty, signature), MIEN_EAUTH);
}

/* The GCM specification (McGrew, Viega 2005), test case 2: key, nonce and text are zero. */
static void sealing_is_gcm_and_opens_unchanged_only(void **state)
{
    (void)state;
    const uint8_t key[16] = {0};
    const uint8_t plain[16] = {0};
    const struct mien_span nothing = {key, 0};
    uint8_t sealed[32];
    uint8_t opened[16];

    assert_int_equal(mien_seal(key, nothing, (struct mien_span){plain, 16}, sealed), MIEN_OK);
    assert_hex(sealed, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf");
    assert_int_equal(mien_open(key, nothing, (struct mien_span){sealed, 32}, opened), MIEN_OK);
    assert_memory_equal(opened, plain, 16);
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 0x40;
        assert_int_equal(mien_open(key, nothing, (struct mien_span){sealed, 32}, opened),
                         MIEN_EAUTH);
        sealed[i] ^= 0x40;
    }
    assert_int_equal(
        mien_open(key, (struct mien_span){plain, 1}, (struct mien_span){sealed, 32}, opened),
        MIEN_EAUTH);
    assert_int_equal(mien_open(key, nothing, (struct mien_span){sealed, 15}, opened), MIEN_EAUTH);
}

static void each_use_of_a_secret_has_its_own_key(void **state)
{
    (void)state;
    const uint8_t secret[32] = {1};
    static const uint8_t session[2][32] = {{1}, {2}};
    static const uint8_t id[4][16] = {{0}, {1}, {2}, {3}};
    static const struct {
        int session;
        const char *label;
        int from;
        int to;
    } uses[] = {{0, "a", 1, 2}, {0, "a", 2, 1}, {1, "a", 1, 2}, {0, "b", 1, 2}, {0, "a", 1, 3}};
    uint8_t keys[5][32];

    for (int i = 0; i < 5; i++)
        assert_int_equal(mien_session_key((struct mien_span){secret, 32}, session[uses[i].session],
                                          uses[i].label,
                                          (const uint8_t *[]){id[uses[i].from], id[uses[i].to]},
                                          keys[i]),
                         MIEN_OK);
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(keys[i], keys[j], 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519_is_the_rfcs),
        cmocka_unit_test(a_key_that_is_kept_agrees_again_and_again),
        cmocka_unit_test(keys_of_low_order_are_refused_on_sight),
        cmocka_unit_test(keys_have_one_spelling),
        cmocka_unit_test(hkdf_is_the_rfcs),
        cmocka_unit_test(ed25519_is_the_rfcs),
        cmocka_unit_test(sealing_is_gcm_and_opens_unchanged_only),
        cmocka_unit_test(each_use_of_a_secret_has_its_own_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
