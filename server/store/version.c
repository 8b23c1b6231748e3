// SPDX-License-Identifier: Apache-2.0
#include "server/store/version.h"

#include "server/store/commit.h" /* meson writes it: MIEN_COMMIT, "none" without a history */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void mien_version_text(char out[MIEN_ENTRY_SOFTWARE_BYTES])
{
    const bool known = strcmp(MIEN_COMMIT, "none") != 0;

    (void)snprintf(out, MIEN_ENTRY_SOFTWARE_BYTES, "%s%s%s", MIEN_VERSION, known ? "+" : "",
                   known ? MIEN_COMMIT : "");
}
