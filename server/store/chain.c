// SPDX-License-Identifier: Apache-2.0
#include "server/store/chain.h"

#include "common/base/digest.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool in_progress(const struct mien_chain *chain)
{
    return chain->state == MIEN_STORE_OPEN || chain->state == MIEN_STORE_RESERVED;
}

enum mien_status mien_chain_mechanism(const struct mien_chain *chain, enum mien_sampling sampling,
                                      struct mien_mechanism *out, struct mien_err *err)
{
    struct mien_mechanism mechanism = chain->plan.mechanism;

    if (sampling == MIEN_SAMPLING_NONE) {
        mechanism.sampling = MIEN_SAMPLING_NONE;
        mechanism.rate = 1.0;
    }
    if (sampling != mechanism.sampling)
        return mien_err_set(err, MIEN_EINVAL,
                            "a charge is sampled as the plan says, or not at all");
    *out = mechanism;
    return MIEN_OK;
}

const struct mien_chain_run *mien_chain_run(const struct mien_chain *chain)
{
    return &chain->run[chain->has_plan ? chain->plan.run - 1 : 0];
}

uint64_t mien_chain_step(const struct mien_chain *chain)
{
    const struct mien_chain_run *run = mien_chain_run(chain);

    return run->n_sampled + run->n_unsampled;
}

uint64_t mien_chain_n_charged(const struct mien_chain *chain)
{
    uint64_t n = 0;

    for (size_t i = 0; i < MIEN_CHAIN_MAX_RUNS; i++)
        n += chain->run[i].n_sampled + chain->run[i].n_unsampled;
    return n;
}

struct mien_store_round mien_chain_next_round(const struct mien_chain *chain)
{
    bool again = chain->state == MIEN_STORE_ABANDONED && !chain->charged;

    if (chain->state == MIEN_STORE_NO_ROUND)
        return (struct mien_store_round){1, 1};
    if (again && chain->round.attempt < UINT32_MAX)
        return (struct mien_store_round){chain->round.round, chain->round.attempt + 1};
    return (struct mien_store_round){chain->round.round + 1, 1};
}

enum mien_status mien_chain_head(const uint8_t previous[32], struct mien_span bytes,
                                 uint8_t head[32])
{
    uint8_t joined[32 + MIEN_ENTRY_MAX_BYTES];

    if (bytes.len > MIEN_ENTRY_MAX_BYTES)
        return MIEN_EINVAL;
    memcpy(joined, previous, 32);
    if (bytes.len > 0)
        memcpy(joined + 32, bytes.data, bytes.len);
    return mien_digest((struct mien_span){joined, 32 + bytes.len}, head);
}

void mien_chain_statement(const uint8_t head[32], uint8_t out[MIEN_CHAIN_STATEMENT_BYTES])
{
    memcpy(out, "mien ledger v1", 14);
    memcpy(out + 14, head, 32);
}

/* ---- may it come next? ---- */

static enum mien_status judge_place(const struct mien_chain *chain, const struct mien_entry *e,
                                    struct mien_err *err)
{
    uint64_t epoch = chain->mark.epoch;

    if (!chain->begun) {
        if (e->kind != MIEN_ENTRY_GENESIS || e->seq != 0 || e->epoch != 0)
            return mien_err_set(err, MIEN_ESTATE, "a ledger begins with its genesis entry");
        return MIEN_OK;
    }
    if (e->kind == MIEN_ENTRY_GENESIS)
        return mien_err_set(err, MIEN_ESTATE, "a second genesis entry");
    if (e->seq != chain->mark.seq + 1)
        return mien_err_set(err, MIEN_ESTATE, "entry %" PRIu64 " follows entry %" PRIu64, e->seq,
                            chain->mark.seq);
    if (e->kind == MIEN_ENTRY_RESTORE)
        epoch = e->restore.lost_epoch > epoch ? e->restore.lost_epoch : epoch;
    if (e->kind == MIEN_ENTRY_START || e->kind == MIEN_ENTRY_RESTORE)
        epoch++;
    if (e->epoch != epoch)
        return mien_err_set(err, MIEN_ESTATE, "epoch %" PRIu64 " where %" PRIu64 " was expected",
                            e->epoch, epoch);
    if (!chain->has_plan && e->kind != MIEN_ENTRY_PLAN)
        return mien_err_set(err, MIEN_ESTATE, "no plan entry after the genesis");
    if (chain->has_plan && !chain->has_model && e->kind != MIEN_ENTRY_MODEL)
        return mien_err_set(err, MIEN_ESTATE, "no start model after the plan of a run");
    return MIEN_OK;
}

/* What a plan may not change within a run, by the name of its key; NULL: nothing is changed. */
static const char *changed_constant(const struct mien_entry_plan *was,
                                    const struct mien_entry_plan *now)
{
    const struct mien_mechanism *a = &was->mechanism;
    const struct mien_mechanism *b = &now->mechanism;
    struct mien_mechanism kept = *b;

    /* They decide when a round opens and counts, before any coin: an operator may learn. */
    kept.min_reports = a->min_reports;
    kept.drop_out = a->drop_out;
    if (a->sampling != b->sampling || memcmp(&a->rate, &b->rate, sizeof(a->rate)) != 0)
        return "privacy.sampling or round.rate";
    if (a->cohort != b->cohort)
        return "round.cohort";
    if (a->dim != b->dim)
        return "the networks' size";
    if (a->sigma2_num != b->sigma2_num || a->sigma2_den != b->sigma2_den || a->bound != b->bound)
        return "the noise or its bound";
    if (!mien_mechanism_same(a, &kept))
        return "the mechanism";
    if (was->rounds != now->rounds)
        return "round.rounds";
    if (memcmp(&was->delta, &now->delta, sizeof(was->delta)) != 0)
        return "privacy.delta";
    return NULL;
}

static enum mien_status judge_plan(const struct mien_chain *chain,
                                   const struct mien_entry_plan *plan, struct mien_err *err)
{
    uint32_t run = chain->has_plan ? chain->plan.run : 0;
    const char *what;

    if (in_progress(chain))
        return mien_err_set(err, MIEN_ESTATE, "the plan cannot change while a round is open");
    if (plan->run > MIEN_CHAIN_MAX_RUNS)
        return mien_err_set(err, MIEN_EPOLICY, "a ledger holds %d runs", MIEN_CHAIN_MAX_RUNS);
    if (plan->run == run + 1)
        return MIEN_OK;
    if (plan->run != run || run == 0)
        return mien_err_set(err, MIEN_ESTATE, "a plan of run %u in run %u", plan->run, run);
    what = changed_constant(&chain->plan, plan);
    if (what != NULL)
        return mien_err_set(
            err, MIEN_EPOLICY,
            "%s is fixed for a run: another value is a new run (mien run begins one)", what);
    return MIEN_OK;
}

static enum mien_status judge_start_model(const struct mien_chain *chain,
                                          const struct mien_entry_model *model,
                                          struct mien_err *err)
{
    uint64_t expected = chain->plan.run == 1 ? 0 : chain->top_version + 1;

    if (chain->has_model)
        return mien_err_set(err, MIEN_ESTATE, "a second start model");
    if (model->version != expected)
        return mien_err_set(err, MIEN_ESTATE, "start model %" PRIu64 " where %" PRIu64 " is next",
                            model->version, expected);
    return MIEN_OK;
}

static bool has_limits(const struct mien_chain *chain)
{
    const struct mien_mechanism *m = &chain->plan.mechanism;

    return m->separation > 1 || m->participations > 0;
}

enum mien_status mien_chain_goes_on(const struct mien_chain *chain, struct mien_err *err)
{
    if (has_limits(chain) && mien_chain_run(chain)->restored)
        return mien_err_set(err, MIEN_EPOLICY,
                            "a restore has ended this run: the list of who took part has gaps, and "
                            "correlated noise may have been drawn already; begin another run");
    return MIEN_OK;
}

/* Correlated noise is proven for the planned steps of one run, each drawn once; limits of taking
 * part for rounds without gaps, whose numbers devices count by. */
static enum mien_status judge_step(const struct mien_chain *chain, bool later, struct mien_err *err)
{
    if (has_limits(chain) && later)
        return mien_err_set(err, MIEN_ESTATE, "rounds between which units sit out have no gaps");
    if (mien_mechanism_correlated(&chain->plan.mechanism) &&
        mien_chain_step(chain) >= chain->plan.rounds)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the %" PRIu32 " rounds that this run's correlated noise was planned "
                            "for are used up: begin another run",
                            chain->plan.rounds);
    return mien_chain_goes_on(chain, err);
}

static enum mien_status judge_open(const struct mien_chain *chain,
                                   const struct mien_entry_round_open *open, struct mien_err *err)
{
    struct mien_store_round next = mien_chain_next_round(chain);
    bool later = open->round > next.round && open->attempt == 1;

    if (in_progress(chain))
        return mien_err_set(err, MIEN_ESTATE, "round %" PRIu64 " is not finished",
                            chain->round.round);
    if (!later && (open->round != next.round || open->attempt != next.attempt))
        return mien_err_set(err, MIEN_ESTATE,
                            "round %" PRIu64 " attempt %u where round %" PRIu64
                            " attempt %u is next",
                            open->round, open->attempt, next.round, next.attempt);
    if (open->model_version != chain->latest.version ||
        memcmp(open->model_hash, chain->latest.model_hash, 32) != 0)
        return mien_err_set(err, MIEN_ESTATE, "a round starts from the latest model");
    if (memcmp(open->plan_hash, chain->plan.plan_hash, 32) != 0)
        return mien_err_set(err, MIEN_ESTATE, "a round runs under the plan in force");
    return judge_step(chain, later, err);
}

static enum mien_status judge_in_round(const struct mien_chain *chain,
                                       struct mien_store_round round,
                                       enum mien_store_round_state state, struct mien_err *err)
{
    if (chain->round.round != round.round || chain->round.attempt != round.attempt ||
        chain->state != state)
        return mien_err_set(err, MIEN_ESTATE, "round %" PRIu64 " attempt %u is not %s", round.round,
                            round.attempt, state == MIEN_STORE_OPEN ? "open" : "reserved");
    return MIEN_OK;
}

static enum mien_status judge_reserve(const struct mien_chain *chain,
                                      const struct mien_entry_reserve *reserve,
                                      struct mien_err *err)
{
    struct mien_mechanism expected;
    enum mien_status status = judge_in_round(
        chain, (struct mien_store_round){reserve->round, reserve->attempt}, MIEN_STORE_OPEN, err);

    if (status == MIEN_OK)
        status = mien_chain_mechanism(chain, reserve->mechanism.sampling, &expected, err);
    if (status != MIEN_OK)
        return status;
    if (!mien_mechanism_same(&expected, &reserve->mechanism))
        return mien_err_set(err, MIEN_ESTATE, "a charge under other constants than the plan's");
    return MIEN_OK;
}

static enum mien_status judge_commit(const struct mien_chain *chain,
                                     const struct mien_entry_model *model, struct mien_err *err)
{
    enum mien_status status = judge_in_round(
        chain, (struct mien_store_round){model->round, model->attempt}, MIEN_STORE_RESERVED, err);

    if (status == MIEN_OK && model->version != chain->top_version + 1)
        return mien_err_set(err, MIEN_ESTATE, "version %" PRIu64 " after version %" PRIu64,
                            model->version, chain->top_version);
    return status;
}

static enum mien_status judge_abandon(const struct mien_chain *chain,
                                      const struct mien_entry_abandon *abandon,
                                      struct mien_err *err)
{
    return judge_in_round(chain, (struct mien_store_round){abandon->round, abandon->attempt},
                          abandon->charged ? MIEN_STORE_RESERVED : MIEN_STORE_OPEN, err);
}

static enum mien_status judge_restore(const struct mien_chain *chain,
                                      const struct mien_entry_restore *restore,
                                      struct mien_err *err)
{
    struct mien_mechanism expected;
    enum mien_status status = mien_chain_mechanism(chain, MIEN_SAMPLING_NONE, &expected, err);

    if (status == MIEN_OK && !mien_mechanism_same(&expected, &restore->mechanism))
        return mien_err_set(err, MIEN_ESTATE, "a charge under other constants than the plan's");
    if (status == MIEN_OK && restore->version > chain->latest.version)
        return mien_err_set(err, MIEN_ESTATE, "it goes on from a model that is not older");
    return status;
}

enum mien_status mien_chain_judge(const struct mien_chain *chain, const struct mien_entry *entry,
                                  struct mien_err *err)
{
    enum mien_status status = judge_place(chain, entry, err);

    if (status != MIEN_OK)
        return status;
    switch (entry->kind) {
    case MIEN_ENTRY_PLAN:
        return judge_plan(chain, &entry->plan, err);
    case MIEN_ENTRY_MODEL:
        return judge_start_model(chain, &entry->model, err);
    case MIEN_ENTRY_ROUND_OPEN:
        return judge_open(chain, &entry->round_open, err);
    case MIEN_ENTRY_RESERVE:
        return judge_reserve(chain, &entry->reserve, err);
    case MIEN_ENTRY_COMMIT:
        return judge_commit(chain, &entry->model, err);
    case MIEN_ENTRY_ABANDON:
        return judge_abandon(chain, &entry->abandon, err);
    case MIEN_ENTRY_RESTORE:
        return judge_restore(chain, &entry->restore, err);
    case MIEN_ENTRY_GENESIS:
    case MIEN_ENTRY_START:
        return MIEN_OK;
    case MIEN_ENTRY_KIND_END:
        break;
    }
    return mien_err_set(err, MIEN_ESTATE, "an entry of unknown kind");
}

/* ---- taking it ---- */

static void apply_model(struct mien_chain *chain, const struct mien_entry_model *model)
{
    chain->latest.version = model->version;
    chain->latest.round = model->round;
    memcpy(chain->latest.model_hash, model->model_hash, 32);
    memcpy(chain->latest.file_digest, model->file_digest, 32);
    chain->top_version = model->version;
    chain->has_model = true;
}

static void apply_plan(struct mien_chain *chain, const struct mien_entry_plan *plan)
{
    struct mien_chain_run *run = &chain->run[plan->run - 1];

    if (!chain->has_plan || plan->run != chain->plan.run)
        chain->has_model = false;
    run->mechanism = plan->mechanism;
    run->delta = plan->delta;
    chain->plan = *plan;
    chain->has_plan = true;
}

static void charge(struct mien_chain *chain, enum mien_sampling sampling, uint64_t n)
{
    mien_chain_charge(&chain->run[chain->plan.run - 1], sampling, n); /* a plan comes first */
}

static void apply_restore(struct mien_chain *chain, const struct mien_entry_restore *restore)
{
    charge(chain, MIEN_SAMPLING_NONE, restore->n_charged);
    chain->run[chain->plan.run - 1].restored = true;
    chain->latest.version = restore->version;
    memcpy(chain->latest.model_hash, restore->model_hash, 32);
    memcpy(chain->latest.file_digest, restore->file_digest, 32);
    /* Devices may have given vectors to the rounds that were lost: their numbers are used up. */
    chain->round.round += restore->n_charged;
    chain->round.attempt = 1;
    chain->state = MIEN_STORE_ABANDONED;
    chain->charged = true;
}

void mien_chain_apply(struct mien_chain *chain, const struct mien_entry *entry,
                      const uint8_t head[32])
{
    chain->begun = true;
    chain->mark.epoch = entry->epoch;
    chain->mark.seq = entry->seq;
    memcpy(chain->mark.head, head, 32);
    switch (entry->kind) {
    case MIEN_ENTRY_GENESIS:
        chain->genesis = entry->genesis;
        break;
    case MIEN_ENTRY_PLAN:
        apply_plan(chain, &entry->plan);
        break;
    case MIEN_ENTRY_MODEL:
        chain->run_version = entry->model.version;
        apply_model(chain, &entry->model);
        break;
    case MIEN_ENTRY_ROUND_OPEN:
        chain->round =
            (struct mien_store_round){entry->round_open.round, entry->round_open.attempt};
        chain->state = MIEN_STORE_OPEN;
        chain->charged = false;
        break;
    case MIEN_ENTRY_RESERVE:
        charge(chain, entry->reserve.mechanism.sampling, 1);
        chain->state = MIEN_STORE_RESERVED;
        chain->charged = true;
        break;
    case MIEN_ENTRY_COMMIT:
        apply_model(chain, &entry->model);
        chain->state = MIEN_STORE_COMMITTED;
        break;
    case MIEN_ENTRY_ABANDON:
        chain->state = MIEN_STORE_ABANDONED;
        break;
    case MIEN_ENTRY_RESTORE:
        apply_restore(chain, &entry->restore);
        break;
    case MIEN_ENTRY_START:
    case MIEN_ENTRY_KIND_END:
        break;
    }
}
