// SPDX-License-Identifier: Apache-2.0
/* The state between releases beside the model, made and kept: what optimisers remember, the clip.
 *
 * Its bytes (docs/file-formats.md) are written with each COMMIT: sections of a tag, a length and a
 * body, tags rising. An optimiser that is new begins with zeros; what an old one left is not read.
 */
#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/plan/clipping.h"
#include "server/core/internal.h"

#include <math.h>
#include <string.h>

static const uint8_t magic[4] = {'M', 'S', 'S', '1'};

enum section { SECTION_GENERATOR = 1, SECTION_FIRST, SECTION_SECOND, SECTION_CLIP };

static uint64_t n_generator(const struct mien_coordinator *c)
{
    return c->layout.n_values - c->layout.n_d;
}

static bool make(float **out, bool wanted, uint64_t n)
{
    *out = wanted ? mien_calloc(n, sizeof(float)) : NULL;
    return !wanted || *out != NULL;
}

enum mien_status mien_round_state_new(struct mien_coordinator *c, struct mien_release_state *state)
{
    const struct mien_plan *plan = &c->config.plan;
    const uint64_t n = c->layout.n_values;
    const bool adam = c->gtrainer != NULL;
    bool ok = make(&state->values, true, n) && make(&state->average, true, n_generator(c)) &&
              make(&state->moments.first, adam, n) && make(&state->moments.second, adam, n) &&
              make(&state->server.first, mien_server_has_first(plan), c->params.n_update) &&
              make(&state->server.second, mien_server_has_second(plan), c->params.n_update);

    state->bytes = mien_calloc(n, 4);
    return ok && state->bytes != NULL ? MIEN_OK : MIEN_ENOMEM;
}

void mien_round_state_free(struct mien_release_state *state)
{
    mien_free(state->values);
    mien_free(state->average);
    mien_free(state->bytes);
    mien_free(state->moments.first);
    mien_free(state->moments.second);
    mien_free(state->server.first);
    mien_free(state->server.second);
    *state = (struct mien_release_state){0};
}

static void copy(float *to, const float *from, uint64_t n)
{
    if (to != NULL)
        memcpy(to, from, n * sizeof(float));
}

void mien_round_state_copy(const struct mien_coordinator *c, struct mien_release_state *to,
                           const struct mien_release_state *from)
{
    const uint64_t n = c->layout.n_values;

    copy(to->values, from->values, n);
    copy(to->average, from->average, n_generator(c));
    copy(to->moments.first, from->moments.first, n);
    copy(to->moments.second, from->moments.second, n);
    copy(to->server.first, from->server.first, c->params.n_update);
    copy(to->server.second, from->server.second, c->params.n_update);
    to->moments.t = from->moments.t;
    to->clip = from->clip;
}

/* Begins a section and makes room for its body. */
static enum mien_status begin(struct mien_buf *out, enum section tag, uint64_t n_bytes)
{
    enum mien_status status = mien_buf_reserve(out, 9 + n_bytes);

    if (status == MIEN_OK)
        status = mien_buf_append_u8(out, (uint8_t)tag);
    return status == MIEN_OK ? mien_buf_append_be64(out, n_bytes) : status;
}

static void append_floats(struct mien_buf *out, const float *values, uint64_t n)
{
    mien_model_to_bytes(values, n, out->data + out->len); /* there is room: begin */
    out->len += 4 * n;
}

static enum mien_status encode_floats(struct mien_buf *out, enum section tag, const float *values,
                                      uint64_t n)
{
    enum mien_status status = values == NULL ? MIEN_OK : begin(out, tag, 4 * n);

    if (status == MIEN_OK && values != NULL)
        append_floats(out, values, n);
    return status;
}

static enum mien_status encode_generator(const struct mien_coordinator *c,
                                         const struct mien_release_state *state,
                                         struct mien_buf *out)
{
    const uint64_t n = n_generator(c);

    if (c->gtrainer == NULL)
        return MIEN_OK;
    enum mien_status status = begin(out, SECTION_GENERATOR, 8 + 8 * n);
    if (status == MIEN_OK)
        status = mien_buf_append_be64(out, state->moments.t);
    if (status == MIEN_OK) {
        append_floats(out, state->moments.first + c->layout.n_d, n);
        append_floats(out, state->moments.second + c->layout.n_d, n);
    }
    return status;
}

enum mien_status mien_round_state_encode(const struct mien_coordinator *c,
                                         const struct mien_release_state *state,
                                         struct mien_buf *out)
{
    const uint64_t n = c->params.n_update;
    uint64_t clip = 0;

    memcpy(&clip, &state->clip, sizeof(clip));
    enum mien_status status = mien_buf_append(out, magic, sizeof(magic));
    if (status == MIEN_OK)
        status = encode_generator(c, state, out);
    if (status == MIEN_OK)
        status = encode_floats(out, SECTION_FIRST, state->server.first, n);
    if (status == MIEN_OK)
        status = encode_floats(out, SECTION_SECOND, state->server.second, n);
    if (status == MIEN_OK)
        status = begin(out, SECTION_CLIP, 8);
    return status == MIEN_OK ? mien_buf_append_be64(out, clip) : status;
}

static enum mien_status decode_floats(struct mien_span body, float *values, uint64_t n)
{
    if (body.len != 4 * n)
        return MIEN_ECORRUPT;
    if (values != NULL)
        mien_model_from_bytes(body.data, n, values);
    return MIEN_OK;
}

static enum mien_status decode_generator(const struct mien_coordinator *c, struct mien_span body,
                                         struct mien_release_state *state)
{
    const uint64_t n = n_generator(c);

    if (body.len != 8 + 8 * n)
        return MIEN_ECORRUPT;
    if (c->gtrainer == NULL)
        return MIEN_OK;
    state->moments.t = mien_load_be64(body.data);
    mien_model_from_bytes(body.data + 8, n, state->moments.first + c->layout.n_d);
    mien_model_from_bytes(body.data + 8 + 4 * n, n, state->moments.second + c->layout.n_d);
    return MIEN_OK;
}

static enum mien_status decode_clip(struct mien_span body, struct mien_release_state *state)
{
    if (body.len != 8)
        return MIEN_ECORRUPT;
    const uint64_t bits = mien_load_be64(body.data);
    double clip = 0.0;
    memcpy(&clip, &bits, sizeof(clip));
    if (!(clip > 0.0) || !isfinite(clip))
        return MIEN_ECORRUPT;
    state->clip = clip;
    return MIEN_OK;
}

static enum mien_status decode_section(const struct mien_coordinator *c, enum section tag,
                                       struct mien_span body, struct mien_release_state *state)
{
    switch (tag) {
    case SECTION_GENERATOR:
        return decode_generator(c, body, state);
    case SECTION_FIRST:
        return decode_floats(body, state->server.first, c->params.n_update);
    case SECTION_SECOND:
        return decode_floats(body, state->server.second, c->params.n_update);
    case SECTION_CLIP:
        return mien_plan_clip_adapts(&c->config.plan) ? decode_clip(body, state) : MIEN_OK;
    }
    return MIEN_ECORRUPT;
}

enum mien_status mien_round_state_decode(const struct mien_coordinator *c, struct mien_span bytes,
                                         struct mien_release_state *state)
{
    struct mien_reader reader = {.rest = bytes};
    uint8_t seen[sizeof(magic)];
    uint8_t last = 0;

    if (bytes.len == 0)
        return MIEN_OK; /* nothing was released yet */
    mien_read_into(&reader, seen, sizeof(seen));
    if (reader.failed || memcmp(seen, magic, sizeof(magic)) != 0)
        return MIEN_ECORRUPT;
    while (reader.rest.len > 0) {
        const uint8_t tag = mien_read_u8(&reader);
        const uint64_t n = mien_read_be64(&reader);

        if (reader.failed || tag <= last || n > reader.rest.len)
            return MIEN_ECORRUPT;
        const struct mien_span body = {reader.rest.data, (size_t)n};
        enum mien_status status = decode_section(c, (enum section)tag, body, state);
        if (status != MIEN_OK)
            return status;
        reader.rest.data += n;
        reader.rest.len -= (size_t)n;
        last = tag;
    }
    return MIEN_OK;
}
