// SPDX-License-Identifier: Apache-2.0
#include "server/store/release.h"

#include "common/base/text.h"
#include "common/wire/identity.h"
#include "server/store/store_internal.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char LABEL[] = "mien release v1";
static const char SIGNATURE_LINE[] = ",\n  \"signature\": \"";

/* ---- writing: one spelling, in this order ---- */

static enum mien_status add_hex(struct mien_buf *out, const char *name, const uint8_t *data,
                                size_t n)
{
    char hex[65];

    mien_hex(data, n, hex);
    return mien_buf_printf(out, ",\n  \"%s\": \"%s\"", name, hex);
}

/* A number that JSON cannot hold (an infinite epsilon) is null: there is no bound. */
static enum mien_status add_real(struct mien_buf *out, const char *name, double v)
{
    if (!isfinite(v))
        return mien_buf_printf(out, ",\n  \"%s\": null", name);
    return mien_buf_printf(out, ",\n  \"%s\": %.17g", name, v);
}

static enum mien_status add_set(struct mien_buf *out, const struct mien_release_set *set)
{
    enum mien_status status =
        mien_buf_printf(out,
                        "{\n  \"format\": \"mien-release 1\",\n  \"software\": \"%s\""
                        ",\n  \"images\": %" PRIu64 ",\n  \"seed\": %" PRIu64,
                        MIEN_VERSION, set->n_images, set->seed);

    if (status == MIEN_OK)
        status = add_hex(out, "metadata_sha256", set->metadata_digest, 32);
    if (status == MIEN_OK)
        status = add_hex(out, "model_file_sha256", set->file_digest, 32);
    return status;
}

static enum mien_status add_cost(struct mien_buf *out, const struct mien_store *store,
                                 struct mien_err *err)
{
    const struct mien_chain_run *run = mien_chain_run(&store->chain);
    struct mien_dp_cost cost;
    double delta = 0.0;
    enum mien_status status = mien_chain_cost(&store->chain, &cost, &delta, err);

    if (status == MIEN_OK)
        status = add_real(out, "epsilon", cost.epsilon);
    if (status == MIEN_OK)
        status = add_real(out, "epsilon_witness", cost.epsilon_witness);
    if (status == MIEN_OK)
        status = add_real(out, "delta", delta);
    if (status == MIEN_OK)
        status = mien_buf_printf(out,
                                 ",\n  \"releases_sampled\": %" PRIu64
                                 ",\n  \"releases_unsampled\": %" PRIu64
                                 ",\n  \"epsilon_covers\": \"all releases of this population up to "
                                 "the ledger's head, for a reader\"",
                                 run->n_sampled, run->n_unsampled);
    return status;
}

static enum mien_status add_mechanism(struct mien_buf *out, const struct mien_mechanism *m)
{
    enum mien_status status = mien_buf_printf(
        out,
        ",\n  \"mechanism\": \"rounded_gaussian\",\n  \"relation\": \"zero-out\""
        ",\n  \"unit\": \"enrolment token\",\n  \"sampling\": \"%s\",\n  \"cohort\": %" PRIu32
        ",\n  \"population\": %" PRIu64 ",\n  \"cap\": %" PRIu32 ",\n  \"min_reports\": %" PRIu32
        ",\n  \"bound\": %" PRIu64 ",\n  \"sigma\": %" PRIu64 ",\n  \"dim\": %" PRIu64,
        mien_sampling_name(m->sampling), m->cohort, m->population, m->cap, m->min_reports, m->bound,
        (uint64_t)sqrt((double)m->sigma2_num), m->dim);

    if (status == MIEN_OK)
        status = add_real(out, "drop_out", m->drop_out);
    return status == MIEN_OK ? add_real(out, "rate", m->rate) : status;
}

static enum mien_status add_ledger(struct mien_buf *out, const struct mien_store *store)
{
    const struct mien_chain *chain = &store->chain;
    enum mien_status status = add_hex(out, "run_id", chain->genesis.run_id, 16);

    if (status == MIEN_OK)
        status = mien_buf_printf(out, ",\n  \"ledger\": {\"epoch\": %" PRIu64 ", \"seq\": %" PRIu64,
                                 chain->mark.epoch, chain->mark.seq);
    if (status == MIEN_OK) {
        char hex[65];
        mien_hex(chain->mark.head, 32, hex);
        status = mien_buf_printf(out, ", \"head\": \"%s\"}", hex);
    }
    if (status == MIEN_OK)
        status = add_hex(out, "signing_key", chain->genesis.signing_key, 32);
    return status;
}

static enum mien_status find_version(struct mien_store *store, const uint8_t file_digest[32],
                                     struct mien_store_model *out, struct mien_err *err)
{
    for (uint64_t v = store->chain.top_version + 1; v-- > 0;) {
        enum mien_status status = mien_store_model(store, v, out, err);
        if (status != MIEN_OK)
            return status;
        if (memcmp(out->file_digest, file_digest, 32) == 0)
            return MIEN_OK;
    }
    return mien_err_set(err, MIEN_ENOTFOUND, "the ledger names no such model file");
}

static enum mien_status statement_of(const char *body, size_t len, struct mien_buf *out)
{
    enum mien_status status = mien_buf_append(out, LABEL, sizeof(LABEL) - 1);

    return status == MIEN_OK ? mien_buf_append(out, body, len) : status;
}

static enum mien_status sign(struct mien_buf *out, size_t from, const uint8_t seed[32])
{
    struct mien_buf statement = {0};
    uint8_t signature[64];
    char hex[129];
    enum mien_status status =
        statement_of((const char *)out->data + from, out->len - from, &statement);

    if (status == MIEN_OK)
        status = mien_identity_sign(seed, mien_buf_span(&statement), signature);
    if (status == MIEN_OK) {
        mien_hex(signature, sizeof(signature), hex);
        status = mien_buf_printf(out, "%s%s\"\n}\n", SIGNATURE_LINE, hex);
    }
    mien_buf_fini(&statement);
    return status;
}

enum mien_status mien_release_text(struct mien_statedir *state, const struct mien_release_set *set,
                                   struct mien_buf *out, struct mien_err *err)
{
    struct mien_store_model model;
    size_t from = out->len;
    enum mien_status status = find_version(state->store, set->file_digest, &model, err);

    if (status == MIEN_OK)
        status = add_set(out, set);
    if (status == MIEN_OK)
        status = mien_buf_printf(out, ",\n  \"model_version\": %" PRIu64, model.version);
    if (status == MIEN_OK)
        status = add_hex(out, "model_hash", model.model_hash, 32);
    if (status == MIEN_OK)
        status = add_cost(out, state->store, err);
    if (status == MIEN_OK)
        status = add_mechanism(out, &state->store->chain.plan.mechanism);
    if (status == MIEN_OK)
        status = add_ledger(out, state->store);
    if (status == MIEN_OK)
        status = sign(out, from, state->pki.signing_seed);
    return status;
}

enum mien_status mien_release_text_alone(const struct mien_release_set *set, struct mien_buf *out)
{
    enum mien_status status = add_set(out, set);

    return status == MIEN_OK ? mien_buf_printf(out, ",\n  \"ledger\": null\n}\n") : status;
}

/* ---- checking ---- */

/* The last place where the signature's line begins, or NULL. */
static const char *signature_line(const char *text)
{
    const char *found = NULL;

    for (const char *at = strstr(text, SIGNATURE_LINE); at != NULL;
         at = strstr(at + 1, SIGNATURE_LINE))
        found = at;
    return found;
}

static enum mien_status key_of(const char *text, uint8_t key[32], struct mien_err *err)
{
    cJSON *json = cJSON_Parse(text);
    const char *format = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "format"));
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "signing_key"));
    enum mien_status status = MIEN_OK;

    if (format == NULL || strcmp(format, "mien-release 1") != 0)
        status = mien_err_set(err, MIEN_EPARSE, "it is no release of this version of mien");
    else if (hex == NULL)
        status = mien_err_set(err, MIEN_ENOTFOUND,
                              "the release is not signed: no ledger is "
                              "behind it");
    else if (strlen(hex) != 64 || mien_unhex(hex, 32, key) != MIEN_OK)
        status = mien_err_set(err, MIEN_EPARSE, "its signing_key is no key");
    cJSON_Delete(json);
    return status;
}

enum mien_status mien_release_check(const char *text, struct mien_err *err)
{
    struct mien_buf statement = {0};
    uint8_t key[32];
    uint8_t signature[64];
    char hex[129] = "";
    const char *line = signature_line(text);
    const char *at = line == NULL ? NULL : line + sizeof(SIGNATURE_LINE) - 1;
    enum mien_status status = key_of(text, key, err);

    if (status != MIEN_OK)
        return status;
    if (at == NULL || strlen(at) != 128 + 4 || strcmp(at + 128, "\"\n}\n") != 0)
        return mien_err_set(err, MIEN_EPARSE, "it does not end with its signature");
    memcpy(hex, at, 128);
    if (mien_unhex(hex, sizeof(signature), signature) != MIEN_OK)
        return mien_err_set(err, MIEN_EPARSE, "its signature is no signature");
    status = statement_of(text, (size_t)(line - text), &statement);
    if (status == MIEN_OK)
        status = mien_identity_verify(key, mien_buf_span(&statement), signature);
    if (status == MIEN_EAUTH)
        (void)mien_err_set(err, status, "the signature does not hold: the release was changed");
    mien_buf_fini(&statement);
    return status;
}
