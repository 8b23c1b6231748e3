// SPDX-License-Identifier: Apache-2.0
/* Reading a card: its members are parsed, the card is written again from what was understood, and
 * must come out as the same bytes. So a reader and a person never see different things. */
#include "server/store/card.h"

#include "common/base/text.h"
#include "server/store/card_names.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

static const char LABEL[] = "mien card v1";
static const char LAST_MEMBER[] = ",\n  \"ledger_signature\": ";

const char *const mien_card_kinds[] = {"rounded_gaussian", "discrete_gaussian",
                                       "distributed_discrete_gaussian", NULL};
const char *const mien_card_relations[] = {"zero-out", NULL};
const char *const mien_card_units[] = {"enrolment token", NULL};
const char *const mien_card_makers[] = {"coordinator", "devices", NULL};

const char *mien_card_name(const char *const *names, unsigned number)
{
    unsigned n = 0;

    while (names[n] != NULL)
        n++;
    return number >= 1 && number <= n ? names[number - 1] : "?";
}

unsigned mien_card_number(const char *const *names, const char *name)
{
    for (unsigned i = 0; name != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0)
            return i + 1;
    }
    return 0;
}

/* ---- members; what is missing or odd comes out as something else, and is seen when the card is
 * written again ---- */

static const char *text_of(const cJSON *json, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static void take_hex(const cJSON *json, const char *name, size_t n, uint8_t *out)
{
    const char *hex = text_of(json, name);

    if (hex != NULL && strlen(hex) == 2 * n && mien_unhex(hex, n, out) != MIEN_OK)
        memset(out, 0, n);
}

static double real_of(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    return cJSON_IsNull(item) ? INFINITY : cJSON_GetNumberValue(item);
}

static uint64_t count_of(const cJSON *json, const char *name, double max)
{
    const double v = real_of(json, name);

    return v >= 0.0 && v <= max ? (uint64_t)v : 0;
}

#define MAX_COUNT 9007199254740992.0 /* 2^53: all that a number of JSON holds exactly */

static void take_sigma(const cJSON *json, struct mien_mechanism *m)
{
    const char *text = text_of(json, "sigma_squared");
    const char *slash = text == NULL ? NULL : strchr(text, '/');
    char number[24] = "";

    if (slash == NULL || (size_t)(slash - text) >= sizeof(number))
        return;
    memcpy(number, text, (size_t)(slash - text));
    if (mien_parse_u64(number, 0, INT64_MAX, &m->sigma2_num) != MIEN_OK ||
        mien_parse_u64(slash + 1, 1, INT64_MAX, &m->sigma2_den) != MIEN_OK)
        m->sigma2_num = 0;
}

static void take_mechanism(const cJSON *json, struct mien_mechanism *m)
{
    const char *sampling = text_of(json, "sampling");

    *m = (struct mien_mechanism){
        .kind =
            (enum mien_mechanism_kind)mien_card_number(mien_card_kinds, text_of(json, "mechanism")),
        .relation =
            (enum mien_relation)mien_card_number(mien_card_relations, text_of(json, "relation")),
        .unit = (enum mien_unit_kind)mien_card_number(mien_card_units, text_of(json, "unit")),
        .noise_by =
            (enum mien_noise_by)mien_card_number(mien_card_makers, text_of(json, "noise_by")),
        .sampling = MIEN_SAMPLING_NONE,
        .rate = real_of(json, "rate"),
        .bound = count_of(json, "bound", MAX_COUNT),
        .sigma2_den = 1,
        .dim = count_of(json, "dim", MAX_COUNT),
        .population = count_of(json, "population", MAX_COUNT),
        .cohort = (uint32_t)count_of(json, "cohort", UINT32_MAX),
        .min_reports = (uint32_t)count_of(json, "min_reports", UINT32_MAX),
        .cap = (uint32_t)count_of(json, "cap", UINT32_MAX),
        .drop_out = real_of(json, "drop_out"),
        .separation = (uint32_t)count_of(json, "separation", UINT32_MAX),
        .participations = (uint32_t)count_of(json, "participations", UINT32_MAX),
        .shares = (uint32_t)count_of(json, "shares", UINT32_MAX),
    };
    if (sampling != NULL && mien_sampling_parse(sampling, &m->sampling, NULL) != MIEN_OK)
        m->kind = 0;
    take_sigma(json, m);
    take_hex(json, "strategy", sizeof(m->strategy), m->strategy);
}

static void take_events(const cJSON *json, struct mien_card *card)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "events");
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        struct mien_card_event *event = &card->events[card->n_events];

        if (card->n_events == sizeof(card->events) / sizeof(card->events[0]))
            return;
        event->run = (uint32_t)count_of(item, "run", MIEN_CHAIN_MAX_RUNS);
        event->delta = real_of(item, "delta");
        event->releases = count_of(item, "releases", MAX_COUNT);
        event->apart = real_of(item, "apart");
        take_mechanism(item, &event->mechanism);
        card->n_events++;
    }
}

static void take_ledger(const cJSON *json, struct mien_card *card)
{
    const cJSON *ledger = cJSON_GetObjectItemCaseSensitive(json, "ledger");

    card->has_ledger = cJSON_IsObject(ledger);
    if (!card->has_ledger)
        return;
    card->version = count_of(json, "model_version", MAX_COUNT);
    take_hex(json, "model_hash", 32, card->model_hash);
    card->epsilon = real_of(json, "epsilon");
    card->epsilon_witness = real_of(json, "epsilon_witness");
    card->delta = real_of(json, "delta");
    card->rounds = (uint32_t)count_of(json, "rounds", UINT32_MAX);
    take_mechanism(json, &card->plan);
    take_events(json, card);
    take_hex(json, "run_id", sizeof(card->run_id), card->run_id);
    card->mark.epoch = count_of(ledger, "epoch", MAX_COUNT);
    card->mark.seq = count_of(ledger, "seq", MAX_COUNT);
    take_hex(ledger, "head", 32, card->mark.head);
    take_hex(json, "signing_key", 32, card->signing_key);
}

static enum mien_status take_card(const char *text, struct mien_card *card, struct mien_err *err)
{
    cJSON *json = cJSON_Parse(text);
    const char *format = text_of(json, "format");
    const char *software = text_of(json, "software");
    const bool ours = format != NULL && strcmp(format, "mien-release 2") == 0;

    if (ours && software != NULL && strlen(software) < sizeof(card->software))
        memcpy(card->software, software, strlen(software) + 1);
    take_hex(json, "release_id", sizeof(card->release_id), card->release_id);
    take_hex(json, "set_key", sizeof(card->set_key), card->set_key);
    take_hex(json, "model_file_sha256", sizeof(card->file_digest), card->file_digest);
    if (ours)
        take_ledger(json, card);
    cJSON_Delete(json);
    if (!ours)
        return mien_err_set(err, MIEN_EPARSE, "no release that this version of mien reads");
    return MIEN_OK;
}

/* What an accountant can be asked about. */
static bool is_countable(const struct mien_card *card)
{
    uint32_t run = 1;

    for (size_t i = 0; i < card->n_events; i++) {
        const struct mien_card_event *event = &card->events[i];
        const struct mien_mechanism *m = &event->mechanism;

        if (event->run < run || event->releases == 0 || m->kind == 0 || m->bound == 0 ||
            !(event->delta > 0.0 && event->delta < 1.0) ||
            !(event->apart >= 0.0 && event->apart <= 1.0) || !(m->rate > 0.0 && m->rate <= 1.0))
            return false;
        if ((m->kind == MIEN_MECHANISM_DISTRIBUTED) != (m->shares > 0) ||
            m->shares > MIEN_ENTRY_MAX_SHARES)
            return false;
        if (i > 0 && event->run == run && m->sampling != MIEN_SAMPLING_NONE)
            return false;
        run = event->run;
    }
    return true;
}

size_t mien_card_prefix(const char *text)
{
    const char *at = strstr(text, LAST_MEMBER);

    if (at == NULL)
        return 0;
    at += sizeof(LAST_MEMBER) - 1;
    if (strncmp(at, "null", 4) == 0)
        return (size_t)(at + 4 - text);
    if (at[0] != '"' || strlen(at) < 130 || at[129] != '"')
        return 0;
    return (size_t)(at + 130 - text);
}

static enum mien_status check_spelling(const char *text, size_t prefix,
                                       const struct mien_card *card, struct mien_err *err)
{
    const char *last = strstr(text, LAST_MEMBER);
    const size_t n = (size_t)(last - text);
    struct mien_buf again = {0};
    char hex[129] = "";
    enum mien_status status = mien_card_write(card, &again);

    if (status == MIEN_OK && (again.len != n || memcmp(again.data, text, n) != 0))
        status = mien_err_set(err, MIEN_EPARSE, "it says things in another way than mien does");
    if (status == MIEN_OK && card->has_ledger) {
        if (prefix < n + 130)
            status = mien_err_set(err, MIEN_EAUTH, "it names a ledger that has not signed it");
        else
            memcpy(hex, text + prefix - 129, 128);
    }
    if (status == MIEN_OK && card->has_ledger) {
        status = mien_card_check(card->signing_key, LABEL,
                                 (struct mien_span){(const uint8_t *)text, n}, hex);
        if (status == MIEN_EAUTH)
            (void)mien_err_set(err, status, "the ledger's signature does not hold: it was changed");
    }
    mien_buf_fini(&again);
    return status;
}

enum mien_status mien_card_read(const char *text, struct mien_card *out, struct mien_err *err)
{
    struct mien_card card = {0};
    const size_t prefix = mien_card_prefix(text);
    enum mien_status status = take_card(text, &card, err);

    if (status != MIEN_OK)
        return status;
    if (prefix == 0 || strcmp(text + prefix, "\n}\n") != 0)
        return mien_err_set(err, MIEN_EPARSE, "it does not end with the ledger's signature");
    status = check_spelling(text, prefix, &card, err);
    if (status == MIEN_OK && card.has_ledger && !is_countable(&card))
        status = mien_err_set(err, MIEN_EPARSE, "its charges cannot be counted");
    if (status == MIEN_OK)
        *out = card;
    return status;
}
