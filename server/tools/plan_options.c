// SPDX-License-Identifier: Apache-2.0
#include "server/tools/plan_options.h"

#include "common/plan/keys.h"
#include "common/plan/preset.h"

#include <string.h>

enum mien_status mien_tool_plan_set(struct mien_plan *plan, const struct mien_option_list *set,
                                    struct mien_err *err)
{
    enum mien_status status = MIEN_OK;

    for (size_t i = 0; i < set->n && status == MIEN_OK; i++) {
        char key[64];
        const char *equals = strchr(set->values[i], '=');
        const size_t len = equals == NULL ? 0 : (size_t)(equals - set->values[i]);

        if (len == 0 || len >= sizeof(key))
            return mien_err_set(err, MIEN_EINVAL, "--set %s: expected section.key=value",
                                set->values[i]);
        memcpy(key, set->values[i], len);
        key[len] = '\0';
        status = mien_plan_set(plan, key, equals + 1, err);
    }
    return status == MIEN_OK ? mien_plan_validate(plan, err) : status;
}

enum mien_status mien_tool_plan_of(const char *preset, const struct mien_option_list *set,
                                   struct mien_plan *out, struct mien_err *err)
{
    enum mien_status status = mien_plan_preset(preset, out, err);

    return status == MIEN_OK ? mien_tool_plan_set(out, set, err) : status;
}
