// SPDX-License-Identifier: Apache-2.0
#include "common/plan/keys.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

uint32_t mien_plan_code_size(const struct mien_plan *plan)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < plan->n_attributes; i++)
        n += plan->attributes[i].n_values > 0 ? plan->attributes[i].n_values + 1 : 2;
    return n;
}

static void code_scalar(const struct mien_attribute *attribute, const char *text, float *code)
{
    double v;

    code[0] = 0.0f;
    code[1] = 0.0f;
    if (text == NULL || mien_parse_double(text, &v) != MIEN_OK || v < attribute->low ||
        v > attribute->high)
        return;
    code[0] = (float)(2.0 * (v - attribute->low) / (attribute->high - attribute->low) - 1.0);
    code[1] = 1.0f;
}

static void code_names(const struct mien_attribute *attribute, const char *text, float *code)
{
    uint32_t at = attribute->n_values; /* unknown */

    for (uint32_t i = 0; text != NULL && i < attribute->n_values; i++) {
        if (strcmp(text, attribute->value[i]) == 0)
            at = i;
    }
    for (uint32_t i = 0; i <= attribute->n_values; i++)
        code[i] = i == at ? 1.0f : 0.0f;
}

void mien_plan_code(const struct mien_plan *plan,
                    const char *(*value)(void *self, const char *name), void *self, float *code)
{
    for (uint32_t i = 0; i < plan->n_attributes; i++) {
        const struct mien_attribute *attribute = &plan->attributes[i];
        const char *text = value == NULL ? NULL : value(self, attribute->name);

        if (attribute->n_values > 0) {
            code_names(attribute, text, code);
            code += attribute->n_values + 1;
        } else {
            code_scalar(attribute, text, code);
            code += 2;
        }
    }
}

/* Copies text[0..n) without the blanks around it; false when empty or too long. */
static bool take_name(const char *text, size_t n, char out[MIEN_PLAN_NAME_BYTES])
{
    while (n > 0 && *text == ' ') {
        text++;
        n--;
    }
    while (n > 0 && text[n - 1] == ' ')
        n--;
    if (n == 0 || n >= MIEN_PLAN_NAME_BYTES)
        return false;
    memcpy(out, text, n);
    out[n] = '\0';
    return true;
}

static enum mien_status parse_range(const char *dots, size_t before, const char *text, size_t n,
                                    struct mien_attribute *attribute)
{
    char low[MIEN_PLAN_NAME_BYTES];
    char high[MIEN_PLAN_NAME_BYTES];

    if (!take_name(text, before, low) || !take_name(dots + 2, n - before - 2, high) ||
        mien_parse_double(low, &attribute->low) != MIEN_OK ||
        mien_parse_double(high, &attribute->high) != MIEN_OK || attribute->low >= attribute->high)
        return MIEN_EPARSE;
    return MIEN_OK;
}

static enum mien_status parse_values(const char *text, size_t n, struct mien_attribute *attribute)
{
    while (true) {
        const char *bar = memchr(text, '|', n);
        size_t len = bar == NULL ? n : (size_t)(bar - text);

        if (attribute->n_values == MIEN_PLAN_MAX_VALUES ||
            !take_name(text, len, attribute->value[attribute->n_values]))
            return MIEN_EPARSE;
        attribute->n_values++;
        if (bar == NULL)
            return MIEN_OK;
        text = bar + 1;
        n -= len + 1;
    }
}

/* "name:a|b|c" or "name:low..high" */
static enum mien_status parse_attribute(const char *text, size_t n,
                                        struct mien_attribute *attribute)
{
    const char *colon = memchr(text, ':', n);

    if (colon == NULL || !take_name(text, (size_t)(colon - text), attribute->name))
        return MIEN_EPARSE;
    n -= (size_t)(colon - text) + 1;
    text = colon + 1;
    for (size_t i = 0; i + 1 < n; i++) {
        if (text[i] == '.' && text[i + 1] == '.')
            return parse_range(text + i, i, text, n, attribute);
    }
    return parse_values(text, n, attribute);
}

/* A classifier's last layer has a score per value of its label. */
static void fit_classifier(struct mien_plan *plan)
{
    if (plan->family != MIEN_FAMILY_CLASSIFIER || plan->n_g_layers == 0 ||
        plan->n_g_layers > MIEN_PLAN_MAX_LAYERS)
        return;
    struct mien_layer *last = &plan->g_layers[plan->n_g_layers - 1];
    if (last->kind == MIEN_LAYER_DENSE && plan->attributes[0].n_values > 0)
        last->channels = plan->attributes[0].n_values;
}

enum mien_status mien_plan_parse_attributes(struct mien_plan *plan, const char *text,
                                            struct mien_err *err)
{
    struct mien_plan parsed = *plan;

    parsed.n_attributes = 0;
    memset(parsed.attributes, 0, sizeof(parsed.attributes));
    while (*text == ' ')
        text++;
    while (*text != '\0') {
        const char *comma = strchr(text, ',');
        size_t n = comma == NULL ? strlen(text) : (size_t)(comma - text);

        if (parsed.n_attributes == MIEN_PLAN_MAX_ATTRIBUTES)
            return mien_err_set(err, MIEN_ELIMIT, "plan.attributes: more than %d",
                                MIEN_PLAN_MAX_ATTRIBUTES);
        if (parse_attribute(text, n, &parsed.attributes[parsed.n_attributes]) != MIEN_OK)
            return mien_err_set(err, MIEN_EPARSE,
                                "plan.attributes: \"%.*s\" is neither name:a|b nor name:low..high",
                                (int)n, text);
        parsed.n_attributes++;
        if (comma == NULL)
            break;
        text = comma + 1;
    }
    fit_classifier(&parsed);
    *plan = parsed;
    return MIEN_OK;
}

enum mien_status mien_plan_format_attributes(const struct mien_plan *plan, struct mien_buf *out)
{
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < plan->n_attributes && status == MIEN_OK; i++) {
        const struct mien_attribute *a = &plan->attributes[i];

        status = mien_buf_printf(out, "%s%s:", i > 0 ? ", " : "", a->name);
        if (status == MIEN_OK && a->n_values == 0)
            status = mien_buf_printf(out, "%.15g..%.15g", a->low, a->high);
        for (uint32_t j = 0; j < a->n_values && status == MIEN_OK; j++)
            status = mien_buf_printf(out, "%s%s", j > 0 ? "|" : "", a->value[j]);
    }
    return status;
}
