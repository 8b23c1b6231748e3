// SPDX-License-Identifier: Apache-2.0
#include "server/store/enrol.h"

#include "common/base/digest.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "server/store/store_internal.h"

#include <stdio.h>
#include <string.h>

static const char UNIT_LABEL[] = "mien unit v1";

static enum mien_status token_hash(const uint8_t secret[MIEN_TOKEN_SECRET_BYTES], uint8_t out[32])
{
    return mien_digest((struct mien_span){secret, MIEN_TOKEN_SECRET_BYTES}, out);
}

enum mien_status mien_store_unit_digest(const struct mien_store *store, const char *name,
                                        uint8_t out[32])
{
    struct mien_buf text = {0};
    enum mien_status status = mien_buf_append(&text, UNIT_LABEL, sizeof(UNIT_LABEL) - 1);

    if (status == MIEN_OK)
        status = mien_buf_append(&text, store->unit_salt, sizeof(store->unit_salt));
    if (status == MIEN_OK)
        status = mien_buf_append(&text, name, strlen(name));
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&text), out);
    mien_buf_wipe(&text);
    return status;
}

/* ---- tokens ---- */

static enum mien_status name_unit(const char *unit, const uint8_t hash[32],
                                  char out[MIEN_UNIT_NAME_BYTES], struct mien_err *err)
{
    char hex[17];

    if (unit == NULL) {
        /* A person of its own: named by the token, which no other token shares. */
        mien_hex(hash, 8, hex);
        (void)snprintf(out, MIEN_UNIT_NAME_BYTES, "token-%s", hex);
        return MIEN_OK;
    }
    if (unit[0] == '\0' || strlen(unit) >= MIEN_UNIT_NAME_BYTES ||
        !mien_utf8_printable(unit, strlen(unit)))
        return mien_err_set(err, MIEN_EINVAL, "a unit's name is 1 to %d printable bytes",
                            MIEN_UNIT_NAME_BYTES - 1);
    (void)snprintf(out, MIEN_UNIT_NAME_BYTES, "%s", unit);
    return MIEN_OK;
}

enum mien_status mien_store_token_new(struct mien_store *store, const char *unit, int64_t expires_s,
                                      struct mien_rng *rng, uint8_t secret[MIEN_TOKEN_SECRET_BYTES],
                                      struct mien_err *err)
{
    uint8_t fresh[MIEN_TOKEN_SECRET_BYTES];
    uint8_t hash[32];
    char name[MIEN_UNIT_NAME_BYTES];
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK)
        status = mien_rng_fill(rng, fresh, sizeof(fresh));
    if (status == MIEN_OK)
        status = token_hash(fresh, hash);
    if (status == MIEN_OK)
        status = name_unit(unit, hash, name, err);
    if (status == MIEN_OK)
        status =
            mien_db_run(store->db, "INSERT INTO token(hash, unit_name, expires_s) VALUES(?,?,?)",
                        (struct mien_db_value[]){
                            mien_db_blob(hash, sizeof(hash)),
                            mien_db_text(name),
                            mien_db_int((uint64_t)expires_s),
                        },
                        3, err);
    if (status == MIEN_OK)
        memcpy(secret, fresh, sizeof(fresh));
    mien_wipe(fresh, sizeof(fresh));
    return status;
}

enum mien_status mien_store_token_find(struct mien_store *store,
                                       const uint8_t secret[MIEN_TOKEN_SECRET_BYTES],
                                       struct mien_store_token *out, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    uint8_t hash[32];
    struct mien_store_token token = {0};
    enum mien_status status = token_hash(secret, hash);

    if (status == MIEN_OK)
        status = mien_db_query(
            store->db, "SELECT unit_name, expires_s, used_by, csr_digest FROM token WHERE hash=?",
            (struct mien_db_value[]){mien_db_blob(hash, sizeof(hash))}, 1, &stmt, err);
    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    if (status == MIEN_OK && !row)
        status = mien_err_set(err, MIEN_EAUTH, "this coordinator has issued no such token");
    if (status == MIEN_OK) {
        token.expires_s = sqlite3_column_int64(stmt, 1);
        token.used = mien_db_column_fixed(stmt, 2, token.used_by, sizeof(token.used_by)) &&
                     mien_db_column_fixed(stmt, 3, token.csr_digest, sizeof(token.csr_digest));
        if (!mien_db_column_text(stmt, 0, token.unit_name, sizeof(token.unit_name)))
            status = mien_err_set(err, MIEN_ECORRUPT, "the row of a token is damaged");
    }
    sqlite3_finalize(stmt);
    if (status == MIEN_OK)
        status = mien_store_unit_digest(store, token.unit_name, token.unit);
    if (status == MIEN_OK)
        *out = token;
    return status;
}

static enum mien_status insert_device(struct mien_store *store, const struct mien_device *device,
                                      struct mien_err *err)
{
    return mien_db_run(store->db,
                       "INSERT INTO device(id, unit, unit_name, public_key, enrolled_s,"
                       " not_after_s, cert, credential) VALUES(?,?,?,?,?,?,?,?)",
                       (struct mien_db_value[]){
                           mien_db_blob(device->id, sizeof(device->id)),
                           mien_db_blob(device->unit, sizeof(device->unit)),
                           mien_db_text(device->unit_name),
                           mien_db_blob(device->public_key, sizeof(device->public_key)),
                           mien_db_int((uint64_t)device->enrolled_s),
                           mien_db_int((uint64_t)device->not_after_s),
                           mien_db_blob(device->cert, device->cert_len),
                           mien_db_blob(device->credential, device->credential_len),
                       },
                       8, err);
}

enum mien_status mien_store_token_use(struct mien_store *store,
                                      const uint8_t secret[MIEN_TOKEN_SECRET_BYTES],
                                      const uint8_t csr_digest[32],
                                      const struct mien_device *device, struct mien_err *err)
{
    struct mien_store_tx tx = {0};
    struct mien_store_token token;
    uint8_t hash[32];
    enum mien_status status = mien_store_token_find(store, secret, &token, err);

    if (status == MIEN_OK && token.used)
        return mien_err_set(err, MIEN_EEXIST, "the token was used already");
    if (status == MIEN_OK)
        status = token_hash(secret, hash);
    if (status != MIEN_OK)
        return status;
    status = mien_store_tx_begin(store, &tx, err);
    if (status == MIEN_OK)
        status = mien_db_run(store->db, "UPDATE token SET used_by=?, csr_digest=? WHERE hash=?",
                             (struct mien_db_value[]){
                                 mien_db_blob(device->id, sizeof(device->id)),
                                 mien_db_blob(csr_digest, 32),
                                 mien_db_blob(hash, sizeof(hash)),
                             },
                             3, err);
    if (status == MIEN_OK)
        status = insert_device(store, device, err);
    if (status == MIEN_OK)
        status = mien_store_tx_commit(&tx, err);
    mien_store_tx_end(&tx);
    return status;
}

/* ---- devices ---- */

#define DEVICE_COLUMNS                                                                             \
    "SELECT id, unit, unit_name, public_key, enrolled_s, not_after_s, revoked_s, cert, credential" \
    " FROM device"

static bool copy_blob(sqlite3_stmt *stmt, int column, uint8_t *out, size_t max, size_t *len)
{
    const void *data = sqlite3_column_blob(stmt, column);
    size_t n = (size_t)sqlite3_column_bytes(stmt, column);

    if (data == NULL || n > max)
        return false;
    memcpy(out, data, n);
    *len = n;
    return true;
}

static enum mien_status read_device(sqlite3_stmt *stmt, struct mien_device *out,
                                    struct mien_err *err)
{
    struct mien_device device = {0};
    bool whole =
        mien_db_column_fixed(stmt, 0, device.id, sizeof(device.id)) &&
        mien_db_column_fixed(stmt, 1, device.unit, sizeof(device.unit)) &&
        mien_db_column_text(stmt, 2, device.unit_name, sizeof(device.unit_name)) &&
        mien_db_column_fixed(stmt, 3, device.public_key, sizeof(device.public_key)) &&
        copy_blob(stmt, 7, device.cert, sizeof(device.cert), &device.cert_len) &&
        copy_blob(stmt, 8, device.credential, sizeof(device.credential), &device.credential_len);

    if (!whole)
        return mien_err_set(err, MIEN_ECORRUPT, "the row of a device is damaged");
    device.enrolled_s = sqlite3_column_int64(stmt, 4);
    device.not_after_s = sqlite3_column_int64(stmt, 5);
    device.revoked = sqlite3_column_type(stmt, 6) != SQLITE_NULL;
    *out = device;
    return MIEN_OK;
}

enum mien_status mien_store_device(struct mien_store *store, const uint8_t id[16],
                                   struct mien_device *out, struct mien_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum mien_status status =
        mien_db_query(store->db, DEVICE_COLUMNS " WHERE id=?",
                      (struct mien_db_value[]){mien_db_blob(id, 16)}, 1, &stmt, err);

    if (status == MIEN_OK)
        status = mien_db_next(stmt, &row, err);
    if (status == MIEN_OK && !row)
        status = mien_err_set(err, MIEN_ENOTFOUND, "there is no such device");
    if (status == MIEN_OK)
        status = read_device(stmt, out, err);
    sqlite3_finalize(stmt);
    return status;
}

enum mien_status mien_store_device_renew(struct mien_store *store, const struct mien_device *device,
                                         struct mien_err *err)
{
    struct mien_device now;
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK)
        status = mien_store_device(store, device->id, &now, err);
    if (status == MIEN_OK && now.revoked)
        status = mien_err_set(err, MIEN_EAUTH, "the device is revoked");
    if (status != MIEN_OK)
        return status;
    return mien_db_run(store->db,
                       "UPDATE device SET public_key=?, not_after_s=?, cert=?, credential=?"
                       " WHERE id=?",
                       (struct mien_db_value[]){
                           mien_db_blob(device->public_key, sizeof(device->public_key)),
                           mien_db_int((uint64_t)device->not_after_s),
                           mien_db_blob(device->cert, device->cert_len),
                           mien_db_blob(device->credential, device->credential_len),
                           mien_db_blob(device->id, sizeof(device->id)),
                       },
                       5, err);
}

enum mien_status mien_store_device_revoke(struct mien_store *store, const uint8_t id[16],
                                          int64_t now_s, struct mien_err *err)
{
    enum mien_status status = mien_store_usable(store, err);

    if (status == MIEN_OK)
        status =
            mien_db_run(store->db, "UPDATE device SET revoked_s=coalesce(revoked_s, ?) WHERE id=?",
                        (struct mien_db_value[]){
                            mien_db_int((uint64_t)now_s),
                            mien_db_blob(id, 16),
                        },
                        2, err);
    if (status == MIEN_OK && sqlite3_changes(store->db) == 0)
        return mien_err_set(err, MIEN_ENOTFOUND, "there is no such device");
    return status;
}

enum mien_status mien_store_devices(struct mien_store *store,
                                    enum mien_status (*visit)(void *self,
                                                              const struct mien_device *device),
                                    void *self)
{
    sqlite3_stmt *stmt = NULL;
    struct mien_device device;
    bool row = true;
    enum mien_status status =
        mien_db_query(store->db, DEVICE_COLUMNS " ORDER BY n", NULL, 0, &stmt, NULL);

    while (status == MIEN_OK) {
        status = mien_db_next(stmt, &row, NULL);
        if (status != MIEN_OK || !row)
            break;
        status = read_device(stmt, &device, NULL);
        if (status == MIEN_OK)
            status = visit(self, &device);
    }
    sqlite3_finalize(stmt);
    return status;
}

enum mien_status mien_store_enrolled(struct mien_store *store, uint64_t *n_devices,
                                     uint64_t *n_units)
{
    enum mien_status status = mien_db_number(
        store->db, "SELECT count(*) FROM device WHERE revoked_s IS NULL", NULL, 0, n_devices, NULL);

    if (status == MIEN_OK)
        status = mien_db_number(store->db,
                                "SELECT count(DISTINCT unit) FROM device WHERE revoked_s IS NULL",
                                NULL, 0, n_units, NULL);
    return status;
}
