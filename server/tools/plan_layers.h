/* A plan's networks layer by layer, for people and for programs.
 *
 * Threads: any
 */
#ifndef MIEN_TOOLS_PLAN_LAYERS_H
#define MIEN_TOOLS_PLAN_LAYERS_H

#include "common/base/compiler.h"
#include "common/plan/plan.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/* A table: number, what it does, shape of what it gives, parameters, forward FLOPs of an example.
 * The plan is valid. */
void mien_plan_layers_print(const struct mien_plan *plan, FILE *to);

/* The same as {"first": [...], "second": [...]}, or NULL without memory; given: cJSON_Delete. */
MIEN_CHECK cJSON *mien_plan_layers_json(const struct mien_plan *plan);

#endif
