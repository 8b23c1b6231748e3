// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/agree.h"

#include "common/base/mem.h"
#include "common/base/secret.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <string.h>

#define INFO_BYTES 96
#define ID_BYTES 16 /* of a device */

enum mien_status mien_x25519_public(const uint8_t private_key[MIEN_KEY_BYTES],
                                    uint8_t out[MIEN_KEY_BYTES])
{
    size_t n = MIEN_KEY_BYTES;
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, MIEN_KEY_BYTES);
    bool ok = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &n) == 1 && n == MIEN_KEY_BYTES;

    EVP_PKEY_free(key);
    return ok ? MIEN_OK : MIEN_ECRYPTO;
}

struct mien_x25519 {
    EVP_PKEY_CTX *ctx; /* secret; ready to derive */
    uint8_t own[MIEN_KEY_BYTES];
};

enum mien_status mien_x25519_new(const uint8_t private_key[MIEN_KEY_BYTES],
                                 struct mien_x25519 **out)
{
    struct mien_x25519 *key = mien_calloc(1, sizeof(*key));
    size_t n = MIEN_KEY_BYTES;

    if (key == NULL)
        return MIEN_ENOMEM;
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, MIEN_KEY_BYTES);
    if (pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, key->own, &n) == 1)
        key->ctx = EVP_PKEY_CTX_new(pkey, NULL);
    EVP_PKEY_free(pkey); /* the context holds it */
    if (key->ctx == NULL || EVP_PKEY_derive_init(key->ctx) != 1) {
        mien_x25519_free(key);
        return MIEN_ECRYPTO;
    }
    *out = key;
    return MIEN_OK;
}

void mien_x25519_free(struct mien_x25519 *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_CTX_free(key->ctx);
    mien_free(key);
}

const uint8_t *mien_x25519_own(const struct mien_x25519 *key)
{
    return key->own;
}

enum mien_status mien_x25519_agree(struct mien_x25519 *key, const uint8_t peer[MIEN_KEY_BYTES],
                                   uint8_t out[MIEN_KEY_BYTES])
{
    size_t n = MIEN_KEY_BYTES;
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, MIEN_KEY_BYTES);

    if (theirs == NULL)
        return MIEN_ECRYPTO;
    /* OpenSSL refuses a result of all zeros, which is what low-order keys give. */
    const bool ok = EVP_PKEY_derive_set_peer(key->ctx, theirs) == 1 &&
                    EVP_PKEY_derive(key->ctx, out, &n) == 1 && n == MIEN_KEY_BYTES;

    EVP_PKEY_free(theirs);
    return ok ? MIEN_OK : MIEN_EAUTH;
}

enum mien_status mien_x25519_shared(const uint8_t private_key[MIEN_KEY_BYTES],
                                    const uint8_t peer[MIEN_KEY_BYTES], uint8_t out[MIEN_KEY_BYTES])
{
    struct mien_x25519 *key = NULL;
    enum mien_status status = mien_x25519_new(private_key, &key);

    if (status == MIEN_OK)
        status = mien_x25519_agree(key, peer, out);
    mien_x25519_free(key);
    return status;
}

/* The canonical encodings of the points whose product with every private key is zero (orders 1, 2,
 * 4 and 8 of the curve and its twist; RFC 7748 section 7). p - 1 is found below. */
static const uint8_t low_order[][MIEN_KEY_BYTES] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
     0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
     0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
};

bool mien_x25519_is_sound(const uint8_t key[MIEN_KEY_BYTES])
{
    /* At and above p - 1 = 2^255 - 20: one point of low order, then second spellings of 0 .. 18. */
    bool too_large = key[31] == 0x7f && key[0] >= 0xec;

    for (size_t i = 1; i < MIEN_KEY_BYTES - 1; i++)
        too_large = too_large && key[i] == 0xff;
    if (too_large || key[31] > 0x7f)
        return false;
    for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
        if (memcmp(key, low_order[i], MIEN_KEY_BYTES) == 0)
            return false;
    }
    return true;
}

/* A parameter that is only read: OpenSSL's constructor takes no const. */
static OSSL_PARAM octets(const char *name, struct mien_span bytes)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes.data, bytes.len);
}

enum mien_status mien_hkdf(struct mien_span secret, struct mien_span salt, struct mien_span info,
                           uint8_t *out, size_t n)
{
    static char sha256[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0),
        octets(OSSL_KDF_PARAM_KEY, secret),
        octets(OSSL_KDF_PARAM_INFO, info),
        /* Without a salt HKDF takes zeros, as OpenSSL does when it is given none. */
        salt.len > 0 ? octets(OSSL_KDF_PARAM_SALT, salt) : OSSL_PARAM_construct_end(),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    const bool ok = ctx != NULL && EVP_KDF_derive(ctx, out, n, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok ? MIEN_OK : MIEN_ECRYPTO;
}

enum mien_status mien_session_key(struct mien_span secret, const uint8_t session_id[32],
                                  const char *label, const uint8_t *const ids[2], uint8_t out[32])
{
    uint8_t salt[32 + ID_BYTES];
    uint8_t info[INFO_BYTES];
    const size_t n = strlen(label) + 1; /* its NUL parts label and ids */

    if (n + 2 * ID_BYTES > sizeof(info))
        return MIEN_EINVAL;
    memcpy(salt, session_id, 32);
    memcpy(salt + 32, ids[0], ID_BYTES);
    memcpy(info, label, n);
    memcpy(info + n, ids[0], ID_BYTES);
    memcpy(info + n + ID_BYTES, ids[1], ID_BYTES);
    return mien_hkdf(secret, (struct mien_span){salt, sizeof(salt)},
                     (struct mien_span){info, n + 2 * ID_BYTES}, out, 32);
}

enum mien_status mien_ed25519_public(const uint8_t seed[MIEN_KEY_BYTES],
                                     uint8_t out[MIEN_KEY_BYTES])
{
    size_t n = MIEN_KEY_BYTES;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, MIEN_KEY_BYTES);
    bool ok = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &n) == 1;

    EVP_PKEY_free(key);
    return ok ? MIEN_OK : MIEN_ECRYPTO;
}

enum mien_status mien_ed25519_sign(const uint8_t seed[MIEN_KEY_BYTES], struct mien_span message,
                                   uint8_t out[MIEN_SIGNATURE_BYTES])
{
    size_t n = MIEN_SIGNATURE_BYTES;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, MIEN_KEY_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = key != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(ctx, out, &n, message.data, message.len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok ? MIEN_OK : MIEN_ECRYPTO;
}

enum mien_status mien_ed25519_verify(const uint8_t key[MIEN_KEY_BYTES], struct mien_span message,
                                     const uint8_t signature[MIEN_SIGNATURE_BYTES])
{
    EVP_PKEY *public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, MIEN_KEY_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    enum mien_status status = MIEN_ECRYPTO;

    if (public_key != NULL && ctx != NULL &&
        EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public_key) == 1)
        status =
            EVP_DigestVerify(ctx, signature, MIEN_SIGNATURE_BYTES, message.data, message.len) == 1
                ? MIEN_OK
                : MIEN_EAUTH;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public_key);
    return status;
}

/* The key is fresh for one message, so one fixed nonce is as good as any. */
static const uint8_t zero_nonce[12];

enum mien_status mien_seal(const uint8_t key[16], struct mien_span associated,
                           struct mien_span plain, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok =
        ctx != NULL && EVP_EncryptInit_ex2(ctx, EVP_aes_128_gcm(), key, zero_nonce, NULL) == 1 &&
        EVP_EncryptUpdate(ctx, NULL, &n, associated.data, (int)associated.len) == 1 &&
        EVP_EncryptUpdate(ctx, out, &n, plain.data, (int)plain.len) == 1 &&
        EVP_EncryptFinal_ex(ctx, out + plain.len, &n) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, MIEN_SEAL_TAG_BYTES, out + plain.len) == 1;

    EVP_CIPHER_CTX_free(ctx);
    return ok ? MIEN_OK : MIEN_ECRYPTO;
}

enum mien_status mien_open(const uint8_t key[16], struct mien_span associated,
                           struct mien_span sealed, uint8_t *out)
{
    uint8_t tag[MIEN_SEAL_TAG_BYTES];
    int n = 0;

    if (sealed.len < MIEN_SEAL_TAG_BYTES)
        return MIEN_EAUTH;
    const size_t len = sealed.len - MIEN_SEAL_TAG_BYTES;
    memcpy(tag, sealed.data + len, sizeof(tag));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ready = ctx != NULL &&
                 EVP_DecryptInit_ex2(ctx, EVP_aes_128_gcm(), key, zero_nonce, NULL) == 1 &&
                 EVP_DecryptUpdate(ctx, NULL, &n, associated.data, (int)associated.len) == 1 &&
                 EVP_DecryptUpdate(ctx, out, &n, sealed.data, (int)len) == 1 &&
                 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, sizeof(tag), tag) == 1;
    bool holds = ready && EVP_DecryptFinal_ex(ctx, out + len, &n) == 1;

    EVP_CIPHER_CTX_free(ctx);
    if (!holds)
        mien_wipe(out, len);
    if (!ready)
        return MIEN_ECRYPTO;
    return holds ? MIEN_OK : MIEN_EAUTH;
}
