// SPDX-License-Identifier: Apache-2.0
/* The control socket's two requests about drills: they are the core's to answer, at once. */
#include "server/shell/daemon.h"

#include <cjson/cJSON.h>
#include <string.h>

static const char *const step_names[MIEN_DRILL_N_STEPS] = {
    "collect", "keys", "shares", "inputs", "confirms", "reveals", "unmask"};

static bool put_steps(cJSON *reply, const struct mien_drill_report *report)
{
    cJSON *steps = cJSON_AddObjectToObject(reply, "step_ms");
    bool ok = steps != NULL;

    for (int i = 0; i < MIEN_DRILL_N_STEPS && ok; i++)
        ok = cJSON_AddNumberToObject(steps, step_names[i], (double)report->step_ms[i]) != NULL;
    return ok;
}

static bool put_report(cJSON *reply, const struct mien_drill_report *report)
{
    return cJSON_AddTrueToObject(reply, "ok") != NULL &&
           cJSON_AddNumberToObject(reply, "number", (double)report->number) != NULL &&
           cJSON_AddBoolToObject(reply, "done", report->done) != NULL &&
           cJSON_AddBoolToObject(reply, "right", report->right) != NULL &&
           cJSON_AddStringToObject(reply, "failed", report->failed) != NULL &&
           cJSON_AddNumberToObject(reply, "assigned", report->n_assigned) != NULL &&
           cJSON_AddNumberToObject(reply, "ready", report->n_ready) != NULL &&
           cJSON_AddNumberToObject(reply, "sessions", report->n_sessions) != NULL &&
           cJSON_AddNumberToObject(reply, "sessions_summed", report->n_summed) != NULL &&
           cJSON_AddNumberToObject(reply, "members", report->n_members) != NULL &&
           cJSON_AddNumberToObject(reply, "left_out", report->n_left_out) != NULL &&
           cJSON_AddNumberToObject(reply, "survived", report->n_survived) != NULL &&
           cJSON_AddNumberToObject(reply, "survivable", report->survivable) != NULL &&
           put_steps(reply, report);
}

static bool put_refusal(cJSON *reply, enum mien_status status, const struct mien_err *err)
{
    return cJSON_AddFalseToObject(reply, "ok") != NULL &&
           cJSON_AddStringToObject(reply, "error", mien_err_text(err, status)) != NULL &&
           cJSON_AddStringToObject(reply, "code", mien_status_name(status)) != NULL &&
           cJSON_AddNumberToObject(reply, "status", mien_status_exit(status)) != NULL;
}

static bool start_drill(struct mien_daemon *daemon, const cJSON *request, cJSON *reply)
{
    const cJSON *drop = cJSON_GetObjectItemCaseSensitive(request, "drop");
    struct mien_err err = {0};
    uint64_t number = 0;
    enum mien_status status = MIEN_EPARSE;

    if (!cJSON_IsNumber(drop))
        (void)!mien_err_set(&err, status, "\"drop\" is a number");
    else
        status = mien_coordinator_drill(daemon->core, mien_daemon_now(daemon), drop->valuedouble,
                                        &number, &err);
    if (status != MIEN_OK)
        return put_refusal(reply, status, &err);
    return cJSON_AddTrueToObject(reply, "ok") != NULL &&
           cJSON_AddNumberToObject(reply, "number", (double)number) != NULL;
}

static enum mien_status print_line(const cJSON *json, struct mien_buf *out)
{
    char *text = cJSON_PrintUnformatted(json);
    enum mien_status status = text == NULL ? MIEN_ENOMEM : mien_buf_printf(out, "%s\n", text);

    cJSON_free(text);
    return status;
}

bool mien_drill_answer(struct mien_daemon *daemon, struct mien_span request, struct mien_buf *reply)
{
    cJSON *asked = cJSON_ParseWithLength((const char *)request.data, request.len);
    const char *cmd = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(asked, "cmd"));
    const bool start = cmd != NULL && strcmp(cmd, "drill") == 0;
    const bool report = cmd != NULL && strcmp(cmd, "drill_report") == 0;
    cJSON *json = start || report ? cJSON_CreateObject() : NULL;
    bool ok = json != NULL;

    if (ok && start)
        ok = start_drill(daemon, asked, json);
    else if (ok)
        ok = put_report(json, mien_coordinator_drill_report(daemon->core));
    if (!ok || print_line(json, reply) != MIEN_OK)
        reply->len = 0;
    cJSON_Delete(json);
    cJSON_Delete(asked);
    return start || report;
}
