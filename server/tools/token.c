// SPDX-License-Identifier: Apache-2.0
/* mien token: enrolment tokens, one a line. */
#include "server/tools/ask.h"
#include "server/tools/tools.h"

#include <stdio.h>
#include <string.h>

struct token_options {
    uint64_t count;
    uint64_t ttl_s;
    const char *unit;
};

static cJSON *request_of(const struct token_options *options)
{
    cJSON *request = mien_ask_request("token");

    if (request != NULL &&
        (cJSON_AddNumberToObject(request, "count", (double)options->count) == NULL ||
         cJSON_AddNumberToObject(request, "ttl_s", (double)options->ttl_s) == NULL ||
         (options->unit != NULL &&
          cJSON_AddStringToObject(request, "unit", options->unit) == NULL))) {
        cJSON_Delete(request);
        return NULL;
    }
    return request;
}

static enum mien_status run(const char *dir, const struct token_options *options,
                            struct mien_err *err)
{
    cJSON *reply = NULL;
    const cJSON *token;
    enum mien_status status = mien_ask(dir, request_of(options), &reply, err);

    if (status == MIEN_OK) {
        cJSON_ArrayForEach(token, cJSON_GetObjectItemCaseSensitive(reply, "tokens"))
        {
            const char *text = cJSON_GetStringValue(token);
            if (text == NULL || puts(text) < 0)
                status = mien_err_set(err, MIEN_EIO, "cannot write to stdout");
        }
        if (fflush(stdout) != 0)
            status = mien_err_set(err, MIEN_EIO, "cannot write to stdout");
    }
    cJSON_Delete(reply);
    return status;
}

int mien_tool_token(int argc, char **argv)
{
    struct token_options o = {.count = 1, .ttl_s = 86400};
    const struct mien_option options[] = {
        {"--count", MIEN_OPTION_NUMBER, &o.count, "N", "tokens to issue, up to 1000 (default 1)"},
        {"--ttl", MIEN_OPTION_SECONDS, &o.ttl_s, "TIME", "how long each is valid (default 24h)"},
        {"--unit", MIEN_OPTION_TEXT, &o.unit, "NAME",
         "the person whose devices they are (default: each token is a person of its own)"},
    };
    const struct mien_command command = {
        .name = "mien token",
        .synopsis = "DIR [--count N] [--ttl 24h] [--unit NAME]",
        .about = "Issues enrolment tokens, one a line. A token enrols one device, once; treat it "
                 "as a password.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(operands[0], &o, &err);
    return mien_command_end(&command, status, &err);
}
