// SPDX-License-Identifier: Apache-2.0
#include "server/store/release.h"

#include "common/base/digest.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/wire/identity.h"
#include "server/store/public_chain.h"
#include "server/store/store_internal.h"
#include "server/store/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char LABEL[] = "mien release v2";
static const char SIGNATURE_LINE[] = ",\n  \"signature\": \"";

/* ---- the card ---- */

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

/* SHA-256(label | secret | about | head), all of fixed length. */
static enum mien_status derive(const char *label, const uint8_t secret[32],
                               const struct mien_release_request *request, const uint8_t head[32],
                               uint8_t out[32])
{
    struct mien_buf bytes = {0};
    enum mien_status status = mien_buf_reserve(&bytes, 256);

    if (status == MIEN_OK)
        status = mien_buf_append(&bytes, label, strlen(label));
    if (status == MIEN_OK)
        status = mien_buf_append(&bytes, secret, 32);
    if (status == MIEN_OK)
        status = mien_buf_append(&bytes, request->about, 32);
    if (status == MIEN_OK)
        status = mien_buf_append(&bytes, head, 32);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&bytes), out);
    mien_buf_wipe(&bytes);
    return status;
}

static enum mien_status seal(struct mien_card *card, const struct mien_release_request *request,
                             const uint8_t *signing_seed, struct mien_release *out)
{
    static const uint8_t none[32] = {0};
    const uint8_t *secret = signing_seed == NULL ? none : signing_seed;
    uint8_t id[32];
    enum mien_status status =
        derive("mien set key v1", secret, request, card->mark.head, out->set_seed);

    if (status == MIEN_OK)
        status = derive("mien release id v1", none, request, card->mark.head, id);
    if (status == MIEN_OK)
        status = mien_identity_public(out->set_seed, card->set_key);
    if (status != MIEN_OK)
        return status;
    mien_version_text(card->software);
    memcpy(card->release_id, id, sizeof(card->release_id));
    memcpy(card->file_digest, request->file_digest, sizeof(card->file_digest));
    status = mien_card_seal(card, signing_seed, &out->card);
    return status == MIEN_OK ? mien_buf_append_u8(&out->card, 0) : status;
}

void mien_release_fini(struct mien_release *release)
{
    mien_wipe(release->set_seed, sizeof(release->set_seed));
    mien_buf_fini(&release->card);
    mien_buf_fini(&release->chain);
}

enum mien_status mien_release_begin(struct mien_store *store, const uint8_t signing_seed[32],
                                    const struct mien_release_request *request,
                                    struct mien_release *out, struct mien_err *err)
{
    struct mien_store_model model;
    struct mien_card card;
    struct mien_release made = {0};
    enum mien_status status = find_version(store, request->file_digest, &model, err);

    if (status == MIEN_OK)
        status = mien_card_of_chain(&store->chain, &model, &card, err);
    if (status == MIEN_OK)
        status = seal(&card, request, signing_seed, &made);
    if (status == MIEN_OK)
        status = mien_public_chain_write(store, &made.chain, err);
    if (status != MIEN_OK)
        mien_release_fini(&made);
    else
        *out = made;
    return status;
}

enum mien_status mien_release_begin_alone(const struct mien_release_request *request,
                                          struct mien_release *out)
{
    struct mien_card card = {0};
    struct mien_release made = {0};
    enum mien_status status = seal(&card, request, NULL, &made);

    if (status != MIEN_OK)
        mien_release_fini(&made);
    else
        *out = made;
    return status;
}

/* ---- the set ---- */

static enum mien_status write_set(const struct mien_release_set *set, struct mien_buf *out)
{
    char hex[65];

    mien_hex(set->metadata_digest, 32, hex);
    return mien_buf_printf(out,
                           ",\n  \"images\": %" PRIu64 ",\n  \"seed\": %" PRIu64
                           ",\n  \"metadata_sha256\": \"%s\"",
                           set->n_images, set->seed, hex);
}

enum mien_status mien_release_write(const struct mien_release *release,
                                    const struct mien_release_set *set, struct mien_buf *out)
{
    const char *card = (const char *)release->card.data;
    const size_t from = out->len;
    char hex[129];
    enum mien_status status = mien_buf_append(out, card, mien_card_prefix(card));

    if (status == MIEN_OK)
        status = write_set(set, out);
    if (status == MIEN_OK)
        status = mien_card_sign(release->set_seed, LABEL,
                                (struct mien_span){out->data + from, out->len - from}, hex);
    return status == MIEN_OK ? mien_buf_printf(out, "%s%s\"\n}\n", SIGNATURE_LINE, hex) : status;
}

/* The members between card and signature, which have one spelling too. */
static enum mien_status take_set(const char *from, size_t n, struct mien_release_set *set,
                                 struct mien_err *err)
{
    char images[21] = "";
    char seed[21] = "";
    char hex[65] = "";
    struct mien_buf again = {0};
    struct mien_release_set found = {0};
    const int taken = sscanf(from,
                             ",\n  \"images\": %20[0-9],\n  \"seed\": %20[0-9],\n"
                             "  \"metadata_sha256\": \"%64[0-9a-f]\"",
                             images, seed, hex);
    enum mien_status status = MIEN_EPARSE;

    if (taken == 3 && strlen(hex) == 64 &&
        mien_parse_u64(images, 0, UINT64_MAX, &found.n_images) == MIEN_OK &&
        mien_parse_u64(seed, 0, UINT64_MAX, &found.seed) == MIEN_OK &&
        mien_unhex(hex, 32, found.metadata_digest) == MIEN_OK)
        status = write_set(&found, &again);
    if (status == MIEN_OK && (again.len != n || memcmp(again.data, from, n) != 0))
        status = MIEN_EPARSE;
    mien_buf_fini(&again);
    if (status == MIEN_EPARSE)
        return mien_err_set(err, status, "it does not say what the set holds");
    *set = found;
    return status;
}

enum mien_status mien_release_read(const char *text, struct mien_card *card,
                                   struct mien_buf *card_text, struct mien_release_set *set,
                                   struct mien_err *err)
{
    const size_t prefix = mien_card_prefix(text);
    const char *line = strstr(text + prefix, SIGNATURE_LINE);
    char hex[129] = "";
    enum mien_status status = mien_buf_append(card_text, text, prefix);

    if (status == MIEN_OK)
        status = mien_buf_append(card_text, "\n}\n", 4); /* with its NUL */
    if (status != MIEN_OK)
        return status;
    card_text->len--;
    status = mien_card_read(prefix == 0 ? text : (const char *)card_text->data, card, err);
    if (status != MIEN_OK)
        return status;
    if (line == NULL || strlen(line) != sizeof(SIGNATURE_LINE) - 1 + 128 + 4 ||
        strcmp(line + sizeof(SIGNATURE_LINE) - 1 + 128, "\"\n}\n") != 0)
        return mien_err_set(err, MIEN_EPARSE, "it does not end with its signature");
    memcpy(hex, line + sizeof(SIGNATURE_LINE) - 1, 128);
    status = take_set(text + prefix, (size_t)(line - text) - prefix, set, err);
    if (status != MIEN_OK)
        return status;
    status = mien_card_check(card->set_key, LABEL,
                             (struct mien_span){(const uint8_t *)text, (size_t)(line - text)}, hex);
    return status == MIEN_EAUTH
               ? mien_err_set(err, status, "the set's signature does not hold: it was changed")
               : status;
}
