// SPDX-License-Identifier: Apache-2.0
#include "client/train.h"

#include "client/local.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/nn/cohort.h"
#include "common/nn/trainer.h"
#include "common/plan/symbols.h"
#include "common/secagg/params.h"
#include "common/secagg/quantise.h"
#include "common/secagg/rotate.h"

#include <math.h>
#include <string.h>

enum {
    SCAN_PER_SLICE = 8,   /* examples looked at in one slice, about one training step's time */
    EXAMPLES_MAX = 65536, /* looked at in a round: bounds memory and time against any folder */
};

enum stage { STAGE_EMPTY, STAGE_SCAN, STAGE_STEPS, STAGE_DONE };

struct mien_client_train {
    struct mien_plan plan;
    struct mien_trainer *trainer;    /* NULL where single examples are protected, */
    struct mien_client_local *local; /* and this is not */
    bool in_lane;                    /* the model is with the cohort */
    float *values;                   /* [n_room] the model [n_values], then (secret) the update */
    size_t n_values;
    size_t n_room; /* n_values, or what a rotated vector takes */
    size_t n_shared;
    size_t n_private; /* the first of the values: these stay here */
    size_t n_numbers; /* of an example */
    float *numbers;   /* [n_numbers] one example, while scanning */
    uint32_t *usable; /* [EXAMPLES_MAX] indices of examples that can be used */
    size_t n_usable;
    size_t n_scanned;
    size_t n_examples;
    enum stage stage;
    enum mien_client_note note;
    struct mien_client_examples examples;
    size_t asked; /* the example whose attributes are being read */
};

/* What the update becomes. */
static uint64_t room_of_update(const struct mien_plan *plan)
{
    const uint64_t n_shared = mien_plan_n_shared(plan);
    const uint64_t n_rotated = plan->rotate != MIEN_PLAN_UNROTATED
                                   ? mien_rotate_size((uint32_t)n_shared + MIEN_N_METRICS)
                                   : 0;

    return n_shared > n_rotated ? n_shared : n_rotated;
}

/* The model and, in its place, the update. */
static uint64_t room(const struct mien_plan *plan)
{
    const uint64_t n_values = mien_plan_n_parameters(plan);
    const uint64_t n_update = room_of_update(plan);

    return n_values > n_update ? n_values : n_update;
}

/* Everything but the trainer. */
static uint64_t own_bytes(const struct mien_plan *plan)
{
    return sizeof(struct mien_client_train) +
           sizeof(float) * (room(plan) + mien_plan_example_size(plan)) +
           sizeof(uint32_t) * EXAMPLES_MAX;
}

enum mien_status mien_client_train_need(const struct mien_plan *plan, uint64_t *bytes)
{
    uint64_t trainer_bytes;
    enum mien_status status = mien_trainer_bytes(plan, &trainer_bytes);

    if (status == MIEN_OK)
        *bytes = trainer_bytes + own_bytes(plan);
    return status;
}

enum mien_status mien_client_train_need_local(const struct mien_plan *plan, uint64_t *bytes)
{
    uint64_t local_bytes;
    enum mien_status status = mien_client_local_bytes(plan, &local_bytes);

    if (status == MIEN_OK)
        *bytes = local_bytes + own_bytes(plan);
    return status;
}

static const struct mien_layout *layout_of(const struct mien_client_train *train)
{
    return train->local != NULL ? mien_each_layout(mien_client_local_each(train->local))
                                : mien_trainer_layout(train->trainer);
}

/* Everything beside the trainer, which is there: what is there already goes with it on error. */
static enum mien_status complete(struct mien_client_train *train, const struct mien_plan *plan,
                                 struct mien_client_train **out)
{
    enum mien_status status = MIEN_OK;
    const struct mien_layout *layout = layout_of(train);

    train->plan = *plan;
    train->n_values = (size_t)layout->n_values;
    train->n_shared = (size_t)mien_plan_n_shared(plan);
    train->n_private = (size_t)mien_plan_n_private(plan);
    train->n_numbers = mien_plan_example_size(plan);
    train->n_room = (size_t)(train->in_lane ? room_of_update(plan) : room(plan));
    train->values = mien_calloc(train->n_room, sizeof(float));
    train->numbers = mien_calloc(train->n_numbers, sizeof(float));
    train->usable = mien_calloc(EXAMPLES_MAX, sizeof(uint32_t));
    if (train->values == NULL || train->numbers == NULL || train->usable == NULL)
        status = MIEN_ENOMEM;
    if (status == MIEN_OK)
        *out = train;
    else
        mien_client_train_free(train);
    return status;
}

enum mien_status mien_client_train_new(const struct mien_plan *plan, struct mien_client_train **out)
{
    struct mien_client_train *train = mien_calloc(1, sizeof(*train));

    if (train == NULL)
        return MIEN_ENOMEM;
    enum mien_status status = mien_trainer_new(plan, &train->trainer);
    if (status == MIEN_OK)
        return complete(train, plan, out);
    mien_free(train);
    return status;
}

enum mien_status mien_client_train_new_local(const struct mien_plan *plan,
                                             const struct mien_client_local_rule *rule,
                                             const struct mien_rng *rng,
                                             struct mien_client_train **out)
{
    struct mien_client_train *train = mien_calloc(1, sizeof(*train));

    if (train == NULL)
        return MIEN_ENOMEM;
    enum mien_status status = mien_client_local_new(plan, rule, rng, &train->local);
    if (status == MIEN_OK)
        return complete(train, plan, out);
    mien_free(train);
    return status;
}

enum mien_status mien_client_train_new_lane(struct mien_cohort *cohort, uint32_t lane,
                                            struct mien_client_train **out)
{
    struct mien_client_train *train = mien_calloc(1, sizeof(*train));

    if (train == NULL)
        return MIEN_ENOMEM;
    train->in_lane = true;
    enum mien_status status = mien_trainer_new_lane(cohort, lane, &train->trainer);
    if (status == MIEN_OK)
        return complete(train, mien_cohort_plan(cohort), out);
    mien_free(train);
    return status;
}

bool mien_client_train_waits(const struct mien_client_train *train)
{
    return train->stage == STAGE_STEPS && train->in_lane && mien_trainer_waits(train->trainer);
}

/* Forgets the device that was trained for. */
static void forget(struct mien_client_train *train)
{
    if (train->values != NULL)
        mien_wipe(train->values, train->n_room * sizeof(float));
    if (train->numbers != NULL)
        mien_wipe(train->numbers, train->n_numbers * sizeof(float));
    train->stage = STAGE_EMPTY;
}

void mien_client_train_free(struct mien_client_train *train)
{
    if (train == NULL)
        return;
    forget(train);
    mien_trainer_free(train->trainer);
    mien_client_local_free(train->local);
    mien_free(train->values);
    mien_free(train->numbers);
    mien_free(train->usable);
    mien_free(train);
}

enum mien_status mien_client_train_start(struct mien_client_train *train, struct mien_span model,
                                         struct mien_span own,
                                         const struct mien_client_examples *examples,
                                         struct mien_rng *rng)
{
    enum mien_status status;

    if (model.len != train->n_values * sizeof(float) ||
        (own.len != 0 && own.len != train->n_private * sizeof(float)))
        return MIEN_EINVAL;
    if (!train->in_lane)
        mien_model_from_bytes(model.data, train->n_values, train->values);
    mien_model_from_bytes(own.data, own.len / sizeof(float), train->values);
    status = train->local != NULL
                 ? mien_each_begin(mien_client_local_each(train->local), train->values, rng)
                 : mien_trainer_begin(train->trainer, train->values, rng);
    if (status != MIEN_OK)
        return status;
    train->examples = *examples;
    train->n_examples = examples->count(examples->self);
    if (train->n_examples > EXAMPLES_MAX)
        train->n_examples = EXAMPLES_MAX;
    train->n_scanned = 0;
    train->n_usable = 0;
    train->note = MIEN_CLIENT_NOTE_NONE;
    train->stage = STAGE_SCAN;
    return MIEN_OK;
}

/* The text of one example as symbols; false when it has none. */
static bool read_text(struct mien_client_train *train, size_t index, float *symbols)
{
    const struct mien_client_examples *examples = &train->examples;
    const char *text = examples->attribute == NULL
                           ? NULL
                           : examples->attribute(examples->self, index, MIEN_SYMBOLS_ATTRIBUTE);

    return text != NULL && mien_symbols_of(text, train->plan.text_length, symbols);
}

/* Reads one example; false when it cannot be used. */
static bool read_example(struct mien_client_train *train, size_t index, float *pixels)
{
    const struct mien_client_examples *examples = &train->examples;

    if (train->plan.family == MIEN_FAMILY_CHARLM)
        return read_text(train, index, pixels);
    if (examples->pixels(examples->self, index, train->plan.size, train->plan.channels, pixels) !=
        MIEN_OK)
        return false;
    for (size_t i = 0; i < train->n_numbers; i++) {
        if (!(pixels[i] >= -1.0F && pixels[i] <= 1.0F))
            return false;
    }
    return true;
}

static void scan(struct mien_client_train *train)
{
    for (int i = 0; i < SCAN_PER_SLICE && train->n_scanned < train->n_examples; i++) {
        if (read_example(train, train->n_scanned, train->numbers))
            train->usable[train->n_usable++] = (uint32_t)train->n_scanned;
        train->n_scanned++;
    }
    if (train->n_scanned < train->n_examples)
        return;
    if (train->n_usable < train->plan.min_examples || train->n_usable == 0)
        train->note = MIEN_CLIENT_NOTE_FEW;
    train->stage = STAGE_STEPS;
}

static const char *attribute_value(void *self, const char *name)
{
    const struct mien_client_train *train = self;
    const struct mien_client_examples *examples = &train->examples;

    return examples->attribute(examples->self, train->asked, name);
}

static const char *no_value(void *self, const char *name)
{
    (void)self;
    (void)name;
    return NULL;
}

/* The trainer's source of pictures. Without usable ones it trains on grey, so that the time that
 * a device takes does not tell; the vector is zero then. */
static enum mien_status picture(void *self, size_t index, float *pixels, float *code)
{
    struct mien_client_train *train = self;
    bool found = false;

    for (size_t k = 0; k < train->n_usable && !found; k++) {
        train->asked = train->usable[(index + k) % train->n_usable];
        found = read_example(train, train->asked, pixels);
    }
    if (!found) {
        memset(pixels, 0, train->n_numbers * sizeof(float));
        train->note = MIEN_CLIENT_NOTE_FEW;
    }
    if (code != NULL)
        mien_plan_code(&train->plan,
                       found && train->examples.attribute != NULL ? attribute_value : no_value,
                       train, code);
    return MIEN_OK;
}

/* The same for training that protects single examples: none stands in for one that has become
 * unreadable, or it would be there twice. */
static enum mien_status own_picture(void *self, size_t index, float *pixels, float *code)
{
    struct mien_client_train *train = self;

    if (index >= train->n_usable)
        return MIEN_ENOTFOUND;
    train->asked = train->usable[index];
    if (!read_example(train, train->asked, pixels))
        return MIEN_ENOTFOUND;
    if (code != NULL)
        mien_plan_code(&train->plan, train->examples.attribute != NULL ? attribute_value : no_value,
                       train, code);
    return MIEN_OK;
}

enum mien_status mien_client_train_step(struct mien_client_train *train, bool *done)
{
    struct mien_examples examples = {train, train->n_usable > 0 ? train->n_usable : 1,
                                     train->local != NULL ? own_picture : picture};
    bool finished = false;
    enum mien_status status;

    if (train->stage == STAGE_SCAN) {
        scan(train);
        *done = false;
        return MIEN_OK;
    }
    if (train->stage != STAGE_STEPS)
        return MIEN_ESTATE;
    status = train->local != NULL
                 ? mien_each_step(mien_client_local_each(train->local), &examples, &finished)
                 : mien_trainer_step(train->trainer, &examples, &finished);
    if (status == MIEN_OK && finished)
        train->stage = STAGE_DONE;
    if (status == MIEN_OK)
        *done = finished;
    return status;
}

/* Each of the k tensors of the update to at most clip / sqrt(k): the whole is then at most the
 * clip, so the bound and its cost are those of one clip. McMahan et al. 2018, "Learning
 * Differentially Private Recurrent Language Models", per-layer clipping. */
static bool clip_tensors(struct mien_client_train *train, double clip)
{
    const struct mien_layout *layout = layout_of(train);
    const uint64_t first = mien_plan_first_shared(&train->plan);
    uint32_t skip = 0;
    bool any = false;

    while (layout->tensor[skip].offset < first)
        skip++;
    uint32_t end = skip;
    while (end < layout->n_tensors && layout->tensor[end].offset - first < train->n_shared)
        end++;
    const double most = clip / sqrt((double)(end - skip));
    for (uint32_t i = skip; i < end; i++) {
        const size_t from = (size_t)(layout->tensor[i].offset - first);
        const size_t to =
            i + 1 < end ? (size_t)(layout->tensor[i + 1].offset - first) : train->n_shared;
        double square = 0.0;

        for (size_t j = from; j < to; j++)
            square += (double)train->values[j] * (double)train->values[j];
        if (!(sqrt(square) > most))
            continue;
        any = true;
        for (size_t j = from; j < to; j++)
            train->values[j] = (float)((double)train->values[j] * (most / sqrt(square)));
    }
    return any;
}

enum mien_status mien_client_train_take(struct mien_client_train *train,
                                        const struct mien_secagg_params *params,
                                        const uint8_t *rotation, struct mien_rng *rng,
                                        int32_t *vector, enum mien_client_note *note)
{
    struct mien_contribution contribution = {.update = train->values};
    struct mien_quantise_note detail;
    float d_loss = 0.0F; /* of protected examples nothing is told but what noise is in */
    float g_loss = 0.0F;
    bool finite;
    enum mien_status status = MIEN_OK;

    if (train->stage != STAGE_DONE)
        return MIEN_ESTATE;
    if (params->n_update != train->n_shared)
        return MIEN_EINVAL;
    if (train->local != NULL) {
        mien_each_update(mien_client_local_each(train->local), train->values, &finite);
    } else {
        mien_trainer_update(train->trainer, train->values, &finite);
        mien_trainer_losses(train->trainer, &d_loss, &g_loss);
    }
    if (train->note == MIEN_CLIENT_NOTE_NONE && !finite)
        train->note = MIEN_CLIENT_NOTE_NOT_FINITE;
    memset(vector, 0, params->dim * sizeof(*vector));
    if (train->note == MIEN_CLIENT_NOTE_NONE) {
        contribution.clipped =
            train->plan.clip_by == MIEN_CLIP_BY_TENSOR && clip_tensors(train, params->clip);
        contribution.metrics[MIEN_METRIC_TRAINED] = 1.0F;
        contribution.metrics[MIEN_METRIC_D_LOSS] = isfinite(d_loss) ? d_loss / 4 : 1.0F;
        status = mien_quantise(params, rotation, &contribution, rng, vector, &detail);
    }
    *note = train->note;
    forget(train);
    return status;
}

bool mien_client_train_keep(const struct mien_client_train *train, uint8_t *bytes)
{
    if (train->n_private == 0 || train->note != MIEN_CLIENT_NOTE_NONE)
        return false;
    mien_model_to_bytes(train->local != NULL
                            ? mien_each_values(mien_client_local_each(train->local))
                            : mien_trainer_values(train->trainer),
                        train->n_private, bytes);
    return true;
}
