// SPDX-License-Identifier: Apache-2.0
#include "server/tools/wanted.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

/* A balanced scalar takes the middles of so many equal ranges. */
#define SCALAR_LEVELS 5

static uint32_t find(const struct mien_plan *plan, const char *name)
{
    uint32_t i = 0;

    while (i < plan->n_attributes && strcmp(plan->attributes[i].name, name) != 0)
        i++;
    return i;
}

/* The attribute of that name, or a sentence that says the nearest. */
static enum mien_status find_or_say(const struct mien_plan *plan, const char *name, uint32_t *out,
                                    struct mien_err *err)
{
    const char *names[MIEN_PLAN_MAX_ATTRIBUTES];
    const uint32_t found = find(plan, name);

    if (found < plan->n_attributes) {
        *out = found;
        return MIEN_OK;
    }
    for (uint32_t i = 0; i < plan->n_attributes; i++)
        names[i] = plan->attributes[i].name;
    if (plan->n_attributes == 0)
        return mien_err_set(err, MIEN_ENOTFOUND,
                            "the model knows no attributes, so none can be asked for (\"%s\")",
                            name);
    const char *nearest = mien_nearest_name(name, names, plan->n_attributes);
    return mien_err_set(err, MIEN_ENOTFOUND,
                        "the model knows no attribute \"%s\", did you mean "
                        "\"%s\"?",
                        name, nearest == NULL ? names[0] : nearest);
}

static enum mien_status check_value(const struct mien_attribute *attribute, const char *value,
                                    struct mien_err *err)
{
    const char *names[MIEN_PLAN_MAX_VALUES];
    double number;

    if (attribute->n_values == 0) {
        if (mien_parse_double(value, &number) == MIEN_OK && number >= attribute->low &&
            number <= attribute->high)
            return MIEN_OK;
        return mien_err_set(err, MIEN_EINVAL, "%s is \"%s\", expected %g to %g, or unknown",
                            attribute->name, value, attribute->low, attribute->high);
    }
    for (uint32_t i = 0; i < attribute->n_values; i++) {
        if (strcmp(attribute->value[i], value) == 0)
            return MIEN_OK;
        names[i] = attribute->value[i];
    }
    const char *nearest = mien_nearest_name(value, names, attribute->n_values);
    return mien_err_set(err, MIEN_EINVAL, "%s has no value \"%s\", try \"%s\", or unknown",
                        attribute->name, value, nearest == NULL ? names[0] : nearest);
}

/* "name=value" */
static enum mien_status fix(struct mien_wanted *wanted, const char *pair, struct mien_err *err)
{
    const char *equals = strchr(pair, '=');
    const size_t len = equals == NULL ? 0 : (size_t)(equals - pair);
    char name[MIEN_PLAN_NAME_BYTES];
    uint32_t i;

    if (len == 0 || len >= sizeof(name))
        return mien_err_set(err, MIEN_EINVAL, "--attr %s: expected name=value", pair);
    memcpy(name, pair, len);
    name[len] = '\0';
    enum mien_status status = find_or_say(wanted->plan, name, &i, err);
    if (status != MIEN_OK)
        return status;
    if (wanted->fixed[i])
        return mien_err_set(err, MIEN_EINVAL, "--attr gives \"%s\" twice", name);
    wanted->fixed[i] = true;
    wanted->value[i] = strcmp(equals + 1, "unknown") == 0 ? NULL : equals + 1;
    if (wanted->value[i] == NULL)
        return MIEN_OK;
    return check_value(&wanted->plan->attributes[i], wanted->value[i], err);
}

static enum mien_status balance_names(struct mien_wanted *wanted, const char *names,
                                      struct mien_err *err)
{
    while (*names != '\0') {
        const size_t len = strcspn(names, ",");
        char name[MIEN_PLAN_NAME_BYTES];
        uint32_t i;

        if (len == 0 || len >= sizeof(name))
            return mien_err_set(err, MIEN_EINVAL,
                                "--balance expects names of attributes separated by commas");
        memcpy(name, names, len);
        name[len] = '\0';
        enum mien_status status = find_or_say(wanted->plan, name, &i, err);
        if (status != MIEN_OK)
            return status;
        if (wanted->fixed[i] || wanted->balanced[i])
            return mien_err_set(err, MIEN_EINVAL, "\"%s\" is asked for twice", name);
        wanted->balanced[i] = true;
        names += len + (names[len] == ',');
    }
    return MIEN_OK;
}

enum mien_status mien_wanted_init(struct mien_wanted *out, const struct mien_plan *plan,
                                  const struct mien_option_list *attr, const char *balance,
                                  struct mien_err *err)
{
    enum mien_status status = MIEN_OK;

    *out = (struct mien_wanted){.plan = plan};
    for (size_t i = 0; i < attr->n && status == MIEN_OK; i++)
        status = fix(out, attr->values[i], err);
    if (status == MIEN_OK && balance != NULL)
        status = balance_names(out, balance, err);
    return status;
}

static void copy_text(char out[MIEN_WANTED_TEXT_BYTES], const char *text)
{
    (void)snprintf(out, MIEN_WANTED_TEXT_BYTES, "%s", text);
}

static void scalar_text(const struct mien_attribute *attribute, double share,
                        char out[MIEN_WANTED_TEXT_BYTES])
{
    const double value = attribute->low + share * (attribute->high - attribute->low);

    (void)snprintf(out, MIEN_WANTED_TEXT_BYTES, "%.6g", value);
}

void mien_wanted_draw(const struct mien_wanted *wanted, uint64_t index, struct mien_rng_seeded *rng,
                      struct mien_wanted_values *out)
{
    uint64_t rest = index; /* a number of mixed base: a digit for each balanced attribute */

    for (uint32_t i = 0; i < wanted->plan->n_attributes; i++) {
        const struct mien_attribute *attribute = &wanted->plan->attributes[i];
        const uint32_t n = attribute->n_values;
        const uint32_t n_levels = n > 0 ? n : SCALAR_LEVELS;
        const double share = (double)mien_rng_seeded_uniform(rng);
        const uint64_t level = rest % n_levels;

        if (wanted->balanced[i])
            rest /= n_levels;
        if (wanted->fixed[i])
            copy_text(out->text[i], wanted->value[i] == NULL ? "" : wanted->value[i]);
        else if (n > 0)
            copy_text(
                out->text[i],
                attribute->value[wanted->balanced[i] ? level : (uint64_t)(share * (double)n)]);
        else
            scalar_text(attribute,
                        wanted->balanced[i] ? ((double)level + 0.5) / SCALAR_LEVELS : share,
                        out->text[i]);
    }
}

struct lookup {
    const struct mien_plan *plan;
    const struct mien_wanted_values *values;
};

static const char *look_up(void *self, const char *name)
{
    const struct lookup *lookup = self;
    const char *text = lookup->values->text[find(lookup->plan, name)];

    return *text == '\0' ? NULL : text;
}

void mien_wanted_code(const struct mien_wanted *wanted, const struct mien_wanted_values *values,
                      float *code)
{
    struct lookup lookup = {wanted->plan, values};

    mien_plan_code(wanted->plan, look_up, &lookup, code);
}
