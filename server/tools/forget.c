// SPDX-License-Identifier: Apache-2.0
/* mien forget: erases what the coordinator knows of a person, and says what cannot be. */
#include "server/tools/ask.h"
#include "server/tools/tools.h"

#include <stdio.h>

static void print_bound(const cJSON *reply, const char *name, const char *who)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reply, name);

    if (cJSON_IsNumber(item))
        printf("  epsilon %.4g for %s,\n", item->valuedouble, who);
    else
        printf("  not bounded for %s (no noise),\n", who);
}

static void print_text(const cJSON *reply, const char *unit)
{
    printf(
        "\"%s\" is forgotten: %.0f devices and %.0f tokens are erased and shut out, and its rows "
        "in the private lists of %.0f rounds.\n",
        unit, mien_ask_number(reply, "devices"), mien_ask_number(reply, "tokens"),
        mien_ask_number(reply, "rounds"));
    if (mien_ask_number(reply, "parts_kept") > 0.0)
        printf("Kept, under a salted digest of the name: the rounds of its "
               "%.0f vectors,\nsince the plan lets a person give so many and no more.\n",
               mien_ask_number(reply, "parts_kept"));
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "in_open_round")))
        printf(
            "It takes part in the round under way: say mien forget again when that has ended.\n");
    printf("Cannot be taken back: models and pictures that its devices contributed to. How much "
           "all of them\ntogether can tell of this person is bounded, at delta %g:\n",
           mien_ask_number(reply, "delta"));
    print_bound(reply, "epsilon", "a reader");
    print_bound(reply, "epsilon_witness", "a witness who knows who took part");
    printf("Not reached: copies of the directory, logs, and what is on the person's devices.\n");
}

static enum mien_status forget(const char *dir, const char *unit, bool json, struct mien_err *err)
{
    cJSON *reply = NULL;
    cJSON *request = mien_ask_request("forget");
    enum mien_status status;

    if (request != NULL && cJSON_AddStringToObject(request, "unit", unit) == NULL) {
        cJSON_Delete(request);
        request = NULL;
    }
    status = mien_ask(dir, request, &reply, err);
    if (status == MIEN_OK && json) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        status = mien_ask_print(reply);
    } else if (status == MIEN_OK) {
        print_text(reply, unit);
    }
    cJSON_Delete(reply);
    return status;
}

int mien_tool_forget(int argc, char **argv)
{
    bool json = false;
    const struct mien_option options[] = {
        {"--json", MIEN_OPTION_FLAG, &json, NULL, "one JSON object"},
    };
    const struct mien_command command = {
        .name = "mien forget",
        .synopsis = "DIR UNIT [--json]",
        .about = "Erases a unit: its devices, tokens and rows in the private lists. Says what can "
                 "not be taken back, and how that is bounded.",
        .options = options,
        .n_options = 1,
        .min_operands = 2,
        .max_operands = 2,
    };
    const char *operands[2];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = forget(operands[0], operands[1], json, &err);
    return mien_command_end(&command, status, &err);
}
