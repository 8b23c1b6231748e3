// SPDX-License-Identifier: Apache-2.0
#include "server/tools/options.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_OPTIONS 64

/* ---- help ---- */

static void print_help(const struct mien_command *command)
{
    printf("usage: %s %s\n\n%s\n\n", command->name, command->synopsis, command->about);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct mien_option *option = &command->options[i];
        char left[64];
        (void)snprintf(left, sizeof(left), "%s%s%s", option->name,
                       option->value_name == NULL ? "" : " ",
                       option->value_name == NULL ? "" : option->value_name);
        printf("  %-26s %s\n", left, option->help);
    }
    printf("  %-26s %s\n  %-26s %s\n", "--help", "this text", "--version", "the version");
}

/* ---- one option ---- */

static enum mien_status no_such_option(const char *name, const struct mien_command *command,
                                       struct mien_err *err)
{
    const char *names[MAX_OPTIONS + 2] = {"--help", "--version"};
    size_t n = 2;
    const char *nearest;

    for (size_t i = 0; i < command->n_options && n < MAX_OPTIONS + 2; i++)
        names[n++] = command->options[i].name;
    nearest = mien_nearest_name(name, names, n);
    if (nearest == NULL)
        return mien_err_set(err, MIEN_EINVAL, "there is no option %s (see --help)", name);
    return mien_err_set(err, MIEN_EINVAL, "there is no option %s, did you mean %s?", name, nearest);
}

static enum mien_status add_to_list(const struct mien_option *option, const char *text,
                                    struct mien_err *err)
{
    struct mien_option_list *list = option->value;

    if (list->n == MIEN_OPTION_LIST_MAX)
        return mien_err_set(err, MIEN_ELIMIT, "%s is given more than %d times", option->name,
                            MIEN_OPTION_LIST_MAX);
    list->values[list->n++] = text;
    return MIEN_OK;
}

static enum mien_status set_value(const struct mien_option *option, const char *text,
                                  struct mien_err *err)
{
    enum mien_status status = MIEN_OK;

    switch (option->kind) {
    case MIEN_OPTION_FLAG:
        *(bool *)option->value = true;
        return MIEN_OK;
    case MIEN_OPTION_TEXT:
        *(const char **)option->value = text;
        return MIEN_OK;
    case MIEN_OPTION_LIST:
        return add_to_list(option, text, err);
    case MIEN_OPTION_NUMBER:
        status = mien_parse_u64(text, 0, UINT64_MAX, option->value);
        break;
    case MIEN_OPTION_REAL:
        status = mien_parse_double(text, option->value);
        break;
    case MIEN_OPTION_SECONDS:
        status = mien_parse_seconds(text, option->value);
        break;
    }
    if (status == MIEN_OK)
        return MIEN_OK;
    return mien_err_set(err, status, "%s: \"%s\" is not %s", option->name, text,
                        option->kind == MIEN_OPTION_NUMBER ? "a whole number"
                        : option->kind == MIEN_OPTION_REAL ? "a number"
                                                           : "a time such as 90s, 15m, 24h or 7d");
}

static const struct mien_option *find_option(const struct mien_command *command, const char *text,
                                             size_t n)
{
    for (size_t i = 0; i < command->n_options; i++) {
        if (strncmp(command->options[i].name, text, n) == 0 && command->options[i].name[n] == '\0')
            return &command->options[i];
    }
    return NULL;
}

/* Takes argv[*at] and, where it has one, its value. */
static enum mien_status take_option(const struct mien_command *command, int argc, char **argv,
                                    int *at, struct mien_err *err)
{
    const char *text = argv[*at];
    size_t n = strcspn(text, "=");
    const struct mien_option *option = find_option(command, text, n);
    const char *value = text[n] == '=' ? text + n + 1 : NULL;

    if (option == NULL)
        return no_such_option(text, command, err);
    if (option->kind == MIEN_OPTION_FLAG) {
        if (value != NULL)
            return mien_err_set(err, MIEN_EINVAL, "%s takes no value", option->name);
        return set_value(option, NULL, err);
    }
    if (value == NULL && *at + 1 < argc)
        value = argv[++*at];
    if (value == NULL)
        return mien_err_set(err, MIEN_EINVAL, "%s needs a value (%s)", option->name,
                            option->value_name);
    return set_value(option, value, err);
}

/* ---- the whole line ---- */

static bool wants_help(const struct mien_command *command, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(command);
            return true;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", command->name, MIEN_VERSION);
            return true;
        }
    }
    return false;
}

enum mien_status mien_options_parse(const struct mien_command *command, int argc, char **argv,
                                    const char **operands, bool *done, struct mien_err *err)
{
    size_t n = 0;
    bool ended = false;

    for (size_t i = 0; i < command->max_operands; i++)
        operands[i] = NULL;
    *done = wants_help(command, argc, argv);
    if (*done)
        return MIEN_OK;
    for (int i = 1; i < argc; i++) {
        bool option = !ended && argv[i][0] == '-' && argv[i][1] != '\0';
        if (option && strcmp(argv[i], "--") == 0) {
            ended = true;
        } else if (option) {
            enum mien_status status = take_option(command, argc, argv, &i, err);
            if (status != MIEN_OK)
                return status;
        } else if (n == command->max_operands) {
            return mien_err_set(err, MIEN_EINVAL, "\"%s\" is one argument too many (usage: %s %s)",
                                argv[i], command->name, command->synopsis);
        } else {
            operands[n++] = argv[i];
        }
    }
    if (n < command->min_operands)
        return mien_err_set(err, MIEN_EINVAL, "usage: %s %s", command->name, command->synopsis);
    return MIEN_OK;
}

int mien_command_end(const struct mien_command *command, enum mien_status status,
                     const struct mien_err *err)
{
    if (status != MIEN_OK)
        (void)fprintf(stderr, "%s: %s\n", command->name, mien_err_text(err, status));
    return mien_status_exit(status);
}
