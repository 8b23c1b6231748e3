// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/crew.h"

#include <stddef.h>

enum mien_status mien_crew_run(const struct mien_crew *crew, mien_crew_slice slice, void *task,
                               uint32_t n)
{
    enum mien_status status = MIEN_OK;

    if (crew != NULL)
        return crew->run(crew->self, slice, task, n);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        status = slice(task, i);
    return status;
}
