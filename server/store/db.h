/* SQLite as the store uses it: one connection, WAL, synchronous FULL, exclusive.
 *
 * Threads: a connection belongs to one thread at a time
 */
#ifndef MIEN_STORE_DB_H
#define MIEN_STORE_DB_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens a database with the settings above.
 *
 *   create  make it (it must not be there); else it must be there
 *   out     given: end it with sqlite3_close
 *   errors  MIEN_ENOTFOUND, MIEN_EEXIST, MIEN_EBUSY, MIEN_ECORRUPT, MIEN_EIO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_db_open(const char *path, bool create, sqlite3 **out,
                                         struct mien_err *err);

/* The status of what SQLite said last on this connection; the sentence is "ledger: ...". */
enum mien_status mien_db_failed(sqlite3 *db, struct mien_err *err);

/* A value for a "?" of a statement. */
struct mien_db_value {
    enum { MIEN_DB_INT, MIEN_DB_BLOB, MIEN_DB_TEXT, MIEN_DB_REAL } type;
    int64_t i;
    double real;
    const void *data; /* borrowed for the call; for a query until it is finalized */
    size_t n;
};

struct mien_db_value mien_db_int(uint64_t v);
struct mien_db_value mien_db_real(double v);
struct mien_db_value mien_db_blob(const void *data, size_t n);
struct mien_db_value mien_db_text(const char *text);

/* Runs statements without values or rows. */
MIEN_CHECK enum mien_status mien_db_exec(sqlite3 *db, const char *sql, struct mien_err *err);

/* Runs one statement with values and no rows. */
MIEN_CHECK enum mien_status mien_db_run(sqlite3 *db, const char *sql,
                                        const struct mien_db_value *values, size_t n_values,
                                        struct mien_err *err);

/* Starts a query.  out  given: end it with sqlite3_finalize */
MIEN_CHECK enum mien_status mien_db_query(sqlite3 *db, const char *sql,
                                          const struct mien_db_value *values, size_t n_values,
                                          sqlite3_stmt **out, struct mien_err *err);

/* The next row: *row says whether there is one. */
MIEN_CHECK enum mien_status mien_db_next(sqlite3_stmt *stmt, bool *row, struct mien_err *err);

/* A query of one number; 0 when there is no row. */
MIEN_CHECK enum mien_status mien_db_number(sqlite3 *db, const char *sql,
                                           const struct mien_db_value *values, size_t n_values,
                                           uint64_t *out, struct mien_err *err);

/* A blob column of exactly n bytes into out; false when it is anything else. */
MIEN_CHECK bool mien_db_column_fixed(sqlite3_stmt *stmt, int column, void *out, size_t n);

/* A text column into out of n bytes with its NUL; false when it does not fit. */
MIEN_CHECK bool mien_db_column_text(sqlite3_stmt *stmt, int column, char *out, size_t n);

/* A number column that is not negative; 0 otherwise. */
uint64_t mien_db_column_count(sqlite3_stmt *stmt, int column);

#endif
