// SPDX-License-Identifier: Apache-2.0
#include "server/store/card.h"

#include "common/base/text.h"
#include "common/wire/identity.h"
#include "server/store/card_names.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char LABEL[] = "mien card v1";

/* ---- what it says ---- */

static void add_events(struct mien_card *card, uint32_t run, const struct mien_chain_run *charged)
{
    struct mien_card_event event = {.run = run,
                                    .delta = charged->delta,
                                    .releases = charged->n_sampled,
                                    .apart = charged->apart,
                                    .mechanism = charged->mechanism};

    if (event.releases > 0)
        card->events[card->n_events++] = event;
    event.releases = charged->n_unsampled;
    event.mechanism.sampling = MIEN_SAMPLING_NONE;
    event.mechanism.rate = 1.0;
    event.apart = mien_mechanism_event(&event.mechanism, 1).apart;
    if (event.releases > 0)
        card->events[card->n_events++] = event;
}

enum mien_status mien_card_of_chain(const struct mien_chain *chain,
                                    const struct mien_store_model *model, struct mien_card *out,
                                    struct mien_err *err)
{
    struct mien_dp_cost cost;
    struct mien_card card = {.has_ledger = true, .version = model->version};
    enum mien_status status = mien_chain_cost(chain, &cost, &card.delta, err);

    if (status != MIEN_OK)
        return status;
    memcpy(card.model_hash, model->model_hash, 32);
    memcpy(card.file_digest, model->file_digest, 32);
    card.epsilon = cost.epsilon;
    card.epsilon_witness = cost.epsilon_witness;
    card.rounds = chain->plan.rounds;
    card.plan = chain->plan.mechanism;
    for (uint32_t run = 1; run <= chain->plan.run; run++)
        add_events(&card, run, &chain->run[run - 1]);
    memcpy(card.run_id, chain->genesis.run_id, sizeof(card.run_id));
    memcpy(card.signing_key, chain->genesis.signing_key, sizeof(card.signing_key));
    card.mark = chain->mark;
    *out = card;
    return MIEN_OK;
}

/* The same sums as the ledger's, from the card's events. */
enum mien_status mien_card_cost(const struct mien_card *card, struct mien_dp_cost *cost,
                                double *delta, struct mien_err *err)
{
    struct mien_chain chain = {.has_plan = true, .plan = {.run = 1}};

    for (size_t i = 0; i < card->n_events; i++) {
        const struct mien_card_event *event = &card->events[i];
        struct mien_chain_run *run = &chain.run[event->run - 1];

        chain.plan.run = event->run;
        run->delta = event->delta;
        /* A run's sampled charges come first; alone, the unsampled ones are its mechanism too. */
        if (run->n_sampled > 0) {
            run->n_unsampled = event->releases;
        } else {
            run->mechanism = event->mechanism;
            run->apart = event->apart;
            run->n_sampled = event->releases;
        }
    }
    return mien_chain_cost(&chain, cost, delta, err);
}

/* ---- writing: one spelling, in this order ---- */

static enum mien_status add_hex(struct mien_buf *out, const char *before, const uint8_t *data,
                                size_t n)
{
    char hex[65];

    mien_hex(data, n, hex);
    return mien_buf_printf(out, "%s\"%s\"", before, hex);
}

/* A number that JSON cannot hold (an infinite epsilon) is null: there is no bound. */
static enum mien_status add_real(struct mien_buf *out, const char *before, double v)
{
    return isfinite(v) ? mien_buf_printf(out, "%s%.17g", before, v)
                       : mien_buf_printf(out, "%snull", before);
}

static enum mien_status add_mechanism(struct mien_buf *out, const struct mien_mechanism *m)
{
    enum mien_status status = mien_buf_printf(
        out,
        "\"mechanism\": \"%s\", \"relation\": \"%s\", \"unit\": \"%s\", \"noise_by\": \"%s\", "
        "\"sampling\": \"%s\"",
        mien_card_name(mien_card_kinds, m->kind), mien_card_name(mien_card_relations, m->relation),
        mien_card_name(mien_card_units, m->unit), mien_card_name(mien_card_makers, m->noise_by),
        mien_sampling_name(m->sampling));

    if (status == MIEN_OK)
        status = add_real(out, ", \"rate\": ", m->rate);
    if (status == MIEN_OK)
        status = mien_buf_printf(out,
                                 ", \"bound\": %" PRIu64 ", \"sigma_squared\": \"%" PRIu64
                                 "/%" PRIu64 "\", \"dim\": %" PRIu64 ", \"population\": %" PRIu64
                                 ", \"cohort\": %" PRIu32 ", \"min_reports\": %" PRIu32
                                 ", \"cap\": %" PRIu32,
                                 m->bound, m->sigma2_num, m->sigma2_den, m->dim, m->population,
                                 m->cohort, m->min_reports, m->cap);
    if (status == MIEN_OK)
        status = add_real(out, ", \"drop_out\": ", m->drop_out);
    if (status == MIEN_OK)
        status = mien_buf_printf(
            out, ", \"separation\": %" PRIu32 ", \"participations\": %" PRIu32 ", \"strategy\": ",
            m->separation, m->participations);
    if (status == MIEN_OK)
        status = add_hex(out, "", m->strategy, sizeof(m->strategy));
    if (status == MIEN_OK && m->kind == MIEN_MECHANISM_DISTRIBUTED)
        status = mien_buf_printf(out, ", \"shares\": %" PRIu32, m->shares);
    return status;
}

static enum mien_status add_events_text(struct mien_buf *out, const struct mien_card *card)
{
    enum mien_status status = mien_buf_printf(out, ",\n  \"events\": [");

    for (size_t i = 0; i < card->n_events && status == MIEN_OK; i++) {
        const struct mien_card_event *event = &card->events[i];

        status = mien_buf_printf(out, "%s\n    {\"run\": %" PRIu32 ", \"releases\": %" PRIu64,
                                 i == 0 ? "" : ",", event->run, event->releases);
        if (status == MIEN_OK)
            status = add_real(out, ", \"delta\": ", event->delta);
        if (status == MIEN_OK)
            status = add_real(out, ", \"apart\": ", event->apart);
        if (status == MIEN_OK)
            status = mien_buf_printf(out, ", ");
        if (status == MIEN_OK)
            status = add_mechanism(out, &event->mechanism);
        if (status == MIEN_OK)
            status = mien_buf_printf(out, "}");
    }
    return status == MIEN_OK ? mien_buf_printf(out, "]") : status;
}

static const char *assumption_of(const struct mien_mechanism *m)
{
    if (m->kind == MIEN_MECHANISM_DISTRIBUTED)
        return "none: the noise is the devices', and a release counts as if every unit took part";
    switch (m->sampling) {
    case MIEN_SAMPLING_POISSON:
        return "in each round the coordinator drew every unit by a secret, fair coin of "
               "probability rate, on its own";
    case MIEN_SAMPLING_POISSON_CAPPED:
        return "in each round the coordinator drew every unit by a secret, fair coin of "
               "probability rate, on its own; of more than cap it left some out at random";
    case MIEN_SAMPLING_FIXED:
        return "in each round the coordinator drew a share rate of the population, as a secret "
               "subset of fixed size, every one equally likely";
    case MIEN_SAMPLING_NONE:
        break;
    }
    if (m->participations > 0)
        return "none: no unit takes part more than participations times, nor within separation "
               "rounds of its last part; coordinator and devices both keep to that";
    if (m->separation > 1)
        return "none: no unit takes part within separation rounds of its last part; coordinator "
               "and devices both keep to that";
    return "none: a release counts as if every unit took part";
}

static enum mien_status add_cost(struct mien_buf *out, const struct mien_card *card)
{
    char head[65];
    enum mien_status status = add_real(out, ",\n  \"epsilon\": ", card->epsilon);

    mien_hex(card->mark.head, 32, head);
    if (status == MIEN_OK)
        status = add_real(out, ",\n  \"epsilon_witness\": ", card->epsilon_witness);
    if (status == MIEN_OK)
        status = add_real(out, ",\n  \"delta\": ", card->delta);
    if (status == MIEN_OK)
        status = mien_buf_printf(out,
                                 ",\n  \"epsilon_covers\": \"all releases of this population up to "
                                 "ledger head %s, reader\"",
                                 head);
    if (status == MIEN_OK)
        status = mien_buf_printf(
            out, ",\n  \"sampling_assumption\": \"%s\",\n  \"rounds\": %" PRIu32 ",\n  ",
            assumption_of(&card->plan), card->rounds);
    if (status == MIEN_OK)
        status = add_mechanism(out, &card->plan);
    return status == MIEN_OK ? add_events_text(out, card) : status;
}

static enum mien_status add_ledger(struct mien_buf *out, const struct mien_card *card)
{
    enum mien_status status =
        mien_buf_printf(out, ",\n  \"model_version\": %" PRIu64, card->version);

    if (status == MIEN_OK)
        status = add_hex(out, ",\n  \"model_hash\": ", card->model_hash, 32);
    if (status == MIEN_OK)
        status = add_cost(out, card);
    if (status == MIEN_OK)
        status = add_hex(out, ",\n  \"run_id\": ", card->run_id, 16);
    if (status == MIEN_OK)
        status = mien_buf_printf(out, ",\n  \"ledger\": {\"epoch\": %" PRIu64 ", \"seq\": %" PRIu64,
                                 card->mark.epoch, card->mark.seq);
    if (status == MIEN_OK)
        status = add_hex(out, ", \"head\": ", card->mark.head, 32);
    return status == MIEN_OK ? add_hex(out, "},\n  \"signing_key\": ", card->signing_key, 32)
                             : status;
}

enum mien_status mien_card_write(const struct mien_card *card, struct mien_buf *out)
{
    enum mien_status status = mien_buf_printf(
        out, "{\n  \"format\": \"mien-release 2\",\n  \"software\": \"%s\"", card->software);

    if (status == MIEN_OK)
        status = add_hex(out, ",\n  \"release_id\": ", card->release_id, 16);
    if (status == MIEN_OK)
        status = add_hex(out, ",\n  \"set_key\": ", card->set_key, 32);
    if (status == MIEN_OK)
        status = add_hex(out, ",\n  \"model_file_sha256\": ", card->file_digest, 32);
    if (status == MIEN_OK)
        status = card->has_ledger ? add_ledger(out, card)
                                  : mien_buf_printf(out, ",\n  \"ledger\": null");
    return status;
}

/* ---- signatures ---- */

static enum mien_status statement(const char *label, struct mien_span bytes, struct mien_buf *out)
{
    enum mien_status status = mien_buf_append(out, label, strlen(label));

    return status == MIEN_OK ? mien_buf_append(out, bytes.data, bytes.len) : status;
}

enum mien_status mien_card_sign(const uint8_t seed[32], const char *label, struct mien_span bytes,
                                char hex[129])
{
    struct mien_buf text = {0};
    uint8_t signature[64];
    enum mien_status status = statement(label, bytes, &text);

    if (status == MIEN_OK)
        status = mien_identity_sign(seed, mien_buf_span(&text), signature);
    if (status == MIEN_OK)
        mien_hex(signature, sizeof(signature), hex);
    mien_buf_fini(&text);
    return status;
}

enum mien_status mien_card_check(const uint8_t key[32], const char *label, struct mien_span bytes,
                                 const char *hex)
{
    struct mien_buf text = {0};
    uint8_t signature[64];
    enum mien_status status = statement(label, bytes, &text);

    if (status == MIEN_OK &&
        (strlen(hex) != 128 || mien_unhex(hex, sizeof(signature), signature) != MIEN_OK))
        status = MIEN_EAUTH;
    if (status == MIEN_OK)
        status = mien_identity_verify(key, mien_buf_span(&text), signature);
    mien_buf_fini(&text);
    return status;
}

enum mien_status mien_card_seal(const struct mien_card *card, const uint8_t *seed,
                                struct mien_buf *out)
{
    const size_t from = out->len;
    char hex[129];
    enum mien_status status = mien_card_write(card, out);

    if (status == MIEN_OK && seed == NULL)
        return mien_buf_printf(out, ",\n  \"ledger_signature\": null\n}\n");
    if (status == MIEN_OK)
        status =
            mien_card_sign(seed, LABEL, (struct mien_span){out->data + from, out->len - from}, hex);
    return status == MIEN_OK ? mien_buf_printf(out, ",\n  \"ledger_signature\": \"%s\"\n}\n", hex)
                             : status;
}
