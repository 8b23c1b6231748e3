// SPDX-License-Identifier: Apache-2.0
#include "client/state.h"

#include "common/base/digest.h"
#include "common/base/secret.h"

#include <mien/client.h>
#include <string.h>

static const uint8_t magic[8] = {'m', 'i', 'e', 'n', 'd', 'e', 'v', 1};

enum { FLAG_ENROLLED = 1, FLAG_PENDING = 2 };

static enum mien_status append_long(struct mien_buf *out, const void *data, size_t n)
{
    enum mien_status status = mien_buf_append_be32(out, (uint32_t)n);

    return status != MIEN_OK ? status : mien_buf_append(out, data, n);
}

static void read_long(struct mien_reader *reader, uint8_t *out, size_t cap, size_t *n)
{
    uint32_t len = mien_read_be32(reader);

    if (len > cap)
        reader->failed = true;
    *n = reader->failed ? 0 : len;
    mien_read_into(reader, out, *n);
}

static enum mien_status append_fields(const struct mien_client_state *state, struct mien_buf *out)
{
    const struct mien_client_identity *id = &state->identity;
    const struct mien_span fixed[] = {
        {id->run_id, sizeof(id->run_id)},
        {id->device_key, sizeof(id->device_key)},
        {id->ca_key, sizeof(id->ca_key)},
        {id->coordinator_key, sizeof(id->coordinator_key)},
        {id->credential, sizeof(id->credential)},
        {state->pending_key, sizeof(state->pending_key)},
        {state->pending_token, sizeof(state->pending_token)},
    };
    const struct mien_span counted[] = {
        {(const uint8_t *)state->host, strlen(state->host)},
        {state->cert, state->cert_len},
        {state->ca, state->ca_len},
    };
    uint8_t flags =
        (uint8_t)((state->enrolled ? FLAG_ENROLLED : 0) | (state->pending ? FLAG_PENDING : 0));
    enum mien_status status = mien_buf_append(out, magic, sizeof(magic));

    if (status == MIEN_OK)
        status = mien_buf_append_u8(out, flags);
    if (status == MIEN_OK)
        status = mien_buf_append_be32(out, state->port);
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && status == MIEN_OK; i++)
        status = mien_buf_append(out, fixed[i].data, fixed[i].len);
    for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]) && status == MIEN_OK; i++)
        status = append_long(out, counted[i].data, counted[i].len);
    if (status == MIEN_OK)
        status = mien_client_record_encode(&state->record, out);
    return status;
}

enum mien_status mien_client_state_encode(const struct mien_client_state *state,
                                          struct mien_buf *out)
{
    uint8_t digest[MIEN_DIGEST_BYTES];
    enum mien_status status = mien_buf_reserve(out, MIEN_CLIENT_STATE_BYTES);

    if (status == MIEN_OK)
        status = append_fields(state, out);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(out), digest);
    if (status == MIEN_OK)
        status = mien_buf_append(out, digest, sizeof(digest));
    return status;
}

static enum mien_status read_fields(struct mien_reader *reader, struct mien_client_state *state)
{
    struct mien_client_identity *id = &state->identity;
    uint8_t seen[sizeof(magic)];
    size_t host_len;

    mien_read_into(reader, seen, sizeof(seen));
    uint8_t flags = mien_read_u8(reader);
    uint32_t port = mien_read_be32(reader);
    mien_read_into(reader, id->run_id, sizeof(id->run_id));
    mien_read_into(reader, id->device_key, sizeof(id->device_key));
    mien_read_into(reader, id->ca_key, sizeof(id->ca_key));
    mien_read_into(reader, id->coordinator_key, sizeof(id->coordinator_key));
    mien_read_into(reader, id->credential, sizeof(id->credential));
    mien_read_into(reader, state->pending_key, sizeof(state->pending_key));
    mien_read_into(reader, state->pending_token, sizeof(state->pending_token));
    read_long(reader, (uint8_t *)state->host, sizeof(state->host) - 1, &host_len);
    read_long(reader, state->cert, sizeof(state->cert), &state->cert_len);
    read_long(reader, state->ca, sizeof(state->ca), &state->ca_len);
    if (mien_client_record_decode(reader, &state->record) != MIEN_OK || !mien_reader_done(reader))
        return MIEN_ECORRUPT;
    if (memcmp(seen, magic, sizeof(magic)) != 0 || port > UINT16_MAX ||
        (flags & ~(FLAG_ENROLLED | FLAG_PENDING)) != 0 || strlen(state->host) != host_len)
        return MIEN_ECORRUPT;
    state->port = (uint16_t)port;
    state->enrolled = (flags & FLAG_ENROLLED) != 0;
    state->pending = (flags & FLAG_PENDING) != 0;
    return MIEN_OK;
}

enum mien_status mien_client_state_decode(struct mien_span bytes, struct mien_client_state *state)
{
    struct mien_client_state read = {0};
    uint8_t digest[MIEN_DIGEST_BYTES];
    enum mien_status status;

    if (bytes.len < sizeof(digest))
        return MIEN_ECORRUPT;
    struct mien_span body = {bytes.data, bytes.len - sizeof(digest)};
    status = mien_digest(body, digest);
    if (status != MIEN_OK)
        return status;
    if (!mien_ct_equal(digest, bytes.data + body.len, sizeof(digest)))
        return MIEN_ECORRUPT;
    struct mien_reader reader = {.rest = body};
    status = read_fields(&reader, &read);
    if (status == MIEN_OK)
        *state = read;
    mien_wipe(&read, sizeof(read));
    return status;
}
