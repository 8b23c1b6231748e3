// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "server/store/release.h"
#include "server/store/verify.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#define RELEASE_MAX_BYTES ((size_t)64 << 10)
#define METADATA_MAX_BYTES ((size_t)1 << 30)
#define PICTURE_MAX_BYTES ((size_t)16 << 20)

static double number(const cJSON *json, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static const char *text_of(const cJSON *json, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

/* Whether the member `name` is the digest of the bytes. */
static bool is_digest(const cJSON *json, const char *name, struct mien_span bytes)
{
    const char *hex = text_of(json, name);
    uint8_t claimed[32];
    uint8_t found[32];

    return hex != NULL && strlen(hex) == 64 && mien_unhex(hex, 32, claimed) == MIEN_OK &&
           mien_digest(bytes, found) == MIEN_OK && memcmp(claimed, found, sizeof(found)) == 0;
}

/* ---- the claimed cost ---- */

static uint64_t count(const cJSON *json, const char *name)
{
    double v = number(json, name);

    return v >= 0.0 && v <= 9007199254740992.0 ? (uint64_t)v : 0;
}

static enum mien_status account(const cJSON *json, struct mien_verify *out, struct mien_err *err)
{
    struct mien_dp_event events[2];
    const char *sampling = text_of(json, "sampling");
    struct mien_mechanism *m = &out->plan.mechanism;
    size_t n = 0;
    enum mien_status status =
        mien_sampling_parse(sampling == NULL ? "" : sampling, &m->sampling, err);

    m->rate = number(json, "rate");
    m->bound = count(json, "bound");
    m->sigma2_num = count(json, "sigma") * count(json, "sigma");
    m->sigma2_den = 1;
    m->dim = count(json, "dim");
    m->cohort = (uint32_t)count(json, "cohort");
    m->population = count(json, "population");
    m->cap = (uint32_t)count(json, "cap");
    m->min_reports = (uint32_t)count(json, "min_reports");
    m->drop_out = number(json, "drop_out");
    out->plan.delta = number(json, "delta");
    out->delta = out->plan.delta;
    out->n_sampled = count(json, "releases_sampled");
    out->n_unsampled = count(json, "releases_unsampled");
    if (status == MIEN_OK && m->bound == 0)
        status = mien_err_set(err, MIEN_EINVAL, "it names no bound");
    if (status == MIEN_OK && out->n_sampled > 0)
        events[n++] = mien_mechanism_event(m, out->n_sampled);
    if (status == MIEN_OK && out->n_unsampled > 0) {
        events[n] = mien_mechanism_event(m, out->n_unsampled);
        events[n].sampling = MIEN_SAMPLING_NONE;
        events[n++].rate = 1.0;
    }
    return status == MIEN_OK && n > 0 ? mien_dp_account(events, n, out->plan.delta, &out->cost, err)
                                      : status;
}

/* The claim may not be below what its own constants cost; a null claims nothing. */
static bool claim_holds(const cJSON *json, const char *name, double cost)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    if (!cJSON_IsNumber(item))
        return cJSON_IsNull(item) && !isfinite(cost);
    return item->valuedouble >= cost * (1.0 - 1e-12);
}

static enum mien_status check_claim(const cJSON *json, struct mien_verify *out)
{
    struct mien_err err = {0};
    enum mien_status status = account(json, out, &err);

    if (status == MIEN_ENOMEM)
        return status;
    if (status != MIEN_OK)
        return mien_verify_problem(out, "release.json: the cost cannot be recomputed: %s",
                                   mien_err_text(&err, status));
    if (!claim_holds(json, "epsilon", out->cost.epsilon))
        status = mien_verify_problem(out, "release.json claims another epsilon than %.6g",
                                     out->cost.epsilon);
    if (status == MIEN_OK && !claim_holds(json, "epsilon_witness", out->cost.epsilon_witness))
        status = mien_verify_problem(out, "release.json claims another epsilon_witness than %.6g",
                                     out->cost.epsilon_witness);
    return status;
}

/* ---- the pictures ---- */

static enum mien_status check_picture(const char *dir, const cJSON *line, struct mien_verify *out)
{
    char path[PATH_MAX];
    struct mien_buf bytes = {0};
    const char *name = text_of(line, "file_name");
    enum mien_status status;

    if (name == NULL || strchr(name, '/') != NULL ||
        mien_path_join(dir, name, path, sizeof(path)) != MIEN_OK)
        return mien_verify_problem(out, "metadata.jsonl: a line names no picture");
    status = mien_file_read(path, PICTURE_MAX_BYTES, &bytes, NULL);
    if (status == MIEN_OK && !is_digest(line, "sha256", mien_buf_span(&bytes)))
        status = MIEN_ECORRUPT;
    mien_buf_fini(&bytes);
    if (status == MIEN_OK || status == MIEN_ENOMEM)
        return status;
    return mien_verify_problem(out, "%s %s", name,
                               status == MIEN_ECORRUPT ? "was changed" : "cannot be read");
}

static enum mien_status check_lines(const char *dir, const char *text, uint64_t *n_lines,
                                    struct mien_verify *out)
{
    enum mien_status status = MIEN_OK;

    while (status == MIEN_OK && *text != '\0') {
        size_t n = strcspn(text, "\n");
        cJSON *line = cJSON_ParseWithLength(text, n);
        status = line == NULL ? mien_verify_problem(out, "metadata.jsonl: a line is no JSON")
                              : check_picture(dir, line, out);
        cJSON_Delete(line);
        (*n_lines)++;
        text += n + (text[n] == '\n' ? 1 : 0);
    }
    return status;
}

static enum mien_status check_pictures(const char *dir, const cJSON *json, struct mien_verify *out)
{
    char path[PATH_MAX];
    struct mien_buf text = {0};
    uint64_t n_lines = 0;
    enum mien_status status = mien_path_join(dir, "metadata.jsonl", path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, METADATA_MAX_BYTES, &text, NULL);
    if (status != MIEN_OK && status != MIEN_ENOMEM) {
        status = mien_verify_problem(out, "metadata.jsonl cannot be read");
    } else if (status == MIEN_OK && !is_digest(json, "metadata_sha256", mien_buf_span(&text))) {
        status = mien_verify_problem(out, "metadata.jsonl was changed");
    } else if (status == MIEN_OK) {
        status = mien_buf_append_u8(&text, 0);
        if (status == MIEN_OK)
            status = check_lines(dir, (const char *)text.data, &n_lines, out);
        if (status == MIEN_OK && n_lines != count(json, "images"))
            status = mien_verify_problem(out, "the set does not have the pictures it claims");
    }
    mien_buf_fini(&text);
    return status;
}

/* ---- the whole ---- */

static enum mien_status check_signed(const char *text, struct mien_verify *out)
{
    struct mien_err err = {0};
    enum mien_status status = mien_release_check(text, &err);

    if (status == MIEN_OK || status == MIEN_ENOMEM)
        return status;
    return mien_verify_problem(out, "release.json: %s", mien_err_text(&err, status));
}

static enum mien_status check_all(const char *dir, const char *text, struct mien_verify *out)
{
    cJSON *json = cJSON_Parse(text);
    enum mien_status status = check_signed(text, out);

    if (json != NULL) {
        bool has_ledger = cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(json, "ledger"));
        if (status == MIEN_OK && has_ledger)
            status = check_claim(json, out);
        if (status == MIEN_OK)
            status = check_pictures(dir, json, out);
    }
    cJSON_Delete(json);
    return status;
}

enum mien_status mien_verify_release(const char *dir, struct mien_verify *out, struct mien_err *err)
{
    struct mien_verify verify = {0};
    char path[PATH_MAX];
    struct mien_buf text = {0};
    enum mien_status status = mien_path_join(dir, "release.json", path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, RELEASE_MAX_BYTES, &text, err);
    if (status == MIEN_OK)
        status = mien_buf_append_u8(&text, 0);
    if (status == MIEN_OK)
        status = check_all(dir, (const char *)text.data, &verify);
    mien_buf_fini(&text);
    if (status != MIEN_OK) {
        mien_verify_fini(&verify);
        return status;
    }
    *out = verify;
    return MIEN_OK;
}
