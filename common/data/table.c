// SPDX-License-Identifier: Apache-2.0
#include "common/data/table.h"

#include "common/base/mem.h"

#include <string.h>

/* Cells end with a NUL each, row after row, the header first. */
struct mien_table {
    char *text;
    size_t n_columns;
    size_t n_lines;
    const char **cell; /* [n_lines, n_columns] */
};

static size_t count(const char *text, size_t len, char c)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += text[i] == c;
    return n;
}

/* One line of `len` characters: its cells, cut in place. */
static enum mien_status cut(struct mien_table *table, char *line, size_t len, struct mien_err *err)
{
    const size_t number = table->n_lines + 1;
    const char **cell = table->cell + table->n_lines * table->n_columns;

    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (count(line, len, ',') + 1 != table->n_columns)
        return mien_err_set(err, MIEN_EPARSE, "line %zu has %zu cells, expected %zu", number,
                            count(line, len, ',') + 1, table->n_columns);
    if (memchr(line, '"', len) != NULL || memchr(line, '\0', len) != NULL)
        return mien_err_set(err, MIEN_EPARSE, "line %zu has a quote or a NUL", number);
    for (size_t i = 0; i < table->n_columns; i++) {
        const size_t n = strcspn(line, ",");

        cell[i] = line;
        line += n < len ? n : len;
        len -= n < len ? n + 1 : len;
        *line++ = '\0';
    }
    table->n_lines++;
    return MIEN_OK;
}

static enum mien_status cut_all(struct mien_table *table, size_t len, struct mien_err *err)
{
    char *line = table->text;
    char *const end = table->text + len;

    while (line < end) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        const size_t n = stop == NULL ? (size_t)(end - line) : (size_t)(stop - line);
        enum mien_status status = cut(table, line, n, err);

        if (status != MIEN_OK)
            return status;
        line += n + 1;
    }
    if (table->n_lines == 0 || table->n_columns < 2 || strcmp(table->cell[0], "device") != 0 ||
        strcmp(table->cell[1], "file") != 0)
        return mien_err_set(err, MIEN_EPARSE, "line 1 does not begin with \"device,file\"");
    return MIEN_OK;
}

enum mien_status mien_table_new(struct mien_span text, struct mien_table **out,
                                struct mien_err *err)
{
    struct mien_table *table = mien_calloc(1, sizeof(*table));
    enum mien_status status = MIEN_ENOMEM;

    if (table == NULL)
        return MIEN_ENOMEM;
    table->text = mien_calloc(text.len + 1, 1);
    if (table->text != NULL) {
        if (text.len > 0)
            memcpy(table->text, text.data, text.len);
        const char *stop = memchr(table->text, '\n', text.len);
        const size_t head = stop == NULL ? text.len : (size_t)(stop - table->text);

        table->n_columns = count(table->text, head, ',') + 1;
        table->cell = mien_calloc((count(table->text, text.len, '\n') + 1) * table->n_columns,
                                  sizeof(*table->cell));
    }
    if (table->cell != NULL)
        status = cut_all(table, text.len, err);
    if (status != MIEN_OK) {
        mien_table_free(table);
        return status;
    }
    *out = table;
    return MIEN_OK;
}

void mien_table_free(struct mien_table *table)
{
    if (table == NULL)
        return;
    mien_free(table->text);
    mien_free(table->cell);
    mien_free(table);
}

size_t mien_table_n_rows(const struct mien_table *table)
{
    return table->n_lines - 1;
}

const char *mien_table_cell(const struct mien_table *table, size_t row, size_t column)
{
    return table->cell[(row + 1) * table->n_columns + column];
}

const char *mien_table_value(const struct mien_table *table, size_t row, const char *header)
{
    for (size_t i = 2; i < table->n_columns; i++) {
        if (strcmp(table->cell[i], header) == 0)
            return mien_table_cell(table, row, i);
    }
    return NULL;
}
