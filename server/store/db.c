// SPDX-License-Identifier: Apache-2.0
#include "server/store/db.h"

#include "common/base/file.h"

#include <string.h>

static enum mien_status status_of(sqlite3 *db, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return MIEN_OK;
    case SQLITE_NOMEM:
        return MIEN_ENOMEM;
    case SQLITE_FULL:
        return MIEN_ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return MIEN_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return MIEN_ECORRUPT;
    case SQLITE_CONSTRAINT:
        return MIEN_EEXIST;
    default: {
        enum mien_status status = mien_status_of_errno(sqlite3_system_errno(db));
        return status == MIEN_ENOSPC ? MIEN_ENOSPC : MIEN_EIO;
    }
    }
}

enum mien_status mien_db_failed(sqlite3 *db, struct mien_err *err)
{
    enum mien_status status = status_of(db, sqlite3_extended_errcode(db));

    if (status == MIEN_OK)
        status = MIEN_EIO;
    return mien_err_set(err, status, "ledger database: %s", sqlite3_errmsg(db));
}

enum mien_status mien_db_open(const char *path, bool create, sqlite3 **out, struct mien_err *err)
{
    /* EXCLUSIVE comes first: with it WAL needs no shared-memory file, which a full disk could not
     * make (notes on reliability: even reading fails then). */
    static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                   "PRAGMA journal_mode=WAL;"
                                   "PRAGMA synchronous=FULL;"
                                   "PRAGMA trusted_schema=OFF;"
                                   "PRAGMA foreign_keys=ON;"
                                   "PRAGMA secure_delete=ON;" /* what is forgotten is gone */
                                   "BEGIN EXCLUSIVE; COMMIT;";
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE | (create ? SQLITE_OPEN_CREATE : 0);
    sqlite3 *db = NULL;
    enum mien_status status;

    if (create && mien_path_exists(path))
        return mien_err_set(err, MIEN_EEXIST, "%s exists already", path);
    if (!create && !mien_path_exists(path))
        return mien_err_set(err, MIEN_ENOTFOUND, "there is no ledger at %s", path);
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        status = db == NULL ? MIEN_ENOMEM : mien_db_failed(db, err);
        (void)mien_err_prefix(err, status, "%s", path);
        sqlite3_close(db);
        return status;
    }
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 1); /* VACUUM INTO attaches its target */
    status = mien_db_exec(db, settings, err);
    if (status != MIEN_OK) {
        (void)mien_err_prefix(err, status, "%s", path);
        sqlite3_close(db);
        return status;
    }
    *out = db;
    return MIEN_OK;
}

struct mien_db_value mien_db_int(uint64_t v)
{
    return (struct mien_db_value){.type = MIEN_DB_INT, .i = (int64_t)v};
}

struct mien_db_value mien_db_real(double v)
{
    return (struct mien_db_value){.type = MIEN_DB_REAL, .real = v};
}

struct mien_db_value mien_db_blob(const void *data, size_t n)
{
    return (struct mien_db_value){.type = MIEN_DB_BLOB, .data = data, .n = n};
}

struct mien_db_value mien_db_text(const char *text)
{
    return (struct mien_db_value){.type = MIEN_DB_TEXT, .data = text, .n = strlen(text)};
}

enum mien_status mien_db_exec(sqlite3 *db, const char *sql, struct mien_err *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? MIEN_OK : mien_db_failed(db, err);
}

static int bind(sqlite3_stmt *stmt, int at, const struct mien_db_value *value)
{
    switch (value->type) {
    case MIEN_DB_INT:
        return sqlite3_bind_int64(stmt, at, value->i);
    case MIEN_DB_REAL:
        return sqlite3_bind_double(stmt, at, value->real);
    case MIEN_DB_TEXT:
        return sqlite3_bind_text64(stmt, at, value->data, value->n, SQLITE_STATIC, SQLITE_UTF8);
    case MIEN_DB_BLOB:
        break;
    }
    /* An empty blob is not NULL. */
    return sqlite3_bind_blob64(stmt, at, value->n == 0 ? "" : value->data, value->n, SQLITE_STATIC);
}

enum mien_status mien_db_query(sqlite3 *db, const char *sql, const struct mien_db_value *values,
                               size_t n_values, sqlite3_stmt **out, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return mien_db_failed(db, err);
    for (size_t i = 0; i < n_values; i++) {
        if (bind(stmt, (int)i + 1, &values[i]) == SQLITE_OK)
            continue;
        enum mien_status status = mien_db_failed(db, err);
        sqlite3_finalize(stmt);
        return status;
    }
    *out = stmt;
    return MIEN_OK;
}

enum mien_status mien_db_next(sqlite3_stmt *stmt, bool *row, struct mien_err *err)
{
    int code = sqlite3_step(stmt);

    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return mien_db_failed(sqlite3_db_handle(stmt), err);
    *row = code == SQLITE_ROW;
    return MIEN_OK;
}

enum mien_status mien_db_run(sqlite3 *db, const char *sql, const struct mien_db_value *values,
                             size_t n_values, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum mien_status status = mien_db_query(db, sql, values, n_values, &stmt, err);

    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    sqlite3_finalize(stmt);
    return status;
}

enum mien_status mien_db_number(sqlite3 *db, const char *sql, const struct mien_db_value *values,
                                size_t n_values, uint64_t *out, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum mien_status status = mien_db_query(db, sql, values, n_values, &stmt, err);

    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    if (status == MIEN_OK)
        *out = row ? mien_db_column_count(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return status;
}

bool mien_db_column_fixed(sqlite3_stmt *stmt, int column, void *out, size_t n)
{
    const void *data = sqlite3_column_blob(stmt, column);

    if (data == NULL || (size_t)sqlite3_column_bytes(stmt, column) != n)
        return false;
    memcpy(out, data, n);
    return true;
}

bool mien_db_column_text(sqlite3_stmt *stmt, int column, char *out, size_t n)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(stmt, column);

    if (text == NULL || len >= n || memchr(text, 0, len) != NULL)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

uint64_t mien_db_column_count(sqlite3_stmt *stmt, int column)
{
    sqlite3_int64 v = sqlite3_column_int64(stmt, column);

    return v < 0 ? 0 : (uint64_t)v;
}
