// SPDX-License-Identifier: Apache-2.0
/* mien plan: what a plan asks of devices, and what it costs units, before anything runs. */
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/dp/strategy_table.h"
#include "common/plan/sampling.h"
#include "server/store/config.h"
#include "server/tools/ask.h"
#include "server/tools/plan_facts.h"
#include "server/tools/plan_layers.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

#define MIB (1024.0 * 1024.0)

struct plan_options {
    const char *from; /* DIR or PRESET */
    struct mien_option_list set;
    double gflops; /* NAN: measured here */
    bool explain;
    bool json;
};

/* What is said, once it is known. */
struct told {
    const struct plan_options *options;
    const struct mien_config *config;
    struct mien_plan_facts facts;
    double flops_per_second; /* 0: not asked for */
};

static enum mien_status configure(const struct plan_options *o, struct mien_config *config,
                                  struct mien_err *err)
{
    char path[PATH_MAX];
    struct stat about;
    enum mien_status status;

    if (stat(o->from, &about) == 0 && S_ISDIR(about.st_mode)) {
        status = mien_path_join(o->from, "mien.conf", path, sizeof(path));
        if (status == MIEN_OK)
            status = mien_config_read(path, config, err);
    } else {
        status = mien_config_init(o->from, config, err);
    }
    for (size_t i = 0; i < o->set.n && status == MIEN_OK; i++)
        status = mien_config_set_pair(config, o->set.values[i], err);
    return status == MIEN_OK ? mien_config_check(config, err) : status;
}

/* ---- text ---- */

static void print_memory(const struct mien_plan_facts *f)
{
    printf("memory       %.1f MiB of a device at its peak, as its guard counts\n",
           (double)f->device_bytes / MIB);
    printf("             %.1f MiB arenas: activations and gradients\n",
           (double)(f->training.arena_bytes + f->training.scratch_bytes) / MIB);
    printf("             %.1f MiB values: the model as trained, moments\n",
           (double)f->training.values_bytes / MIB);
    printf("             %.1f MiB the downloaded model, %.1f MiB the vector\n",
           (double)f->download_bytes / MIB, (double)f->vector_bytes / MIB);
    printf("             %.1f MiB a session of the secure sum, when training is over\n",
           (double)f->session_bytes / MIB);
}

static void print_time(const struct told *t)
{
    const struct mien_plan_facts *f = &t->facts;
    const double rate = t->flops_per_second;

    printf("work         %.3f GFLOP a step, %u steps a round\n", (double)f->training.flops / 1e9,
           t->config->plan.local_steps);
    if (!(rate > 0.0))
        return;
    printf("time         %.3f s a round at %.1f GFLOP/s, %s\n", (double)f->round_flops / rate,
           rate / 1e9,
           isnan(t->options->gflops) ? "measured here by steps of this plan on one thread"
                                     : "as given");
}

static void print_privacy(const struct mien_plan *plan, const struct mien_plan_facts *f)
{
    if (!(f->noise > 0.0)) {
        printf("privacy      NONE: no noise is added, nothing bounds epsilon\n");
        return;
    }
    printf("privacy      epsilon %.6g for a reader of %u releases, %.6g for a witness, "
           "delta %g, noise %.6g\n",
           f->epsilon, plan->rounds, f->epsilon_witness, plan->delta, f->noise);
    if (f->share > 0)
        printf("             devices add it, sigma %.6g each; that of %" PRIu32
               " honest survivors of a group is enough\n",
               sqrt((double)f->share), f->n_shares);
    if (mien_plan_limits_parts(plan))
        printf(
            "             with %s noise; a unit gives %u vectors at most (0: as many as fit), %u "
            "rounds apart: about %" PRIu64 " units\n",
            mien_strategy_name((enum mien_strategy_kind)plan->strategy), plan->max_participations,
            plan->min_separation > 0 ? plan->min_separation : 1, mien_plan_fleet(plan));
    if (plan->epsilon_cap > 0.0 && f->epsilon > plan->epsilon_cap)
        printf("             the cap of %g ends the run before %u releases\n", plan->epsilon_cap,
               plan->rounds);
}

static void print_text(const struct told *t)
{
    const struct mien_plan *plan = &t->config->plan;
    const struct mien_plan_facts *f = &t->facts;

    printf("plan         %s, %u x %u x %u, batch %u\n", mien_family_name(plan->family), plan->size,
           plan->size, plan->channels, plan->batch);
    printf("parameters   %" PRIu64 ": %" PRIu64 " of the first network, %" PRIu64
           " of the second\n",
           f->n_parameters, f->n_first, f->n_parameters - f->n_first);
    printf("vector       %" PRIu32 " coordinates of %" PRIu32 " bits: %.1f KiB up, %.1f KiB down\n",
           f->dim, f->bits, (double)f->upload_bytes / 1024.0, (double)f->download_bytes / 1024.0);
    print_memory(f);
    print_time(t);
    print_privacy(plan, f);
    if (mien_plan_warning(plan) != NULL)
        printf("warning      %s\n", mien_plan_warning(plan));
    if (t->options->explain)
        mien_plan_layers_print(plan, stdout);
}

/* ---- JSON ---- */

/* A number, null where there is no bound. */
static bool add(cJSON *to, const char *name, double value)
{
    return (isfinite(value) ? cJSON_AddNumberToObject(to, name, value)
                            : cJSON_AddNullToObject(to, name)) != NULL;
}

static bool add_memory(cJSON *to, const struct mien_plan_facts *f)
{
    cJSON *memory = cJSON_AddObjectToObject(to, "memory");

    return memory != NULL && add(memory, "device_bytes", (double)f->device_bytes) &&
           add(memory, "training_bytes", (double)f->training.total_bytes) &&
           add(memory, "arena_bytes", (double)f->training.arena_bytes) &&
           add(memory, "scratch_bytes", (double)f->training.scratch_bytes) &&
           add(memory, "values_bytes", (double)f->training.values_bytes) &&
           add(memory, "model_bytes", (double)f->download_bytes) &&
           add(memory, "vector_bytes", (double)f->vector_bytes) &&
           add(memory, "session_bytes", (double)f->session_bytes);
}

static bool add_time(cJSON *to, const struct told *t)
{
    const double rate = t->flops_per_second;

    if (!(rate > 0.0))
        return true;
    return add(to, "flops_per_second", rate) &&
           cJSON_AddBoolToObject(to, "rate_measured", isnan(t->options->gflops)) != NULL &&
           add(to, "seconds_round", (double)t->facts.round_flops / rate);
}

static bool fill(cJSON *to, const struct told *t)
{
    const struct mien_plan *plan = &t->config->plan;
    const struct mien_plan_facts *f = &t->facts;

    if (cJSON_AddStringToObject(to, "family", mien_family_name(plan->family)) == NULL ||
        !add(to, "parameters", (double)f->n_parameters) ||
        !add(to, "parameters_first", (double)f->n_first) || !add(to, "dim", f->dim) ||
        !add(to, "bits", f->bits) || !add(to, "upload_bytes", (double)f->upload_bytes) ||
        !add(to, "download_bytes", (double)f->download_bytes) || !add_memory(to, f) ||
        !add(to, "flops_step", (double)f->training.flops) ||
        !add(to, "flops_round", (double)f->round_flops) || !add_time(to, t))
        return false;
    if (f->share > 0 &&
        (!add(to, "noise_share", sqrt((double)f->share)) || !add(to, "noise_shares", f->n_shares)))
        return false;
    return add(to, "noise", f->noise) && add(to, "epsilon", f->epsilon) &&
           add(to, "epsilon_witness", f->epsilon_witness) && add(to, "delta", plan->delta) &&
           add(to, "rounds", plan->rounds);
}

static enum mien_status print_json(const struct told *t)
{
    cJSON *json = cJSON_CreateObject();
    bool good = json != NULL && fill(json, t);

    if (good && t->options->explain) {
        cJSON *layers = mien_plan_layers_json(&t->config->plan);

        good = layers != NULL && cJSON_AddItemToObject(json, "layers", layers);
        if (!good)
            cJSON_Delete(layers);
    }
    enum mien_status status = good ? mien_ask_print(json) : MIEN_ENOMEM;
    cJSON_Delete(json);
    return status;
}

static enum mien_status run(const struct plan_options *o, struct mien_err *err)
{
    struct mien_config *config = mien_calloc(1, sizeof(*config));
    struct told told = {.options = o, .config = config};
    enum mien_status status = MIEN_ENOMEM;

    if (!isnan(o->gflops) && !(o->gflops > 0.0)) {
        mien_free(config);
        return mien_err_set(err, MIEN_EINVAL, "--gflops is %g, expected above 0", o->gflops);
    }
    if (config != NULL)
        status = configure(o, config, err);
    if (status == MIEN_OK)
        status = mien_plan_facts(&config->plan, &told.facts, err);
    if (status == MIEN_OK && !isnan(o->gflops))
        told.flops_per_second = o->gflops * 1e9;
    else if (status == MIEN_OK && o->explain)
        status = mien_plan_measure(&config->plan, &told.facts, &told.flops_per_second);
    if (status == MIEN_OK && o->json)
        status = print_json(&told);
    else if (status == MIEN_OK)
        print_text(&told);
    mien_free(config);
    return status;
}

int mien_tool_plan(int argc, char **argv)
{
    struct plan_options o = {.gflops = (double)NAN};
    const struct mien_option options[] = {
        {"--explain", MIEN_OPTION_FLAG, &o.explain, NULL,
         "every layer, and the time of a round, measured on this machine"},
        {"--set", MIEN_OPTION_LIST, &o.set, "K=V", "a key of the configuration, may be repeated"},
        {"--gflops", MIEN_OPTION_REAL, &o.gflops, "R",
         "say the time for a device of so many GFLOP/s, and do not measure"},
        {"--json", MIEN_OPTION_FLAG, &o.json, NULL, "one JSON object"},
    };
    const struct mien_command command = {
        .name = "mien plan",
        .synopsis = "DIR|PRESET [--explain] [--set K=V]... [--gflops R] [--json]",
        .about = "Says what a plan asks of a device (parameters, bytes, arithmetic) and what all "
                 "its rounds cost a unit, before anything runs.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1] = {NULL};
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done) {
        o.from = operands[0];
        status = run(&o, &err);
    }
    return mien_command_end(&command, status, &err);
}
