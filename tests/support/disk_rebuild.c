// SPDX-License-Identifier: Apache-2.0
#include "tests/support/disk.h"
#include "tests/support/disk_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

/* A file as the model sees it: its bytes, and the name it is found under. */
struct image {
    uint8_t *data;
    size_t len;
    char name[NAME_BYTES]; /* "": none */
};

static uint64_t mix(uint64_t x) /* splitmix64's: good enough to toss coins */
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct rebuild {
    size_t n;
    enum disk_cut cut;
    uint64_t seed;
    const char *to;
    struct image files[MAX_FILES];
};

static bool is_parent(const char *dir, const char *name)
{
    const char *slash = strrchr(name, '/');
    const size_t n = slash == NULL ? 0 : (size_t)(slash - name);

    return strlen(dir) == n && strncmp(dir, name, n) == 0;
}

/* Whether a sync before the cut made step i safe. */
static bool is_safe(const struct rebuild *r, size_t i)
{
    const struct step *s = &disk.steps[i];
    const bool in_file = s->kind == WRITE || s->kind == TRUNCATE;

    for (size_t k = i + 1; k < r->n; k++) {
        const struct step *sync = &disk.steps[k];

        if (in_file && sync->kind == SYNC && sync->file == s->file)
            return true;
        if (!in_file && sync->kind == SYNC_DIR && is_parent(sync->name, s->name))
            return true;
    }
    return false;
}

static bool survives(const struct rebuild *r, size_t i, uint64_t part)
{
    if (r->cut == DISK_KILL || is_safe(r, i))
        return true;
    return r->cut == DISK_RANDOM && (mix(r->seed ^ mix(i * 1000003 + part)) & 1) != 0;
}

static void resize(struct image *image, size_t len)
{
    if (len > image->len) {
        image->data = realloc(image->data, len);
        assert(image->data != NULL);
        memset(image->data + image->len, 0, len - image->len);
    }
    image->len = len;
}

static void apply_write(struct rebuild *r, size_t i)
{
    const struct step *s = &disk.steps[i];
    struct image *image = &r->files[s->file];

    for (size_t done = 0; done < s->len;) {
        const size_t in_sector = SECTOR - (s->at + done) % SECTOR;
        const size_t n = in_sector < s->len - done ? in_sector : s->len - done;

        if (survives(r, i, done)) {
            if (image->len < s->at + done + n)
                resize(image, s->at + done + n);
            memcpy(image->data + s->at + done, s->data + done, n);
        }
        done += n;
    }
}

/* Two names for one file, or one for two, are what a lost step of a directory leaves. */
static void take_name(struct rebuild *r, const char *name)
{
    for (int i = 0; i < disk.n_files; i++) {
        if (strcmp(r->files[i].name, name) == 0)
            r->files[i].name[0] = '\0';
    }
}

static void apply_name(struct rebuild *r, const struct step *s)
{
    if (s->kind == UNLINK) {
        take_name(r, s->name);
        return;
    }
    take_name(r, s->kind == RENAME ? s->to : s->name);
    disk_set_name(r->files[s->file].name, s->kind == RENAME ? s->to : s->name);
}

static void path_of(const char *to, const char *name, char out[PATH_MAX])
{
    const int n = snprintf(out, PATH_MAX, "%s/%s", to, name);

    assert(n > 0 && n < PATH_MAX);
}

static void load(struct rebuild *r, int file)
{
    char path[PATH_MAX];
    struct stat about;
    struct image *image = &r->files[file];

    if (disk.created[file])
        return;
    path_of(r->to, disk.first[file], path);
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return;
    assert(fstat(fileno(in), &about) == 0);
    resize(image, (size_t)about.st_size);
    assert(image->len == 0 || fread(image->data, image->len, 1, in) == 1);
    (void)fclose(in);
    (void)unlink(path);
    disk_set_name(image->name, disk.first[file]);
}

static void save(const struct rebuild *r, const struct image *image)
{
    char path[PATH_MAX];

    if (image->name[0] == '\0')
        return;
    path_of(r->to, image->name, path);
    FILE *out = fopen(path, "wb");
    assert(out != NULL);
    assert(image->len == 0 || fwrite(image->data, image->len, 1, out) == 1);
    assert(fclose(out) == 0);
}

static uint64_t apply(struct rebuild *r)
{
    uint64_t promised = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct step *s = &disk.steps[i];

        if (s->kind == PROMISE)
            promised = s->at;
        else if (s->kind == WRITE)
            apply_write(r, i);
        else if (s->kind == TRUNCATE && survives(r, i, 0))
            resize(&r->files[s->file], s->at);
        else if ((s->kind == CREATE || s->kind == RENAME || s->kind == UNLINK) && survives(r, i, 0))
            apply_name(r, s);
    }
    return promised;
}

uint64_t disk_rebuild(size_t n, enum disk_cut cut, uint64_t seed, const char *to)
{
    struct rebuild *r = calloc(1, sizeof(*r));
    uint64_t promised;

    assert(r != NULL && !disk.on);
    *r = (struct rebuild){.n = n, .cut = cut, .seed = seed, .to = to};
    for (int i = 0; i < disk.n_files; i++)
        load(r, i);
    promised = apply(r);
    for (int i = 0; i < disk.n_files; i++) {
        save(r, &r->files[i]);
        free(r->files[i].data);
    }
    free(r);
    return promised;
}
