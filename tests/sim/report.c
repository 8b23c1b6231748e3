// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/report.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>

void sim_report_lines(const struct sim_options *o, const struct sim_result *r)
{
    for (size_t i = 0; i < r->n_rounds; i++) {
        const struct sim_round *round = &r->rounds[i];

        (void)printf("round %zu  drawn %u  reported %u  survived %u  %s  %.2f s%s\n", i + 1,
                     round->drawn, round->reported, round->survived,
                     round->released ? "released" : "abandoned", round->seconds,
                     !round->checked    ? ""
                     : round->sum_exact ? "  sum exact"
                                        : "  SUM WRONG");
    }
    (void)printf("epsilon %.4g at delta %g; %.1f devices a second; simulated, not private%s\n",
                 r->epsilon, o->plan.delta, (double)r->n_trained / fmax(r->seconds, 1e-9),
                 o->secure_sum ? "" : "; the secure sum was replaced by a plain one");
    if (r->peak_rss_bytes > 0)
        (void)printf("over TLS: %llu connections broken in mid-round; the coordinator's process "
                     "had %.1f MiB at its peak\n",
                     (unsigned long long)r->n_broken, (double)r->peak_rss_bytes / 1048576.0);
}

static bool add_round(cJSON *rounds, const struct sim_round *round)
{
    cJSON *json = cJSON_CreateObject();

    if (json == NULL || !cJSON_AddItemToArray(rounds, json))
        return false;
    const bool sum = round->checked
                         ? cJSON_AddBoolToObject(json, "sum_exact", round->sum_exact) != NULL
                         : cJSON_AddNullToObject(json, "sum_exact") != NULL;
    return sum && cJSON_AddNumberToObject(json, "drawn", round->drawn) != NULL &&
           cJSON_AddNumberToObject(json, "reported", round->reported) != NULL &&
           cJSON_AddNumberToObject(json, "survived", round->survived) != NULL &&
           cJSON_AddBoolToObject(json, "released", round->released) != NULL &&
           cJSON_AddNumberToObject(json, "seconds", round->seconds) != NULL;
}

enum mien_status sim_report_json(const struct sim_options *o, const struct sim_result *r,
                                 const char *model)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *rounds = json == NULL ? NULL : cJSON_AddArrayToObject(json, "rounds");
    bool ok = rounds != NULL;

    for (size_t i = 0; i < r->n_rounds && ok; i++)
        ok = add_round(rounds, &r->rounds[i]);
    ok = ok &&
         (isfinite(r->epsilon) ? cJSON_AddNumberToObject(json, "epsilon", r->epsilon)
                               : cJSON_AddNullToObject(json, "epsilon")) != NULL &&
         cJSON_AddNumberToObject(json, "delta", o->plan.delta) != NULL &&
         cJSON_AddStringToObject(json, "model", model) != NULL &&
         cJSON_AddBoolToObject(json, "secure_sum", o->secure_sum) != NULL &&
         cJSON_AddNumberToObject(json, "devices_per_second",
                                 (double)r->n_trained / fmax(r->seconds, 1e-9)) != NULL &&
         (r->peak_rss_bytes == 0 ||
          (cJSON_AddNumberToObject(json, "connections_broken", (double)r->n_broken) != NULL &&
           cJSON_AddNumberToObject(json, "coordinator_peak_bytes", (double)r->peak_rss_bytes) !=
               NULL)) &&
         cJSON_AddStringToObject(json, "note", "simulated, not private") != NULL;
    char *text = ok ? cJSON_PrintUnformatted(json) : NULL;
    if (text != NULL)
        (void)puts(text);
    cJSON_free(text);
    cJSON_Delete(json);
    return text == NULL ? MIEN_ENOMEM : MIEN_OK;
}
