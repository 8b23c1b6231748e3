/* The commands of mien(1): each a function with main's arguments, argv[0] its own name.
 *
 * Results go to stdout, messages to stderr; the value is the exit status: 0 done, 1 the machine
 * failed, 2 bad usage or input, 3 refused by policy.
 *
 * Threads: one
 */
#ifndef MIEN_TOOLS_TOOLS_H
#define MIEN_TOOLS_TOOLS_H

#include "server/tools/options.h"

int mien_tool_init(int argc, char **argv);
int mien_tool_run(int argc, char **argv);
int mien_tool_token(int argc, char **argv);
int mien_tool_devices(int argc, char **argv);
int mien_tool_revoke(int argc, char **argv);
int mien_tool_forget(int argc, char **argv);
int mien_tool_drill(int argc, char **argv);
int mien_tool_status(int argc, char **argv);
int mien_tool_verify(int argc, char **argv);
int mien_tool_restore(int argc, char **argv);
int mien_tool_account(int argc, char **argv);
int mien_tool_train(int argc, char **argv);
int mien_tool_generate(int argc, char **argv);
int mien_tool_export(int argc, char **argv);
int mien_tool_encode(int argc, char **argv);
int mien_tool_import(int argc, char **argv);
int mien_tool_plan(int argc, char **argv);
int mien_tool_faces(int argc, char **argv);
int mien_tool_sheet(int argc, char **argv);

#endif
