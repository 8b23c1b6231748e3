// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "server/store/picture.h"
#include "server/store/public_chain.h"
#include "server/store/release.h"
#include "server/store/verify.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RELEASE_MAX_BYTES ((size_t)64 << 10)
#define METADATA_MAX_BYTES ((size_t)1 << 30)
#define PICTURE_MAX_BYTES ((size_t)16 << 20)

/* A failed check is a problem; a failed machine is a status. */
static enum mien_status judged(struct mien_verify *out, const char *what, enum mien_status status,
                               const struct mien_err *err)
{
    if (status == MIEN_OK || status == MIEN_ENOMEM)
        return status;
    return mien_verify_problem(out, "%s: %s", what, mien_err_text(err, status));
}

/* ---- the claimed cost ---- */

/* The claim may not be below what its own events cost; an infinite one claims nothing. */
static bool claim_holds(double claimed, double cost)
{
    return claimed >= cost * (1.0 - 1e-12);
}

static enum mien_status check_claim(const char *what, struct mien_verify *out)
{
    const struct mien_card *card = &out->card;
    struct mien_err err = {0};
    enum mien_status status = mien_card_cost(card, &out->cost, &out->delta, &err);

    if (status != MIEN_OK)
        return judged(out, what, status, &err);
    if (!claim_holds(card->epsilon, out->cost.epsilon))
        status = mien_verify_problem(out, "%s claims epsilon %.6g, its events cost %.6g", what,
                                     card->epsilon, out->cost.epsilon);
    if (status == MIEN_OK && !claim_holds(card->epsilon_witness, out->cost.epsilon_witness))
        status = mien_verify_problem(out, "%s claims epsilon_witness %.6g, its events cost %.6g",
                                     what, card->epsilon_witness, out->cost.epsilon_witness);
    if (card->n_events == 0)
        out->delta = card->delta; /* nothing is charged at any delta */
    if (status == MIEN_OK && !claim_holds(card->delta, out->delta))
        status = mien_verify_problem(out, "%s claims delta %.6g, its runs have %.6g", what,
                                     card->delta, out->delta);
    return status;
}

/* ---- the ledger beside it ---- */

/* Everything but the epsilons, which are recomputed, must be what the ledger says. */
static enum mien_status compare(const struct mien_public_chain *found, struct mien_verify *out,
                                struct mien_err *err)
{
    const struct mien_card *card = &out->card;
    struct mien_card ledgers;
    struct mien_buf ours = {0};
    struct mien_buf theirs = {0};
    enum mien_status status = mien_card_of_chain(&found->chain, &found->model, &ledgers, err);

    if (status != MIEN_OK)
        return status;
    memcpy(ledgers.software, card->software, sizeof(card->software));
    memcpy(ledgers.release_id, card->release_id, sizeof(card->release_id));
    memcpy(ledgers.set_key, card->set_key, sizeof(card->set_key));
    ledgers.epsilon = card->epsilon;
    ledgers.epsilon_witness = card->epsilon_witness;
    status = mien_card_write(&ledgers, &ours);
    if (status == MIEN_OK)
        status = mien_card_write(card, &theirs);
    if (status == MIEN_OK &&
        (ours.len != theirs.len || memcmp(ours.data, theirs.data, ours.len) != 0))
        status = mien_err_set(err, MIEN_ECORRUPT, "release.json does not say what the ledger says");
    mien_buf_fini(&ours);
    mien_buf_fini(&theirs);
    return status;
}

static enum mien_status check_chain(const char *dir, struct mien_verify *out)
{
    char path[PATH_MAX];
    struct mien_buf file = {0};
    struct mien_public_chain found = {0};
    struct mien_err err = {0};
    enum mien_status status = mien_path_join(dir, "ledger.chain", path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, MIEN_PUBLIC_CHAIN_BYTES, &file, &err);
    if (status == MIEN_OK)
        status = mien_public_chain_read(mien_buf_span(&file), out->card.file_digest, &found, &err);
    mien_buf_fini(&file);
    if (status == MIEN_OK && !found.has_model)
        status = mien_err_set(&err, MIEN_ECORRUPT, "it names no such model file");
    if (status == MIEN_OK) {
        out->n_entries = found.n_entries;
        status = compare(&found, out, &err);
    }
    return judged(out, "ledger.chain", status, &err);
}

/* ---- the pictures ---- */

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

static enum mien_status check_bytes(const cJSON *line, struct mien_span png,
                                    const struct mien_verify *out, struct mien_err *err)
{
    struct mien_card card;
    enum mien_status status;

    if (!is_digest(line, "sha256", png))
        return mien_err_set(err, MIEN_ECORRUPT, "was changed");
    status = mien_picture_check(png, &card, err);
    if (status == MIEN_OK &&
        (memcmp(card.set_key, out->card.set_key, sizeof(card.set_key)) != 0 ||
         memcmp(card.release_id, out->card.release_id, sizeof(card.release_id)) != 0))
        status = mien_err_set(err, MIEN_ECORRUPT, "is of another release");
    return status;
}

static enum mien_status check_picture(const char *dir, const cJSON *line, struct mien_verify *out)
{
    char path[PATH_MAX];
    struct mien_buf png = {0};
    struct mien_err err = {0};
    const char *name = text_of(line, "file_name");
    enum mien_status status;

    if (name == NULL || strchr(name, '/') != NULL ||
        mien_path_join(dir, name, path, sizeof(path)) != MIEN_OK)
        return mien_verify_problem(out, "metadata.jsonl: a line names no picture");
    status = mien_file_read(path, PICTURE_MAX_BYTES, &png, NULL);
    if (status != MIEN_OK && status != MIEN_ENOMEM)
        (void)mien_err_set(&err, status, "cannot be read");
    if (status == MIEN_OK)
        status = check_bytes(line, mien_buf_span(&png), out, &err);
    mien_buf_fini(&png);
    return judged(out, name, status, &err);
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

static enum mien_status check_pictures(const char *dir, const struct mien_release_set *set,
                                       struct mien_verify *out)
{
    char path[PATH_MAX];
    struct mien_buf text = {0};
    uint8_t digest[32];
    uint64_t n_lines = 0;
    enum mien_status status = mien_path_join(dir, "metadata.jsonl", path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, METADATA_MAX_BYTES, &text, NULL);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&text), digest);
    if (status != MIEN_OK && status != MIEN_ENOMEM) {
        status = mien_verify_problem(out, "metadata.jsonl cannot be read");
    } else if (status == MIEN_OK && memcmp(digest, set->metadata_digest, 32) != 0) {
        status = mien_verify_problem(out, "metadata.jsonl was changed");
    } else if (status == MIEN_OK) {
        status = mien_buf_append_u8(&text, 0);
        if (status == MIEN_OK)
            status = check_lines(dir, (const char *)text.data, &n_lines, out);
        if (status == MIEN_OK && n_lines != set->n_images)
            status = mien_verify_problem(out, "the set does not have the pictures it claims");
    }
    mien_buf_fini(&text);
    return status;
}

/* ---- the whole ---- */

static enum mien_status check_card(const char *what, const char *dir, struct mien_verify *out)
{
    enum mien_status status = MIEN_OK;

    if (!out->card.has_ledger)
        return mien_verify_problem(out, "%s: no ledger is behind it, so nothing is promised", what);
    if (dir != NULL)
        status = check_chain(dir, out);
    return status == MIEN_OK ? check_claim(what, out) : status;
}

static enum mien_status check_all(const char *dir, const struct mien_buf *text,
                                  struct mien_verify *out)
{
    const char *json = (const char *)text->data;
    struct mien_release_set set = {0};
    struct mien_buf card = {0};
    struct mien_err err = {0};
    enum mien_status status = MIEN_EPARSE;

    if (strlen(json) + 1 == text->len)
        status = mien_release_read(json, &out->card, &card, &set, &err);
    mien_buf_fini(&card);
    if (status != MIEN_OK)
        return judged(out, "release.json", status, &err);
    status = check_card("release.json", dir, out);
    return status == MIEN_OK ? check_pictures(dir, &set, out) : status;
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
        status = check_all(dir, &text, &verify);
    mien_buf_fini(&text);
    if (status != MIEN_OK) {
        mien_verify_fini(&verify);
        return status;
    }
    *out = verify;
    return MIEN_OK;
}

enum mien_status mien_verify_picture(const char *path, struct mien_verify *out,
                                     struct mien_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    struct mien_verify verify = {0};
    struct mien_buf png = {0};
    struct mien_err why = {0};
    enum mien_status status = mien_file_read(path, PICTURE_MAX_BYTES, &png, err);

    if (status == MIEN_OK) {
        status = mien_picture_check(mien_buf_span(&png), &verify.card, &why);
        status = status == MIEN_OK ? check_card(name, NULL, &verify)
                                   : judged(&verify, name, status, &why);
    }
    mien_buf_fini(&png);
    if (status != MIEN_OK) {
        mien_verify_fini(&verify);
        return status;
    }
    *out = verify;
    return MIEN_OK;
}
