// SPDX-License-Identifier: Apache-2.0
/* mien devices, mien revoke: who is enrolled, and who no longer is. */
#include "server/tools/ask.h"
#include "server/tools/tools.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_date(double s)
{
    time_t t = (time_t)s;
    struct tm tm;
    char text[32] = "?";

    if (gmtime_r(&t, &tm) != NULL)
        (void)strftime(text, sizeof(text), "%Y-%m-%d", &tm);
    printf("  %-10s", text);
}

static void print_table(const cJSON *devices)
{
    const cJSON *device;

    printf("%-32s  %-10s  %-10s  %-8s  %s\n", "ID", "ENROLLED", "VALID TO", "STATE", "UNIT");
    cJSON_ArrayForEach(device, devices)
    {
        bool revoked = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(device, "revoked"));
        printf("%s", mien_ask_text(device, "id"));
        print_date(mien_ask_number(device, "enrolled_s"));
        print_date(mien_ask_number(device, "valid_until_s"));
        printf("  %-8s  %s\n", revoked ? "revoked" : "enrolled", mien_ask_text(device, "unit"));
    }
}

static enum mien_status list(const char *dir, bool json, struct mien_err *err)
{
    cJSON *reply = NULL;
    enum mien_status status = mien_ask(dir, mien_ask_request("devices"), &reply, err);

    if (status == MIEN_OK && json)
        status = mien_ask_print(cJSON_GetObjectItemCaseSensitive(reply, "devices"));
    else if (status == MIEN_OK)
        print_table(cJSON_GetObjectItemCaseSensitive(reply, "devices"));
    cJSON_Delete(reply);
    return status;
}

int mien_tool_devices(int argc, char **argv)
{
    bool json = false;
    const struct mien_option options[] = {
        {"--json", MIEN_OPTION_FLAG, &json, NULL, "one JSON array"},
    };
    const struct mien_command command = {
        .name = "mien devices",
        .synopsis = "DIR [--json]",
        .about = "Lists the devices that have enrolled.",
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
        status = list(operands[0], json, &err);
    return mien_command_end(&command, status, &err);
}

static enum mien_status revoke(const char *dir, const char *id, struct mien_err *err)
{
    cJSON *reply = NULL;
    cJSON *request = mien_ask_request("revoke");
    enum mien_status status;

    if (request != NULL && cJSON_AddStringToObject(request, "device", id) == NULL) {
        cJSON_Delete(request);
        request = NULL;
    }
    status = mien_ask(dir, request, &reply, err);
    if (status == MIEN_OK)
        (void)fprintf(stderr, "device %s is revoked\n", id);
    cJSON_Delete(reply);
    return status;
}

int mien_tool_revoke(int argc, char **argv)
{
    const struct mien_command command = {
        .name = "mien revoke",
        .synopsis = "DIR DEVICE-ID",
        .about = "Revokes a device: its connections are cut and it is not admitted again.",
        .min_operands = 2,
        .max_operands = 2,
    };
    const char *operands[2];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = revoke(operands[0], operands[1], &err);
    return mien_command_end(&command, status, &err);
}
