// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/plan/keys.h"
#include "server/store/config.h"

#include <ini.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_MAX_BYTES 65536
#define LINE_MAX_BYTES 199 /* libinih's INI_MAX_LINE is 200: a longer line would be cut in two */
#define MAX_SEEN 128
#define KEY_BYTES 128

/* The state of one pass over the file. */
struct reading {
    struct mien_config config;
    bool preset_pass; /* only plan.preset is looked at */
    char seen[MAX_SEEN][KEY_BYTES];
    size_t n_seen;
    struct mien_buf attributes; /* joined over its lines */
    enum mien_status status;
    struct mien_err *err;
};

static bool seen_before(struct reading *reading, const char *key)
{
    for (size_t i = 0; i < reading->n_seen; i++) {
        if (strcmp(reading->seen[i], key) == 0)
            return true;
    }
    if (reading->n_seen < MAX_SEEN)
        (void)snprintf(reading->seen[reading->n_seen++], KEY_BYTES, "%s", key);
    return false;
}

/* Lines of one vocabulary are joined by a blank. */
static enum mien_status join_attributes(struct reading *reading, const char *value)
{
    if (reading->attributes.len > 0)
        reading->attributes.data[reading->attributes.len - 1] = ' '; /* over the NUL */
    return mien_buf_append(&reading->attributes, value, strlen(value) + 1);
}

static enum mien_status take(struct reading *reading, const char *section, const char *name,
                             const char *value)
{
    char key[KEY_BYTES];
    int n = snprintf(key, sizeof(key), "%s.%s", section, name);
    bool is_preset = n > 0 && strcmp(key, "plan.preset") == 0;
    bool again;

    if (n < 0 || (size_t)n >= sizeof(key))
        return mien_err_set(reading->err, MIEN_EPARSE, "a key longer than %d bytes", KEY_BYTES);
    if (reading->preset_pass)
        return is_preset ? mien_config_set(&reading->config, key, value, reading->err) : MIEN_OK;
    again = seen_before(reading, key);
    if (strcmp(key, "plan.attributes") == 0)
        return join_attributes(reading, value);
    if (again)
        return mien_err_set(reading->err, MIEN_EEXIST, "the key \"%s\" stands twice", key);
    /* Setting the preset again would undo the keys before it. */
    return is_preset ? MIEN_OK : mien_config_set(&reading->config, key, value, reading->err);
}

/* libinih's callback: 0 marks the line as wrong; the first one counts. */
static int handle(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;

    if (reading->status != MIEN_OK)
        return 1;
    reading->status = take(reading, section, name, value);
    return reading->status == MIEN_OK;
}

static int ignore(void *user, const char *section, const char *name, const char *value)
{
    (void)user;
    (void)section;
    (void)name;
    (void)value;
    return 1;
}

/* A line that is no INI, or too long, is found before any key is judged: then what libinih reports
 * afterwards is the line of the key that was refused. */
static enum mien_status check_form(const char *file, const char *text, struct mien_err *err)
{
    int line = 1;
    int bad;

    for (const char *at = text; *at != '\0'; line++) {
        size_t n = strcspn(at, "\n");
        if (n > LINE_MAX_BYTES)
            return mien_err_set(err, MIEN_EPARSE, "%s line %d: longer than %d bytes", file, line,
                                LINE_MAX_BYTES);
        at += n + (at[n] == '\n' ? 1 : 0);
    }
    bad = ini_parse_string(text, ignore, NULL);
    if (bad > 0)
        return mien_err_set(err, MIEN_EPARSE, "%s line %d: neither [section] nor key = value", file,
                            bad);
    return bad < 0 ? MIEN_ENOMEM : MIEN_OK;
}

static enum mien_status pass(struct reading *reading, bool preset_pass, const char *file,
                             const char *text)
{
    int line;

    reading->preset_pass = preset_pass;
    line = ini_parse_string(text, handle, reading);
    if (reading->status == MIEN_OK)
        return line == 0 ? MIEN_OK : MIEN_ENOMEM;
    return mien_err_prefix(reading->err, reading->status, "%s line %d", file, line);
}

static enum mien_status finish(struct reading *reading, const char *file)
{
    enum mien_status status = MIEN_OK;

    if (reading->attributes.len > 0)
        status = mien_plan_set(&reading->config.plan, "plan.attributes",
                               (const char *)reading->attributes.data, reading->err);
    if (status == MIEN_OK)
        status = mien_config_check(&reading->config, reading->err);
    return status == MIEN_OK ? MIEN_OK : mien_err_prefix(reading->err, status, "%s", file);
}

enum mien_status mien_config_parse(const char *name, const char *text, struct mien_config *out,
                                   struct mien_err *err)
{
    struct reading *reading = mien_calloc(1, sizeof(*reading));
    enum mien_status status = MIEN_OK;

    if (reading == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory to read %s", name);
    reading->err = err;
    status = check_form(name, text, err);
    if (status == MIEN_OK)
        status = mien_config_init("demo", &reading->config, err);
    if (status == MIEN_OK)
        status = pass(reading, true, name, text);
    if (status == MIEN_OK)
        status = pass(reading, false, name, text);
    if (status == MIEN_OK)
        status = finish(reading, name);
    if (status == MIEN_OK)
        *out = reading->config;
    mien_buf_fini(&reading->attributes);
    mien_free(reading);
    return status;
}

enum mien_status mien_config_read(const char *path, struct mien_config *out, struct mien_err *err)
{
    struct mien_buf text = {0};
    enum mien_status status = mien_file_read(path, CONFIG_MAX_BYTES, &text, err);

    if (status == MIEN_OK && memchr(text.data, 0, text.len) != NULL)
        status = mien_err_set(err, MIEN_EPARSE, "%s is no text", path);
    if (status == MIEN_OK)
        status = mien_buf_append_u8(&text, 0);
    if (status == MIEN_OK)
        status = mien_config_parse(path, (const char *)text.data, out, err);
    mien_buf_fini(&text);
    return status;
}
