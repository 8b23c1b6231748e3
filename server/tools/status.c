// SPDX-License-Identifier: Apache-2.0
/* mien status: what the coordinator is doing and what privacy is spent. */
#include "server/tools/ask.h"
#include "server/tools/tools.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCH_S 2

static void print_epsilon(const cJSON *reply, const char *name, const char *none)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reply, name);

    if (cJSON_IsNumber(item))
        printf("%.4g", item->valuedouble);
    else
        printf("%s", none);
}

static void print_counts(const cJSON *counts, const char *title)
{
    if (!cJSON_IsObject(counts))
        return;
    printf("%-12s %.0f: %.0f drawn, %.0f assigned, %.0f reported, %.0f survived, %.1f s\n", title,
           mien_ask_number(counts, "round"), mien_ask_number(counts, "drawn"),
           mien_ask_number(counts, "assigned"), mien_ask_number(counts, "reported"),
           mien_ask_number(counts, "survived"), mien_ask_number(counts, "seconds"));
}

/* How far the run is, and what the cap leaves. */
static void print_room(const cJSON *reply)
{
    const double fit = mien_ask_number(reply, "rounds_fit");

    printf("%-12s %.0f: %.0f of %.0f planned releases are charged; ", "run",
           mien_ask_number(reply, "run"), mien_ask_number(reply, "rounds_charged"),
           mien_ask_number(reply, "rounds"));
    if (!cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(reply, "epsilon_cap")))
        printf("no cap ends it");
    else if (fit > 0.0)
        printf("%s%.0f more fit under the cap",
               fit >= mien_ask_number(reply, "rounds") ? "at least " : "", fit);
    else
        printf("the cap admits no more");
    if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(reply, "epsilon_next")))
        printf("; the next makes it %.4g", mien_ask_number(reply, "epsilon_next"));
    printf("\n");
}

static void print_text(const cJSON *reply)
{
    const cJSON *devices = cJSON_GetObjectItemCaseSensitive(reply, "devices");

    printf("%-12s %s\n", "coordinator", mien_ask_text(reply, "phase"));
    printf("%-12s %.0f (%s)\n", "round", mien_ask_number(reply, "round"),
           mien_ask_text(reply, "round_state"));
    printf("%-12s version %.0f\n", "model", mien_ask_number(reply, "model"));
    printf("%-12s ", "epsilon");
    print_epsilon(reply, "epsilon", "unbounded (no noise)");
    printf(" for readers, ");
    print_epsilon(reply, "epsilon_witness", "unbounded (no noise)");
    printf(" for witnesses, of ");
    print_epsilon(reply, "epsilon_cap", "no cap");
    printf(", at delta %g\n", mien_ask_number(reply, "delta"));
    print_room(reply);
    printf("%-12s %.0f enrolled (%.0f units), %.0f connected\n", "devices",
           mien_ask_number(devices, "enrolled"), mien_ask_number(devices, "units"),
           mien_ask_number(devices, "connected"));
    print_counts(cJSON_GetObjectItemCaseSensitive(reply, "this_round"), "this round");
    print_counts(cJSON_GetObjectItemCaseSensitive(reply, "last_round"), "last round");
}

static enum mien_status show(const char *dir, bool json, struct mien_err *err)
{
    cJSON *reply = NULL;
    enum mien_status status = mien_ask(dir, mien_ask_request("status"), &reply, err);

    if (status == MIEN_OK && json) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        status = mien_ask_print(reply);
    } else if (status == MIEN_OK) {
        print_text(reply);
    }
    cJSON_Delete(reply);
    return status;
}

/* Draws again and again until it is interrupted. */
static enum mien_status watch(const char *dir, bool json, struct mien_err *err)
{
    bool terminal = isatty(STDOUT_FILENO) == 1;

    for (;;) {
        if (terminal && !json)
            printf("\033[H\033[J");
        enum mien_status status = show(dir, json, err);
        if (status != MIEN_OK)
            return status;
        if (fflush(stdout) != 0)
            return mien_err_set(err, MIEN_EIO, "cannot write to stdout");
        (void)nanosleep(&(struct timespec){.tv_sec = WATCH_S}, NULL);
    }
}

int mien_tool_status(int argc, char **argv)
{
    bool json = false;
    bool again = false;
    const struct mien_option options[] = {
        {"--json", MIEN_OPTION_FLAG, &json, NULL, "one JSON object (a line each with --watch)"},
        {"--watch", MIEN_OPTION_FLAG, &again, NULL, "again every two seconds"},
    };
    const struct mien_command command = {
        .name = "mien status",
        .synopsis = "DIR [--json] [--watch]",
        .about = "Says what the coordinator is doing and how much privacy is spent.",
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
        status = again ? watch(operands[0], json, &err) : show(operands[0], json, &err);
    return mien_command_end(&command, status, &err);
}
