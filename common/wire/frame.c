// SPDX-License-Identifier: Apache-2.0
#include "common/wire/frame.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"

#include <string.h>

enum { FROM_DEVICE = 1, FROM_COORDINATOR = 2, ENROLMENT = 4, RAW = 8 };

static const struct {
    const char *name;
    unsigned flags;
} types[MIEN_FRAME_TYPE_END] = {
    [MIEN_FRAME_HELLO] = {"HELLO", FROM_DEVICE},
    [MIEN_FRAME_WELCOME] = {"WELCOME", FROM_COORDINATOR},
    [MIEN_FRAME_CHECK_IN] = {"CHECK_IN", FROM_DEVICE},
    [MIEN_FRAME_COME_BACK] = {"COME_BACK", FROM_COORDINATOR},
    [MIEN_FRAME_ASSIGN] = {"ASSIGN", FROM_COORDINATOR},
    [MIEN_FRAME_GET] = {"GET", FROM_DEVICE},
    [MIEN_FRAME_CHUNK] = {"CHUNK", FROM_COORDINATOR | RAW},
    [MIEN_FRAME_READY] = {"READY", FROM_DEVICE},
    [MIEN_FRAME_SESSION] = {"SESSION", FROM_COORDINATOR},
    [MIEN_FRAME_KEYS] = {"KEYS", FROM_DEVICE},
    [MIEN_FRAME_ROSTER] = {"ROSTER", FROM_COORDINATOR},
    [MIEN_FRAME_SHARES] = {"SHARES", FROM_DEVICE},
    [MIEN_FRAME_DELIVER] = {"DELIVER", FROM_COORDINATOR},
    [MIEN_FRAME_SLOT] = {"SLOT", FROM_COORDINATOR},
    [MIEN_FRAME_INPUT_CHUNK] = {"INPUT_CHUNK", FROM_DEVICE | RAW},
    [MIEN_FRAME_INPUT_OK] = {"INPUT_OK", FROM_COORDINATOR},
    [MIEN_FRAME_SURVIVORS] = {"SURVIVORS", FROM_COORDINATOR},
    [MIEN_FRAME_REVEAL] = {"REVEAL", FROM_DEVICE},
    [MIEN_FRAME_CLOSED] = {"CLOSED", FROM_COORDINATOR},
    [MIEN_FRAME_ERROR] = {"ERROR", FROM_DEVICE | FROM_COORDINATOR | ENROLMENT},
    [MIEN_FRAME_RENEW] = {"RENEW", FROM_DEVICE},
    [MIEN_FRAME_RENEWED] = {"RENEWED", FROM_COORDINATOR},
    [MIEN_FRAME_ENROL] = {"ENROL", FROM_DEVICE | ENROLMENT},
    [MIEN_FRAME_ENROLLED] = {"ENROLLED", FROM_COORDINATOR | ENROLMENT},
    [MIEN_FRAME_ROLL] = {"ROLL", FROM_COORDINATOR},
    [MIEN_FRAME_CONFIRM] = {"CONFIRM", FROM_DEVICE},
    [MIEN_FRAME_CONFIRMED] = {"CONFIRMED", FROM_COORDINATOR},
};

static bool known(unsigned type)
{
    return type < MIEN_FRAME_TYPE_END && types[type].name != NULL;
}

size_t mien_frame_body_max(enum mien_frame_type type)
{
    if (!known(type))
        return 0;
    return types[type].flags & RAW ? MIEN_FRAME_RAW_BYTES : MIEN_FRAME_CONTROL_BYTES;
}

const char *mien_frame_name(enum mien_frame_type type)
{
    return known(type) ? types[type].name : "?";
}

/* Enrolment and rounds are two protocols on two listeners: they share ERROR only. */
static bool taken_by(enum mien_frame_side side, unsigned type)
{
    bool to_coordinator = side == MIEN_FRAME_AT_COORDINATOR || side == MIEN_FRAME_AT_ENROLMENT;
    bool enrolment = side == MIEN_FRAME_AT_ENROLMENT || side == MIEN_FRAME_AT_ENROLLING;
    unsigned flags = types[type].flags;

    if (!(flags & (to_coordinator ? FROM_DEVICE : FROM_COORDINATOR)))
        return false;
    return type == MIEN_FRAME_ERROR || enrolment == ((flags & ENROLMENT) != 0);
}

static void drop_body(struct mien_frame_reader *reader)
{
    if (reader->body != NULL)
        mien_wipe(reader->body, reader->body_len);
    mien_free(reader->body);
    reader->body = NULL;
    reader->body_len = 0;
    reader->n_body = 0;
    reader->n_head = 0;
}

void mien_frame_reader_init(struct mien_frame_reader *reader, enum mien_frame_side side)
{
    memset(reader, 0, sizeof(*reader));
    reader->side = side;
}

void mien_frame_reader_fini(struct mien_frame_reader *reader)
{
    if (reader != NULL)
        drop_body(reader);
}

bool mien_frame_reader_partial(const struct mien_frame_reader *reader)
{
    return reader->n_head > 0 &&
           (reader->n_head < MIEN_FRAME_HEAD_BYTES || reader->n_body < reader->body_len);
}

static const uint8_t *take(struct mien_span *in, size_t n)
{
    const uint8_t *data = in->data;

    in->data += n;
    in->len -= n;
    return data;
}

/* Judges a whole head: all that is known of a frame before its body is held. */
static enum mien_status check_head(struct mien_frame_reader *reader, struct mien_err *err)
{
    uint32_t length = mien_load_be32(reader->head);
    unsigned type = reader->head[4];

    if (length == 0)
        return mien_err_set(err, MIEN_EPARSE, "a frame has length 0");
    if (!known(type))
        return mien_err_set(err, MIEN_EPARSE, "there is no frame type %u", type);
    if (!taken_by(reader->side, type))
        return mien_err_set(err, MIEN_EPARSE, "%s does not belong in this direction",
                            types[type].name);
    if (length - 1 > mien_frame_body_max(type))
        return mien_err_set(err, MIEN_ELIMIT, "%s of %lu bytes: at most %zu are allowed",
                            types[type].name, (unsigned long)length - 1, mien_frame_body_max(type));
    reader->body_len = length - 1;
    return MIEN_OK;
}

static enum mien_status take_head(struct mien_frame_reader *reader, struct mien_span *in,
                                  struct mien_err *err)
{
    size_t n = mien_min_size(MIEN_FRAME_HEAD_BYTES - reader->n_head, in->len);

    if (n > 0)
        memcpy(reader->head + reader->n_head, take(in, n), n);
    reader->n_head += n;
    if (reader->n_head < MIEN_FRAME_HEAD_BYTES)
        return MIEN_OK;
    return check_head(reader, err);
}

/* A body that is whole in the input is lent from there, without a copy. */
static enum mien_status take_body(struct mien_frame_reader *reader, struct mien_span *in,
                                  const uint8_t **body)
{
    if (reader->body == NULL && in->len >= reader->body_len) {
        *body = take(in, reader->body_len);
        reader->n_body = reader->body_len;
        return MIEN_OK;
    }
    if (reader->body == NULL)
        reader->body = mien_calloc(reader->body_len, 1);
    if (reader->body == NULL)
        return MIEN_ENOMEM;

    size_t n = mien_min_size(reader->body_len - reader->n_body, in->len);

    if (n > 0)
        memcpy(reader->body + reader->n_body, take(in, n), n);
    reader->n_body += n;
    *body = reader->body;
    return MIEN_OK;
}

enum mien_status mien_frame_next(struct mien_frame_reader *reader, struct mien_span *in,
                                 struct mien_frame *out, bool *whole, struct mien_err *err)
{
    enum mien_status status = MIEN_OK;
    const uint8_t *body = NULL;

    *whole = false;
    if (reader->broken)
        return mien_err_set(err, MIEN_ESTATE, "the stream of frames is broken already");
    if (reader->n_head == MIEN_FRAME_HEAD_BYTES && reader->n_body == reader->body_len)
        drop_body(reader); /* the frame that the last call gave */
    if (reader->n_head < MIEN_FRAME_HEAD_BYTES)
        status = take_head(reader, in, err);
    if (status == MIEN_OK && reader->n_head == MIEN_FRAME_HEAD_BYTES)
        status = take_body(reader, in, &body);
    reader->broken = status != MIEN_OK;
    if (status != MIEN_OK || body == NULL || reader->n_body < reader->body_len)
        return status;
    *out = (struct mien_frame){(enum mien_frame_type)reader->head[4], {body, reader->body_len}};
    *whole = true;
    return MIEN_OK;
}

enum mien_status mien_frame_begin(enum mien_frame_type type, size_t body_len, struct mien_buf *out)
{
    uint8_t head[MIEN_FRAME_HEAD_BYTES];

    if (!known(type) || body_len > mien_frame_body_max(type))
        return MIEN_EINVAL;
    mien_store_be32(head, (uint32_t)body_len + 1);
    head[4] = (uint8_t)type;
    return mien_buf_append(out, head, sizeof(head));
}
