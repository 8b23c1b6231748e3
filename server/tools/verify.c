// SPDX-License-Identifier: Apache-2.0
/* mien verify: checks ledger, models and releases from their bytes alone. */
#include "server/store/verify.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/dp/strategy_table.h"
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

enum kind { STATE, RELEASE, PICTURE };

/* "DIR/release.json" is the set in DIR. */
static enum mien_status verify_json(const char *what, struct mien_verify *out, struct mien_err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(what, '/');

    (void)snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 : (int)(slash - what),
                   slash == NULL ? "." : what);
    return mien_verify_release(dir, out, err);
}

static enum mien_status verify_any(const char *what, struct mien_verify *out, enum kind *kind,
                                   struct mien_err *err)
{
    const char *slash = strrchr(what, '/');
    const char *name = slash == NULL ? what : slash + 1;
    const size_t n = strlen(name);

    *kind = STATE;
    if (holds(what, "mien.conf"))
        return verify_directory(what, out, err);
    *kind = RELEASE;
    if (holds(what, "release.json"))
        return mien_verify_release(what, out, err);
    if (strcmp(name, "release.json") == 0 && mien_path_exists(what))
        return verify_json(what, out, err);
    *kind = PICTURE;
    if (n > 4 && strcmp(name + n - 4, ".png") == 0 && mien_path_exists(what))
        return mien_verify_picture(what, out, err);
    return mien_err_set(err, MIEN_ENOTFOUND,
                        "%s is neither a state directory nor a generated set nor a PNG", what);
}

/* Whoever makes a ledger of his own signs it with a key of his own. */
static enum mien_status check_key(const char *wanted, struct mien_verify *verify,
                                  struct mien_err *err)
{
    char hex[65];
    uint8_t key[32];

    if (wanted == NULL)
        return MIEN_OK;
    if (strlen(wanted) != 64 || mien_unhex(wanted, sizeof(key), key) != MIEN_OK)
        return mien_err_set(err, MIEN_EPARSE, "--key: expected 64 hexadecimal digits");
    if (memcmp(key, verify->card.signing_key, sizeof(key)) == 0)
        return MIEN_OK;
    mien_hex(verify->card.signing_key, sizeof(key), hex);
    return mien_verify_problem(verify, "it is signed by the ledger key %s, not by the one expected",
                               hex);
}

/* ---- what was found ---- */

static bool add_real(cJSON *to, const char *name, double v)
{
    return (isfinite(v) ? cJSON_AddNumberToObject(to, name, v) : cJSON_AddNullToObject(to, name)) !=
           NULL;
}

static uint64_t n_releases(const struct mien_card *card)
{
    uint64_t n = 0;

    for (size_t i = 0; i < card->n_events; i++)
        n += card->events[i].releases;
    return n;
}

static bool add_hex(cJSON *to, const char *name, const uint8_t *data, size_t n)
{
    char hex[65];

    mien_hex(data, n, hex);
    return cJSON_AddStringToObject(to, name, hex) != NULL;
}

static bool add_problems(cJSON *json, const struct mien_verify *verify)
{
    cJSON *problems = cJSON_AddArrayToObject(json, "problems");

    for (size_t i = 0; problems != NULL && i < verify->n_problems; i++) {
        cJSON *text = cJSON_CreateString(verify->problems[i]);
        if (text == NULL || !cJSON_AddItemToArray(problems, text)) {
            cJSON_Delete(text);
            return false;
        }
    }
    return problems != NULL;
}

static bool fill_json(cJSON *json, const struct mien_verify *verify, enum kind kind)
{
    const struct mien_card *card = &verify->card;
    bool filled = cJSON_AddBoolToObject(json, "ok", verify->n_problems == 0) != NULL &&
                  add_real(json, "epsilon", verify->cost.epsilon) &&
                  add_real(json, "epsilon_witness", verify->cost.epsilon_witness) &&
                  add_real(json, "delta", verify->delta) &&
                  add_real(json, "releases", (double)n_releases(card)) &&
                  add_real(json, "epoch", (double)card->mark.epoch) &&
                  add_real(json, "seq", (double)card->mark.seq) &&
                  add_hex(json, "head", card->mark.head, 32) &&
                  add_hex(json, "signing_key", card->signing_key, 32);

    if (filled && kind != PICTURE)
        filled = add_real(json, "entries", (double)verify->n_entries);
    if (filled && kind == STATE)
        filled = add_real(json, "models", (double)verify->n_models) &&
                 add_real(json, "forgotten", (double)verify->n_forgotten);
    if (filled && kind != STATE)
        filled = add_hex(json, "release_id", card->release_id, sizeof(card->release_id)) &&
                 add_hex(json, "model_hash", card->model_hash, 32);
    return filled && add_problems(json, verify);
}

static enum mien_status print_json(const struct mien_verify *verify, enum kind kind)
{
    cJSON *json = cJSON_CreateObject();
    enum mien_status status = json != NULL && fill_json(json, verify, kind) ? MIEN_OK : MIEN_ENOMEM;

    if (status == MIEN_OK)
        status = mien_ask_print(json);
    cJSON_Delete(json);
    return status;
}

/* ---- in plain words ---- */

static bool by_devices(const struct mien_card_event *event)
{
    return event->mechanism.kind == MIEN_MECHANISM_DISTRIBUTED;
}

static void print_shares(const struct mien_mechanism *m)
{
    const struct mien_dp_event event = mien_mechanism_event(m, 1);

    printf("and discrete Gaussian noise of sigma %.6g by every device, of %" PRIu32
           " honest ones at least (z = %.4g;\n    its law is off by %.3g at most); counted as if "
           "everybody took part\n",
           sqrt((double)m->sigma2_num), m->shares, event.noise, event.off);
}

static bool has_limits(const struct mien_mechanism *m)
{
    return m->separation > 1 || m->participations > 0;
}

static void print_limits(const struct mien_mechanism *m)
{
    struct mien_strategy_table table;
    const bool known = mien_strategy_table_find(m->strategy, m->separation, &table) == MIEN_OK;

    printf("nobody drawn;\n    each person takes part");
    if (m->participations > 0)
        printf(" at most %" PRIu32 " times", m->participations);
    if (m->separation > 1)
        printf("%s %" PRIu32 " rounds or more apart", m->participations > 0 ? "," : "",
               m->separation);
    if (mien_mechanism_correlated(m))
        printf("; the noise is correlated over rounds (%s), the run one release",
               known ? mien_strategy_name(table.kind) : "?");
    printf("\n");
}

static void print_event(const struct mien_card_event *event)
{
    const struct mien_mechanism *m = &event->mechanism;
    const double sigma = sqrt((double)m->sigma2_num / (double)m->sigma2_den);

    printf("  run %" PRIu32 ": %" PRIu64 " releases, each a sum in which one person's part has L2 "
           "norm at most %" PRIu64 ",\n    ",
           event->run, event->releases, m->bound);
    if (by_devices(event)) {
        print_shares(m);
        return;
    }
    printf("and %s Gaussian noise of sigma %.6g (z = %.4g); ",
           m->kind == MIEN_MECHANISM_DISCRETE_GAUSSIAN ? "discrete" : "rounded", sigma,
           sigma / (double)m->bound);
    if (m->sampling == MIEN_SAMPLING_NONE && has_limits(m))
        print_limits(m);
    else if (m->sampling == MIEN_SAMPLING_NONE)
        printf("counted as if everybody took part\n");
    else if (m->sampling == MIEN_SAMPLING_FIXED)
        printf("a secret subset of fixed size, a share of %.4g of all\n", m->rate);
    else
        printf("each person drawn with probability %.4g\n", m->rate);
}

static void print_figure(const char *who, double epsilon)
{
    printf("  %s: ", who);
    if (isfinite(epsilon))
        printf("epsilon %.4g\n", epsilon);
    else
        printf("NOTHING IS PROMISED (no noise, so no bound)\n");
}

static void print_assumptions(const struct mien_card *card)
{
    bool sampled = false;
    bool central = false;
    bool devices = false;
    bool limited = false;

    for (size_t i = 0; i < card->n_events; i++) {
        const struct mien_card_event *event = &card->events[i];

        devices = devices || by_devices(event);
        central = central || !by_devices(event);
        limited = limited || (!by_devices(event) && has_limits(&event->mechanism));
        sampled =
            sampled || (!by_devices(event) && event->mechanism.sampling != MIEN_SAMPLING_NONE);
    }
    printf("Assumed:\n");
    if (sampled)
        printf("  the coordinator drew every person by a secret and fair coin, and nobody but it "
               "knows the draws\n  (a witness needs no such assumption);\n");
    if (limited)
        printf("  the coordinator let nobody take part earlier or more often than that; a device "
               "refuses for itself;\n");
    if (central)
        printf(
            "  the coordinator added the noise that it has charged for, from a good generator;\n");
    if (devices)
        printf("  of the devices of any group that was summed no more colluded than the plan says, "
               "and "
               "the others\n  added their noise, from good generators;\n");
    printf("  a person enrolled as one unit: two tokens of one person are two units, protected by "
           "twice these figures.\n"
           "Not covered:\n");
    if (central)
        printf("  the coordinator itself, which sees sums of groups before the noise;\n");
    else
        printf("  (the coordinator is a witness: it sees sums of groups with the devices' noise in "
               "them;)\n");
    printf("  people in the pictures who are not the one who contributed them;\n"
           "  what is known without this person's pictures, or from elsewhere.\n");
}

static void print_promise(const struct mien_verify *verify)
{
    const struct mien_card *card = &verify->card;
    char hex[65];

    if (card->n_events == 0) {
        printf("No release was charged: nothing about any contributor is out.\n");
        return;
    }
    printf("Promised to each person an enrolment token was issued for (the unit), at delta %g:\n",
           verify->delta);
    print_figure("against a reader, who has all models and pictures and this ledger",
                 verify->cost.epsilon);
    print_figure("against a witness, who also knows who took part in which round",
                 verify->cost.epsilon_witness);
    printf("Compared is the same run in which that person's devices send zeros (zero-out).\n"
           "Charged so far, for all models of this population:\n");
    for (size_t i = 0; i < card->n_events; i++)
        print_event(&card->events[i]);
    print_assumptions(card);
    mien_hex(card->mark.head, 32, hex);
    printf("Up to ledger head %s (entry %" PRIu64 ").\n", hex, card->mark.seq);
    mien_hex(card->signing_key, 32, hex);
    printf("Signed by ledger key %s: compare it with the operator's (--key).\n", hex);
}

static void print_text(const struct mien_verify *verify, enum kind kind)
{
    if (kind == STATE)
        printf("%" PRIu64 " ledger entries, %" PRIu64 " models, %" PRIu64 " releases charged\n",
               verify->n_entries, verify->n_models, n_releases(&verify->card));
    if (verify->n_forgotten > 0)
        printf("the private lists of %" PRIu64
               " charges cannot be checked: mien forget erased rows "
               "of them\n",
               verify->n_forgotten);
    for (size_t i = 0; i < verify->n_problems; i++)
        printf("PROBLEM: %s\n", verify->problems[i]);
    if (verify->n_problems > 0)
        printf("%zu problems: what is claimed here is not proven.\n", verify->n_problems);
    else
        print_promise(verify);
}

static enum mien_status run(const char *what, const char *key, bool json, struct mien_err *err)
{
    struct mien_verify *verify = mien_calloc(1, sizeof(*verify));
    enum kind kind = STATE;
    enum mien_status status = MIEN_ENOMEM;

    if (verify != NULL)
        status = verify_any(what, verify, &kind, err);
    if (status == MIEN_OK)
        status = check_key(key, verify, err);
    if (status == MIEN_OK && json)
        status = print_json(verify, kind);
    else if (status == MIEN_OK)
        print_text(verify, kind);
    if (status == MIEN_OK && verify->n_problems > 0)
        status = mien_err_set(err, MIEN_ECORRUPT, "%s: %s", what, verify->problems[0]);
    if (verify != NULL)
        mien_verify_fini(verify);
    mien_free(verify);
    return status;
}

int mien_tool_verify(int argc, char **argv)
{
    bool json = false;
    const char *key = NULL;
    const struct mien_option options[] = {
        {"--json", MIEN_OPTION_FLAG, &json, NULL, "one JSON object"},
        {"--key", MIEN_OPTION_TEXT, &key, "HEX",
         "the ledger key that it must be signed by, as the operator has published it"},
    };
    const struct mien_command command = {
        .name = "mien verify",
        .synopsis = "DIR|RELEASE|IMAGE.png [--key HEX] [--json]",
        .about = "Checks a state directory (every entry, signature, charge and model of its "
                 "ledger), a generated set (its release.json, ledger and pictures) or one picture, "
                 "and says what is promised to whom. Exit status 1 when something is wrong.",
        .options = options,
        .n_options = 2,
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(operands[0], key, json, &err);
    return mien_command_end(&command, status, &err);
}
