/* The one spelling of a protobuf body, checked before anything is unpacked; and the memory that
 * unpacking may use.
 *
 * The check is one pass over the bytes along the schema: known fields in rising order, the right
 * wire type, singular fields once, shortest numbers, no explicit zero or empty value, printable
 * UTF-8. So a body that passes has no unknown field to hoard, no message to merge again and again,
 * no second spelling, and is as deep as the schema at most. What it costs to unpack is capped by
 * the arena: 4 bytes for each byte of the body and ARENA_BASE_BYTES.
 *
 * Internal to common/wire.
 *
 * Source:  protobuf encoding guide; attacks: unknown fields (52 times the frame in memory), merged
 *          sub-messages (quadratic), nesting (stack)
 * Threads: any
 */
#ifndef MIEN_WIRE_CANON_H
#define MIEN_WIRE_CANON_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/span.h"

#include <protobuf-c/protobuf-c.h>

/* Sub-messages under the outermost message: an attribute in a plan, an entry in a part. */
#define MIEN_CANON_DEPTH 1

/* What unpacking the smallest elements costs beyond 4 times their bytes: a plan of 64 two-byte
 * layers takes 12 KiB. */
#define MIEN_CANON_ARENA_BASE_BYTES 16384

/* Whether `body` is the one spelling of a message of this type.
 *
 *   name    of the message, for the sentence
 *   errors  MIEN_EPARSE
 */
MIEN_CHECK enum mien_status mien_canon_check(const ProtobufCMessageDescriptor *type,
                                             struct mien_span body, const char *name,
                                             struct mien_err *err);

/* A checked, unpacked message and the block it lies in. */
struct mien_canon {
    uint8_t *block;
    size_t n_block;
    size_t n_used;
    ProtobufCMessage *message; /* inside the block */
};

/* Checks and unpacks.
 *
 *   out     given: end it with mien_canon_close
 *   errors  MIEN_EPARSE, MIEN_ELIMIT  more elements than any message of ours has, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_canon_open(const ProtobufCMessageDescriptor *type,
                                            struct mien_span body, const char *name,
                                            struct mien_canon *out, struct mien_err *err);

/* Wipes and frees; zeroed storage is fine. */
void mien_canon_close(struct mien_canon *canon);

#endif
