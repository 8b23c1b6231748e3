// SPDX-License-Identifier: Apache-2.0
/* mien-sim: thousands of devices in one process. */
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/nn/cohort.h"
#include "common/nn/model_file.h"
#include "common/plan/keys.h"
#include "server/tools/grid.h"
#include "server/tools/model_io.h"
#include "server/tools/options.h"
#include "tests/sim/report.h"
#include "tests/sim/tls.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct arguments {
    const char *transport;
    const char *grouped;
    const char *out;
    struct mien_option_list settings;
    bool json;
    struct sim_options options;
};

static bool over_tls(const struct arguments *a)
{
    return strcmp(a->transport, "tls") == 0;
}

static enum mien_status set_keys(struct arguments *a, struct mien_err *err)
{
    for (size_t i = 0; i < a->settings.n; i++) {
        const char *pair = a->settings.values[i];
        const char *equals = strchr(pair, '=');
        char key[64];

        if (equals == NULL || (size_t)(equals - pair) >= sizeof(key))
            return mien_err_set(err, MIEN_EPARSE, "--set %s: expected section.key=value", pair);
        memcpy(key, pair, (size_t)(equals - pair));
        key[equals - pair] = '\0';
        if (strcmp(key, "secure_sum.simulate") == 0) {
            a->options.secure_sum = strcmp(equals + 1, "true") == 0;
            if (!a->options.secure_sum && strcmp(equals + 1, "false") != 0)
                return mien_err_set(err, MIEN_EINVAL,
                                    "secure_sum.simulate: \"%s\" is not true or false", equals + 1);
            continue;
        }
        enum mien_status status = mien_plan_set(&a->options.plan, key, equals + 1, err);
        if (status != MIEN_OK)
            return status;
    }
    return mien_plan_validate(&a->options.plan, err);
}

/* Whether devices take their one step together: where they can, unless asked otherwise. */
static enum mien_status choose_path(struct arguments *a, struct mien_err *err)
{
    struct sim_options *o = &a->options;
    const bool always = strcmp(a->grouped, "always") == 0;
    struct mien_err why = {0};

    if (!always && strcmp(a->grouped, "auto") != 0 && strcmp(a->grouped, "never") != 0)
        return mien_err_set(err, MIEN_EINVAL, "--grouped %s: expected auto, always or never",
                            a->grouped);
    if (strcmp(a->grouped, "never") == 0)
        return MIEN_OK;
    if (o->secure_sum)
        (void)mien_err_set(&why, MIEN_EINVAL,
                           "with the secure sum every device is a core of its own: expected "
                           "secure_sum.simulate=false");
    else
        o->grouped = mien_cohort_fits(&o->plan, &why) == MIEN_OK;
    if (always && !o->grouped)
        return mien_err_set(err, MIEN_EINVAL, "--grouped always: %s", why.text);
    return MIEN_OK;
}

static enum mien_status check(struct arguments *a, struct mien_err *err)
{
    const struct sim_options *o = &a->options;

    if (strcmp(a->transport, "memory") != 0 && strcmp(a->transport, "tls") != 0)
        return mien_err_set(err, MIEN_EINVAL, "--transport %s: expected memory or tls",
                            a->transport);
    if (over_tls(a) && (o->check || o->lie > 0.0 || !o->secure_sum))
        return mien_err_set(err, MIEN_EINVAL,
                            "--check, --lie and secure_sum.simulate need --transport memory: over "
                            "TLS devices are the real library, which says nothing false");
    if (o->n_devices < 2 || o->n_devices > 1000000)
        return mien_err_set(err, MIEN_ELIMIT, "--devices: expected 2 to 1000000");
    if (o->n_rounds == 0)
        return mien_err_set(err, MIEN_ELIMIT, "--rounds: expected at least 1");
    if (o->n_threads == 0 || o->n_threads > 64)
        return mien_err_set(err, MIEN_ELIMIT, "--threads: expected 1 to 64");
    if (!(o->drop >= 0.0 && o->drop <= 1.0) || !(o->lie >= 0.0 && o->lie <= 1.0))
        return mien_err_set(err, MIEN_ELIMIT, "--drop, --lie: expected 0 to 1");
    return choose_path(a, err);
}

static enum mien_status write_model(const struct arguments *a, const struct sim_result *result,
                                    char path[PATH_MAX], struct mien_err *err)
{
    struct mien_tool_model model = {
        .plan = a->options.plan, .values = result->values, .average = result->average};
    char grid[PATH_MAX];
    enum mien_status status = mien_layout_init(&model.layout, &model.plan, err);

    if (status == MIEN_OK)
        status = mien_path_join(a->out, "model.safetensors", path, PATH_MAX);
    if (status == MIEN_OK)
        status = mien_path_join(a->out, "grid.png", grid, sizeof(grid));
    if (status == MIEN_OK)
        status = mien_tool_model_write(&model, path, err);
    if (status == MIEN_OK && mien_plan_draws(&model.plan))
        status = mien_tool_grid(&model, 1, grid, err);
    return status;
}

static enum mien_status run_rounds(const struct arguments *a, struct sim_result *result,
                                   struct mien_err *err)
{
    struct sim_faces *faces = NULL;

    if (over_tls(a))
        return sim_run_tls(&a->options, a->out, result, err);
    enum mien_status status = sim_faces_open(&a->options, &faces, err);
    if (status == MIEN_OK)
        status = a->options.secure_sum ? sim_run(&a->options, faces, result, err)
                                       : sim_run_plain(&a->options, faces, result, err);
    sim_faces_free(faces);
    return status;
}

/* Whether the run did what it was asked to. */
static enum mien_status judge(const struct arguments *a, const struct sim_result *result,
                              struct mien_err *err)
{
    uint64_t n_released = 0;

    for (size_t i = 0; i < result->n_rounds; i++) {
        n_released += result->rounds[i].released;
        if (result->rounds[i].checked && !result->rounds[i].sum_exact)
            return mien_err_set(err, MIEN_ECORRUPT, "a released sum is not the survivors' sum");
    }
    if (n_released == a->options.n_rounds)
        return MIEN_OK;
    return mien_err_set(err, MIEN_EPOLICY,
                        "%llu of %llu rounds were released: a round needs %llu units and %u "
                        "reports, %llu devices take part, and the cap is epsilon %g",
                        (unsigned long long)n_released, (unsigned long long)a->options.n_rounds,
                        (unsigned long long)mien_coordinator_min_units(&a->options.plan),
                        a->options.plan.min_reports, (unsigned long long)a->options.n_devices,
                        a->options.plan.epsilon_cap);
}

static enum mien_status run(struct arguments *a, struct mien_err *err)
{
    struct sim_result result = {0};
    char model[PATH_MAX] = "";
    enum mien_status status = mien_plan_preset(a->options.preset, &a->options.plan, err);

    if (status == MIEN_OK)
        status = set_keys(a, err);
    if (status == MIEN_OK)
        status = check(a, err);
    if (status == MIEN_OK && mien_plan_warning(&a->options.plan) != NULL)
        (void)fprintf(stderr, "Warning: %s.\n", mien_plan_warning(&a->options.plan));
    if (status == MIEN_OK && a->out != NULL) /* said now, not after the work */
        status = mien_dir_make(a->out, 0755, err);
    if (status == MIEN_OK)
        status = run_rounds(a, &result, err);
    if (status == MIEN_OK && a->out != NULL)
        status = write_model(a, &result, model, err);
    if (status == MIEN_OK && a->json)
        status = sim_report_json(&a->options, &result, model);
    else if (status == MIEN_OK)
        sim_report_lines(&a->options, &result);
    if (status == MIEN_OK)
        status = judge(a, &result, err);
    sim_result_fini(&result);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments a = {.transport = "memory",
                          .grouped = "auto",
                          .options = {.preset = "demo",
                                      .faces = "procedural",
                                      .n_devices = 40,
                                      .n_rounds = 3,
                                      .seed = 1,
                                      .n_threads = 2,
                                      .secure_sum = true}};
    const struct mien_option options[] = {
        {"--preset", MIEN_OPTION_TEXT, &a.options.preset, "P",
         "the plan to start from (default demo)"},
        {"--set", MIEN_OPTION_LIST, &a.settings, "K=V",
         "a key of the plan; secure_sum.simulate=false computes only"},
        {"--devices", MIEN_OPTION_NUMBER, &a.options.n_devices, "N", "devices (default 40)"},
        {"--rounds", MIEN_OPTION_NUMBER, &a.options.n_rounds, "R", "released rounds (default 3)"},
        {"--faces", MIEN_OPTION_TEXT, &a.options.faces, "FDIR",
         "a folder of folders, or procedural (default)"},
        {"--init", MIEN_OPTION_TEXT, &a.options.init, "MODEL", "a model to start from"},
        {"--transport", MIEN_OPTION_TEXT, &a.transport, "T",
         "memory (default), or tls: the real daemon and device library on loopback"},
        {"--drop", MIEN_OPTION_REAL, &a.options.drop, "SHARE",
         "of assigned devices that leave in a round (default 0)"},
        {"--lie", MIEN_OPTION_REAL, &a.options.lie, "SHARE",
         "of devices that damage their messages (default 0)"},
        {"--grouped", MIEN_OPTION_TEXT, &a.grouped, "WHEN",
         "compute only, one local step: devices step together, auto (default), always or never"},
        {"--seed", MIEN_OPTION_NUMBER, &a.options.seed, "S", "the same seed, the same run (1)"},
        {"--threads", MIEN_OPTION_NUMBER, &a.options.n_threads, "T", "for training (default 2)"},
        {"--check", MIEN_OPTION_FLAG, &a.options.check, NULL,
         "keep all vectors and compare released sums (without noise by the coordinator only)"},
        {"--out", MIEN_OPTION_TEXT, &a.out, "ODIR", "where model and grid go"},
        {"--json", MIEN_OPTION_FLAG, &a.json, NULL, "one JSON object"},
    };
    const struct mien_command command = {
        .name = "mien-sim",
        .synopsis = "[--preset P] [--set K=V]... --devices N --rounds R [--faces FDIR|procedural]",
        .about = "Runs a fleet of real device cores against the real coordinator core in one "
                 "process, under virtual time, or over TLS on loopback. Results are simulated, "
                 "not private.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
    };
    const char *operands[1];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(&a, &err);
    return mien_command_end(&command, status, &err);
}
