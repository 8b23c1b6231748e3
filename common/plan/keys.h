/* The plan's keys as text: config files, --set, man pages.
 *
 * Sections: plan, round, secure_sum, privacy. Size and layers come from the preset.
 *
 * Threads: any
 */
#ifndef MIEN_PLAN_KEYS_H
#define MIEN_PLAN_KEYS_H

#include "common/base/buf.h"
#include "common/plan/plan.h"

/* One key, for documents and hints. */
struct mien_plan_key_info {
    const char *name; /* "round.cohort" */
    const char *unit; /* "units", "seconds", "a name", ... */
    const char *help; /* one line */
};

size_t mien_plan_n_keys(void);

/* Key number i in the order of documents. Static storage. */
struct mien_plan_key_info mien_plan_key(size_t i);

/* Sets one key. The plan is unchanged on error; validate after the last one.
 *
 *   errors  MIEN_ENOTFOUND  no such key (err says the nearest)
 *           MIEN_EPARSE, MIEN_ELIMIT, MIEN_EINVAL  the value (err says what was expected)
 */
MIEN_CHECK enum mien_status mien_plan_set(struct mien_plan *plan, const char *key,
                                          const char *value, struct mien_err *err);

/* Adds the key's value as text that mien_plan_set takes back.  errors  MIEN_ENOTFOUND, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_plan_get(const struct mien_plan *plan, const char *key,
                                          struct mien_buf *out);

/* Parses a vocabulary, "glasses:0|1, age:0..100"; "" for none. Sets n_attributes and attributes,
 * and the width of a classifier's last layer.
 * errors  MIEN_EPARSE, MIEN_ELIMIT */
MIEN_CHECK enum mien_status mien_plan_parse_attributes(struct mien_plan *plan, const char *text,
                                                       struct mien_err *err);

/* The vocabulary as text.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_plan_format_attributes(const struct mien_plan *plan,
                                                        struct mien_buf *out);

#endif
