// SPDX-License-Identifier: Apache-2.0
/* mien verify: checks ledger, models and releases from their bytes alone. */
#include "server/store/verify.h"

#include "common/base/file.h"
#include "common/base/text.h"
#include "server/store/anchor.h"
#include "server/store/statedir.h"
#include "server/tools/ask.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what to check ---- */

/* While the daemon runs, a copy that it makes; the anchor is read first, for it may move on. */
static enum mien_status verify_running(const char *dir, struct mien_verify *out,
                                       struct mien_err *err)
{
    struct mien_anchor anchor;
    char path[PATH_MAX];
    cJSON *reply = NULL;
    enum mien_status status = mien_anchor_read(dir, &anchor, err);

    if (status == MIEN_OK)
        status = mien_ask(dir, mien_ask_request("copy"), &reply, err);
    if (status == MIEN_OK)
        status = mien_path_join(dir, mien_ask_text(reply, "path"), path, sizeof(path));
    cJSON_Delete(reply);
    if (status != MIEN_OK)
        return status;
    status = mien_verify_state(dir, path, &anchor, out, err);
    (void)unlink(path);
    return status;
}

static enum mien_status verify_directory(const char *dir, struct mien_verify *out,
                                         struct mien_err *err)
{
    char path[PATH_MAX];
    int lock_fd = -1;
    enum mien_status status = mien_statedir_lock(dir, &lock_fd, err);

    if (status == MIEN_EBUSY)
        return verify_running(dir, out, err);
    if (status == MIEN_OK)
        status = mien_path_join(dir, "ledger.db", path, sizeof(path));
    if (status == MIEN_OK)
        status = mien_verify_state(dir, path, NULL, out, err);
    mien_statedir_unlock(lock_fd);
    return status;
}

static bool holds(const char *dir, const char *name)
{
    char path[PATH_MAX];

    return mien_path_join(dir, name, path, sizeof(path)) == MIEN_OK && mien_path_exists(path);
}

static enum mien_status verify_any(const char *what, struct mien_verify *out, bool *state,
                                   struct mien_err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(what, '/');
    const char *name = slash == NULL ? what : slash + 1;

    *state = holds(what, "mien.conf");
    if (*state)
        return verify_directory(what, out, err);
    if (holds(what, "release.json"))
        return mien_verify_release(what, out, err);
    if (strcmp(name, "release.json") != 0 || !mien_path_exists(what))
        return mien_err_set(err, MIEN_ENOTFOUND,
                            "%s is neither a state directory nor a generated set", what);
    (void)snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 : (int)(slash - what),
                   slash == NULL ? "." : what);
    return mien_verify_release(dir, out, err);
}

/* ---- what was found ---- */

static bool add_real(cJSON *to, const char *name, double v)
{
    return (isfinite(v) ? cJSON_AddNumberToObject(to, name, v) : cJSON_AddNullToObject(to, name)) !=
           NULL;
}

static bool fill_json(cJSON *json, const struct mien_verify *verify, bool state)
{
    cJSON *problems = NULL;
    char head[65];
    bool filled = cJSON_AddBoolToObject(json, "ok", verify->n_problems == 0) != NULL &&
                  add_real(json, "epsilon", verify->cost.epsilon) &&
                  add_real(json, "epsilon_witness", verify->cost.epsilon_witness) &&
                  add_real(json, "delta", verify->delta) &&
                  add_real(json, "releases", (double)(verify->n_sampled + verify->n_unsampled));

    mien_hex(verify->mark.head, 32, head);
    if (filled && state)
        filled = add_real(json, "entries", (double)verify->n_entries) &&
                 add_real(json, "models", (double)verify->n_models) &&
                 add_real(json, "epoch", (double)verify->mark.epoch) &&
                 add_real(json, "seq", (double)verify->mark.seq) &&
                 cJSON_AddStringToObject(json, "head", head) != NULL;
    problems = filled ? cJSON_AddArrayToObject(json, "problems") : NULL;
    for (size_t i = 0; problems != NULL && i < verify->n_problems; i++) {
        cJSON *text = cJSON_CreateString(verify->problems[i]);
        if (text == NULL || !cJSON_AddItemToArray(problems, text)) {
            cJSON_Delete(text);
            return false;
        }
    }
    return problems != NULL;
}

static enum mien_status print_json(const struct mien_verify *verify, bool state)
{
    cJSON *json = cJSON_CreateObject();
    enum mien_status status =
        json != NULL && fill_json(json, verify, state) ? MIEN_OK : MIEN_ENOMEM;

    if (status == MIEN_OK)
        status = mien_ask_print(json);
    cJSON_Delete(json);
    return status;
}

static void print_promise(const struct mien_verify *verify)
{
    const struct mien_mechanism *m = &verify->plan.mechanism;

    if (verify->n_sampled + verify->n_unsampled == 0) {
        printf("No release was charged: nothing about any contributor is out.\n");
        return;
    }
    if (m->sigma2_num == 0) {
        printf("The noise is 0: NOTHING IS PROMISED to any contributor.\n");
        return;
    }
    printf("Promised to each person an enrolment token was issued for, at delta %g:\n"
           "  epsilon %.4g against whoever reads the models and this ledger%s;\n"
           "  epsilon %.4g against whoever also saw who took part.\n"
           "Compared is the same run in which that person's device sends zeros (zero-out).\n"
           "Each release: rounded Gaussian noise, sigma %.0f on a sum with bound %" PRIu64
           " per person.\n"
           "The coordinator learns sums of groups before the noise, and is not covered by these.\n",
           verify->delta, verify->cost.epsilon,
           verify->n_sampled > 0 && m->sampling == MIEN_SAMPLING_POISSON
               ? ", given that its coins were secret and fair"
               : "",
           verify->cost.epsilon_witness, sqrt((double)m->sigma2_num), m->bound);
}

static void print_text(const struct mien_verify *verify, bool state)
{
    if (state)
        printf("%" PRIu64 " ledger entries, %" PRIu64 " models, %" PRIu64 " releases charged\n",
               verify->n_entries, verify->n_models, verify->n_sampled + verify->n_unsampled);
    for (size_t i = 0; i < verify->n_problems; i++)
        printf("PROBLEM: %s\n", verify->problems[i]);
    if (verify->n_problems > 0)
        printf("%zu problems: what is claimed here is not proven.\n", verify->n_problems);
    else
        print_promise(verify);
}

static enum mien_status run(const char *what, bool json, struct mien_err *err)
{
    struct mien_verify verify = {0};
    bool state = false;
    enum mien_status status = verify_any(what, &verify, &state, err);

    if (status == MIEN_OK && json)
        status = print_json(&verify, state);
    else if (status == MIEN_OK)
        print_text(&verify, state);
    if (status == MIEN_OK && verify.n_problems > 0)
        status = mien_err_set(err, MIEN_ECORRUPT, "%s: %s", what, verify.problems[0]);
    mien_verify_fini(&verify);
    return status;
}

int mien_tool_verify(int argc, char **argv)
{
    bool json = false;
    const struct mien_option options[] = {
        {"--json", MIEN_OPTION_FLAG, &json, NULL, "one JSON object"},
    };
    const struct mien_command command = {
        .name = "mien verify",
        .synopsis = "DIR|RELEASE [--json]",
        .about = "Checks a state directory (every entry, signature, charge and model of its "
                 "ledger) or a generated set (its release.json and pictures), and says what is "
                 "promised to whom. Exit status 1 when something is wrong.",
        .options = options,
        .n_options = 1,
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(operands[0], json, &err);
    return mien_command_end(&command, status, &err);
}
