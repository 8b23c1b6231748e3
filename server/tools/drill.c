// SPDX-License-Identifier: Apache-2.0
/* mien drill: whether the secure sum holds with the fleet that is there. */
#include "server/tools/ask.h"
#include "server/tools/tools.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 300

static void print_steps(const cJSON *steps)
{
    const cJSON *step = NULL;
    const char *before = "";

    printf("%-12s ", "time");
    cJSON_ArrayForEach(step, steps)
    {
        printf("%s%s %.0f ms", before, step->string, step->valuedouble);
        before = ", ";
    }
    printf("\n");
}

static void print_text(const cJSON *reply)
{
    const double members = mien_ask_number(reply, "members");
    const double survived = mien_ask_number(reply, "survived");
    const bool right = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "right"));

    printf("%-12s %.0f asked, %.0f ready, %.0f in %.0f sessions with all their shares\n", "devices",
           mien_ask_number(reply, "assigned"), mien_ask_number(reply, "ready"), members,
           mien_ask_number(reply, "sessions"));
    printf("%-12s %.0f by the drill, %.0f by themselves\n", "left",
           mien_ask_number(reply, "left_out"),
           members - mien_ask_number(reply, "left_out") - survived);
    printf("%-12s %s (%.0f of %.0f sessions, %.0f devices)\n", "sum",
           right ? "right" : "none, or wrong", mien_ask_number(reply, "sessions_summed"),
           mien_ask_number(reply, "sessions"), survived);
    if (mien_ask_text(reply, "failed")[0] != '\0')
        printf("%-12s %s\n", "because", mien_ask_text(reply, "failed"));
    print_steps(cJSON_GetObjectItemCaseSensitive(reply, "step_ms"));
    printf("%-12s up to %.0f %% could have left after their shares\n", "margin",
           100.0 * mien_ask_number(reply, "survivable"));
}

/* Asks until the drill with this number is over. */
static enum mien_status wait_for(const char *dir, double number, cJSON **reply,
                                 struct mien_err *err)
{
    for (;;) {
        enum mien_status status = mien_ask(dir, mien_ask_request("drill_report"), reply, err);

        if (status != MIEN_OK)
            return status;
        if (mien_ask_number(*reply, "number") > number ||
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(*reply, "done")))
            return MIEN_OK;
        cJSON_Delete(*reply);
        *reply = NULL;
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
}

static enum mien_status drill(const char *dir, double drop, bool json, struct mien_err *err)
{
    cJSON *request = mien_ask_request("drill");
    cJSON *reply = NULL;

    if (request != NULL && cJSON_AddNumberToObject(request, "drop", drop) == NULL) {
        cJSON_Delete(request);
        request = NULL;
    }
    enum mien_status status = mien_ask(dir, request, &reply, err);
    if (status != MIEN_OK)
        return status;
    const double number = mien_ask_number(reply, "number");
    cJSON_Delete(reply);
    reply = NULL;
    status = wait_for(dir, number, &reply, err);
    if (status == MIEN_OK && json) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        status = mien_ask_print(reply);
    } else if (status == MIEN_OK) {
        print_text(reply);
    }
    if (status == MIEN_OK && !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "right")))
        status = mien_err_set(err, MIEN_ESTATE, "the drill came to no right sum: %s",
                              mien_ask_text(reply, "failed"));
    cJSON_Delete(reply);
    return status;
}

int mien_tool_drill(int argc, char **argv)
{
    bool json = false;
    double drop = 0.0;
    const struct mien_option options[] = {
        {"--drop", MIEN_OPTION_REAL, &drop, "SHARE",
         "leave out so many of the devices after their shares, 0 to 0.9 (0)"},
        {"--json", MIEN_OPTION_FLAG, &json, NULL, "one JSON object"},
    };
    const struct mien_command command = {
        .name = "mien drill",
        .synopsis = "DIR [--drop SHARE] [--json]",
        .about = "Runs the secure sum with the devices that are connected, on zeros.",
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
        status = drill(operands[0], drop, json, &err);
    return mien_command_end(&command, status, &err);
}
