// SPDX-License-Identifier: Apache-2.0
/* mien-device: a device as a program, on libuv and files; see mien-device(1). */
#include "client/demo/device.h"
#include "client/demo/faces.h"
#include "client/demo/store.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Exit status for a wrong command line; docs/man/mien-device.1. */
enum { EXIT_USAGE = 2, ENROL_ATTEMPTS = 6 };

struct arguments {
    const char *token;
    const char *state;
    const char *faces;
    uint64_t rounds;
    uint64_t memory_mib;
    double max_epsilon;
    uint64_t min_cohort;
    double min_device_noise;
    double local_clip;
    double local_noise;
    double local_rate;
    double local_epsilon;
    double local_delta;
};

/* What the callbacks of the client stand on. */
struct host {
    struct mien_store store;
    struct mien_faces *faces; /* NULL while enrolling */
};

static const char usage[] =
    "usage: mien-device enrol --token TOKEN --state SDIR\n"
    "       mien-device run --state SDIR --faces FDIR [--rounds N | --once]\n"
    "                   [--memory-mib M] [--max-epsilon E] [--min-cohort N] [--min-device-noise "
    "Z]\n"
    "                   [--local-clip C --local-noise Z --local-rate Q --local-epsilon E\n"
    "                    --local-delta D] [--verbose]\n"
    "\n"
    "  enrol              get a certificate for a new device; the key never leaves SDIR\n"
    "  run                take part in rounds on the faces in FDIR (*.png)\n"
    "  --rounds N         end after N released rounds with an update of this device\n"
    "  --once             the same as --rounds 1\n"
    "  --memory-mib M     refuse plans that need more memory (default 48)\n"
    "  --max-epsilon E    refuse plans whose cap is higher\n"
    "  --min-cohort N     refuse plans with smaller cohorts (default 2)\n"
    "  --min-device-noise Z  refuse plans in which devices add less noise by themselves\n"
    "  --local-clip C     protect each single picture of FDIR on this device: clip its gradient,\n"
    "  --local-noise Z    add noise of Z times the clip (from 0.3 on),\n"
    "  --local-rate Q     draw it for a local step with this probability,\n"
    "  --local-epsilon E  and refuse the plan that would cost more than E in this device's life\n"
    "  --local-delta D    at delta D; all five, or none\n"
    "  --verbose          log every step\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 done, 1 the machine or network failed, 2 wrong usage or input, 3 refused.\n";

static enum mien_status host_load(void *self, void *buf, size_t cap, size_t *len)
{
    struct host *host = self;

    return mien_store_load(&host->store, buf, cap, len);
}

static enum mien_status host_save(void *self, const void *state, size_t len)
{
    struct host *host = self;

    return mien_store_save(&host->store, state, len);
}

static enum mien_status host_load_model(void *self, void *buf, size_t cap, size_t *len)
{
    struct host *host = self;

    return mien_store_load_model(&host->store, buf, cap, len);
}

static enum mien_status host_save_model(void *self, const void *model, size_t len)
{
    struct host *host = self;

    return mien_store_save_model(&host->store, model, len);
}

static size_t host_n_examples(void *self)
{
    struct host *host = self;

    return host->faces == NULL ? 0 : mien_faces_count(host->faces);
}

static enum mien_status host_example(void *self, size_t index, unsigned size, unsigned channels,
                                     float *pixels)
{
    struct host *host = self;

    if (host->faces == NULL)
        return MIEN_ENOTFOUND;
    return mien_faces_example(host->faces, index, size, channels, pixels);
}

static const char *host_attribute(void *self, size_t index, const char *name)
{
    struct host *host = self;

    return host->faces == NULL ? NULL : mien_faces_attribute(host->faces, index, name);
}

static void host_log(void *self, enum mien_client_level level, const char *line)
{
    static const enum mien_log_level levels[] = {MIEN_ERROR, MIEN_WARN, MIEN_INFO, MIEN_DEBUG};
    const char *space = strchr(line, ' ');
    char event[64];

    (void)self;
    if (space == NULL || (size_t)(space - line) >= sizeof(event)) {
        mien_log(levels[level], "client", "%s", line);
        return;
    }
    (void)snprintf(event, sizeof(event), "%.*s", (int)(space - line), line);
    mien_log(levels[level], event, "%s", space + 1);
}

static enum mien_status make_client(struct host *host, const struct arguments *args,
                                    struct mien_client **out, struct mien_err *err)
{
    struct mien_client_config config = MIEN_CLIENT_CONFIG_INIT;
    enum mien_status status;

    config.software = "mien-device " MIEN_VERSION;
    config.max_memory_bytes = args->memory_mib << 20;
    config.max_epsilon = args->max_epsilon;
    config.min_cohort = (uint32_t)args->min_cohort;
    config.min_device_noise = args->min_device_noise;
    config.local_clip = args->local_clip;
    config.local_noise = args->local_noise;
    config.local_rate = args->local_rate;
    config.local_epsilon = args->local_epsilon;
    config.local_delta = args->local_delta;
    config.host = (struct mien_client_host){.self = host,
                                            .load = host_load,
                                            .save = host_save,
                                            .n_examples = host_n_examples,
                                            .example = host_example,
                                            .attribute = host_attribute,
                                            .load_model = host_load_model,
                                            .save_model = host_save_model,
                                            .log = host_log};
    status = mien_client_new(&config, out);
    if (status != MIEN_OK)
        return mien_err_set(err, status, "cannot use the state in %s: %s", args->state,
                            mien_client_status_text(status));
    return MIEN_OK;
}

static enum mien_status enrol(const struct arguments *args, struct mien_err *err)
{
    const struct mien_device_options options = {.enrol_only = true, .max_failures = ENROL_ATTEMPTS};
    struct mien_client_info info = {.struct_bytes = sizeof(info)};
    struct host host = {0};
    struct mien_client *client = NULL;
    enum mien_status status = mien_store_open(&host.store, args->state, true, err);

    if (status != MIEN_OK)
        return status;
    status = make_client(&host, args, &client, err);
    if (status != MIEN_OK)
        goto out;
    status = mien_client_enrol(client, args->token);
    if (status != MIEN_OK) {
        (void)mien_err_set(err, status, "%s", mien_client_explain(client));
        goto out;
    }
    status = mien_device_run(client, &options, err);
    if (status == MIEN_OK)
        status = mien_client_info(client, &info);
    if (status == MIEN_OK && !info.enrolled)
        status = mien_err_set(err, MIEN_ECANCELED, "stopped before the device was enrolled");
    if (status == MIEN_OK)
        (void)printf("%s\n", info.device_id);
out:
    mien_client_free(client);
    mien_store_close(&host.store);
    return status;
}

static enum mien_status run(const struct arguments *args, struct mien_err *err)
{
    const struct mien_device_options options = {.rounds = args->rounds};
    struct mien_client_info info = {.struct_bytes = sizeof(info)};
    struct host host = {0};
    struct mien_client *client = NULL;
    enum mien_status status = mien_faces_open(args->faces, &host.faces, err);

    if (status == MIEN_OK)
        status = mien_store_open(&host.store, args->state, false, err);
    if (status == MIEN_OK)
        status = make_client(&host, args, &client, err);
    if (status == MIEN_OK)
        status = mien_client_info(client, &info);
    if (status == MIEN_OK && !info.enrolled)
        status = mien_err_set(err, MIEN_ENOTFOUND, "no device in %s: run mien-device enrol first",
                              args->state);
    if (status != MIEN_OK)
        goto out;
    mien_log(MIEN_INFO, "device.start", "device=%s faces=%zu", info.device_id,
             mien_faces_count(host.faces));
    status = mien_device_run(client, &options, err);
out:
    mien_client_free(client);
    mien_store_close(&host.store);
    mien_faces_free(host.faces);
    return status;
}

enum option_id {
    OPT_TOKEN = 256,
    OPT_STATE,
    OPT_FACES,
    OPT_ROUNDS,
    OPT_ONCE,
    OPT_MEMORY,
    OPT_EPSILON,
    OPT_COHORT,
    OPT_NOISE,
    OPT_LOCAL_CLIP,
    OPT_LOCAL_NOISE,
    OPT_LOCAL_RATE,
    OPT_LOCAL_EPSILON,
    OPT_LOCAL_DELTA,
    OPT_VERBOSE,
    OPT_HELP,
    OPT_VERSION
};

static const struct option options[] = {
    {"token", required_argument, NULL, OPT_TOKEN},
    {"state", required_argument, NULL, OPT_STATE},
    {"faces", required_argument, NULL, OPT_FACES},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"once", no_argument, NULL, OPT_ONCE},
    {"memory-mib", required_argument, NULL, OPT_MEMORY},
    {"max-epsilon", required_argument, NULL, OPT_EPSILON},
    {"min-cohort", required_argument, NULL, OPT_COHORT},
    {"min-device-noise", required_argument, NULL, OPT_NOISE},
    {"local-clip", required_argument, NULL, OPT_LOCAL_CLIP},
    {"local-noise", required_argument, NULL, OPT_LOCAL_NOISE},
    {"local-rate", required_argument, NULL, OPT_LOCAL_RATE},
    {"local-epsilon", required_argument, NULL, OPT_LOCAL_EPSILON},
    {"local-delta", required_argument, NULL, OPT_LOCAL_DELTA},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0}};

static enum mien_status set_number(const char *name, const char *text, uint64_t max, uint64_t *out)
{
    enum mien_status status = mien_parse_u64(text, 1, max, out);

    if (status != MIEN_OK)
        (void)fprintf(stderr, "mien-device: --%s: \"%s\" is no number from 1 to %llu\n", name, text,
                      (unsigned long long)max);
    return status;
}

static enum mien_status set_real(const char *name, const char *text, double *out)
{
    enum mien_status status = mien_parse_double(text, out);

    if (status == MIEN_OK && !(*out > 0))
        status = MIEN_EPARSE;
    if (status != MIEN_OK)
        (void)fprintf(stderr, "mien-device: --%s: \"%s\" is no number above 0\n", name, text);
    return status;
}

static enum mien_status take_option(int id, struct arguments *args)
{
    switch (id) {
    case OPT_TOKEN:
        args->token = optarg;
        return MIEN_OK;
    case OPT_STATE:
        args->state = optarg;
        return MIEN_OK;
    case OPT_FACES:
        args->faces = optarg;
        return MIEN_OK;
    case OPT_ROUNDS:
        return set_number("rounds", optarg, UINT32_MAX, &args->rounds);
    case OPT_ONCE:
        args->rounds = 1;
        return MIEN_OK;
    case OPT_MEMORY:
        return set_number("memory-mib", optarg, 1 << 20, &args->memory_mib);
    case OPT_EPSILON:
        return set_real("max-epsilon", optarg, &args->max_epsilon);
    case OPT_COHORT:
        return set_number("min-cohort", optarg, UINT32_MAX, &args->min_cohort);
    case OPT_NOISE:
        return set_real("min-device-noise", optarg, &args->min_device_noise);
    case OPT_LOCAL_CLIP:
        return set_real("local-clip", optarg, &args->local_clip);
    case OPT_LOCAL_NOISE:
        return set_real("local-noise", optarg, &args->local_noise);
    case OPT_LOCAL_RATE:
        return set_real("local-rate", optarg, &args->local_rate);
    case OPT_LOCAL_EPSILON:
        return set_real("local-epsilon", optarg, &args->local_epsilon);
    case OPT_LOCAL_DELTA:
        return set_real("local-delta", optarg, &args->local_delta);
    case OPT_VERBOSE:
        mien_log_set_level(MIEN_DEBUG);
        return MIEN_OK;
    default:
        return MIEN_EINVAL; /* getopt has said why */
    }
}

/* All of it, or none: half a protection is none. */
static bool local_is_whole(const struct arguments *args)
{
    const double given[] = {args->local_clip, args->local_noise, args->local_rate,
                            args->local_epsilon, args->local_delta};
    unsigned n = 0;

    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        n += given[i] > 0;
    return n == 0 || (n == 5 && args->local_noise >= 0.3 && args->local_noise <= 1000 &&
                      args->local_rate <= 1 && args->local_delta <= 0.1);
}

static int wrong_usage(const char *text)
{
    (void)fprintf(stderr, "mien-device: %s; mien-device --help says more\n", text);
    return EXIT_USAGE;
}

static int dispatch(const char *verb, const struct arguments *args)
{
    struct mien_err err = {0};
    enum mien_status status;

    if (strcmp(verb, "enrol") == 0) {
        if (args->token == NULL || args->state == NULL)
            return wrong_usage("enrol needs --token and --state");
        status = enrol(args, &err);
    } else if (strcmp(verb, "run") == 0) {
        if (args->faces == NULL || args->state == NULL)
            return wrong_usage("run needs --state and --faces");
        if (!local_is_whole(args))
            return wrong_usage(
                "--local-clip, -noise (0.3 to 1000), -rate (at most 1), -epsilon and "
                "-delta (at most 0.1) go together");
        status = run(args, &err);
    } else {
        return wrong_usage("the first word is enrol or run");
    }
    if (status != MIEN_OK)
        (void)fprintf(stderr, "mien-device: %s\n", mien_err_text(&err, status));
    return mien_status_exit(status);
}

int main(int argc, char **argv)
{
    struct arguments args = {.memory_mib = 48, .min_cohort = 2};
    int id;

    argv[0] = "mien-device"; /* as getopt's own sentences begin */
    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (id == OPT_HELP)
            return fputs(usage, stdout) == EOF;
        if (id == OPT_VERSION)
            return printf("mien-device %s\n", mien_client_version()) < 0;
        if (take_option(id, &args) != MIEN_OK)
            return EXIT_USAGE;
    }
    if (argc - optind != 1)
        return wrong_usage(argc == optind ? "no command" : "too many words");
    return dispatch(argv[optind], &args);
}
