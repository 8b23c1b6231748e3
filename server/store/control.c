// SPDX-License-Identifier: Apache-2.0
#include "server/store/control.h"

#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/wire/token.h"
#include "server/store/release.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One request and the reply that is being made. */
struct exchange {
    const struct mien_control *control;
    const cJSON *request;
    cJSON *reply;
    struct mien_err err;
};

static enum mien_status put_number(cJSON *to, const char *name, double v)
{
    /* What JSON cannot hold (no bound, no cap) is null. */
    cJSON *item = isfinite(v) ? cJSON_CreateNumber(v) : cJSON_CreateNull();

    if (item == NULL || !cJSON_AddItemToObject(to, name, item)) {
        cJSON_Delete(item);
        return MIEN_ENOMEM;
    }
    return MIEN_OK;
}

static enum mien_status put_text(cJSON *to, const char *name, const char *text)
{
    return cJSON_AddStringToObject(to, name, text) == NULL ? MIEN_ENOMEM : MIEN_OK;
}

static enum mien_status put_hex(cJSON *to, const char *name, const uint8_t *data, size_t n)
{
    char hex[65];

    mien_hex(data, n, hex);
    return put_text(to, name, hex);
}

/* ---- status ---- */

/* What is left under the cap. */
static enum mien_status put_room(struct exchange *x)
{
    struct mien_store *store = x->control->state->store;
    struct mien_store_room room;
    enum mien_status status = mien_store_room(store, &room, &x->err);

    if (status == MIEN_OK)
        status = put_number(x->reply, "run", mien_store_plan(store)->run);
    if (status == MIEN_OK)
        status = put_number(x->reply, "rounds_charged", (double)room.n_charged);
    if (status == MIEN_OK)
        status = put_number(x->reply, "rounds_fit", (double)room.n_fit);
    if (status == MIEN_OK)
        status = put_number(x->reply, "epsilon_next", room.next);
    return status;
}

static enum mien_status put_cost(struct exchange *x)
{
    struct mien_store *store = x->control->state->store;
    const struct mien_entry_plan *plan = mien_store_plan(store);
    struct mien_dp_cost cost = {0};
    double delta = 0.0;
    enum mien_status status = mien_store_cost(store, &cost, &delta, &x->err);

    if (status == MIEN_OK)
        status = put_number(x->reply, "epsilon", cost.epsilon);
    if (status == MIEN_OK)
        status = put_number(x->reply, "epsilon_witness", cost.epsilon_witness);
    if (status == MIEN_OK)
        status = put_number(x->reply, "delta", delta);
    if (status == MIEN_OK)
        status = put_number(x->reply, "epsilon_cap", plan->epsilon_cap);
    if (status == MIEN_OK)
        status = put_number(x->reply, "rounds", plan->rounds);
    return status == MIEN_OK ? put_room(x) : status;
}

static enum mien_status put_devices(struct exchange *x)
{
    const struct mien_control_live *live = x->control->live;
    uint64_t n_devices = 0;
    uint64_t n_units = 0;
    cJSON *devices = cJSON_AddObjectToObject(x->reply, "devices");
    enum mien_status status =
        devices == NULL ? MIEN_ENOMEM
                        : mien_store_enrolled(x->control->state->store, &n_devices, &n_units);

    if (status == MIEN_OK)
        status = put_number(devices, "enrolled", (double)n_devices);
    if (status == MIEN_OK)
        status = put_number(devices, "units", (double)n_units);
    if (status == MIEN_OK)
        status = put_number(devices, "connected", live == NULL ? 0.0 : (double)live->n_connected);
    return status;
}

static enum mien_status put_counts(cJSON *to, const char *name, struct mien_store_round round,
                                   const struct mien_store_counts *counts)
{
    cJSON *item = cJSON_AddObjectToObject(to, name);
    enum mien_status status = item == NULL ? MIEN_ENOMEM : MIEN_OK;

    if (status == MIEN_OK)
        status = put_number(item, "round", (double)round.round);
    if (status == MIEN_OK)
        status = put_number(item, "attempt", round.attempt);
    if (status == MIEN_OK)
        status = put_number(item, "drawn", counts->drawn);
    if (status == MIEN_OK)
        status = put_number(item, "assigned", counts->assigned);
    if (status == MIEN_OK)
        status = put_number(item, "reported", counts->reported);
    if (status == MIEN_OK)
        status = put_number(item, "survived", counts->survived);
    if (status == MIEN_OK)
        status = put_number(item, "seconds", counts->seconds);
    return status;
}

static enum mien_status put_rounds(struct exchange *x)
{
    static const char *const states[] = {"none", "open", "reserved", "released", "abandoned"};
    const struct mien_control_live *live = x->control->live;
    struct mien_store *store = x->control->state->store;
    struct mien_store_round round = {0};
    struct mien_store_counts counts;
    enum mien_store_round_state state = MIEN_STORE_NO_ROUND;
    enum mien_status status = mien_store_last_round(store, &round, &state);

    if (status == MIEN_OK)
        status = put_number(x->reply, "round", (double)round.round);
    if (status == MIEN_OK)
        status = put_text(x->reply, "round_state", states[state]);
    if (status == MIEN_OK && live != NULL && live->round.round > 0)
        status = put_counts(x->reply, "this_round", live->round, &live->counts);
    if (status != MIEN_OK)
        return status;
    status = mien_store_last_counts(store, &round, &counts);
    if (status == MIEN_ENOTFOUND)
        return cJSON_AddNullToObject(x->reply, "last_round") == NULL ? MIEN_ENOMEM : MIEN_OK;
    return status == MIEN_OK ? put_counts(x->reply, "last_round", round, &counts) : status;
}

static enum mien_status put_model(struct exchange *x)
{
    struct mien_store *store = x->control->state->store;
    struct mien_store_model latest = mien_store_latest(store);
    struct mien_store_mark mark = mien_store_mark(store);
    char hex[65];
    char path[PATH_MAX];
    enum mien_status status = put_number(x->reply, "model", (double)latest.version);

    mien_hex(latest.file_digest, sizeof(latest.file_digest), hex);
    (void)snprintf(path, sizeof(path), "models/%s.safetensors", hex);
    if (status == MIEN_OK)
        status = put_hex(x->reply, "model_hash", latest.model_hash, 32);
    if (status == MIEN_OK)
        status = put_text(x->reply, "model_file", path);
    if (status == MIEN_OK)
        status = put_hex(x->reply, "run_id", mien_store_genesis(store)->run_id, 16);
    cJSON *ledger = status == MIEN_OK ? cJSON_AddObjectToObject(x->reply, "ledger") : NULL;
    if (ledger == NULL)
        return MIEN_ENOMEM;
    status = put_number(ledger, "epoch", (double)mark.epoch);
    if (status == MIEN_OK)
        status = put_number(ledger, "seq", (double)mark.seq);
    if (status == MIEN_OK)
        status = put_hex(ledger, "head", mark.head, 32);
    return status;
}

static enum mien_status do_status(struct exchange *x)
{
    const struct mien_control_live *live = x->control->live;
    const char *phase = live == NULL || live->phase == NULL ? "stopped" : live->phase;
    enum mien_status status = put_text(x->reply, "phase", phase);

    if (status == MIEN_OK)
        status = put_rounds(x);
    if (status == MIEN_OK)
        status = put_model(x);
    if (status == MIEN_OK)
        status = put_cost(x);
    if (status == MIEN_OK)
        status = put_devices(x);
    return status;
}

/* ---- devices ---- */

static enum mien_status list_device(void *self, const struct mien_device *device)
{
    cJSON *list = self;
    cJSON *item = cJSON_CreateObject();
    enum mien_status status;

    if (item == NULL || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        return MIEN_ENOMEM;
    }
    status = put_hex(item, "id", device->id, sizeof(device->id));
    if (status == MIEN_OK)
        status = put_text(item, "unit", device->unit_name);
    if (status == MIEN_OK)
        status = put_number(item, "enrolled_s", (double)device->enrolled_s);
    if (status == MIEN_OK)
        status = put_number(item, "valid_until_s", (double)device->not_after_s);
    if (status == MIEN_OK && cJSON_AddBoolToObject(item, "revoked", device->revoked) == NULL)
        status = MIEN_ENOMEM;
    return status;
}

static enum mien_status do_devices(struct exchange *x)
{
    cJSON *list = cJSON_AddArrayToObject(x->reply, "devices");

    return list == NULL ? MIEN_ENOMEM
                        : mien_store_devices(x->control->state->store, list_device, list);
}

static enum mien_status do_revoke(struct exchange *x)
{
    const struct mien_control *control = x->control;
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x->request, "device"));
    uint8_t id[16];
    enum mien_status status;

    if (hex == NULL || strlen(hex) != 32 || mien_unhex(hex, sizeof(id), id) != MIEN_OK)
        return mien_err_set(&x->err, MIEN_EPARSE, "a device id has 32 hexadecimal digits");
    status = mien_store_device_revoke(control->state->store, id, control->now_s, &x->err);
    if (status == MIEN_OK && control->revoked != NULL)
        control->revoked(control->self, id);
    return status;
}

static enum mien_status do_forget(struct exchange *x)
{
    const struct mien_control *control = x->control;
    const char *unit = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x->request, "unit"));
    struct mien_store_forgotten forgotten;
    enum mien_status status;

    if (unit == NULL)
        return mien_err_set(&x->err, MIEN_EPARSE, "\"unit\" is a name");
    status = mien_store_forget(control->state->store, unit, control->revoked, control->self,
                               &forgotten, &x->err);
    if (status == MIEN_OK)
        status = put_number(x->reply, "devices", (double)forgotten.n_devices);
    if (status == MIEN_OK)
        status = put_number(x->reply, "tokens", (double)forgotten.n_tokens);
    if (status == MIEN_OK)
        status = put_number(x->reply, "rounds", (double)forgotten.n_rounds);
    if (status == MIEN_OK)
        status = put_number(x->reply, "parts_kept", (double)forgotten.n_parts_kept);
    if (status == MIEN_OK &&
        cJSON_AddBoolToObject(x->reply, "in_open_round", forgotten.in_open_round) == NULL)
        status = MIEN_ENOMEM;
    return status == MIEN_OK ? put_cost(x) : status;
}

/* ---- tokens ---- */

#define MAX_TOKENS 1000                   /* a reply stays one short text */
#define MAX_TTL_S (UINT64_C(366) * 86400) /* nobody remembers an older one */

static enum mien_status add_token(struct exchange *x, cJSON *list, const char *unit, uint64_t ttl_s)
{
    const struct mien_control *control = x->control;
    const struct mien_config *config = &control->state->config;
    struct mien_token token = {.port = config->enrol_port};
    char text[MIEN_TOKEN_TEXT_BYTES] = "";
    cJSON *item = NULL;
    enum mien_status status;

    (void)snprintf(token.host, sizeof(token.host), "%s", config->host);
    memcpy(token.ca_fingerprint, control->state->pki.ca_fingerprint, sizeof(token.ca_fingerprint));
    status = mien_store_token_new(control->state->store, unit, control->now_s + (int64_t)ttl_s,
                                  control->rng, token.secret, &x->err);
    if (status == MIEN_OK)
        status = mien_token_encode(&token, text);
    if (status == MIEN_OK) {
        item = cJSON_CreateString(text);
        status = item == NULL || !cJSON_AddItemToArray(list, item) ? MIEN_ENOMEM : MIEN_OK;
    }
    mien_wipe(&token, sizeof(token));
    mien_wipe(text, sizeof(text));
    return status;
}

/* A whole number of the request, or what it is when it is absent. */
static enum mien_status take_count(struct exchange *x, const char *name, uint64_t max,
                                   uint64_t *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(x->request, name);
    double v = cJSON_GetNumberValue(item);

    if (item == NULL)
        return MIEN_OK;
    if (!(v >= 1.0 && v <= (double)max) || v != floor(v))
        return mien_err_set(&x->err, MIEN_EINVAL, "\"%s\" is not a whole number from 1 to %llu",
                            name, (unsigned long long)max);
    *value = (uint64_t)v;
    return MIEN_OK;
}

static enum mien_status do_token(struct exchange *x)
{
    const cJSON *unit = cJSON_GetObjectItemCaseSensitive(x->request, "unit");
    uint64_t count = 1;
    uint64_t ttl_s = 86400;
    cJSON *list = cJSON_AddArrayToObject(x->reply, "tokens");
    enum mien_status status =
        list == NULL ? MIEN_ENOMEM : take_count(x, "count", MAX_TOKENS, &count);

    if (status == MIEN_OK)
        status = take_count(x, "ttl_s", MAX_TTL_S, &ttl_s);
    if (status == MIEN_OK && unit != NULL && !cJSON_IsNull(unit) && !cJSON_IsString(unit))
        status = mien_err_set(&x->err, MIEN_EPARSE, "\"unit\" is a name");
    for (uint64_t i = 0; status == MIEN_OK && i < count; i++)
        status = add_token(x, list, cJSON_GetStringValue(unit), ttl_s);
    return status;
}

/* ---- copies and releases ---- */

static enum mien_status do_copy(struct exchange *x)
{
    char path[PATH_MAX];
    uint64_t name = 0;
    struct mien_statedir *state = x->control->state;
    enum mien_status status = mien_rng_u64(x->control->rng, &name);
    int n =
        snprintf(path, sizeof(path), "%s/copy-%016llx.db", state->path, (unsigned long long)name);

    if (status == MIEN_OK && (n < 0 || (size_t)n >= sizeof(path)))
        status = MIEN_ELIMIT;
    if (status == MIEN_OK)
        status = mien_store_backup(state->store, path, &x->err);
    if (status == MIEN_OK)
        status = put_text(x->reply, "path", strrchr(path, '/') + 1);
    return status;
}

static enum mien_status take_digest(struct exchange *x, const char *name, uint8_t out[32])
{
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x->request, name));

    if (hex == NULL || strlen(hex) != 64 || mien_unhex(hex, 32, out) != MIEN_OK)
        return mien_err_set(&x->err, MIEN_EPARSE, "\"%s\" has 64 hexadecimal digits", name);
    return MIEN_OK;
}

static enum mien_status do_release(struct exchange *x)
{
    struct mien_statedir *state = x->control->state;
    struct mien_release_request request;
    struct mien_release release = {0};
    struct mien_buf chain = {0};
    enum mien_status status = take_digest(x, "about_sha256", request.about);

    if (status == MIEN_OK)
        status = take_digest(x, "model_file_sha256", request.file_digest);
    if (status == MIEN_OK)
        status =
            mien_release_begin(state->store, state->pki.signing_seed, &request, &release, &x->err);
    if (status == MIEN_OK)
        status = mien_base64url(mien_buf_span(&release.chain), &chain);
    if (status == MIEN_OK)
        status = mien_buf_append_u8(&chain, 0);
    if (status == MIEN_OK)
        status = put_text(x->reply, "card", (const char *)release.card.data);
    if (status == MIEN_OK)
        status = put_text(x->reply, "chain", (const char *)chain.data);
    if (status == MIEN_OK)
        status = put_hex(x->reply, "set_seed", release.set_seed, sizeof(release.set_seed));
    mien_release_fini(&release);
    mien_buf_fini(&chain);
    return status;
}

/* ---- one line each way ---- */

static enum mien_status answer(struct exchange *x)
{
    static const struct {
        const char *cmd;
        enum mien_status (*act)(struct exchange *x);
    } commands[] = {
        {"status", do_status},   {"devices", do_devices}, {"token", do_token},
        {"revoke", do_revoke},   {"forget", do_forget},   {"copy", do_copy},
        {"release", do_release},
    };
    const char *cmd = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x->request, "cmd"));

    if (cmd != NULL && strcmp(cmd, "drill") == 0)
        return mien_err_set(&x->err, MIEN_ESTATE, "a drill takes a coordinator that runs");
    if (cmd == NULL)
        return mien_err_set(&x->err, MIEN_EPARSE, "a request is a JSON object with \"cmd\"");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].cmd, cmd) == 0)
            return commands[i].act(x);
    }
    return mien_err_set(&x->err, MIEN_ENOTFOUND, "there is no request \"%s\"", cmd);
}

static cJSON *refusal(const struct exchange *x, enum mien_status status)
{
    cJSON *reply = cJSON_CreateObject();

    if (reply != NULL && (cJSON_AddFalseToObject(reply, "ok") == NULL ||
                          put_text(reply, "error", mien_err_text(&x->err, status)) != MIEN_OK ||
                          put_text(reply, "code", mien_status_name(status)) != MIEN_OK ||
                          put_number(reply, "status", mien_status_exit(status)) != MIEN_OK)) {
        cJSON_Delete(reply);
        return NULL;
    }
    return reply;
}

static enum mien_status print_line(const cJSON *json, struct mien_buf *out)
{
    char *text = json == NULL ? NULL : cJSON_PrintUnformatted(json);
    enum mien_status status = text == NULL ? MIEN_ENOMEM : MIEN_OK;

    if (status == MIEN_OK)
        status = mien_buf_append(out, text, strlen(text));
    if (status == MIEN_OK)
        status = mien_buf_append(out, "\n", 1);
    if (text != NULL)
        mien_wipe(text, strlen(text)); /* may hold tokens */
    cJSON_free(text);
    return status;
}

enum mien_status mien_control_handle(const struct mien_control *control, struct mien_span request,
                                     struct mien_buf *reply)
{
    cJSON *parsed = cJSON_ParseWithLength((const char *)request.data, request.len);
    struct exchange x = {.control = control, .request = parsed, .reply = cJSON_CreateObject()};
    enum mien_status status;

    if (x.reply == NULL || cJSON_AddTrueToObject(x.reply, "ok") == NULL)
        status = MIEN_ENOMEM;
    else
        status = answer(&x);
    if (status != MIEN_OK) {
        cJSON_Delete(x.reply);
        x.reply = refusal(&x, status);
    }
    status = print_line(x.reply, reply);
    cJSON_Delete(x.reply);
    cJSON_Delete(parsed);
    return status;
}
