// SPDX-License-Identifier: Apache-2.0
#include "common/wire/message.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/wire/canon.h"
#include "common/wire/message_internal.h"

#include <string.h>

static void free_entries(void *entries, size_t n, size_t size)
{
    if (entries != NULL)
        mien_wipe(entries, n * size);
    mien_free(entries);
}

void mien_message_fini(struct mien_message *message)
{
    if (message == NULL)
        return;
    switch (message->type) {
    case MIEN_FRAME_ROSTER:
        free_entries(message->roster.entries, message->roster.n_entries,
                     sizeof(*message->roster.entries));
        break;
    case MIEN_FRAME_SHARES:
    case MIEN_FRAME_DELIVER:
        free_entries(message->shares.entries, message->shares.n_entries,
                     sizeof(*message->shares.entries));
        break;
    case MIEN_FRAME_ROLL:
        free_entries(message->roll.entries, message->roll.n_entries, MIEN_MESSAGE_ROLL_ENTRY_BYTES);
        break;
    case MIEN_FRAME_CONFIRMED:
        free_entries(message->confirmed.entries, message->confirmed.n_entries,
                     sizeof(*message->confirmed.entries));
        break;
    case MIEN_FRAME_REVEAL:
        free_entries(message->reveal.entries, message->reveal.n_entries,
                     sizeof(*message->reveal.entries));
        break;
    default:
        break;
    }
    mien_wipe(message, sizeof(*message));
}

static enum mien_status encode_chunk(const struct mien_message_chunk *chunk, struct mien_buf *out)
{
    uint8_t head[MIEN_FRAME_CHUNK_HEAD_BYTES];
    size_t n = sizeof(head) + chunk->data.len;

    head[0] = (uint8_t)chunk->what;
    mien_store_be64(head + 1, chunk->offset);
    mien_store_be64(head + 9, chunk->total);

    enum mien_status status = mien_buf_reserve(out, MIEN_FRAME_HEAD_BYTES + n);

    if (status == MIEN_OK)
        status = mien_frame_begin(MIEN_FRAME_CHUNK, n, out);
    if (status == MIEN_OK)
        status = mien_buf_append(out, head, sizeof(head));
    if (status == MIEN_OK)
        status = mien_buf_append(out, chunk->data.data, chunk->data.len);
    return status;
}

static enum mien_status encode_input(const struct mien_message_input_chunk *chunk,
                                     struct mien_buf *out)
{
    uint8_t head[MIEN_FRAME_INPUT_HEAD_BYTES];
    size_t n = sizeof(head) + chunk->data.len;

    memcpy(head, chunk->session_id, 32);
    mien_store_be64(head + 32, chunk->offset);
    mien_store_be64(head + 40, chunk->total);

    enum mien_status status = mien_buf_reserve(out, MIEN_FRAME_HEAD_BYTES + n);

    if (status == MIEN_OK)
        status = mien_frame_begin(MIEN_FRAME_INPUT_CHUNK, n, out);
    if (status == MIEN_OK)
        status = mien_buf_append(out, head, sizeof(head));
    if (status == MIEN_OK)
        status = mien_buf_append(out, chunk->data.data, chunk->data.len);
    return status;
}

enum mien_status mien_message_encode(const struct mien_message *message, struct mien_buf *out)
{
    if (mien_message_check(message, NULL) != MIEN_OK)
        return MIEN_EINVAL;
    switch (message->type) {
    case MIEN_FRAME_CHUNK:
        return encode_chunk(&message->chunk, out);
    case MIEN_FRAME_INPUT_CHUNK:
        return encode_input(&message->input_chunk, out);
    default:
        return mien_message_pack(message, out);
    }
}

static enum mien_status decode_chunk(struct mien_span body, struct mien_message *out,
                                     struct mien_err *err)
{
    struct mien_reader reader = {body, false};

    memset(out, 0, sizeof(*out));
    out->type = MIEN_FRAME_CHUNK;
    out->chunk.what = (enum mien_message_what)mien_read_u8(&reader);
    out->chunk.offset = mien_read_be64(&reader);
    out->chunk.total = mien_read_be64(&reader);
    out->chunk.data = reader.rest;
    if (reader.failed)
        return mien_err_set(err, MIEN_EPARSE, "CHUNK: its header is cut off");
    return MIEN_OK;
}

static enum mien_status decode_input(struct mien_span body, struct mien_message *out,
                                     struct mien_err *err)
{
    struct mien_reader reader = {body, false};

    memset(out, 0, sizeof(*out));
    out->type = MIEN_FRAME_INPUT_CHUNK;
    mien_read_into(&reader, out->input_chunk.session_id, sizeof(out->input_chunk.session_id));
    out->input_chunk.offset = mien_read_be64(&reader);
    out->input_chunk.total = mien_read_be64(&reader);
    out->input_chunk.data = reader.rest;
    if (reader.failed)
        return mien_err_set(err, MIEN_EPARSE, "INPUT_CHUNK: its header is cut off");
    return MIEN_OK;
}

static enum mien_status decode_control(struct mien_frame frame, struct mien_message *out,
                                       struct mien_err *err)
{
    const ProtobufCMessageDescriptor *type = mien_message_descriptor(frame.type);
    struct mien_canon canon;

    if (type == NULL)
        return mien_err_set(err, MIEN_EPARSE, "there is no message type %u", (unsigned)frame.type);

    enum mien_status status =
        mien_canon_open(type, frame.body, mien_frame_name(frame.type), &canon, err);

    if (status != MIEN_OK)
        return status;
    status = mien_message_unpack(frame.type, canon.message, out, err);
    mien_canon_close(&canon);
    return status;
}

enum mien_status mien_message_decode(struct mien_frame frame, struct mien_message *out,
                                     struct mien_err *err)
{
    struct mien_message message = {0};
    enum mien_status status;

    if (frame.body.len > mien_frame_body_max(frame.type))
        return mien_err_set(err, MIEN_ELIMIT, "%s of %zu bytes: at most %zu are allowed",
                            mien_frame_name(frame.type), frame.body.len,
                            mien_frame_body_max(frame.type));
    switch (frame.type) {
    case MIEN_FRAME_CHUNK:
        status = decode_chunk(frame.body, &message, err);
        break;
    case MIEN_FRAME_INPUT_CHUNK:
        status = decode_input(frame.body, &message, err);
        break;
    default:
        status = decode_control(frame, &message, err);
        break;
    }
    if (status == MIEN_OK)
        status = mien_message_check(&message, err);
    if (status != MIEN_OK) {
        mien_message_fini(&message);
        return status;
    }
    *out = message;
    return MIEN_OK;
}

void mien_message_assign_statement(const uint8_t run_id[16],
                                   const struct mien_message_assign *assign,
                                   uint8_t out[MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES])
{
    memcpy(out, "mien assign v1", 14);
    memcpy(out + 14, run_id, 16);
    mien_store_be64(out + 30, assign->round);
    mien_store_be32(out + 38, assign->attempt);
    memcpy(out + 42, assign->plan_hash, 32);
    mien_store_be32(out + 74, assign->plan_bytes);
    memcpy(out + 78, assign->model_hash, 32);
    mien_store_be64(out + 110, assign->model_bytes);
    mien_store_be64(out + 118, assign->model_version);
    mien_store_be32(out + 126, assign->report_by_ms);
    mien_store_be64(out + 130, assign->mark.epoch);
    mien_store_be64(out + 138, assign->mark.seq);
    memcpy(out + 146, assign->mark.head, 32);
    uint64_t clip;
    memcpy(&clip, &assign->clip, sizeof(clip));
    mien_store_be64(out + 178, clip);
    mien_store_be32(out + 186, assign->purpose);
}

const char *mien_message_error_text(enum mien_message_error_code code)
{
    switch (code) {
    case MIEN_MESSAGE_ERROR_PROTOCOL:
        return "the message is malformed or out of order";
    case MIEN_MESSAGE_ERROR_VERSION:
        return "the protocol version is not spoken here";
    case MIEN_MESSAGE_ERROR_AUTH:
        return "the token, signature or identity does not hold";
    case MIEN_MESSAGE_ERROR_EXPIRED:
        return "the token or certificate is no longer valid";
    case MIEN_MESSAGE_ERROR_POLICY:
        return "refused by policy";
    case MIEN_MESSAGE_ERROR_LIMIT:
        return "over a limit";
    case MIEN_MESSAGE_ERROR_TIMEOUT:
        return "it took too long";
    case MIEN_MESSAGE_ERROR_INTERNAL:
        return "the other side could not go on";
    default:
        return "there is no such error code";
    }
}

struct mien_message mien_message_make_error(enum mien_message_error_code code, const char *sentence)
{
    struct mien_message message = {.type = MIEN_FRAME_ERROR};
    size_t n = strnlen(sentence, MIEN_MESSAGE_SENTENCE_BYTES);

    /* A cut inside a character takes the whole character off. */
    while (n > 0 && ((uint8_t)sentence[n] & 0xc0) == 0x80)
        n--;
    if (!mien_utf8_printable(sentence, n)) {
        sentence = mien_message_error_text(code);
        n = strlen(sentence);
    }
    message.error.code = code;
    memcpy(message.error.sentence, sentence, n);
    return message;
}
