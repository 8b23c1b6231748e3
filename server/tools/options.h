/* Command lines from one table, which also prints --help.
 *
 * Threads: one
 */
#ifndef MIEN_TOOLS_OPTIONS_H
#define MIEN_TOOLS_OPTIONS_H

#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mien_option_kind {
    MIEN_OPTION_FLAG,    /* bool */
    MIEN_OPTION_TEXT,    /* const char *, borrowed from argv */
    MIEN_OPTION_NUMBER,  /* uint64_t */
    MIEN_OPTION_REAL,    /* double */
    MIEN_OPTION_SECONDS, /* uint64_t, "24h" */
    MIEN_OPTION_LIST,    /* struct mien_option_list: may be given many times */
};

#define MIEN_OPTION_LIST_MAX 64

struct mien_option_list {
    size_t n;
    const char *values[MIEN_OPTION_LIST_MAX]; /* borrowed from argv */
};

struct mien_option {
    const char *name; /* "--count" */
    enum mien_option_kind kind;
    void *value;            /* of the kind's type; holds the default before parsing */
    const char *value_name; /* "N"; NULL for a flag */
    const char *help;       /* one line, with the default */
};

/* What a command looks like. */
struct mien_command {
    const char *name;     /* "mien token" */
    const char *synopsis; /* "DIR [--count N]" */
    const char *about;    /* one or a few sentences */
    const struct mien_option *options;
    size_t n_options;
    size_t min_operands;
    size_t max_operands;
};

/* Reads argv[1..]: "--name value", "--name=value", "--" ends options. --help and --version are
 * always there.
 *
 *   operands    [max_operands] out, borrowed from argv; the rest is NULL
 *   done        out: --help or --version was printed: exit 0
 *   errors      MIEN_EINVAL  unknown option (err: the nearest), value missing, too many or few
 *               operands; MIEN_EPARSE, MIEN_ELIMIT  a value
 */
MIEN_CHECK enum mien_status mien_options_parse(const struct mien_command *command, int argc,
                                               char **argv, const char **operands, bool *done,
                                               struct mien_err *err);

/* Says on stderr what went wrong ("mien token: ...") and returns the exit status: 0 for MIEN_OK,
 * which says nothing. */
int mien_command_end(const struct mien_command *command, enum mien_status status,
                     const struct mien_err *err);

#endif
