// SPDX-License-Identifier: Apache-2.0
#include "common/data/folder.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/data/image.h"
#include "common/data/table.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_PATH_BYTES 4096
#define MAX_PICTURE_BYTES ((size_t)64 << 20)
#define MAX_TABLE_BYTES ((size_t)256 << 20)
#define NO_ROW SIZE_MAX

struct face {
    char *path; /* below the folder: "0001.png" or "d0001/0001.png" */
    size_t row; /* of the table; NO_ROW */
};

struct device {
    size_t first; /* face */
    size_t n;
    char *name;
};

struct mien_folder {
    char *dir;
    bool flat;
    struct face *face; /* sorted by path */
    size_t n_faces;
    size_t cap_faces;
    struct device *device;
    size_t n_devices;
    struct mien_table *table; /* NULL without attributes.csv */
};

static bool is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');

    return name[0] != '.' && dot != NULL &&
           (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 ||
            strcasecmp(dot, ".jpeg") == 0);
}

static enum mien_status add_face(struct mien_folder *folder, const char *path)
{
    if (folder->n_faces == folder->cap_faces) {
        const size_t cap = folder->cap_faces == 0 ? 64 : 2 * folder->cap_faces;
        struct face *more = mien_reallocarray(folder->face, cap, sizeof(*more));

        if (more == NULL)
            return MIEN_ENOMEM;
        folder->face = more;
        folder->cap_faces = cap;
    }
    char *copy = mien_strdup(path);
    if (copy == NULL)
        return MIEN_ENOMEM;
    folder->face[folder->n_faces++] = (struct face){copy, NO_ROW};
    return MIEN_OK;
}

/* Adds the pictures of one directory; `below` is its name under the folder, "" for itself.
 * Directories in it are listed too when `deep`. */
static enum mien_status list(struct mien_folder *folder, const char *below, bool deep,
                             struct mien_err *err)
{
    char path[MAX_PATH_BYTES];
    char name[MAX_PATH_BYTES];
    struct stat about;
    enum mien_status status = mien_path_join(folder->dir, below, path, sizeof(path));
    DIR *open = status == MIEN_OK ? opendir(path) : NULL;
    const struct dirent *entry;

    if (open == NULL)
        return mien_err_set(err, errno == ENOENT ? MIEN_ENOTFOUND : MIEN_EIO, "%s: %s", path,
                            strerror(errno));
    while (status == MIEN_OK && (entry = readdir(open)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(name, sizeof(name), "%s%s%s", below, *below == '\0' ? "" : "/",
                     entry->d_name) >= (int)sizeof(name))
            status = MIEN_ELIMIT;
        if (status == MIEN_OK)
            status = mien_path_join(folder->dir, name, path, sizeof(path));
        if (status != MIEN_OK || stat(path, &about) != 0)
            continue;
        if (S_ISDIR(about.st_mode) && deep)
            status = list(folder, name, false, err);
        else if (S_ISREG(about.st_mode) && is_picture(entry->d_name))
            status = add_face(folder, name);
    }
    (void)closedir(open);
    return status;
}

static int by_path(const void *a, const void *b)
{
    const struct face *left = a;
    const struct face *right = b;

    return strcmp(left->path, right->path);
}

/* Length of the device's name in a path, 0 at the top. */
static size_t device_length(const char *path)
{
    const char *slash = strchr(path, '/');

    return slash == NULL ? 0 : (size_t)(slash - path);
}

/* Faces stand sorted: a device is a run of them. */
static enum mien_status group(struct mien_folder *folder, struct mien_err *err)
{
    folder->flat = device_length(folder->face[0].path) == 0;
    folder->device = mien_calloc(folder->n_faces, sizeof(*folder->device));
    if (folder->device == NULL)
        return MIEN_ENOMEM;
    for (size_t i = 0; i < folder->n_faces; i++) {
        const char *path = folder->face[i].path;
        const size_t len = device_length(path);
        struct device *last = &folder->device[folder->n_devices];

        if ((len == 0) != folder->flat)
            return mien_err_set(err, MIEN_EINVAL, "%s has faces at the top and in folders",
                                folder->dir);
        if (folder->n_devices > 0 && strlen(last[-1].name) == len &&
            strncmp(last[-1].name, path, len) == 0) {
            last[-1].n++;
            continue;
        }
        *last = (struct device){.first = i, .n = 1, .name = mien_memdup(path, len + 1)};
        if (last->name == NULL)
            return MIEN_ENOMEM;
        last->name[len] = '\0';
        folder->n_devices++;
    }
    return MIEN_OK;
}

static enum mien_status match_rows(struct mien_folder *folder, struct mien_err *err)
{
    for (size_t row = 0; row < mien_table_n_rows(folder->table); row++) {
        char path[MAX_PATH_BYTES];

        (void)snprintf(path, sizeof(path), "%s", mien_table_cell(folder->table, row, 1));
        const struct face key = {.path = path};
        struct face *found = bsearch(&key, folder->face, folder->n_faces, sizeof(key), by_path);
        if (found == NULL)
            return mien_err_set(err, MIEN_ENOTFOUND,
                                "attributes.csv line %zu names \"%s\", which is not there", row + 2,
                                path);
        found->row = row;
    }
    return MIEN_OK;
}

static enum mien_status read_table(struct mien_folder *folder, struct mien_err *err)
{
    char path[MAX_PATH_BYTES];
    struct mien_buf text = {0};
    enum mien_status status = mien_path_join(folder->dir, "attributes.csv", path, sizeof(path));

    if (status != MIEN_OK || !mien_path_exists(path))
        return status;
    status = mien_file_read(path, MAX_TABLE_BYTES, &text, err);
    if (status == MIEN_OK) {
        status = mien_table_new(mien_buf_span(&text), &folder->table, err);
        if (status != MIEN_OK)
            status = mien_err_prefix(err, status, "%s", path);
    }
    mien_buf_fini(&text);
    return status == MIEN_OK ? match_rows(folder, err) : status;
}

enum mien_status mien_folder_open(const char *dir, struct mien_folder **out, struct mien_err *err)
{
    struct mien_folder *folder = mien_calloc(1, sizeof(*folder));
    enum mien_status status = MIEN_ENOMEM;

    if (folder == NULL)
        return MIEN_ENOMEM;
    folder->dir = mien_strdup(dir);
    if (folder->dir != NULL)
        status = list(folder, "", true, err);
    if (status == MIEN_OK && folder->n_faces == 0)
        status = mien_err_set(err, MIEN_ENOTFOUND, "%s has no faces (PNG files)", dir);
    if (status == MIEN_OK) {
        qsort(folder->face, folder->n_faces, sizeof(*folder->face), by_path);
        status = group(folder, err);
    }
    if (status == MIEN_OK)
        status = read_table(folder, err);
    if (status != MIEN_OK) {
        mien_folder_free(folder);
        return status;
    }
    *out = folder;
    return MIEN_OK;
}

void mien_folder_free(struct mien_folder *folder)
{
    if (folder == NULL)
        return;
    for (size_t i = 0; i < folder->n_faces; i++)
        mien_free(folder->face[i].path);
    for (size_t i = 0; i < folder->n_devices; i++)
        mien_free(folder->device[i].name);
    mien_free(folder->face);
    mien_free(folder->device);
    mien_table_free(folder->table);
    mien_free(folder->dir);
    mien_free(folder);
}

bool mien_folder_flat(const struct mien_folder *folder)
{
    return folder->flat;
}

size_t mien_folder_n_devices(const struct mien_folder *folder)
{
    return folder->n_devices;
}

const char *mien_folder_device(const struct mien_folder *folder, size_t device)
{
    return folder->device[device].name;
}

size_t mien_folder_n_faces(const struct mien_folder *folder, size_t device)
{
    return folder->device[device].n;
}

enum mien_status mien_folder_read(const struct mien_folder *folder,
                                  const struct mien_folder_face *face, uint8_t *pixels,
                                  struct mien_err *err)
{
    const struct face *entry = &folder->face[folder->device[face->device].first + face->index];
    char path[MAX_PATH_BYTES];
    struct mien_buf bytes = {0};
    struct mien_image image = {0};
    enum mien_status status = mien_path_join(folder->dir, entry->path, path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, MAX_PICTURE_BYTES, &bytes, err);
    if (status == MIEN_OK) {
        status = mien_image_decode(mien_buf_span(&bytes), &image, err);
        if (status != MIEN_OK)
            status = mien_err_prefix(err, status, "%s", path);
    }
    if (status == MIEN_OK)
        mien_image_fit(&image, face->size, face->channels, pixels);
    mien_image_fini(&image);
    mien_buf_fini(&bytes);
    return status;
}

const char *mien_folder_attribute(const struct mien_folder *folder, size_t device, size_t index,
                                  const char *name)
{
    const struct face *face = &folder->face[folder->device[device].first + index];

    return face->row == NO_ROW ? NULL : mien_table_value(folder->table, face->row, name);
}
