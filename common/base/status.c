// SPDX-License-Identifier: Apache-2.0
#include "common/base/status.h"

#include <stddef.h>

struct row {
    const char *name;
    const char *text;
    int exit_status;
};

#define ROW(name, text, exit_status) {#name, text, exit_status},
static const struct row rows[] = {MIEN_STATUS_TABLE(ROW)};
#undef ROW

static const struct row unknown = {"MIEN_?", "unknown status", 1};

static const struct row *row_of(enum mien_status status)
{
    return (size_t)status < (size_t)MIEN_N_STATUS ? &rows[status] : &unknown;
}

const char *mien_status_name(enum mien_status status)
{
    return row_of(status)->name;
}

const char *mien_status_text(enum mien_status status)
{
    return row_of(status)->text;
}

int mien_status_exit(enum mien_status status)
{
    return row_of(status)->exit_status;
}
