/* attributes.csv: what pictures show.
 *
 * Comma-separated, a header that begins with "device,file", then a line a picture. No quotes:
 * names of files and values have no commas.
 *
 * Threads: a table is read-only once made
 */
#ifndef MIEN_DATA_TABLE_H
#define MIEN_DATA_TABLE_H

#include "common/base/err.h"
#include "common/base/span.h"

#include <stdint.h>

struct mien_table;

/* Reads the text (copied).
 *
 *   out     given: end it with mien_table_free
 *   errors  MIEN_EPARSE  another header, a quote, a line of another length, a NUL (err: the line)
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_table_new(struct mien_span text, struct mien_table **out,
                                           struct mien_err *err);

void mien_table_free(struct mien_table *table);

size_t mien_table_n_rows(const struct mien_table *table);

/* A cell. Valid until free. row < n_rows, column < n_columns; columns 0 and 1 are device and file.
 */
const char *mien_table_cell(const struct mien_table *table, size_t row, size_t column);

/* The cell under a header, or NULL when there is no such header. */
const char *mien_table_value(const struct mien_table *table, size_t row, const char *header);

#endif
