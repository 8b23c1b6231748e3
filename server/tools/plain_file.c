// SPDX-License-Identifier: Apache-2.0
#include "server/tools/plain_file.h"

#include "common/base/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum mien_status mien_tool_write_plain(const char *path, struct mien_span data,
                                       struct mien_err *err)
{
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(data.data, 1, data.len, file) == data.len;
    int error = errno;

    if (file != NULL && fclose(file) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good)
        return MIEN_OK;
    return mien_err_set(err, mien_status_of_errno(error), "%s: %s", path, strerror(error));
}
