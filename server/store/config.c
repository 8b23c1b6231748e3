// SPDX-License-Identifier: Apache-2.0
#include "server/store/config.h"

#include "common/base/text.h"
#include "common/plan/keys.h"

#include <stdio.h>
#include <string.h>

enum kind { PRESET, TEXT, PORT, COUNT };

struct key {
    struct mien_config_key info;
    enum kind kind;
    size_t offset;
    size_t size;  /* TEXT: bytes with the NUL */
    uint64_t min; /* PORT, COUNT */
    uint64_t max;
    const char *start; /* the default */
};

#define AT(field) offsetof(struct mien_config, field), sizeof(((struct mien_config *)NULL)->field)

static const struct key keys[] = {
    {{"plan.preset", "name", "the documented plan that this one starts from"},
     PRESET,
     AT(preset),
     0,
     0,
     "demo"},
    {{"plan.init_from", "path", "public model to start from; empty for fresh weights"},
     TEXT,
     AT(init_from),
     0,
     0,
     ""},
    {{"noise.key_file", "path",
      "secret key of a run of correlated noise, outside of the state directory and of every "
      "backup; "
      "empty: the directory's name with .run-key, beside it"},
     TEXT,
     AT(key_file),
     0,
     0,
     ""},
    {{"listen.host", "name or address", "in tokens and in the server's certificate"},
     TEXT,
     AT(host),
     0,
     0,
     "127.0.0.1"},
    {{"listen.bind", "address", "to listen on; empty: 127.0.0.1 for a loopback host, else 0.0.0.0"},
     TEXT,
     AT(bind),
     0,
     0,
     ""},
    {{"listen.port", "port", "for devices"}, PORT, AT(port), 1, 65534, "7443"},
    {{"listen.enrol_port", "port", "for devices that enrol; 0 for listen.port + 1"},
     PORT,
     AT(enrol_port),
     0,
     65535,
     "0"},
    {{"listen.admin_port", "port", "metrics and status page, on 127.0.0.1; 0 for none"},
     PORT,
     AT(admin_port),
     0,
     65535,
     "0"},
    {{"limits.connections", "connections", "devices at once"},
     COUNT,
     AT(connections),
     1,
     1000000,
     "20000"},
    {{"limits.handshakes", "handshakes", "in progress at once"},
     COUNT,
     AT(handshakes),
     1,
     100000,
     "512"},
    {{"limits.handshake_s", "seconds", "for one handshake"}, COUNT, AT(handshake_s), 1, 600, "10"},
    {{"limits.upload_slots", "transfers", "masked vectors on their way at once"},
     COUNT,
     AT(upload_slots),
     1,
     100000,
     "64"},
    {{"limits.step_s", "seconds", "for one step of a secure sum"},
     COUNT,
     AT(step_s),
     1,
     86400,
     "60"},
    {{"limits.idle_s", "seconds", "of silence after which a connection is closed"},
     COUNT,
     AT(idle_s),
     10,
     604800,
     "7200"},
    {{"limits.come_back_s", "seconds", "until an idle device asks again"},
     COUNT,
     AT(come_back_s),
     1,
     86400,
     "60"},
    {{"limits.drain_s", "seconds", "for the open round when the daemon is told to stop"},
     COUNT,
     AT(drain_s),
     0,
     86400,
     "30"},
    {{"limits.certificate_days", "days", "of a device's certificate"},
     COUNT,
     AT(certificate_days),
     1,
     366,
     "30"},
    {{"limits.threads", "threads", "workers; 0 for one a processor"},
     COUNT,
     AT(threads),
     0,
     1024,
     "0"},
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

size_t mien_config_n_keys(void)
{
    return N_KEYS;
}

struct mien_config_key mien_config_key(size_t i)
{
    return i < N_KEYS ? keys[i].info : (struct mien_config_key){0};
}

/* ---- setting ---- */

static enum mien_status set_preset(struct mien_config *config, const char *value,
                                   struct mien_err *err)
{
    struct mien_plan plan;
    enum mien_status status = mien_plan_preset(value, &plan, err);

    if (status != MIEN_OK)
        return status;
    config->plan = plan;
    (void)snprintf(config->preset, sizeof(config->preset), "%s", value);
    return MIEN_OK;
}

static enum mien_status set_own(struct mien_config *config, const struct key *key,
                                const char *value, struct mien_err *err)
{
    char *field = (char *)config + key->offset;
    uint64_t number = 0;
    size_t len = strlen(value);

    switch (key->kind) {
    case PRESET:
        return set_preset(config, value, err);
    case TEXT:
        if (len >= key->size || !mien_utf8_printable(value, len))
            return mien_err_set(err, MIEN_EINVAL, "%s: at most %zu printable bytes", key->info.name,
                                key->size - 1);
        memcpy(field, value, len + 1);
        return MIEN_OK;
    case PORT:
    case COUNT:
        break;
    }
    if (mien_parse_u64(value, key->min, key->max, &number) != MIEN_OK)
        return mien_err_set(err, MIEN_EPARSE, "%s: \"%s\" is not a whole number from %llu to %llu",
                            key->info.name, value, (unsigned long long)key->min,
                            (unsigned long long)key->max);
    if (key->kind == PORT)
        memcpy(field, &(uint16_t){(uint16_t)number}, sizeof(uint16_t));
    else
        memcpy(field, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
    return MIEN_OK;
}

static const struct key *find_own(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].info.name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

/* More than there are plan keys, and ours. */
#define MAX_NAMES 128

static size_t all_names(const char *names[MAX_NAMES])
{
    size_t n = 0;

    for (; n < N_KEYS; n++)
        names[n] = keys[n].info.name;
    for (size_t i = 0; i < mien_plan_n_keys() && n < MAX_NAMES; i++)
        names[n++] = mien_plan_key(i).name;
    return n;
}

static enum mien_status no_such_key(const char *name, struct mien_err *err)
{
    const char *names[MAX_NAMES];
    const char *nearest = mien_nearest_name(name, names, all_names(names));

    if (nearest == NULL)
        return mien_err_set(err, MIEN_ENOTFOUND, "there is no key \"%s\"", name);
    return mien_err_set(err, MIEN_ENOTFOUND, "there is no key \"%s\", did you mean \"%s\"?", name,
                        nearest);
}

enum mien_status mien_config_set(struct mien_config *config, const char *key, const char *value,
                                 struct mien_err *err)
{
    const struct key *own = find_own(key);

    if (own != NULL)
        return set_own(config, own, value, err);
    for (size_t i = 0; i < mien_plan_n_keys(); i++) {
        if (strcmp(mien_plan_key(i).name, key) == 0)
            return mien_plan_set(&config->plan, key, value, err);
    }
    return no_such_key(key, err);
}

enum mien_status mien_config_set_pair(struct mien_config *config, const char *pair,
                                      struct mien_err *err)
{
    char key[64];
    const char *equals = strchr(pair, '=');
    size_t n = equals == NULL ? 0 : (size_t)(equals - pair);

    if (n == 0 || n >= sizeof(key))
        return mien_err_set(err, MIEN_EINVAL, "\"%s\" is not section.key=value", pair);
    memcpy(key, pair, n);
    key[n] = '\0';
    return mien_config_set(config, key, equals + 1, err);
}

enum mien_status mien_config_init(const char *preset, struct mien_config *out, struct mien_err *err)
{
    struct mien_config config = {0};
    enum mien_status status = set_preset(&config, preset, err);

    for (size_t i = 0; status == MIEN_OK && i < N_KEYS; i++) {
        if (keys[i].kind != PRESET)
            status = set_own(&config, &keys[i], keys[i].start, err);
    }
    if (status == MIEN_OK)
        *out = config;
    return status;
}

enum mien_status mien_config_check(struct mien_config *config, struct mien_err *err)
{
    enum mien_status status = mien_plan_validate(&config->plan, err);

    if (status != MIEN_OK)
        return status;
    if (config->enrol_port == 0)
        config->enrol_port = (uint16_t)(config->port + 1);
    if (config->bind[0] == '\0') {
        bool loopback =
            strcmp(config->host, "127.0.0.1") == 0 || strcmp(config->host, "localhost") == 0;
        (void)snprintf(config->bind, sizeof(config->bind), loopback ? "127.0.0.1" : "0.0.0.0");
    }
    if (config->enrol_port == config->port ||
        (config->admin_port != 0 &&
         (config->admin_port == config->port || config->admin_port == config->enrol_port)))
        return mien_err_set(err, MIEN_EINVAL,
                            "listen.port, listen.enrol_port and listen.admin_port must differ");
    if (config->host[0] == '\0')
        return mien_err_set(err, MIEN_EINVAL, "listen.host is empty");
    return MIEN_OK;
}

/* ---- writing ---- */

static enum mien_status own_value(const struct mien_config *config, const struct key *key,
                                  struct mien_buf *out)
{
    const char *field = (const char *)config + key->offset;
    uint16_t port;
    uint32_t count;

    switch (key->kind) {
    case PORT:
        memcpy(&port, field, sizeof(port));
        return mien_buf_printf(out, "%u", port);
    case COUNT:
        memcpy(&count, field, sizeof(count));
        return mien_buf_printf(out, "%u", count);
    case PRESET:
    case TEXT:
        break;
    }
    return mien_buf_append(out, field, strlen(field));
}

/* The value; a long vocabulary goes on in indented lines after its commas. */
static enum mien_status write_value(const struct mien_buf *value, struct mien_buf *out)
{
    enum mien_status status = MIEN_OK;
    size_t column = 0;

    for (size_t i = 0; status == MIEN_OK && i < value->len; i++, column++) {
        bool fold = value->data[i] == ' ' && i > 0 && value->data[i - 1] == ',' && column > 60;

        status = fold ? mien_buf_append(out, "\n    ", 5) : mien_buf_append_u8(out, value->data[i]);
        if (fold)
            column = 0;
    }
    return status;
}

static enum mien_status write_key(const char *name, const char *unit, const char *help,
                                  const struct mien_buf *start, const struct mien_buf *value,
                                  struct mien_buf *out)
{
    const char *dot = strchr(name, '.');
    enum mien_status status =
        mien_buf_printf(out, "# %s\n#   unit: %s; default: %.*s\n%s = ", help, unit,
                        start->len == 0 ? 4 : (int)start->len,
                        start->len == 0 ? "none" : (const char *)start->data, dot + 1);

    if (status == MIEN_OK)
        status = write_value(value, out);
    if (status == MIEN_OK)
        status = mien_buf_append(out, "\n", 1);
    return status;
}

static enum mien_status write_own(const struct mien_config *config, const struct key *key,
                                  struct mien_buf *out)
{
    struct mien_buf value = {0};
    struct mien_buf start = {0};
    enum mien_status status = mien_buf_append(&start, key->start, strlen(key->start));

    if (status == MIEN_OK)
        status = own_value(config, key, &value);
    if (status == MIEN_OK)
        status = write_key(key->info.name, key->info.unit, key->info.help, &start, &value, out);
    mien_buf_fini(&value);
    mien_buf_fini(&start);
    return status;
}

static enum mien_status write_of_plan(const struct mien_config *config,
                                      const struct mien_plan *preset,
                                      const struct mien_plan_key_info *key, struct mien_buf *out)
{
    struct mien_buf value = {0};
    struct mien_buf start = {0};
    enum mien_status status = mien_plan_get(preset, key->name, &start);

    if (status == MIEN_OK)
        status = mien_plan_get(&config->plan, key->name, &value);
    if (status == MIEN_OK)
        status = write_key(key->name, key->unit, key->help, &start, &value, out);
    mien_buf_fini(&value);
    mien_buf_fini(&start);
    return status;
}

static bool in_section(const char *name, const char *section)
{
    size_t n = strlen(section);

    return strncmp(name, section, n) == 0 && name[n] == '.';
}

enum mien_status mien_config_write(const struct mien_config *config, struct mien_buf *out)
{
    static const char *const sections[] = {"plan",    "round", "secure_sum", "quantise",
                                           "privacy", "noise", "listen",     "limits"};
    struct mien_plan preset;
    enum mien_status status = mien_plan_preset(config->preset, &preset, NULL);

    if (status == MIEN_OK)
        status = mien_buf_printf(out, "# mien.conf: see mien.conf(5). What decides privacy (rate, "
                                      "cohort, noise, rounds,\n# delta) is fixed for a run: "
                                      "another value is a new run: mien run DIR begins it.\n");
    for (size_t s = 0; status == MIEN_OK && s < sizeof(sections) / sizeof(sections[0]); s++) {
        status = mien_buf_printf(out, "\n[%s]\n", sections[s]);
        for (size_t i = 0; status == MIEN_OK && i < N_KEYS; i++) {
            if (in_section(keys[i].info.name, sections[s]))
                status = write_own(config, &keys[i], out);
        }
        for (size_t i = 0; status == MIEN_OK && i < mien_plan_n_keys(); i++) {
            struct mien_plan_key_info key = mien_plan_key(i);
            if (in_section(key.name, sections[s]))
                status = write_of_plan(config, &preset, &key, out);
        }
    }
    return status;
}
