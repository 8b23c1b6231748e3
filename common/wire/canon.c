// SPDX-License-Identifier: Apache-2.0
#include "common/wire/canon.h"

#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/base/text.h"

#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2 };

/* What is being checked; `err` gets the first sentence. */
struct scan {
    const char *name;
    struct mien_err *err;
};

static enum mien_status check_message(const struct scan *scan,
                                      const ProtobufCMessageDescriptor *type, struct mien_span body,
                                      unsigned depth);

static enum mien_status refuse(const struct scan *scan, const ProtobufCFieldDescriptor *field,
                               const char *what)
{
    return mien_err_set(scan->err, MIEN_EPARSE, "%s: field %s %s", scan->name, field->name, what);
}

/* A number in its shortest spelling from the front of *rest; false when there is none. */
static bool take_varint(struct mien_span *rest, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 10 && i < rest->len; i++) {
        uint8_t byte = rest->data[i];

        if (i == 9 && byte > 1)
            return false; /* beyond 64 bits */
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        if (i > 0 && byte == 0)
            return false; /* a shorter spelling exists */
        *rest = (struct mien_span){rest->data + i + 1, rest->len - i - 1};
        *out = v;
        return true;
    }
    return false;
}

static unsigned wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

static enum mien_status check_varint(const struct scan *scan, const ProtobufCFieldDescriptor *field,
                                     struct mien_span *rest)
{
    uint64_t v = 0;
    uint64_t max = field->type == PROTOBUF_C_TYPE_UINT64   ? UINT64_MAX
                   : field->type == PROTOBUF_C_TYPE_UINT32 ? UINT32_MAX
                                                           : 1; /* bool */

    if (!take_varint(rest, &v))
        return refuse(scan, field, "holds no number in its shortest spelling");
    if (v == 0)
        return refuse(scan, field, "spells out a zero");
    if (v > max)
        return refuse(scan, field, "does not fit its type");
    return MIEN_OK;
}

static enum mien_status check_double(const struct scan *scan, const ProtobufCFieldDescriptor *field,
                                     struct mien_span *rest)
{
    static const uint8_t zero[7];

    if (rest->len < 8)
        return refuse(scan, field, "is cut off");
    /* Little-endian: the sign is the top bit of the last byte, and minus zero is a zero too. */
    if (memcmp(rest->data, zero, 7) == 0 && (rest->data[7] & 0x7f) == 0)
        return refuse(scan, field, "spells out a zero");
    *rest = (struct mien_span){rest->data + 8, rest->len - 8};
    return MIEN_OK;
}

static enum mien_status check_bytes(const struct scan *scan, const ProtobufCFieldDescriptor *field,
                                    struct mien_span *rest, unsigned depth)
{
    uint64_t n = 0;

    if (!take_varint(rest, &n) || n > rest->len)
        return refuse(scan, field, "is cut off");

    struct mien_span value = {rest->data, (size_t)n};

    *rest = (struct mien_span){rest->data + n, rest->len - (size_t)n};
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return check_message(scan, field->descriptor, value, depth + 1);
    if (n == 0)
        return refuse(scan, field, "spells out an empty value");
    if (field->type == PROTOBUF_C_TYPE_STRING &&
        !mien_utf8_printable((const char *)value.data, value.len))
        return refuse(scan, field, "is not printable UTF-8");
    return MIEN_OK;
}

static enum mien_status check_value(const struct scan *scan, const ProtobufCFieldDescriptor *field,
                                    struct mien_span *rest, unsigned depth)
{
    switch (wire_type_of(field->type)) {
    case WIRE_VARINT:
        return check_varint(scan, field, rest);
    case WIRE_64BIT:
        return check_double(scan, field, rest);
    default:
        return check_bytes(scan, field, rest, depth);
    }
}

static enum mien_status check_message(const struct scan *scan,
                                      const ProtobufCMessageDescriptor *type, struct mien_span body,
                                      unsigned depth)
{
    uint64_t last = 0;

    if (depth > MIEN_CANON_DEPTH)
        return mien_err_set(scan->err, MIEN_EPARSE, "%s: nested too deep", scan->name);
    while (body.len > 0) {
        uint64_t key = 0;

        if (!take_varint(&body, &key) || key > UINT32_MAX)
            return mien_err_set(scan->err, MIEN_EPARSE, "%s: a field's number is broken",
                                scan->name);

        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));

        if (field == NULL)
            return mien_err_set(scan->err, MIEN_EPARSE, "%s: unknown field %u", scan->name,
                                (unsigned)(key >> 3));
        if ((key & 7) != wire_type_of(field->type))
            return refuse(scan, field, "has the wrong wire type");
        if (field->id < last)
            return refuse(scan, field, "is out of order");
        if (field->id == last && field->label != PROTOBUF_C_LABEL_REPEATED)
            return refuse(scan, field, "stands twice");
        last = field->id;

        enum mien_status status = check_value(scan, field, &body, depth);

        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK;
}

enum mien_status mien_canon_check(const ProtobufCMessageDescriptor *type, struct mien_span body,
                                  const char *name, struct mien_err *err)
{
    struct scan scan = {name, err};

    return check_message(&scan, type, body, 0);
}

static void *arena_alloc(void *self, size_t n)
{
    struct mien_canon *canon = self;
    size_t pad = -canon->n_used & (alignof(max_align_t) - 1);

    if (pad > canon->n_block - canon->n_used || n > canon->n_block - canon->n_used - pad)
        return NULL;

    void *block = canon->block + canon->n_used + pad;

    canon->n_used += pad + n;
    return block;
}

/* All of it goes at once, in mien_canon_close. */
static void arena_free(void *self, void *block)
{
    (void)self;
    (void)block;
}

enum mien_status mien_canon_open(const ProtobufCMessageDescriptor *type, struct mien_span body,
                                 const char *name, struct mien_canon *out, struct mien_err *err)
{
    enum mien_status status = mien_canon_check(type, body, name, err);

    if (status != MIEN_OK)
        return status;
    /* Bodies are bounded by their frames; the cap holds for whoever calls with more. */
    if (body.len > SIZE_MAX / 8)
        return MIEN_ELIMIT;

    struct mien_canon canon = {.n_block = 4 * body.len + MIEN_CANON_ARENA_BASE_BYTES};
    ProtobufCAllocator allocator = {arena_alloc, arena_free, &canon};

    canon.block = mien_calloc(canon.n_block, 1);
    if (canon.block == NULL)
        return MIEN_ENOMEM;
    canon.message = protobuf_c_message_unpack(type, &allocator, body.len, body.data);
    if (canon.message == NULL) {
        mien_canon_close(&canon);
        return mien_err_set(err, MIEN_ELIMIT, "%s: more elements than a message may have", name);
    }
    *out = canon;
    return MIEN_OK;
}

void mien_canon_close(struct mien_canon *canon)
{
    if (canon->block != NULL)
        mien_wipe(canon->block, canon->n_used);
    mien_free(canon->block);
    *canon = (struct mien_canon){0};
}
