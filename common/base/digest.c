// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest.h"

#include "common/base/mem.h"

#include <openssl/evp.h>

struct mien_digest_stream {
    EVP_MD_CTX *md;
};

enum mien_status mien_digest(struct mien_span data, uint8_t out[MIEN_DIGEST_BYTES])
{
    static const uint8_t nothing[1];
    const uint8_t *from = data.len > 0 ? data.data : nothing;

    if (EVP_Digest(from, data.len, out, NULL, EVP_sha256(), NULL) != 1)
        return MIEN_ECRYPTO;
    return MIEN_OK;
}

enum mien_status mien_digest_stream_new(struct mien_digest_stream **out)
{
    struct mien_digest_stream *stream = mien_calloc(1, sizeof(*stream));

    if (stream == NULL)
        return MIEN_ENOMEM;
    stream->md = EVP_MD_CTX_new();
    if (stream->md == NULL || EVP_DigestInit_ex2(stream->md, EVP_sha256(), NULL) != 1) {
        mien_digest_stream_free(stream);
        return MIEN_ECRYPTO;
    }
    *out = stream;
    return MIEN_OK;
}

enum mien_status mien_digest_stream_add(struct mien_digest_stream *stream, const void *data,
                                        size_t n)
{
    return EVP_DigestUpdate(stream->md, data, n) == 1 ? MIEN_OK : MIEN_ECRYPTO;
}

enum mien_status mien_digest_stream_finish(struct mien_digest_stream *stream,
                                           uint8_t out[MIEN_DIGEST_BYTES])
{
    if (EVP_DigestFinal_ex(stream->md, out, NULL) != 1)
        return MIEN_ECRYPTO;
    return EVP_DigestInit_ex2(stream->md, EVP_sha256(), NULL) == 1 ? MIEN_OK : MIEN_ECRYPTO;
}

void mien_digest_stream_free(struct mien_digest_stream *stream)
{
    if (stream == NULL)
        return;
    EVP_MD_CTX_free(stream->md);
    mien_free(stream);
}
