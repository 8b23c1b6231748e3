// SPDX-License-Identifier: Apache-2.0
#include "server/store/entry.h"

#include "common/base/text.h"
#include "common/dp/distributed.h"
#include "common/dp/sampling.h"
#include "common/dp/strategy.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const uint8_t MAGIC[4] = {'M', 'L', 'E', '2'};

/* SQLite keeps signed 64-bit numbers: nothing that counts may pass them. */
#define COUNT_MAX ((uint64_t)INT64_MAX)

const char *mien_entry_kind_name(enum mien_entry_kind kind)
{
    static const char *const names[MIEN_ENTRY_KIND_END] = {
        "?",          "genesis", "plan",   "model",   "start",
        "round-open", "reserve", "commit", "abandon", "restore"};

    return kind > 0 && kind < MIEN_ENTRY_KIND_END ? names[kind] : "?";
}

/* As if everybody took part: how much noise there is depends on who was drawn, which no bound on
 * sampling covers. Whoever knows who took part, the coordinator too, is a witness. */
static struct mien_dp_event distributed_event(const struct mien_mechanism *m, uint64_t count)
{
    const double variance = (double)m->sigma2_num;

    return (struct mien_dp_event){
        .sampling = MIEN_SAMPLING_NONE,
        .rate = 1.0,
        .noise = mien_distributed_noise(variance, m->bound, m->shares),
        .count = count,
        .kind = MIEN_DP_DISTRIBUTED,
        .off = mien_distributed_tau(variance, m->shares) * (double)m->dim,
    };
}

double mien_mechanism_noise(const struct mien_mechanism *mechanism)
{
    double sigma = sqrt((double)mechanism->sigma2_num / (double)mechanism->sigma2_den);
    double noise = sigma / (double)mechanism->bound;

    /* Each of the five roundings is to the nearest: two units in the last place cover them. */
    for (int i = 0; i < 2; i++)
        noise = nextafter(noise, 0.0);
    return noise;
}

bool mien_mechanism_correlated(const struct mien_mechanism *mechanism)
{
    static const uint8_t none[sizeof(mechanism->strategy)];

    return memcmp(mechanism->strategy, none, sizeof(none)) != 0;
}

/* Without sampling: by what a unit's limits let it take part in. */
static struct mien_dp_event event_of_limits(const struct mien_mechanism *m, uint64_t count)
{
    const struct mien_strategy_limits limits = {
        .rounds = count,
        .separation = m->separation,
        .participations = m->participations > 0 ? m->participations : UINT64_MAX,
    };
    struct mien_strategy_table table;

    /* An entry's strategy is known (mechanism_problem); one that is not has no noise. */
    if (mien_strategy_table_find(m->strategy, m->separation, &table) != MIEN_OK)
        return (struct mien_dp_event){.sampling = MIEN_SAMPLING_NONE, .rate = 1.0, .count = count};
    return mien_strategy_event(&limits, &table, mien_mechanism_noise(m));
}

struct mien_dp_event mien_mechanism_event(const struct mien_mechanism *mechanism, uint64_t count)
{
    struct mien_dp_event event = {.sampling = mechanism->sampling,
                                  .rate = mechanism->rate,
                                  .noise = mien_mechanism_noise(mechanism),
                                  .count = count};
    const struct mien_dp_draw draw = {
        .sampling = mechanism->sampling,
        .rate = mechanism->rate,
        .population = mechanism->population,
        .cohort = mechanism->cohort,
        .cap = mechanism->cap,
        .min_reports = mechanism->min_reports,
        .drop_out = mechanism->drop_out,
    };

    if (mechanism->kind == MIEN_MECHANISM_DISTRIBUTED)
        return distributed_event(mechanism, count);
    if (mechanism->sampling == MIEN_SAMPLING_NONE)
        event = event_of_limits(mechanism, count);
    event.apart = mien_dp_draw_apart(&draw);
    event.population = mechanism->population;
    event.or_fewer = true;
    event.cap = mechanism->cap;
    event.kind = mechanism->kind == MIEN_MECHANISM_DISCRETE_GAUSSIAN ? MIEN_DP_DISCRETE_GAUSSIAN
                                                                     : MIEN_DP_GAUSSIAN;
    return event;
}

static bool same_real(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

bool mien_mechanism_same(const struct mien_mechanism *a, const struct mien_mechanism *b)
{
    return a->kind == b->kind && a->relation == b->relation && a->unit == b->unit &&
           a->noise_by == b->noise_by && a->sampling == b->sampling &&
           same_real(a->rate, b->rate) && a->bound == b->bound && a->sigma2_num == b->sigma2_num &&
           a->sigma2_den == b->sigma2_den && a->dim == b->dim && a->population == b->population &&
           a->cohort == b->cohort && a->min_reports == b->min_reports && a->cap == b->cap &&
           same_real(a->drop_out, b->drop_out) && a->separation == b->separation &&
           a->participations == b->participations && a->shares == b->shares &&
           memcmp(a->strategy, b->strategy, sizeof(a->strategy)) == 0;
}

/* ---- fields, one function for both directions ----
 *
 * A cursor either appends or reads; the list of an entry's fields is written once. */

struct cursor {
    struct mien_buf *out; /* encoding when set */
    struct mien_reader in;
    enum mien_status status;
};

static void field_bytes(struct cursor *c, void *data, size_t n)
{
    if (c->out == NULL)
        mien_read_into(&c->in, data, n);
    else if (c->status == MIEN_OK)
        c->status = mien_buf_append(c->out, data, n);
}

static void field_u8(struct cursor *c, uint8_t *v)
{
    field_bytes(c, v, 1);
}

static void field_u32(struct cursor *c, uint32_t *v)
{
    if (c->out == NULL)
        *v = mien_read_be32(&c->in);
    else if (c->status == MIEN_OK)
        c->status = mien_buf_append_be32(c->out, *v);
}

static void field_u64(struct cursor *c, uint64_t *v)
{
    if (c->out == NULL)
        *v = mien_read_be64(&c->in);
    else if (c->status == MIEN_OK)
        c->status = mien_buf_append_be64(c->out, *v);
}

static void field_real(struct cursor *c, double *v)
{
    uint64_t bits = 0;

    if (c->out != NULL)
        memcpy(&bits, v, sizeof(bits));
    field_u64(c, &bits);
    memcpy(v, &bits, sizeof(bits));
}

static void field_mechanism(struct cursor *c, struct mien_mechanism *m)
{
    uint8_t kind = (uint8_t)m->kind;
    uint8_t relation = (uint8_t)m->relation;
    uint8_t unit = (uint8_t)m->unit;
    uint8_t noise_by = (uint8_t)m->noise_by;
    uint8_t sampling = (uint8_t)m->sampling;

    field_u8(c, &kind);
    field_u8(c, &relation);
    field_u8(c, &unit);
    field_u8(c, &noise_by);
    field_u8(c, &sampling);
    m->kind = (enum mien_mechanism_kind)kind;
    m->relation = (enum mien_relation)relation;
    m->unit = (enum mien_unit_kind)unit;
    m->noise_by = (enum mien_noise_by)noise_by;
    m->sampling = (enum mien_sampling)sampling;
    field_real(c, &m->rate);
    field_u64(c, &m->bound);
    field_u64(c, &m->sigma2_num);
    field_u64(c, &m->sigma2_den);
    field_u64(c, &m->dim);
    field_u64(c, &m->population);
    field_u32(c, &m->cohort);
    field_u32(c, &m->min_reports);
    field_u32(c, &m->cap);
    field_real(c, &m->drop_out);
    field_u32(c, &m->separation);
    field_u32(c, &m->participations);
    field_bytes(c, m->strategy, sizeof(m->strategy));
    if (m->kind == MIEN_MECHANISM_DISTRIBUTED)
        field_u32(c, &m->shares);
}

static void field_software(struct cursor *c, char software[MIEN_ENTRY_SOFTWARE_BYTES])
{
    uint8_t n = c->out != NULL ? (uint8_t)strlen(software) : 0;

    field_u8(c, &n);
    if (n >= MIEN_ENTRY_SOFTWARE_BYTES) {
        c->in.failed = true;
        return;
    }
    field_bytes(c, software, n);
    if (strnlen(software, n) != n)
        c->in.failed = true; /* a NUL inside would be a second spelling */
}

static void fields_round(struct cursor *c, uint64_t *round, uint32_t *attempt)
{
    field_u64(c, round);
    field_u32(c, attempt);
}

static void fields_of_kind(struct cursor *c, struct mien_entry *e)
{
    uint8_t charged = e->kind == MIEN_ENTRY_ABANDON && e->abandon.charged ? 1 : 0;

    switch (e->kind) {
    case MIEN_ENTRY_GENESIS:
        field_bytes(c, e->genesis.run_id, sizeof(e->genesis.run_id));
        field_bytes(c, e->genesis.signing_key, sizeof(e->genesis.signing_key));
        field_bytes(c, e->genesis.ca_fingerprint, sizeof(e->genesis.ca_fingerprint));
        break;
    case MIEN_ENTRY_PLAN:
        field_u32(c, &e->plan.run);
        field_bytes(c, e->plan.plan_hash, sizeof(e->plan.plan_hash));
        field_mechanism(c, &e->plan.mechanism);
        field_u32(c, &e->plan.rounds);
        field_real(c, &e->plan.delta);
        field_real(c, &e->plan.epsilon_cap);
        break;
    case MIEN_ENTRY_MODEL:
    case MIEN_ENTRY_COMMIT:
        fields_round(c, &e->model.round, &e->model.attempt);
        field_u64(c, &e->model.version);
        field_bytes(c, e->model.model_hash, sizeof(e->model.model_hash));
        field_bytes(c, e->model.file_digest, sizeof(e->model.file_digest));
        break;
    case MIEN_ENTRY_ROUND_OPEN:
        fields_round(c, &e->round_open.round, &e->round_open.attempt);
        field_u64(c, &e->round_open.model_version);
        field_bytes(c, e->round_open.model_hash, sizeof(e->round_open.model_hash));
        field_bytes(c, e->round_open.plan_hash, sizeof(e->round_open.plan_hash));
        break;
    case MIEN_ENTRY_RESERVE:
        fields_round(c, &e->reserve.round, &e->reserve.attempt);
        field_mechanism(c, &e->reserve.mechanism);
        field_bytes(c, e->reserve.private_digest, sizeof(e->reserve.private_digest));
        break;
    case MIEN_ENTRY_ABANDON:
        fields_round(c, &e->abandon.round, &e->abandon.attempt);
        field_u8(c, &charged);
        if (charged > 1)
            c->in.failed = true;
        e->abandon.charged = charged == 1;
        break;
    case MIEN_ENTRY_RESTORE:
        field_u64(c, &e->restore.lost_epoch);
        field_u64(c, &e->restore.lost_seq);
        field_bytes(c, e->restore.lost_head, sizeof(e->restore.lost_head));
        field_u64(c, &e->restore.n_charged);
        field_mechanism(c, &e->restore.mechanism);
        field_u64(c, &e->restore.version);
        field_bytes(c, e->restore.model_hash, sizeof(e->restore.model_hash));
        field_bytes(c, e->restore.file_digest, sizeof(e->restore.file_digest));
        break;
    case MIEN_ENTRY_START:
    case MIEN_ENTRY_KIND_END:
        break;
    }
}

/* ---- what is in range ---- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static bool is_square(uint64_t n)
{
    uint64_t root = (uint64_t)sqrt((double)n);

    for (uint64_t r = root > 0 ? root - 1 : 0; r <= root + 1; r++) {
        if (r * r == n)
            return true;
    }
    return false;
}

static const char *noise_problem(const struct mien_mechanism *m)
{
    if (m->bound == 0 || m->bound > COUNT_MAX || m->dim == 0 || m->dim > COUNT_MAX)
        return "bound or coordinates out of range";
    if (m->sigma2_den == 0 || m->sigma2_num > COUNT_MAX || m->sigma2_den > COUNT_MAX)
        return "variance out of range";
    if (common_divisor(m->sigma2_num, m->sigma2_den) != 1)
        return "variance not in lowest terms";
    if (m->kind == MIEN_MECHANISM_DISTRIBUTED)
        return m->sigma2_den != 1 || m->sigma2_num == 0 || m->shares == 0 ||
                       m->shares > MIEN_ENTRY_MAX_SHARES
                   ? "a share of noise out of range"
                   : NULL;
    if (m->shares != 0)
        return "shares of noise that devices do not add";
    if (m->sigma2_den != 1 || !is_square(m->sigma2_num))
        return "sigma is no integer";
    return NULL;
}

/* What limits of taking part and correlated noise are proven for. */
static const char *parts_problem(const struct mien_mechanism *m)
{
    struct mien_strategy_table table;

    if (m->separation == 0)
        return "a separation of 0 rounds";
    if (m->sampling != MIEN_SAMPLING_NONE && (m->separation > 1 || m->participations > 0))
        return "limits of taking part beside sampling";
    if (!mien_mechanism_correlated(m))
        return NULL;
    if (m->sampling != MIEN_SAMPLING_NONE || m->kind != MIEN_MECHANISM_ROUNDED_GAUSSIAN ||
        m->participations == 0 || m->sigma2_num == 0)
        return "correlated noise of a mechanism that it has no proof for";
    return mien_strategy_table_find(m->strategy, m->separation, &table) == MIEN_OK
               ? NULL
               : "a strategy that this version of mien does not know";
}

static const char *cohort_problem(const struct mien_mechanism *m)
{
    if (m->cohort == 0 || m->population > COUNT_MAX)
        return "no cohort, or a population out of range";
    if (m->cap != 0 && m->cap < m->min_reports)
        return "a cap below the fewest reports";
    if (!(m->drop_out >= 0.0 && m->drop_out < 1.0))
        return "drop-out not in [0, 1)";
    return NULL;
}

static const char *mechanism_problem(const struct mien_mechanism *m)
{
    const bool by_devices = m->kind == MIEN_MECHANISM_DISTRIBUTED;

    if (m->kind < MIEN_MECHANISM_ROUNDED_GAUSSIAN || m->kind > MIEN_MECHANISM_DISTRIBUTED ||
        m->noise_by != (by_devices ? MIEN_NOISE_BY_DEVICES : MIEN_NOISE_BY_COORDINATOR))
        return "a mechanism that this version of mien cannot account for";
    if (m->relation != MIEN_RELATION_ZERO_OUT || m->unit != MIEN_UNIT_TOKEN)
        return "a relation or unit that this version of mien does not know";
    if (m->sampling < MIEN_SAMPLING_NONE || m->sampling > MIEN_SAMPLING_POISSON_CAPPED)
        return "a sampling that this version of mien cannot account for";
    if (m->sampling == MIEN_SAMPLING_POISSON_CAPPED && (m->cap == 0 || m->population == 0))
        return "capped sampling without a cap or a population";
    if (m->sampling == MIEN_SAMPLING_FIXED && m->population < m->cohort)
        return "a fixed sample larger than its population";
    if (!(m->rate > 0.0 && m->rate <= 1.0))
        return "rate not in (0, 1]";
    if (m->sampling == MIEN_SAMPLING_NONE && m->rate < 1.0)
        return "a rate without sampling";
    if (noise_problem(m) != NULL)
        return noise_problem(m);
    return cohort_problem(m) != NULL ? cohort_problem(m) : parts_problem(m);
}

static const char *plan_problem(const struct mien_entry_plan *plan)
{
    if (!(plan->delta > 0.0 && plan->delta < 1.0))
        return "delta not in (0, 1)";
    if (!(plan->epsilon_cap > 0.0))
        return "epsilon cap not positive";
    if (plan->run == 0)
        return "runs count from 1";
    return mechanism_problem(&plan->mechanism);
}

static const char *round_problem(uint64_t round, uint32_t attempt)
{
    return round == 0 || round > COUNT_MAX || attempt == 0 ? "round or attempt out of range" : NULL;
}

static const char *body_problem(const struct mien_entry *e)
{
    switch (e->kind) {
    case MIEN_ENTRY_PLAN:
        return plan_problem(&e->plan);
    case MIEN_ENTRY_MODEL:
        return e->model.round != 0 || e->model.attempt != 0 || e->model.version > COUNT_MAX
                   ? "a start model is of round 0"
                   : NULL;
    case MIEN_ENTRY_COMMIT:
        if (e->model.version == 0 || e->model.version > COUNT_MAX)
            return "version out of range";
        return round_problem(e->model.round, e->model.attempt);
    case MIEN_ENTRY_ROUND_OPEN:
        if (e->round_open.model_version > COUNT_MAX)
            return "version out of range";
        return round_problem(e->round_open.round, e->round_open.attempt);
    case MIEN_ENTRY_RESERVE:
        if (mechanism_problem(&e->reserve.mechanism) != NULL)
            return mechanism_problem(&e->reserve.mechanism);
        return round_problem(e->reserve.round, e->reserve.attempt);
    case MIEN_ENTRY_ABANDON:
        return round_problem(e->abandon.round, e->abandon.attempt);
    case MIEN_ENTRY_RESTORE:
        if (e->restore.lost_epoch > COUNT_MAX || e->restore.lost_seq > COUNT_MAX ||
            e->restore.n_charged > UINT32_MAX || e->restore.version > COUNT_MAX)
            return "a place out of range";
        return mechanism_problem(&e->restore.mechanism);
    case MIEN_ENTRY_GENESIS:
    case MIEN_ENTRY_START:
        return NULL;
    case MIEN_ENTRY_KIND_END:
        break;
    }
    return "unknown kind";
}

static const char *entry_problem(const struct mien_entry *e)
{
    if (e->epoch > COUNT_MAX || e->seq > COUNT_MAX)
        return "epoch or seq out of range";
    if (!mien_utf8_printable(e->software, strnlen(e->software, sizeof(e->software))))
        return "software is not printable";
    return body_problem(e);
}

enum mien_status mien_entry_encode(const struct mien_entry *entry, struct mien_buf *out)
{
    struct mien_entry e = *entry;
    struct cursor c = {.out = out};
    uint8_t magic[sizeof(MAGIC)];
    uint8_t kind = (uint8_t)e.kind;

    if (strnlen(e.software, sizeof(e.software)) == sizeof(e.software) || entry_problem(&e) != NULL)
        return MIEN_EINVAL;
    memcpy(magic, MAGIC, sizeof(magic));
    field_bytes(&c, magic, sizeof(magic));
    field_u8(&c, &kind);
    field_u64(&c, &e.epoch);
    field_u64(&c, &e.seq);
    field_software(&c, e.software);
    fields_of_kind(&c, &e);
    return c.status;
}

enum mien_status mien_entry_decode(struct mien_span bytes, struct mien_entry *out,
                                   struct mien_err *err)
{
    struct mien_entry e = {0};
    struct cursor c = {.in = {.rest = bytes}};
    uint8_t magic[sizeof(MAGIC)] = {0};
    uint8_t kind = 0;
    const char *problem;

    if (bytes.len > MIEN_ENTRY_MAX_BYTES)
        return mien_err_set(err, MIEN_EPARSE, "an entry of %zu bytes", bytes.len);
    field_bytes(&c, magic, sizeof(magic));
    field_u8(&c, &kind);
    if (memcmp(magic, MAGIC, sizeof(magic)) != 0)
        return mien_err_set(err, MIEN_EPARSE,
                            "no entry of a ledger that this version of mien reads");
    if (kind == 0 || kind >= MIEN_ENTRY_KIND_END)
        return mien_err_set(err, MIEN_EPARSE, "an entry of unknown kind %u", kind);
    e.kind = (enum mien_entry_kind)kind;
    field_u64(&c, &e.epoch);
    field_u64(&c, &e.seq);
    field_software(&c, e.software);
    fields_of_kind(&c, &e);
    if (!mien_reader_done(&c.in))
        return mien_err_set(err, MIEN_EPARSE, "a %s entry of the wrong length",
                            mien_entry_kind_name(e.kind));
    problem = entry_problem(&e);
    if (problem != NULL)
        return mien_err_set(err, MIEN_EPARSE, "a %s entry: %s", mien_entry_kind_name(e.kind),
                            problem);
    *out = e;
    return MIEN_OK;
}
