/* The parts of encoding and decoding that message.c puts together. Internal to common/wire.
 *
 * Threads: any
 */
#ifndef MIEN_WIRE_MESSAGE_INTERNAL_H
#define MIEN_WIRE_MESSAGE_INTERNAL_H

#include "common/wire/message.h"

#include <protobuf-c/protobuf-c.h>

/* The schema's type of a control message; NULL for the raw ones and for no type. */
const ProtobufCMessageDescriptor *mien_message_descriptor(enum mien_frame_type type);

/* Whether every field of a message is in its range. The rules stand here once, for what is sent
 * and what is received. Lengths of inline arrays hold already where a message was decoded.
 *
 *   errors  MIEN_ELIMIT  a number, length or count is out of its range
 *           MIEN_EPARSE  text that is not printable, indices that do not rise
 */
MIEN_CHECK enum mien_status mien_message_check(const struct mien_message *message,
                                               struct mien_err *err);

/* Adds the frame of a checked control message.  errors  MIEN_ENOMEM, MIEN_EINVAL  too long */
MIEN_CHECK enum mien_status mien_message_pack(const struct mien_message *message,
                                              struct mien_buf *out);

/* Copies an unpacked message of this type: lengths are checked here, ranges by
 * mien_message_check.
 *
 *   out     given, in part even on error: end it with mien_message_fini
 *   errors  MIEN_EPARSE  a fixed length is wrong, or a field is missing
 *           MIEN_ELIMIT  a value does not fit
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_message_unpack(enum mien_frame_type type,
                                                const ProtobufCMessage *base,
                                                struct mien_message *out, struct mien_err *err);

#endif
