// SPDX-License-Identifier: Apache-2.0
#include "common/nn/name_map.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/nn/name_map_internal.h"

#include <string.h>

#define BLANKS " \t"

/* The next word of a line, ended with a NUL where it stands; NULL at the end. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, BLANKS);
    size_t n = strcspn(word, BLANKS);

    if (n == 0)
        return NULL;
    *at = word + n;
    if (**at != '\0')
        *(*at)++ = '\0';
    return word;
}

/* "4,4,3": up to MIEN_MAX_AXES numbers of min .. max. */
static bool take_numbers(char *text, uint64_t min, uint64_t max, uint32_t out[MIEN_MAX_AXES],
                         uint32_t *n)
{
    *n = 0;
    while (true) {
        char *comma = strchr(text, ',');
        uint64_t number;

        if (comma != NULL)
            *comma = '\0';
        if (*n == MIEN_MAX_AXES || mien_parse_u64(text, min, max, &number) != MIEN_OK)
            return false;
        out[(*n)++] = (uint32_t)number;
        if (comma == NULL)
            return true;
        text = comma + 1;
    }
}

static bool is_permutation(const uint32_t *order, uint32_t n)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < n; i++)
        seen |= UINT32_C(1) << order[i];
    return seen == (UINT32_C(1) << n) - 1;
}

/* "view D,D" or "transpose A,A", each at most once, the view first. */
static enum mien_status take_change(struct mien_name_map_line *line, const char *word, char *value,
                                    struct mien_err *err)
{
    const bool view = strcmp(word, "view") == 0;

    if (!view && strcmp(word, "transpose") != 0)
        return mien_err_set(err, MIEN_EPARSE,
                            "line %u: \"%s\", expected view or transpose, or the end", line->number,
                            word);
    if (value == NULL)
        return mien_err_set(err, MIEN_EPARSE, "line %u: %s without numbers", line->number, word);
    if (line->n_order > 0 || (view && line->view.n_axes > 0))
        return mien_err_set(err, MIEN_EPARSE, "line %u: a second or late %s", line->number, word);
    if (view) {
        if (take_numbers(value, 1, MIEN_MAX_ELEMENTS, line->view.dim, &line->view.n_axes))
            return MIEN_OK;
        return mien_err_set(err, MIEN_EPARSE, "line %u: view wants 1 to %d sizes such as 4,4,3",
                            line->number, MIEN_MAX_AXES);
    }
    if (take_numbers(value, 0, MIEN_MAX_AXES - 1, line->order, &line->n_order) &&
        is_permutation(line->order, line->n_order))
        return MIEN_OK;
    return mien_err_set(err, MIEN_EPARSE,
                        "line %u: transpose wants each axis once, such as 2,3,1,0", line->number);
}

static enum mien_status take_line(struct mien_name_map *map, char *text, uint32_t number,
                                  struct mien_err *err)
{
    struct mien_name_map_line *line = &map->line[map->n_lines];
    enum mien_status status = MIEN_OK;
    const char *name = next_word(&text);

    if (name == NULL || name[0] == '#')
        return MIEN_OK;
    if (map->n_lines == MIEN_NAME_MAP_MAX_LINES)
        return mien_err_set(err, MIEN_ELIMIT, "line %u: more than %d tensors", number,
                            MIEN_NAME_MAP_MAX_LINES);
    const char *equals = next_word(&text);
    *line = (struct mien_name_map_line){.number = number, .ours = name};
    if (equals != NULL && strcmp(equals, "=") == 0)
        line->theirs = next_word(&text);
    if (line->theirs == NULL)
        return mien_err_set(err, MIEN_EPARSE,
                            "line %u: expected NAME = TENSOR, with blanks around the sign", number);
    for (char *word = next_word(&text); word != NULL && status == MIEN_OK; word = next_word(&text))
        status = take_change(line, word, next_word(&text), err);
    map->n_lines++;
    return status;
}

enum mien_status mien_name_map_parse(struct mien_span text, struct mien_name_map **out,
                                     struct mien_err *err)
{
    struct mien_name_map *map = mien_calloc(1, sizeof(*map));
    enum mien_status status = MIEN_OK;
    uint32_t number = 0;

    if (map == NULL)
        return MIEN_ENOMEM;
    map->text = mien_calloc(text.len + 1, 1);
    if (map->text == NULL)
        status = MIEN_ENOMEM;
    else if (text.len > 0)
        memcpy(map->text, text.data, text.len);
    char *at = map->text;
    while (status == MIEN_OK && at < map->text + text.len) {
        char *end = at + strcspn(at, "\n");

        number++;
        if (*end == '\0' && end < map->text + text.len) {
            status = mien_err_set(err, MIEN_EPARSE, "line %u holds a NUL", number);
            break;
        }
        *end = '\0';
        if (end > at && end[-1] == '\r')
            end[-1] = '\0';
        status = take_line(map, at, number, err);
        at = end + 1;
    }
    if (status != MIEN_OK) {
        mien_name_map_free(map);
        return status;
    }
    *out = map;
    return MIEN_OK;
}

void mien_name_map_free(struct mien_name_map *map)
{
    if (map == NULL)
        return;
    mien_free(map->text);
    mien_free(map);
}
