/* The plan that --preset and --set name.
 *
 * Threads: any
 */
#ifndef MIEN_TOOLS_PLAN_OPTIONS_H
#define MIEN_TOOLS_PLAN_OPTIONS_H

#include "common/plan/plan.h"
#include "server/tools/options.h"

/* Sets "section.key=value" each on a plan, which must hold together afterwards.
 * errors  those of mien_plan_set and mien_plan_validate; MIEN_EINVAL  no "=" */
MIEN_CHECK enum mien_status mien_tool_plan_set(struct mien_plan *plan,
                                               const struct mien_option_list *set,
                                               struct mien_err *err);

/* A preset with keys set.  errors  also MIEN_ENOTFOUND  no such preset */
MIEN_CHECK enum mien_status mien_tool_plan_of(const char *preset,
                                              const struct mien_option_list *set,
                                              struct mien_plan *out, struct mien_err *err);

#endif
