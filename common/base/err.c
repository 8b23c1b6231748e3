// SPDX-License-Identifier: Apache-2.0
#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum mien_status mien_err_set(struct mien_err *err, enum mien_status status, const char *fmt, ...)
{
    va_list args;

    if (err == NULL)
        return status;
    err->status = status;
    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    return status;
}

enum mien_status mien_err_prefix(struct mien_err *err, enum mien_status status, const char *fmt,
                                 ...)
{
    char context[MIEN_ERR_BYTES];
    char said[MIEN_ERR_BYTES];
    va_list args;

    if (err == NULL)
        return status;
    va_start(args, fmt);
    (void)vsnprintf(context, sizeof(context), fmt, args);
    va_end(args);
    (void)snprintf(said, sizeof(said), "%s", mien_err_text(err, status));
    size_t n = 0;
    size_t room = sizeof(err->text) - 1;
    const char *const parts[] = {context, ": ", said};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t part = strlen(parts[i]);

        if (part > room - n)
            part = room - n;
        memcpy(err->text + n, parts[i], part);
        n += part;
    }
    err->text[n] = '\0';
    err->status = status;
    return status;
}

const char *mien_err_text(const struct mien_err *err, enum mien_status status)
{
    if (err == NULL || err->text[0] == '\0')
        return mien_status_text(status);
    return err->text;
}
