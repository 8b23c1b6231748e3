/* SHA-256, in one call or in pieces.
 *
 * Threads: a digest in pieces belongs to one thread at a time
 */
#ifndef MIEN_BASE_DIGEST_H
#define MIEN_BASE_DIGEST_H

#include "common/base/compiler.h"
#include "common/base/span.h"
#include "common/base/status.h"

#define MIEN_DIGEST_BYTES 32

/* The digest of one span.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_digest(struct mien_span data, uint8_t out[MIEN_DIGEST_BYTES]);

struct mien_digest_stream;

/* Starts a digest in pieces.
 *
 *   out     given: end it with mien_digest_stream_free
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_digest_stream_new(struct mien_digest_stream **out);

/* Adds bytes.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_digest_stream_add(struct mien_digest_stream *stream,
                                                   const void *data, size_t n);

/* The digest of all bytes so far; the stream is then empty again.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_digest_stream_finish(struct mien_digest_stream *stream,
                                                      uint8_t out[MIEN_DIGEST_BYTES]);

void mien_digest_stream_free(struct mien_digest_stream *stream);

#endif
