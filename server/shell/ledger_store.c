// SPDX-License-Identifier: Apache-2.0
#include "server/shell/ledger_store.h"

#include "common/base/mem.h"

#include <string.h>

static struct mien_store_round round_of(struct mien_ledger_round round)
{
    return (struct mien_store_round){.round = round.round, .attempt = round.attempt};
}

static struct mien_ledger_round next(void *self)
{
    const struct mien_ledger_store *ledger = self;
    const struct mien_store_round round = mien_store_next_round(ledger->store);

    return (struct mien_ledger_round){.round = round.round, .attempt = round.attempt};
}

static struct mien_ledger_mark mark(void *self)
{
    const struct mien_ledger_store *ledger = self;
    const struct mien_store_mark at = mien_store_mark(ledger->store);
    struct mien_ledger_mark out = {.epoch = at.epoch, .seq = at.seq};

    memcpy(out.head, at.head, sizeof(out.head));
    return out;
}

static enum mien_status round_open(void *self, struct mien_ledger_round round,
                                   const uint8_t coins[32], struct mien_err *err)
{
    const struct mien_ledger_store *ledger = self;

    return mien_store_round_open(ledger->store, round_of(round), coins, err);
}

static enum mien_status put_inputs(void *self, struct mien_ledger_round round, uint32_t session,
                                   const struct mien_ledger_input *inputs, size_t n,
                                   struct mien_err *err)
{
    const struct mien_ledger_store *ledger = self;
    struct mien_store_input rows[512];

    if (n > sizeof(rows) / sizeof(rows[0]))
        return MIEN_EINVAL;
    for (size_t i = 0; i < n; i++) {
        memcpy(rows[i].unit, inputs[i].unit, 32);
        memcpy(rows[i].digest, inputs[i].digest, 32);
    }
    return mien_store_put_inputs(ledger->store, round_of(round), session, rows, n, err);
}

static enum mien_status put_survivors(void *self, struct mien_ledger_round round, uint32_t session,
                                      const uint8_t *units, size_t n, struct mien_err *err)
{
    const struct mien_ledger_store *ledger = self;

    return mien_store_put_survivors(ledger->store, round_of(round), session, units, n, err);
}

static enum mien_status drop_session(void *self, struct mien_ledger_round round, uint32_t session,
                                     struct mien_err *err)
{
    const struct mien_ledger_store *ledger = self;

    return mien_store_drop_session(ledger->store, round_of(round), session, err);
}

static enum mien_status reserve(void *self, struct mien_ledger_round round,
                                struct mien_budget_answer *answer, struct mien_err *err)
{
    struct mien_ledger_store *ledger = self;
    const struct mien_store_charge charge = {.sampling = ledger->sampling};

    return mien_store_reserve(ledger->store, round_of(round), &charge, &ledger->rng, answer, err);
}

static enum mien_status parts(void *self, struct mien_ledger_part **out, size_t *n,
                              struct mien_err *err)
{
    const struct mien_ledger_store *ledger = self;
    struct mien_store_part *stored = NULL;
    enum mien_status status = mien_store_parts(ledger->store, &stored, n, err);

    if (status != MIEN_OK)
        return status;
    struct mien_ledger_part *list = mien_calloc(*n + 1, sizeof(*list));
    for (size_t i = 0; list != NULL && i < *n; i++) {
        memcpy(list[i].unit, stored[i].unit, 32);
        list[i].n = stored[i].n;
        list[i].last_round = stored[i].last_round;
    }
    mien_free(stored);
    *out = list;
    return list == NULL ? MIEN_ENOMEM : MIEN_OK;
}

static enum mien_status use_step(void *self, struct mien_ledger_round round, uint64_t *step,
                                 uint8_t key[32], struct mien_err *err)
{
    struct mien_ledger_store *ledger = self;
    struct mien_store_round last;
    enum mien_store_round_state state;
    enum mien_status status = mien_store_last_round(ledger->store, &last, &state);

    if (status == MIEN_OK && (state != MIEN_STORE_RESERVED || last.round != round.round))
        status = mien_err_set(err, MIEN_ESTATE, "noise before its round was charged");
    if (status == MIEN_OK) {
        *step = mien_store_n_steps(ledger->store) - 1;
        status = mien_run_key_use(&ledger->run_key, *step, err);
    }
    if (status == MIEN_OK)
        memcpy(key, ledger->run_key.key, 32);
    return status;
}

static enum mien_status publish(void *self, struct mien_ledger_round round,
                                const struct mien_ledger_release *release, uint64_t *version,
                                struct mien_err *err)
{
    const struct mien_ledger_store *ledger = self;
    struct mien_store_release commit = {.server_state = release->server_state};
    enum mien_status status = mien_store_model_write(ledger->store, round_of(round), release->file,
                                                     commit.file_digest, err);

    memcpy(commit.model_hash, release->model_hash, 32);
    if (status == MIEN_OK)
        status = mien_store_commit(ledger->store, round_of(round), &commit, version, err);
    return status;
}

static enum mien_status abandon(void *self, struct mien_ledger_round round, const char *reason,
                                struct mien_err *err)
{
    const struct mien_ledger_store *ledger = self;

    return mien_store_abandon(ledger->store, round_of(round), reason, err);
}

static enum mien_status put_counts(void *self, struct mien_ledger_round round,
                                   const struct mien_ledger_counts *counts, struct mien_err *err)
{
    const struct mien_ledger_store *ledger = self;
    const struct mien_store_counts kept = {
        .drawn = counts->drawn,
        .assigned = counts->assigned,
        .reported = counts->reported,
        .survived = counts->survived,
        .seconds = counts->seconds,
    };

    return mien_store_put_counts(ledger->store, round_of(round), &kept, err);
}

struct mien_ledger mien_ledger_of_store(struct mien_ledger_store *self)
{
    return (struct mien_ledger){
        .self = self,
        .next = next,
        .mark = mark,
        .round_open = round_open,
        .put_inputs = put_inputs,
        .put_survivors = put_survivors,
        .drop_session = drop_session,
        .reserve = reserve,
        .parts = parts,
        .use_step = use_step,
        .publish = publish,
        .abandon = abandon,
        .put_counts = put_counts,
    };
}
