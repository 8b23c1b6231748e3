// SPDX-License-Identifier: Apache-2.0
#include "server/tools/judge.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/nn/forward.h"
#include "common/plan/symbols.h"
#include "server/tools/grid.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Examples at a time, and at most in all. */
#define BATCH 16
#define MAX_JUDGED 1024

/* Pictures of a grid: eight a row, each row with its reconstructions. */
#define COLUMNS 8
#define N_RECONSTRUCTED (MIEN_TOOL_GRID_PICTURES / 2)

/* Stream of the seed that texts are drawn from. */
#define STREAM_TEXTS 5

/* The averaged model and the memory to run it. */
struct judge {
    const struct mien_plan *plan;
    const struct mien_examples *from;
    struct mien_forward *forward;
    float *values;
    float *examples; /* [BATCH, example size] */
    float *codes;    /* [BATCH, code size] */
    const float *results;
    double sum;   /* of what is measured */
    double count; /* of what it is divided by */
};

static void judge_fini(struct judge *j)
{
    mien_forward_free(j->forward);
    mien_free(j->values);
    mien_free(j->examples);
    mien_free(j->codes);
}

static enum mien_status judge_init(struct judge *j, const struct mien_tool_model *model,
                                   const struct mien_examples *from)
{
    const struct mien_plan *plan = &model->plan;
    const size_t n_code = mien_plan_code_size(plan);

    *j = (struct judge){.plan = plan, .from = from};
    enum mien_status status = mien_forward_new(plan, BATCH, &j->forward);
    if (status == MIEN_OK)
        status = mien_tool_model_averaged(model, &j->values);
    j->examples = mien_calloc(BATCH, mien_plan_example_size(plan) * sizeof(float));
    j->codes = mien_calloc(BATCH, n_code * sizeof(float));
    if (status == MIEN_OK && (j->examples == NULL || j->codes == NULL))
        status = MIEN_ENOMEM;
    return status;
}

/* Loads the batch that begins at example `first` (going round at the end) and runs it. */
static enum mien_status judge_run(struct judge *j, size_t first)
{
    const size_t n = mien_plan_example_size(j->plan);
    const size_t n_code = mien_plan_code_size(j->plan);
    const size_t n_read = j->plan->family == MIEN_FAMILY_CHARLM ? n - 1 : n;
    enum mien_status status = MIEN_OK;

    for (size_t i = 0; i < BATCH && status == MIEN_OK; i++) {
        status = j->from->picture(j->from->self, (first + i) % j->from->n, j->examples + i * n,
                                  n_code == 0 ? NULL : j->codes + i * n_code);
        memcpy(mien_forward_examples(j->forward) + i * n_read, j->examples + i * n,
               n_read * sizeof(float));
    }
    if (status != MIEN_OK)
        return status;
    if (mien_forward_codes(j->forward) != NULL)
        memcpy(mien_forward_codes(j->forward), j->codes, BATCH * n_code * sizeof(float));
    return mien_forward_run(j->forward, j->values, &j->results);
}

static void add_squares(struct judge *j, size_t i)
{
    const size_t n = mien_plan_example_size(j->plan);

    for (size_t k = i * n; k < (i + 1) * n; k++) {
        const double off = (double)j->results[k] - (double)j->examples[k];

        j->sum += off * off;
    }
    j->count += (double)n;
}

static size_t largest(const float *numbers, size_t n)
{
    size_t best = 0;

    for (size_t k = 1; k < n; k++)
        best = numbers[k] > numbers[best] ? k : best;
    return best;
}

/* A picture without a label is not judged. */
static void add_label(struct judge *j, size_t i)
{
    const size_t n = j->plan->attributes[0].n_values;
    const float *code = j->codes + i * (n + 1);
    const size_t label = largest(code, n + 1);

    if (label == n)
        return;
    j->sum += largest(j->results + i * n, n) == label;
    j->count += 1.0;
}

/* -log2 of the chance of symbol k under scores. */
static double bits_of(const float *scores, size_t k)
{
    const float most = scores[largest(scores, MIEN_PLAN_N_SYMBOLS)];
    double sum = 0.0;

    for (size_t s = 0; s < MIEN_PLAN_N_SYMBOLS; s++)
        sum += exp((double)(scores[s] - most));
    return (log(sum) - (double)(scores[k] - most)) / log(2.0);
}

static void add_bits(struct judge *j, size_t i)
{
    const size_t length = j->plan->text_length;
    const float *text = j->examples + i * (length + 1);

    for (size_t t = 0; t < length && text[t + 1] >= 0.0f; t++) {
        j->sum += bits_of(j->results + (i * length + t) * MIEN_PLAN_N_SYMBOLS, (size_t)text[t + 1]);
        j->count += 1.0;
    }
}

enum mien_status mien_judge_say(const struct mien_tool_model *model,
                                const struct mien_examples *examples)
{
    const enum mien_family family = model->plan.family;
    void (*const add)(struct judge * j, size_t i) = family == MIEN_FAMILY_CLASSIFIER ? add_label
                                                    : family == MIEN_FAMILY_CHARLM   ? add_bits
                                                                                     : add_squares;
    const char *what = family == MIEN_FAMILY_CLASSIFIER ? "accuracy"
                       : family == MIEN_FAMILY_CHARLM   ? "bits_per_character"
                                                        : "mean_square";
    struct judge j;

    if (family == MIEN_FAMILY_GAN || family == MIEN_FAMILY_MOMENTS)
        return MIEN_OK;
    enum mien_status status = judge_init(&j, model, examples);
    for (size_t at = 0; at < examples->n && at < MAX_JUDGED && status == MIEN_OK; at += BATCH) {
        status = judge_run(&j, at);
        for (size_t i = 0; i < BATCH && at + i < examples->n && status == MIEN_OK; i++)
            add(&j, i);
    }
    if (status == MIEN_OK)
        mien_log(MIEN_INFO, "train.judged", "%s=%.4f held_out=%zu", what,
                 j.count > 0.0 ? j.sum / j.count : 0.0,
                 examples->n < MAX_JUDGED ? examples->n : MAX_JUDGED);
    judge_fini(&j);
    return status;
}

enum mien_status mien_judge_grid(const struct mien_tool_model *model,
                                 const struct mien_examples *examples, const char *path,
                                 struct mien_err *err)
{
    const size_t n = mien_plan_example_size(&model->plan);
    float *sheet = mien_calloc(MIEN_TOOL_GRID_PICTURES, n * sizeof(*sheet));
    struct judge j;
    enum mien_status status = judge_init(&j, model, examples);

    if (status == MIEN_OK && sheet == NULL)
        status = MIEN_ENOMEM;
    for (size_t at = 0; at < N_RECONSTRUCTED && status == MIEN_OK; at += BATCH) {
        status = judge_run(&j, at);
        for (size_t i = 0; i < BATCH && status == MIEN_OK; i += COLUMNS) {
            float *row = sheet + 2 * (at + i) * n;

            memcpy(row, j.examples + i * n, COLUMNS * n * sizeof(*row));
            memcpy(row + COLUMNS * n, j.results + i * n, COLUMNS * n * sizeof(*row));
        }
    }
    if (status == MIEN_OK)
        status = mien_tool_grid_write(&model->plan,
                                      &(struct mien_tool_pictures){sheet, MIEN_TOOL_GRID_PICTURES},
                                      NULL, path, err);
    judge_fini(&j);
    mien_free(sheet);
    return status;
}

/* A symbol drawn by its chances under scores. */
static uint32_t draw_symbol(const float *scores, struct mien_rng_seeded *rng)
{
    const float most = scores[largest(scores, MIEN_PLAN_N_SYMBOLS)];
    double chance[MIEN_PLAN_N_SYMBOLS];
    double sum = 0.0;

    for (uint32_t s = 0; s < MIEN_PLAN_N_SYMBOLS; s++) {
        chance[s] = exp((double)(scores[s] - most));
        sum += chance[s];
    }
    double left = (double)mien_rng_seeded_uniform(rng) * sum;
    for (uint32_t s = 0; s < MIEN_PLAN_N_SYMBOLS; s++) {
        left -= chance[s];
        if (left < 0.0)
            return s;
    }
    return MIEN_SYMBOL_END;
}

/* Draws BATCH texts, symbol after symbol: what follows cannot change what came before. */
static enum mien_status draw_texts(struct judge *j, struct mien_rng_seeded *rng,
                                   char texts[BATCH][MIEN_PLAN_MAX_TEXT + 1])
{
    const size_t length = j->plan->text_length;
    float *symbols = mien_forward_examples(j->forward);

    for (size_t k = 0; k < BATCH * length; k++)
        symbols[k] = k % length == 0 ? MIEN_SYMBOL_END : MIEN_SYMBOL_NONE;
    for (size_t t = 0; t < length; t++) {
        enum mien_status status = mien_forward_run(j->forward, j->values, &j->results);

        if (status != MIEN_OK)
            return status;
        for (size_t i = 0; i < BATCH; i++) {
            const float *scores = j->results + (i * length + t) * MIEN_PLAN_N_SYMBOLS;
            const uint32_t symbol = draw_symbol(scores, rng);
            const bool over = t > 0 && texts[i][t - 1] == '\0';

            texts[i][t] = over ? '\0' : mien_symbol_char(symbol);
            if (t + 1 < length)
                symbols[i * length + t + 1] = (float)symbol;
        }
    }
    return mien_rng_seeded_ok(rng) ? MIEN_OK : MIEN_ECRYPTO;
}

enum mien_status mien_judge_texts(const struct mien_tool_model *model, uint32_t n, uint64_t seed)
{
    char texts[BATCH][MIEN_PLAN_MAX_TEXT + 1];
    struct mien_rng_seeded *rng = NULL;
    struct judge j;
    enum mien_status status = judge_init(&j, model, NULL);

    if (status == MIEN_OK)
        status = mien_rng_seeded_new(seed, STREAM_TEXTS, &rng);
    for (uint32_t at = 0; at < n && status == MIEN_OK; at += BATCH) {
        memset(texts, 0, sizeof(texts));
        status = draw_texts(&j, rng, texts);
        for (uint32_t i = 0; i < BATCH && at + i < n && status == MIEN_OK; i++)
            (void)printf("%s\n", texts[i]);
    }
    mien_rng_seeded_free(rng);
    judge_fini(&j);
    return status;
}
