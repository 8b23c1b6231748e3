// SPDX-License-Identifier: Apache-2.0
/* mien: the operator's command. */
#include "common/base/text.h"
#include "server/tools/tools.h"

#include <stdio.h>
#include <string.h>

struct tool {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct tool tools[] = {
    {"init", mien_tool_init, "make a coordinator's state directory"},
    {"run", mien_tool_run, "begin another run on the same ledger"},
    {"token", mien_tool_token, "issue enrolment tokens"},
    {"devices", mien_tool_devices, "list enrolled devices"},
    {"revoke", mien_tool_revoke, "shut a device out"},
    {"forget", mien_tool_forget, "erase what is known of a person"},
    {"status", mien_tool_status, "what the coordinator does, what privacy is spent"},
    {"drill", mien_tool_drill, "run the secure sum of the fleet on zeros"},
    {"faces", mien_tool_faces, "draw folders of procedural faces"},
    {"train", mien_tool_train, "train in one place: start models, baselines"},
    {"generate", mien_tool_generate, "a set of pictures from the latest model"},
    {"export", mien_tool_export, "a model's generator as ONNX"},
    {"encode", mien_tool_encode, "a folder of pictures as codes, and what becomes of them"},
    {"import", mien_tool_import, "another program's tensors as a model"},
    {"plan", mien_tool_plan, "what a plan asks of devices, and what it costs"},
    {"account", mien_tool_account, "what a run costs, or which noise it needs"},
    {"sheet", mien_tool_sheet, "pictures of several folders, a row each, as one"},
    {"verify", mien_tool_verify, "check ledger, models, releases and their cost"},
    {"restore", mien_tool_restore, "accept a ledger that was rolled back, at its price"},
};

#define N_TOOLS (sizeof(tools) / sizeof(tools[0]))

static void print_help(FILE *to)
{
    (void)fprintf(to,
                  "usage: mien COMMAND ...\n\n"
                  "Trains a generator of synthetic faces on faces that stay on their devices.\n\n");
    for (size_t i = 0; i < N_TOOLS; i++)
        (void)fprintf(to, "  %-10s %s\n", tools[i].name, tools[i].help);
    (void)fprintf(to, "\nmien COMMAND --help says more; mien(1) has it all.\n");
}

static int unknown(const char *name)
{
    const char *names[N_TOOLS];
    const char *nearest;

    for (size_t i = 0; i < N_TOOLS; i++)
        names[i] = tools[i].name;
    nearest = mien_nearest_name(name, names, N_TOOLS);
    if (nearest == NULL)
        (void)fprintf(stderr, "mien: there is no command \"%s\" (see mien --help)\n", name);
    else
        (void)fprintf(stderr, "mien: there is no command \"%s\", did you mean \"%s\"?\n", name,
                      nearest);
    return mien_status_exit(MIEN_EINVAL);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return mien_status_exit(MIEN_EINVAL);
    }
    if (strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("mien %s\n", MIEN_VERSION);
        return 0;
    }
    for (size_t i = 0; i < N_TOOLS; i++) {
        if (strcmp(tools[i].name, argv[1]) == 0)
            return tools[i].run(argc - 1, argv + 1);
    }
    return unknown(argv[1]);
}
