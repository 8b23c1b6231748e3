/* A stream of bytes cut into frames.
 *
 * A frame is a 4-byte big-endian length of what follows, a 1-byte type, and the body. The reader
 * takes bytes in any pieces. It judges a frame by its first 5 bytes, before it holds any of the
 * body: a type that this side does not take from the other, or a length over the type's limit,
 * is refused there and then. It holds at most one body, and nothing between frames.
 *
 * Source:  docs/protocol.md
 * Threads: a reader belongs to one thread at a time
 */
#ifndef MIEN_WIRE_FRAME_H
#define MIEN_WIRE_FRAME_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/span.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_FRAME_HEAD_BYTES 5

/* Protobuf bodies: unpacking one costs up to 60 times its size in the worst of schemas. */
#define MIEN_FRAME_CONTROL_BYTES 16384

/* Raw bodies, header and bytes: four TLS records. */
#define MIEN_FRAME_RAW_BYTES 65536

/* Fixed headers in front of the bytes of a raw body. */
#define MIEN_FRAME_CHUNK_HEAD_BYTES (1 + 8 + 8)
#define MIEN_FRAME_INPUT_HEAD_BYTES (32 + 8 + 8)

/* The most data in one CHUNK or INPUT_CHUNK. */
#define MIEN_FRAME_CHUNK_DATA_BYTES (MIEN_FRAME_RAW_BYTES - MIEN_FRAME_CHUNK_HEAD_BYTES)
#define MIEN_FRAME_INPUT_DATA_BYTES (MIEN_FRAME_RAW_BYTES - MIEN_FRAME_INPUT_HEAD_BYTES)

enum mien_frame_type {
    MIEN_FRAME_HELLO = 1,
    MIEN_FRAME_WELCOME = 2,
    MIEN_FRAME_CHECK_IN = 3,
    MIEN_FRAME_COME_BACK = 4,
    MIEN_FRAME_ASSIGN = 5,
    MIEN_FRAME_GET = 6,
    MIEN_FRAME_CHUNK = 7,
    MIEN_FRAME_READY = 8,
    MIEN_FRAME_SESSION = 9,
    MIEN_FRAME_KEYS = 10,
    MIEN_FRAME_ROSTER = 11,
    MIEN_FRAME_SHARES = 12,
    MIEN_FRAME_DELIVER = 13,
    MIEN_FRAME_SLOT = 14,
    MIEN_FRAME_INPUT_CHUNK = 15,
    MIEN_FRAME_INPUT_OK = 16,
    MIEN_FRAME_SURVIVORS = 17,
    MIEN_FRAME_REVEAL = 18,
    MIEN_FRAME_CLOSED = 19,
    MIEN_FRAME_ERROR = 20,
    MIEN_FRAME_RENEW = 21,
    MIEN_FRAME_RENEWED = 22,
    MIEN_FRAME_ENROL = 23,
    MIEN_FRAME_ENROLLED = 24,
    MIEN_FRAME_ROLL = 25,
    MIEN_FRAME_CONFIRM = 26,
    MIEN_FRAME_CONFIRMED = 27,
    MIEN_FRAME_TYPE_END
};

/* Who reads: it decides which types are taken. */
enum mien_frame_side {
    MIEN_FRAME_AT_COORDINATOR, /* from a device, over mutual TLS */
    MIEN_FRAME_AT_DEVICE,      /* from the coordinator, over mutual TLS */
    MIEN_FRAME_AT_ENROLMENT,   /* the enrolment listener, from a device to be */
    MIEN_FRAME_AT_ENROLLING    /* a device to be, from the enrolment listener */
};

struct mien_frame {
    enum mien_frame_type type;
    struct mien_span body;
};

/* Fields are the reader's own. */
struct mien_frame_reader {
    enum mien_frame_side side;
    uint8_t head[MIEN_FRAME_HEAD_BYTES];
    size_t n_head;
    uint8_t *body; /* exactly body_len bytes; NULL between frames */
    size_t body_len;
    size_t n_body;
    bool broken;
};

/* Starts a reader; holds no memory yet. */
void mien_frame_reader_init(struct mien_frame_reader *reader, enum mien_frame_side side);

/* Wipes and frees; NULL and zeroed storage are fine. */
void mien_frame_reader_fini(struct mien_frame_reader *reader);

/* Takes bytes from the front of *in until a frame is whole or *in is empty. Call it until *whole
 * is false.
 *
 *   in      moves past what was taken; its bytes are borrowed until the next call
 *   out     the frame when *whole; its body is valid until the next call and as long as in's bytes
 *   errors  MIEN_EPARSE  no such type, not from this side, or length zero
 *           MIEN_ELIMIT  longer than the type allows
 *           MIEN_ESTATE  an earlier call failed
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_frame_next(struct mien_frame_reader *reader, struct mien_span *in,
                                            struct mien_frame *out, bool *whole,
                                            struct mien_err *err);

/* Whether bytes of an unfinished frame are held (a connection that ends now ends in the middle). */
bool mien_frame_reader_partial(const struct mien_frame_reader *reader);

/* Adds length and type of a frame with a body of `body_len` bytes, which the caller adds next.
 * errors  MIEN_EINVAL  no such type, or body_len is over its limit; MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_frame_begin(enum mien_frame_type type, size_t body_len,
                                             struct mien_buf *out);

/* The longest body of a type; 0 for a number that is no type. */
size_t mien_frame_body_max(enum mien_frame_type type);

/* "HELLO", or "?" for a number that is no type. Static storage. */
const char *mien_frame_name(enum mien_frame_type type);

#endif
